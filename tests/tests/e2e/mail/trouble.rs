//! A mail server that says later or no, or that is away.

use e2e::world::{MailServer, Offer, wait};
use mdm_core::audit::Happening;

use super::{HANAKO, SOON, TARO, ask, noted, staff, standings, wait_for, wait_for_trouble, world};

#[test]
fn later_is_tried_again_and_no_ends_it_until_somebody_asks() {
    let server = MailServer::running(Offer::Starttls).unwrap();
    server.answers(TARO, Some("451 4.7.1 come back later")).unwrap();
    server.answers(HANAKO, Some("550 5.1.1 no such mailbox")).unwrap();
    let world = world(server.config());
    let batch = staff(&world);
    ask(&world, &batch);
    let found = wait::until("both were tried", || {
        let found = standings(&world, &batch);
        (found["000002"]["state"] == "failed" && found["000001"]["tries"] == 1).then_some(found)
    });
    let found = found.unwrap();
    assert_eq!(found["000002"]["why"], "refused");
    assert_eq!(
        (&found["000003"]["state"], noted(&world, Happening::CodeNotMailed)),
        (&"no_address".into(), 1)
    );
    let failed = world.mdmctl(&["batch", "mail", "list", &batch, "--failed"]).unwrap();
    assert_eq!(failed["items"].as_array().unwrap().len(), 1, "{failed}");
    let waits = &found["000001"];
    assert_eq!(
        (&waits["state"], &waits["tries"], &waits["why"]),
        (&"queued".into(), &1.into(), &"later".into())
    );
    assert!(server.taken().unwrap().is_empty());

    server.answers(TARO, None).unwrap();
    world.clock().advance(SOON);
    wait_for(&world, &batch, "sent", &["000001"]);
    assert_eq!(standings(&world, &batch)["000002"]["state"], "failed", "no is not tried again by itself");

    server.answers(HANAKO, None).unwrap();
    assert_eq!(ask(&world, &batch)["queued"], 1, "who was refused, and nobody else");
    wait_for(&world, &batch, "sent", &["000001", "000002"]);
    let to: Vec<_> = server.taken().unwrap().into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, [[TARO], [HANAKO]]);
}

#[test]
fn a_mail_server_that_is_away_gets_everything_when_it_is_back() {
    let mut server = MailServer::new().unwrap();
    let mut world = world(server.config());
    let batch = staff(&world);
    ask(&world, &batch);
    assert_eq!(wait_for_trouble(&world, &batch), ["no_connection", "no_connection"]);
    // What waits is on the disk.
    world.stop().unwrap();
    server.start(Offer::Starttls).unwrap();
    world.clock().advance(SOON);
    world.start().unwrap();
    wait_for(&world, &batch, "sent", &["000001", "000002"]);
    assert_eq!(server.taken().unwrap().len(), 2, "one each");
}

#[test]
fn what_waits_and_was_called_off_does_not_leave() {
    let mut server = MailServer::new().unwrap();
    let world = world(server.config());
    let batch = staff(&world);
    ask(&world, &batch);
    wait_for_trouble(&world, &batch);
    let done = world.mdmctl(&["batch", "mail", "cancel", &batch, "--only", "000001"]).unwrap();
    assert_eq!(done["cancelled"], 1);
    server.start(Offer::Starttls).unwrap();
    world.clock().advance(SOON);
    wait_for(&world, &batch, "sent", &["000002"]);
    assert_eq!(standings(&world, &batch)["000001"]["state"], "cancelled");
    assert_eq!(noted(&world, Happening::CodeMailCancelled), 1);
    let to: Vec<_> = server.taken().unwrap().into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, [[HANAKO]]);
}
