//! A mail server that cannot be trusted, or does not trust us, gets no code, and the list says why.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use e2e::world::{LocalWorld, MailServer, Offer};
use mdm_server::config::{Mail, MailTls};

use super::wire::{Tap, contains};
use super::{SOON, ask, staff, wait_for, wait_for_trouble, world};

/// In a conversation that somebody between the two can read, the beginning of a mail and of a sign-in.
const MAIL_BEGINS: &[u8] = b"\r\nDATA\r\n";
const SIGN_IN: &[u8] = b"\r\nAUTH ";

/// Mail to two people that was tried once, in vain.
struct Failed {
    world: LocalWorld,
    batch: String,
    why: String,
    /// What the server said that could be read.
    said: Vec<u8>,
}

fn fails(server: &MailServer, mail: impl FnOnce(Mail) -> Mail) -> Failed {
    let tap = Tap::before(server.address());
    let world = world(mail(Mail { port: tap.port(), ..server.config() }));
    let batch = staff(&world);
    ask(&world, &batch);
    let [why, also] = wait_for_trouble(&world, &batch);
    assert_eq!(why, also);
    assert!(server.taken().unwrap().is_empty(), "nothing was sent");
    let said = tap.said();
    assert!(contains(&said, b"EHLO "), "the conversation is seen");
    Failed { world, batch, why, said }
}

#[test]
fn a_mail_server_that_refuses_the_password_gets_nothing_until_the_password_is_right() {
    let server = MailServer::running(Offer::Starttls).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("password");
    fs::write(&wrong, "not this one\n").unwrap();
    fs::set_permissions(&wrong, fs::Permissions::from_mode(0o400)).unwrap();
    let Failed { mut world, batch, why, said } =
        fails(&server, |mail| Mail { password_file: Some(wrong), ..mail });
    assert_eq!(why, "sign_in");
    assert!(server.seen().unwrap().contains(&"auth-refused".to_owned()));
    assert!(!contains(&said, MAIL_BEGINS) && !contains(&said, SIGN_IN), "before TLS there is neither");

    world.stop().unwrap();
    world.edit_config(|config| config.mail = Some(server.config())).unwrap();
    world.clock().advance(SOON);
    world.start().unwrap();
    wait_for(&world, &batch, "sent", &["000001", "000002"]);
    assert_eq!(server.taken().unwrap().len(), 2);
}

#[test]
fn a_mail_server_with_a_certificate_of_somebody_else_gets_nothing() {
    let (server, other) = (MailServer::running(Offer::Starttls).unwrap(), MailServer::new().unwrap());
    for authority in [Some(other.authority()), None] {
        let Failed { why, said, .. } = fails(&server, |mail| Mail { ca_file: authority, ..mail });
        assert_eq!(why, "no_tls");
        assert!(contains(&said, b"STARTTLS\r\n"));
        assert!(!contains(&said, MAIL_BEGINS) && !contains(&said, SIGN_IN));
    }
    assert!(!server.seen().unwrap().contains(&"auth".to_owned()), "nor the password");
}

#[test]
fn a_mail_server_without_tls_gets_nothing() {
    let server = MailServer::running(Offer::Readable).unwrap();
    let Failed { why, said, .. } = fails(&server, |mail| mail);
    assert_eq!(why, "no_tls");
    assert!(!contains(&said, MAIL_BEGINS) && !contains(&said, SIGN_IN));
    assert_eq!(server.seen().unwrap().iter().filter(|seen| *seen != "connect").count(), 0);
}

/// What the tests above look for is there if it is not protected.
#[test]
fn without_tls_on_this_machine_a_mail_can_be_read_on_its_way() {
    let server = MailServer::running(Offer::Readable).unwrap();
    let tap = Tap::before(server.address());
    let world = world(Mail { port: tap.port(), tls: MailTls::None, ca_file: None, ..server.config() });
    let batch = staff(&world);
    ask(&world, &batch);
    wait_for(&world, &batch, "sent", &["000001", "000002"]);
    let said = tap.said();
    assert!(contains(&said, MAIL_BEGINS) && contains(&said, SIGN_IN));
    for mail in server.taken().unwrap() {
        assert!(contains(&said, mail.raw.as_bytes()), "{}", mail.raw);
    }
}
