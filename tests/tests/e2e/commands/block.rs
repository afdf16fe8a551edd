//! 利用停止: what it withholds from the phone and from a copy of it, and that unblocking gives it back.

use e2e::attacker::{OpenedBy, RawDevice, Unopened};
use e2e::world::World;
use shared::wire::{Kind, RefusalReason};

use crate::thief::{MARKER, MEMO, PIN, holder, runtime};

#[test]
fn a_block_closes_a_connected_phone_and_unblocking_lets_it_be_opened_again() {
    let world = World::new().unwrap();
    let holder = holder(&world, "block").unwrap();
    let phone = &holder.phone;
    let offline_slot = phone.home().join("vault/slots/offline");
    let running = phone.run().unwrap();
    phone.unlock(PIN).unwrap();
    phone.put(MEMO, MARKER).unwrap();
    assert_eq!(phone.get(MEMO).unwrap(), MARKER);
    assert!(offline_slot.exists() && !phone.status().unwrap()["lease"].is_null());

    holder.order(&world, "block").unwrap();
    running.process().wait_for_line("the block", |line| (line == "blocked").then_some(())).unwrap();
    let memo = world.file("memo.txt", MARKER).unwrap();
    for arguments in [vec!["get", MEMO], vec!["ls"], vec!["put", MEMO, memo.to_str().unwrap()]] {
        let said = phone.call(&arguments).unwrap().expect_failure(arguments[0]).unwrap();
        assert!(said.contains("blocked"), "{said}");
    }
    phone.try_unlock(PIN).unwrap().expect_failure("unlocking a blocked phone").unwrap();
    assert!(!offline_slot.exists(), "the offline slot is dropped");
    let status = phone.status().unwrap();
    assert!(status["blocked"] == true && status["lease"].is_null(), "{status}");

    holder.order(&world, "unblock").unwrap();
    running.process().wait_for_line("the unblock", |line| (line == "unblocked").then_some(())).unwrap();
    phone.unlock(PIN).unwrap();
    assert_eq!(phone.get(MEMO).unwrap(), MARKER);
    assert!(offline_slot.exists());
}

#[test]
fn a_copy_gets_no_ke2_while_blocked_and_one_after_the_unblock() {
    let world = World::new().unwrap();
    let runtime = runtime().unwrap();
    let holder = holder(&world, "block").unwrap();
    let memo = world.file("memo.txt", MARKER).unwrap();
    holder.put(MEMO, &memo).unwrap();
    let copy = holder.copied("copied").unwrap();
    let identity = copy.identity().unwrap();
    let connected = runtime.block_on(RawDevice::connect(world.quic(), Some(&identity))).unwrap();
    assert_eq!(runtime.block_on(connected.start_unlock()).unwrap().1.kind(), Some(Kind::UnlockChallenge));
    let attempts = holder.shown(&world).unwrap()["attempts_left"].clone();

    holder.order(&world, "block").unwrap();
    for _ in 0..20 {
        let (_, answer) = runtime.block_on(connected.start_unlock()).unwrap();
        assert_eq!(answer.refusal(), Some(RefusalReason::Blocked));
    }
    match runtime.block_on(copy.open(world.quic())) {
        Err([_, Unopened::NoHelp(answer)]) => assert_eq!(answer.refusal(), Some(RefusalReason::Blocked)),
        Err([_, error]) => panic!("{error}"),
        Ok((by, _)) => panic!("opened by {by:?}"),
    }
    assert_eq!(holder.shown(&world).unwrap()["attempts_left"], attempts, "a refusal costs no attempt");

    holder.order(&world, "unblock").unwrap();
    let (by, key) = runtime.block_on(copy.open(world.quic())).unwrap();
    assert_eq!(by, OpenedBy::Server);
    assert_eq!(copy.file(&key, MEMO).unwrap(), MARKER);
}

#[test]
fn a_phone_that_was_off_during_the_block_drops_its_durable_lease_when_it_is_switched_on() {
    let mut world = World::with_durable_leases().unwrap();
    world.start().unwrap();
    let holder = holder(&world, "block").unwrap();
    let slots = holder.phone.home().join("vault/slots");
    holder.phone.unlock(PIN).unwrap();
    assert!(slots.join("offline").exists() && slots.join("lease-secret").exists());

    holder.order(&world, "block").unwrap();
    holder.phone.call(&["sync"]).unwrap().expect_success("phone sync").unwrap();
    for name in ["offline", "lease", "lease-secret"] {
        assert!(!slots.join(name).exists(), "{name}");
    }
    assert!(slots.join("online").exists(), "a block can be undone");
}
