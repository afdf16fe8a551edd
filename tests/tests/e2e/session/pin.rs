//! A change of the PIN, on real phones.

use e2e::attacker::RawDevice;
use e2e::world::World;
use shared::wire::{Kind, RefusalReason, UnlockFinish};

use crate::thief::{MARKER, MEMO, PIN, holder, runtime};

const NEW: &str = "135792468";

#[test]
fn a_changed_pin_opens_the_vault_and_the_old_one_costs_an_attempt_and_does_not() {
    let world = World::new().unwrap();
    let holder = holder(&world, "pin").unwrap();
    let memo = world.file("memo.txt", MARKER).unwrap();
    holder.put(MEMO, &memo).unwrap();
    let change =
        |old: &str, new: &str| holder.phone.call(&["change-pin", "--pin", old, "--new-pin", new]).unwrap();
    change(PIN, NEW).expect_success("change-pin").unwrap();
    assert_eq!(holder.shown(&world).unwrap()["attempts_left"], 10);

    let said = holder.phone.try_unlock(PIN).unwrap().expect_failure("the old PIN").unwrap();
    assert!(said.contains("PIN is wrong"), "{said}");
    assert_eq!(holder.shown(&world).unwrap()["attempts_left"], 9);
    let got = holder.phone.call(&["get", MEMO, "--pin", NEW]).unwrap().expect_success("get").unwrap();
    assert_eq!(got.stdout, MARKER);
    change(NEW, PIN).expect_success("back again").unwrap();
    holder.phone.unlock(PIN).unwrap();
}

#[test]
fn a_login_that_was_begun_before_the_pin_changed_ends_with_it() {
    let world = World::new().unwrap();
    let runtime = runtime().unwrap();
    for changes in [false, true] {
        let holder = holder(&world, &format!("begun-{changes}")).unwrap();
        let thief = holder.stolen();
        let identity = thief.identity().unwrap();
        let device = runtime.block_on(RawDevice::connect(world.quic(), Some(&identity))).unwrap();
        let mut begun = runtime.block_on(thief.begin_online(&device)).unwrap();
        if changes {
            let change = ["change-pin", "--pin", PIN, "--new-pin", NEW];
            holder.phone.call(&change).unwrap().expect_success("change-pin").unwrap();
        }
        let answer = runtime.block_on(begun.stream.ask(&UnlockFinish { ke3: begun.ke3 })).unwrap();
        match changes {
            true => assert_eq!(answer.refusal(), Some(RefusalReason::PinWrong)),
            false => assert_eq!(answer.kind(), Some(Kind::UnlockGranted), "the control"),
        }
    }
}

#[test]
fn the_fourth_pin_has_to_wait_over_a_restart_and_phone_status_says_until_when() {
    let mut world = World::prepared().unwrap();
    world.edit_config(|config| config.devices.wrong_pin_delay_seconds = 600).unwrap();
    world.start().unwrap();
    let holder = holder(&world, "delay").unwrap();
    holder.phone.unlock(PIN).unwrap();
    for _ in 0..3 {
        assert!(holder.phone.status().unwrap()["unlock_after"].is_null());
        holder.phone.try_unlock("000000000").unwrap().expect_failure("a wrong PIN").unwrap();
    }
    let status = holder.phone.status().unwrap();
    assert!(status["unlock_after"].is_string() && status["wrong_pins"] == 3, "{status}");
    let left = holder.shown(&world).unwrap()["attempts_left"].clone();
    let said = holder.phone.try_unlock(PIN).unwrap().expect_failure("the right PIN, too soon").unwrap();
    assert!(said.contains("try again in"), "{said}");
    assert_eq!(holder.shown(&world).unwrap()["attempts_left"], left, "nothing was asked of the server");
}
