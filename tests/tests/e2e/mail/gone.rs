//! A code that is of no use any more when its mail would leave.

use e2e::world::{MailServer, Offer, wait};
use mdm_core::audit::Happening;

use super::{
    HANAKO, SOON, TARO, after, ask, code_of, noted, staff, standings, wait_for, wait_for_trouble, world,
};
use crate::prepared::PIN;

#[test]
fn a_code_that_was_used_or_replaced_while_its_mail_waited_does_not_leave() {
    let server = MailServer::running(Offer::Starttls).unwrap();
    for address in [TARO, HANAKO] {
        server.answers(address, Some("451 4.7.1 come back later")).unwrap();
    }
    let world = world(server.config());
    let batch = staff(&world);
    ask(&world, &batch);
    wait_for_trouble(&world, &batch);
    world.phone("taro").enrol(&code_of(&world, "000001"), PIN).unwrap();
    let replaced = code_of(&world, "000002");
    world.mdmctl(&["codes", "reissue", "000002"]).unwrap();

    for address in [TARO, HANAKO] {
        server.answers(address, None).unwrap();
    }
    world.clock().advance(SOON);
    wait::until("both mails have ended", || (noted(&world, Happening::CodeNotMailed) == 2).then_some(()))
        .unwrap();
    assert!(server.taken().unwrap().is_empty());
    let found = standings(&world, &batch);
    assert_eq!((&found["000001"]["state"], &found["000001"]["why"]), (&"failed".into(), &"code_gone".into()));
    assert_eq!(found["000002"]["state"], "not_asked", "nobody asked for the new code");

    assert_eq!(ask(&world, &batch)["queued"], 1);
    wait_for(&world, &batch, "sent", &["000002"]);
    let mail = server.taken().unwrap().remove(0);
    let sent = after(&mail.body, "アクティベーションコード:");
    assert!(mail.to == [HANAKO] && sent == code_of(&world, "000002") && sent != replaced, "{}", mail.body);
}
