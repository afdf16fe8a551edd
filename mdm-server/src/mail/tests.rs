use mdm_core::audit::Actor;
use mdm_core::batch::Mode;

use super::*;
use crate::config::{Mail, MailLanguage};
use crate::testing::World;
use crate::use_cases::{codes, licenses};

fn mail() -> Mail {
    Mail {
        host: "localhost".to_owned(),
        port: 25,
        tls: MailTls::None,
        from: "helpdesk@example.lg.jp".to_owned(),
        user: None,
        password_file: None,
        ca_file: None,
        per_minute: 60,
        language: MailLanguage::En,
    }
}

async fn opened(world: &World) -> OpenedCode {
    licenses::set_pool(&world.service, 1, Actor::Server).await.unwrap();
    world.apply("職員番号,氏名,所属,利用\n001,山田太郎,総務課,○\n", Mode::Roster).await;
    codes::export(&world.service, Actor::Server).await.unwrap().remove(0)
}

#[tokio::test]
async fn nothing_that_a_person_wrote_becomes_a_header() {
    let world = World::new();
    let mut code = opened(&world).await;
    code.account.history.last_mut().unwrap().value.name = "Taro\r\nBcc: thief@example.com".to_owned();
    let mailer = Mailer::open(&mail()).unwrap();
    let id = MailId::from_bytes([7; 16]);
    let config = &world.service.config;
    let message = mailer.message(config, id, "taro@example.lg.jp", &code, world.now()).unwrap();
    assert_eq!(message.envelope().to().len(), 1);
    let text = String::from_utf8(message.formatted()).unwrap();
    let (headers, _) = text.split_once("\r\n\r\n").unwrap();
    assert!(!headers.to_lowercase().contains("bcc"), "{headers}");
    assert!(headers.contains(&format!("Message-ID: <{id}@example.lg.jp>")), "{headers}");
    assert!(headers.contains("Auto-Submitted: auto-generated"), "{headers}");

    let hostile = [
        "a@example.lg.jp, thief@example.com",
        "a@example.lg.jp\r\nBcc: thief@example.com",
        "a@example.lg.jp> RCPT TO:<thief@example.com",
        "",
    ];
    for address in hostile {
        let refused = mailer.message(config, id, address, &code, world.now());
        assert_eq!(refused.err(), Some(Failure::BadAddress), "{address:?}");
    }
}

#[tokio::test]
async fn a_mail_says_the_code_the_server_the_steps_and_until_when() {
    let world = World::new();
    let code = opened(&world).await;
    let mailer = Mailer::open(&mail()).unwrap();
    let body = mailer.body(&world.service.config, &code, world.now());
    assert!(body.contains(code.text.as_str()));
    assert!(
        body.contains("localhost:4433") && body.contains("山田太郎") && body.contains("Valid until"),
        "{body}"
    );
    assert!(body.contains("\n3. Choose a PIN"), "{body}");
    assert!(!body.contains(code.loss.as_ref().unwrap().as_str()), "a loss code is apart from the phone");
}

#[test]
fn a_password_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail-password");
    std::fs::write(&path, "secret\n").unwrap();
    let mail = Mail { user: Some("mdm".to_owned()), password_file: Some(path.clone()), ..mail() };
    let set = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o644);
    assert!(matches!(Mailer::open(&mail).err(), Some(MailError::Open(_))));
    set(0o400);
    assert!(Mailer::open(&mail).is_ok());
}
