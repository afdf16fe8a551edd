//! 適用日時: a batch with a time takes effect at it, or when the server is there again; one that no longer fits does not.

use e2e::world::{LocalWorld, Site, wait};
use jiff::{SignedDuration, Timestamp};
use mdm_core::audit::Happening;
use mdm_server::clock::Clock as _;
use serde_json::{Value, json};

use super::undo::upload;
use super::{accounts, everything};
use crate::prepared::{PIN, exported_journal};

/// As somebody in Japan types it.
fn typed(at: Timestamp) -> String {
    jiff::tz::offset(9).to_datetime(at).strftime("%Y-%m-%dT%H:%M").to_string()
}

fn shown(site: &Site, batch: &str) -> Value {
    site.mdmctl(&["batch", "show", batch]).unwrap()["batch"].clone()
}

fn wait_for_state(site: &Site, batch: &str, state: &str) -> Value {
    wait::until(&format!("the batch is {state}"), || {
        Some(shown(site, batch)).filter(|batch| batch["state"] == state)
    })
    .unwrap()
}

fn noted(site: &Site, batch: &str, what: Happening) -> Vec<Vec<(String, String)>> {
    let entries = exported_journal(site).into_iter();
    let of_batch = entries
        .filter(|entry| entry.what == what && entry.subject.batch.is_some_and(|id| id.to_string() == batch));
    of_batch
        .map(|entry| entry.facts.iter().map(|(name, fact)| (name.to_string(), fact.to_string())).collect())
        .collect()
}

/// Two people in force, of whom one has a phone and is not in a second file. Gives that file's batch.
fn first_and_second(world: &LocalWorld) -> String {
    world.mdmctl(&["licenses", "pool", "set", "5"]).unwrap();
    let first = upload(world, &[(1, "玉手課"), (2, "玉手課")]);
    world.apply(&first).unwrap();
    let leaver = world.codes().unwrap().into_iter().find(|code| code.staff_number == "000002").unwrap();
    let phone = world.phone("leaver");
    phone.enrol(&leaver.code, PIN).unwrap();
    phone.unlock(PIN).unwrap();
    upload(world, &[(1, "沢渡課"), (3, "沢渡課")])
}

#[test]
fn a_batch_whose_time_passed_while_the_server_was_down_takes_effect_at_its_start_and_says_how_late() {
    let mut world = LocalWorld::new().unwrap();
    let batch = first_and_second(&world);
    let before = everything(&world);
    let at = world.clock().now() + SignedDuration::from_hours(2);
    let scheduled = world.mdmctl(&["batch", "schedule", &batch, "--at", &typed(at)]).unwrap();
    assert_eq!(scheduled["state"], "scheduled");

    world.clock().advance(SignedDuration::from_hours(1));
    world.stop().unwrap();
    world.start().unwrap();
    assert_eq!(shown(&world, &batch)["state"], "scheduled", "a start before its time");
    assert_eq!(everything(&world), before, "nothing before its time");
    world.phone("leaver").unlock(PIN).unwrap();

    world.stop().unwrap();
    world.clock().advance(SignedDuration::from_hours(4));
    world.start().unwrap();
    let applied = wait_for_state(&world, &batch, "applied");
    let late = applied["late_by_seconds"].as_u64().unwrap();
    assert!((10_800..=10_860).contains(&late), "three hours, and the seconds of the minute typed: {late}");
    let accounts = accounts(&world);
    assert_eq!(accounts["000001"]["departments"][0]["name"], "沢渡課");
    assert_eq!(accounts["000002"]["state"], "suspended");
    assert_eq!(accounts["000003"]["state"], "provisional");
    wait::until("the phone of who left is blocked", || {
        let device = world.devices().unwrap().remove(0);
        (device["state"] == "blocked").then_some(())
    })
    .unwrap();
    world.phone("leaver").try_unlock(PIN).unwrap().expect_failure("the phone of who left").unwrap();
    let noted = noted(&world, &batch, Happening::BatchApplied);
    assert_eq!(noted.len(), 1, "once");
    assert!(noted[0].iter().any(|(_, fact)| *fact == late.to_string()), "by how much is noted: {noted:?}");
}

#[test]
fn a_batch_that_no_longer_fits_at_its_time_is_held_and_changes_nobody() {
    let mut world = LocalWorld::new().unwrap();
    let batch = first_and_second(&world);
    let at = world.clock().now() + SignedDuration::from_hours(2);
    world.mdmctl(&["batch", "schedule", &batch, "--at", &typed(at)]).unwrap();
    // Another file of the same people takes effect in between.
    let other = upload(&world, &[(1, "玉手課"), (2, "浜田課")]);
    world.apply(&other).unwrap();
    let between = everything(&world);

    world.stop().unwrap();
    world.clock().advance(SignedDuration::from_hours(3));
    world.start().unwrap();
    let held = wait::until("the batch is held", || {
        Some(shown(&world, &batch)).filter(|shown| shown["held"].is_object())
    });
    assert_eq!(held.unwrap()["held"]["why"], json!("stale"));
    assert_eq!(everything(&world), between);
    assert_eq!(noted(&world, &batch, Happening::BatchApplied), Vec::<Vec<_>>::new());
    assert_eq!(noted(&world, &batch, Happening::BatchHeld).len(), 1, "it is noted, once");
    world.phone("leaver").unlock(PIN).unwrap();
}
