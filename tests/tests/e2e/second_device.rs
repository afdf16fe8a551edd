//! Another device of the same person: its code comes from a device that is unlocked, and from nobody who only has its keys.

use anyhow::{Context as _, Result};
use e2e::attacker::RawDevice;
use e2e::world::{Phone, Site, World};
use shared::wire::{Kind, RefusalReason, SecondDevice, SecondDeviceCode, UnlockFinish};

use crate::thief::{Holder, PIN, holder, runtime};

/// A server that lets everybody have `limit` devices.
fn world_with(limit: u16) -> World {
    let mut world = World::prepared().unwrap();
    world.edit_config(|config| config.devices.per_account = limit).unwrap();
    world.start().unwrap();
    world
}

/// The code that a phone asks for.
fn code(phone: &Phone) -> Result<String> {
    let said = phone.with_pin(PIN).call(&["second-device"])?.expect_success("phone second-device")?.text();
    let code = said.lines().find_map(|line| line.strip_prefix("code")).context("a code")?;
    Ok(code.trim().to_owned())
}

/// Another phone, enrolled by a code that this one has asked for.
fn another(site: &Site, first: &Holder, name: &str, pin: &str) -> Result<Holder> {
    let phone = site.phone(name);
    phone.enrol(&code(&first.phone)?, pin)?;
    let device = phone.status()?["enrolment"].as_str().context("an enrolment")?.to_owned();
    Ok(Holder { phone, device })
}

#[test]
fn two_devices_of_one_person_have_a_pin_each_and_one_survives_the_other() {
    let world = world_with(2);
    let first = holder(&world, "first").unwrap();
    let second = another(&world, &first, "second", "975310").unwrap();
    assert_ne!(first.device, second.device);
    let account = |holder: &Holder| holder.shown(&world).unwrap()["account"].clone();
    assert_eq!(account(&first), account(&second));
    first.phone.unlock(PIN).unwrap();
    second.phone.unlock("975310").unwrap();
    second.phone.try_unlock(PIN).unwrap().expect_failure("the PIN of the other device").unwrap();

    first.order(&world, "block").unwrap();
    first.phone.try_unlock(PIN).unwrap().expect_failure("a blocked device").unwrap();
    second.phone.unlock("975310").unwrap();
    first.order(&world, "wipe").unwrap();
    first.phone.sync().unwrap().expect_success("the wiped device").unwrap();
    assert_eq!(first.phone.erase_state().unwrap()["finished"], true);
    second.phone.unlock("975310").unwrap();
}

#[test]
fn a_running_phone_gives_the_same_code_again_while_it_can_be_used() {
    let world = world_with(3);
    let first = holder(&world, "first").unwrap();
    let running = first.phone.run().unwrap();
    first.phone.call(&["second-device"]).unwrap().expect_failure("a locked phone").unwrap();
    first.phone.unlock(PIN).unwrap();
    let given = code(&first.phone).unwrap();
    assert_eq!(code(&first.phone).unwrap(), given);
    let listed = world.codes().unwrap();
    assert!(listed.iter().any(|person| person.code == given), "it is listed as any other code");
    world.phone("second").enrol(&given, PIN).unwrap();
    world.phone("second").unlock(PIN).unwrap();
    world.phone("third").try_enrol(&given, PIN).unwrap().expect_failure("a used code").unwrap();
    assert_ne!(code(&first.phone).unwrap(), given);
    drop(running);
}

#[test]
fn the_limit_of_devices_is_kept_and_the_refusal_says_so() {
    let world = world_with(1);
    let first = holder(&world, "first").unwrap();
    let refused = first.phone.with_pin(PIN).call(&["second-device"]).unwrap();
    let said = refused.expect_failure("a second device").unwrap();
    assert!(said.contains(&RefusalReason::DeviceLimit.to_string()), "{said}");
    // The control: the same phone at a server that allows two.
    let (mut world, first) = (world, first);
    world.stop().unwrap();
    world.edit_config(|config| config.devices.per_account = 2).unwrap();
    world.start().unwrap();
    let second = another(&world, &first, "second", PIN).unwrap();
    let said =
        second.phone.with_pin(PIN).call(&["second-device"]).unwrap().expect_failure("a third").unwrap();
    assert!(said.contains(&RefusalReason::DeviceLimit.to_string()), "{said}");
}

#[test]
fn the_code_of_a_phone_that_is_blocked_or_wiped_meanwhile_enrols_nobody() {
    let world = world_with(2);
    for order in ["block", "wipe"] {
        let first = holder(&world, order).unwrap();
        let given = code(&first.phone).unwrap();
        first.order(&world, order).unwrap();
        let thief = world.phone(&format!("thief-{order}"));
        let said = thief.try_enrol(&given, PIN).unwrap().expect_failure(order).unwrap();
        assert!(said.contains(&RefusalReason::CodeUsed.to_string()), "{order}: {said}");
    }
}

#[test]
fn a_thief_with_certificate_and_keys_gets_no_code_without_the_pin() {
    let world = world_with(2);
    let holder = holder(&world, "stolen").unwrap();
    holder.phone.unlock(PIN).unwrap();
    let thief = holder.stolen();
    let identity = thief.identity().unwrap();
    runtime().unwrap().block_on(async {
        let device = RawDevice::connect(world.quic(), Some(&identity)).await.unwrap();
        assert_eq!(device.hello().await.unwrap().kind(), Some(Kind::HelloReply), "the certificate is good");
        let answer = device.ask(&SecondDevice {}).await.unwrap();
        assert_eq!(answer.refusal(), Some(RefusalReason::NoGrant));

        // The control: whoever has unlocked gets one.
        let mut begun = thief.begin_online(&device).await.unwrap();
        let granted = begun.stream.ask(&UnlockFinish { ke3: begun.ke3 }).await.unwrap();
        assert_eq!(granted.kind(), Some(Kind::UnlockGranted));
        let enrolment = holder.enrolment().unwrap();
        device.prove_grant(&begun.grant_key, enrolment).await.unwrap();
        let code: SecondDeviceCode = device.ask(&SecondDevice {}).await.unwrap().message().unwrap();
        assert!(shared::activation_code::ActivationCode::parse(&code.code).is_ok());
    });
}
