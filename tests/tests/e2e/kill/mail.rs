//! Two mails, asked for and sent. Sending and noting cannot be one step: a mail may come twice, with the same Message-ID, and none
//! may be lost.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use e2e::world::{Finished, MailServer, Offer, World, wait};
use serde_json::Value;

use super::{Tally, kill, rehearse};
use crate::mail::{HANAKO, TARO, staff, standings};

/// A server that is down, which sends through this one, and the batch of three people of whom two have an address.
fn prepared(server: &MailServer) -> (World, String) {
    let mut world = World::prepared().unwrap();
    world.edit_config(|config| config.mail = Some(server.config())).unwrap();
    world.start().unwrap();
    let batch = staff(&world);
    world.stop().unwrap();
    (world, batch)
}

fn are_sent(listed: &Value) -> bool {
    listed["sent"] == 2
}

/// Asks for mail, and waits until all is sent: the answer of who looks last.
fn send(world: &World, batch: &str) -> Result<Finished> {
    let asked = world.try_mdmctl(&["batch", "mail", "send", batch])?;
    if !asked.succeeded() {
        return Ok(asked);
    }
    wait::until("all is sent, or the server is gone", || {
        let answer = world.try_mdmctl(&["batch", "mail", "list", batch]);
        let is_done = answer
            .as_ref()
            .is_ok_and(|answer| serde_json::from_slice(&answer.stdout).is_ok_and(|listed| are_sent(&listed)));
        let is_gone = answer.as_ref().is_ok_and(|answer| !answer.succeeded()) && !world.is_up();
        (is_done || is_gone).then_some(answer)
    })?
}

fn wait_until_sent(world: &World, batch: &str) {
    wait::until("all is sent", || {
        let listed = world.mdmctl(&["batch", "mail", "list", batch]).ok()?;
        are_sent(&listed).then_some(())
    })
    .unwrap();
}

/// Which Message-IDs came how often to whom, of what came after the first `before` mails.
fn came(server: &MailServer, before: usize) -> BTreeMap<String, (BTreeSet<String>, usize)> {
    let mut came = BTreeMap::<_, (BTreeSet<String>, usize)>::new();
    for mail in server.taken().unwrap().split_off(before) {
        let (ids, count) = came.entry(mail.to.concat()).or_default();
        ids.insert(mail.headers["message-id"].clone());
        *count += 1;
    }
    came
}

#[test]
fn no_mail_is_lost_and_one_that_came_twice_can_be_told_wherever_the_server_is_killed() {
    let server = MailServer::running(Offer::Starttls).unwrap();
    let (mut prepared, batch) = prepared(&server);
    let send = |world: &World| send(world, &batch);
    let rehearsal = rehearse(&mut prepared, &send).unwrap();

    let (mut tally, mut twice) = (Tally::default(), 0);
    for mode in rehearsal.points(16, 1) {
        let before = server.taken().unwrap().len();
        let mut killed = kill(&prepared, mode, &send).unwrap();
        tally.note(&killed);
        killed.world.start().unwrap();
        if standings(&killed.world, &batch)["000001"]["state"] == "not_asked" {
            assert!(!killed.answer.succeeded(), "{mode:?}: what was asked for is lost");
            assert_eq!(came(&server, before), BTreeMap::new(), "{mode:?}: a mail of which nothing is known");
            killed.world.mdmctl(&["batch", "mail", "send", &batch]).unwrap();
        }
        wait_until_sent(&killed.world, &batch);
        let came = came(&server, before);
        assert_eq!(came.keys().collect::<Vec<_>>(), [HANAKO, TARO], "{mode:?}");
        for (to, (ids, count)) in &came {
            assert!(ids.len() == 1 && *count <= 2, "{mode:?}: {count} mails to {to}: {ids:?}");
            twice += count - 1;
        }
        let ids: BTreeSet<_> = came.values().flat_map(|(ids, _)| ids).collect();
        assert_eq!(ids.len(), 2, "{mode:?}: each has its own");
        rehearsal.anchor.verify(&killed.world).unwrap();
    }
    println!("{twice} mails came twice");
    assert!(twice > 0, "no kill fell between a mail's sending and its note");
    tally.conclude("batch mail send", &rehearsal);
}

#[test]
fn a_mail_whose_answer_the_server_did_not_live_to_hear_is_sent_again_as_the_same() {
    let server = MailServer::running(Offer::Starttls).unwrap();
    let (mut world, batch) = prepared(&server);
    world.start().unwrap();
    server.hold(true).unwrap();
    world.mdmctl(&["batch", "mail", "send", &batch]).unwrap();
    wait::until("a mail came", || (server.taken().unwrap().len() == 1).then_some(())).unwrap();
    world.kill().unwrap();
    server.hold(false).unwrap();
    world.start().unwrap();
    wait_until_sent(&world, &batch);
    let came = came(&server, 0);
    let counts: BTreeSet<_> = came.values().map(|(ids, count)| (ids.len(), *count)).collect();
    assert_eq!(counts, BTreeSet::from([(1, 1), (1, 2)]), "{came:?}");
}
