//! 遠隔消去 as an attack sees it: what a copy of a switched-off phone is worth after it, what is left anywhere, and that an
//! erase once begun ends.

mod erase;
mod race;

use std::fs;

use e2e::attacker::{OpenedBy, StolenHome, Unopened, unlock_secrets};
use e2e::world::{Site, World, files};
use shared::policy::LeaseMode;
use shared::wire::Kind;

use crate::thief::{Holder, MARKER, MEMO, PIN, holder, left_in, runtime};

fn world_with(lease: LeaseMode, durable_on_software: bool) -> World {
    let mut world = World::prepared().unwrap();
    world
        .edit_config(|config| {
            config.devices.lease_mode = lease;
            config.devices.durable_lease_on_software_keys = durable_on_software;
        })
        .unwrap();
    world.start().unwrap();
    world
}

/// A phone that was unlocked, stored the marker, was locked, and lost power while it was connected.
fn switched_off(site: &Site, lease: Option<&str>) -> Holder {
    let holder = holder(site, "taxi").unwrap();
    let running = holder.phone.run().unwrap();
    holder.phone.unlock(PIN).unwrap();
    holder.phone.put(MEMO, MARKER).unwrap();
    holder.phone.call(&["lock"]).unwrap().expect_success("phone lock").unwrap();
    let status = holder.phone.status().unwrap();
    assert_eq!(status["state"], "locked");
    assert_eq!(status["lease"]["mode"].as_str(), lease);
    running.kill().unwrap();
    holder
}

fn the_copy_stays_closed_after_the_wipe(lease: LeaseMode, running_lease: Option<&str>) {
    let mut world = world_with(lease, false);
    let runtime = runtime().unwrap();
    let holder = switched_off(&world, running_lease);
    let before = holder.copied("copied-before").unwrap();
    let after = holder.phone.copy("copied-after").unwrap();
    assert_eq!(after.home().join("vault/slots/offline").exists(), running_lease.is_some());
    let after = StolenHome::new(after.home(), PIN);

    // The control: the same tool, the same PIN, the same folder, an honest server, no wipe.
    let (by, key) = runtime.block_on(before.open(world.quic())).unwrap();
    assert_eq!(by, OpenedBy::Server);
    assert_eq!(before.file(&key, MEMO).unwrap(), MARKER);

    let wiped = holder.order(&world, "wipe").unwrap();
    let said = wiped["statement"]["en"].as_str().unwrap();
    assert!(!said.contains("a copy of its storage"), "{said}");
    assert_stays_closed(&world, &after, running_lease.is_some());
    world.restart().unwrap();
    assert_stays_closed(&world, &after, running_lease.is_some());
}

/// The tool reads no clock, so this holds at any date.
fn assert_stays_closed(site: &Site, copy: &StolenHome, had_lease: bool) {
    let [by_lease, by_server] = match runtime().unwrap().block_on(copy.open(site.quic())) {
        Ok((by, _)) => panic!("the copy was opened, by {by:?}"),
        Err(reasons) => reasons,
    };
    match by_lease {
        Unopened::NoLeaseSecret(tried) => assert!(had_lease && tried > 1_000, "{tried}"),
        Unopened::NoOfflineSlot => assert!(!had_lease),
        other => panic!("{other}"),
    }
    match by_server {
        Unopened::NoHelp(answer) => {
            assert_eq!(answer.kind(), Some(Kind::Command), "the wipe and nothing else")
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_switched_off_phone_without_a_lease_cannot_be_opened_after_its_wipe() {
    the_copy_stays_closed_after_the_wipe(LeaseMode::None, None);
}

#[test]
fn a_phone_switched_off_during_a_volatile_lease_cannot_be_opened_after_its_wipe() {
    the_copy_stays_closed_after_the_wipe(LeaseMode::Volatile, Some("volatile"));
}

#[test]
fn durable_without_the_exception_for_software_keys_is_volatile() {
    the_copy_stays_closed_after_the_wipe(LeaseMode::Durable, Some("volatile"));
}

#[test]
fn a_durable_lease_on_software_keys_opens_from_a_copy_after_the_wipe_as_is_said() {
    let world = world_with(LeaseMode::Durable, true);
    let holder = switched_off(&world, Some("durable"));
    let copy = holder.copied("copied").unwrap();
    holder.order(&world, "wipe").unwrap();

    let (by, key) = runtime().unwrap().block_on(copy.open(world.quic())).unwrap();
    assert_eq!(by, OpenedBy::Lease);
    assert_eq!(copy.file(&key, MEMO).unwrap(), MARKER);
    let of_the_device = holder.shown(&world).unwrap()["statement"]["en"].as_str().unwrap().to_owned();
    assert!(
        of_the_device.contains("a copy of its storage made meanwhile could be opened"),
        "{of_the_device}"
    );
    let said = include_str!("../../../docs/SECURITY.md");
    assert!(
        said.contains("A durable lease on a phone without hardware-bound keys can be opened from a copy.")
    );
}

#[test]
fn after_the_wipe_the_record_and_its_name_are_nowhere_at_the_server() {
    let mut world = World::new().unwrap();
    let holder = holder(&world, "page").unwrap();
    holder.phone.unlock(PIN).unwrap();
    let copy = world.folder().join("copied-key-file");
    fs::copy(world.data().join("unlock-records"), &copy).unwrap();
    let secrets = runtime().unwrap().block_on(unlock_secrets(&copy, holder.enrolment().unwrap())).unwrap();
    fs::remove_file(&copy).unwrap();

    let found = |needle: &[u8]| files::containing(world.folder(), needle).unwrap();
    let key_file = [world.data().join("unlock-records")];
    assert_eq!(
        found(&secrets.record),
        key_file,
        "the search finds the record before the wipe, and only there"
    );
    assert_eq!(found(&secrets.credential), key_file);

    holder.order(&world, "wipe").unwrap();
    assert!(found(&secrets.record).is_empty());
    assert!(found(&secrets.credential).is_empty());
    for part in secrets.record.chunks_exact(32) {
        assert!(found(part).is_empty(), "not in parts either");
    }
    world.stop().unwrap();
    assert!(files::containing(world.folder(), &secrets.record).unwrap().is_empty());
    assert!(files::containing(world.folder(), &secrets.credential).unwrap().is_empty());
}

#[test]
fn an_open_phone_that_is_wiped_leaves_nothing_and_never_had_the_marker_in_clear() {
    let world = World::new().unwrap();
    let holder = holder(&world, "leaves").unwrap();
    let home = holder.phone.home().to_owned();
    let outside = tempfile::tempdir().unwrap();
    let source = outside.path().join("source");
    // Once small, and once over many chunks.
    fs::write(&source, MARKER.repeat(4_000)).unwrap();
    assert_eq!(files::containing(outside.path(), MARKER).unwrap().len(), 1, "the search finds it");

    let running = holder.phone.run().unwrap();
    holder.phone.unlock(PIN).unwrap();
    holder.phone.call(&["put", MEMO, source.to_str().unwrap()]).unwrap().expect_success("phone put").unwrap();
    fs::write(&source, MARKER).unwrap();
    holder
        .phone
        .call(&["put", "small", source.to_str().unwrap()])
        .unwrap()
        .expect_success("phone put")
        .unwrap();
    assert_eq!(holder.phone.get("small").unwrap(), MARKER);

    let nowhere = |when: &str| {
        let logs = [running.process().log(), running.process().printed(), world.log()].concat();
        for needle in [MARKER, PIN.as_bytes()] {
            assert!(files::containing(world.folder(), needle).unwrap().is_empty(), "{when}");
            assert!(!files::contains(logs.as_bytes(), needle), "{when}, in a log");
        }
    };
    nowhere("while the vault is open");
    let secrets: Vec<Vec<u8>> = ["device/secret", "device/key", "vault/slots/online", "vault/slots/offline"]
        .iter()
        .map(|name| fs::read(home.join(name)).unwrap())
        .collect();
    for secret in &secrets {
        assert_eq!(
            files::containing(world.folder(), secret).unwrap().len(),
            1,
            "the search finds each of them"
        );
    }

    holder.order(&world, "wipe").unwrap();
    running
        .process()
        .wait_for_line("the wipe", |line| (line == "receipt acknowledged").then_some(()))
        .unwrap();
    nowhere("after the wipe");
    running.finish().unwrap().expect_success("phone run").unwrap();

    assert_eq!(left_in(&home).unwrap(), [std::path::PathBuf::from("gone")]);
    let wipe = holder.shown(&world).unwrap()["wipe"].clone();
    let gone = fs::read_to_string(home.join("gone")).unwrap();
    assert_eq!(gone, format!("gone {}\n", wipe["command"].as_str().unwrap()));
    for secret in &secrets {
        assert!(files::containing(world.folder(), secret).unwrap().is_empty());
    }
    assert!(wipe["sealed_at"].is_string() && wipe["receipt_sha256"].is_string(), "{wipe}");
    assert_eq!(wipe["further_receipts"], 0);
}
