//! Somebody between a phone and its server, with updates of their own.

use std::fs;

use e2e::attacker::{FalsePins, Identity};
use e2e::world::World;
use jiff::Timestamp;
use mdm_server::init::RECOVERY_KEY_FILE;
use shared::cose::{Signer, SoftwareKey, sign};
use shared::signed::{PinOrder, PinUpdate, SigningKeys};
use vault::Home;

use super::{keyring, known_to, offline};
use crate::thief::{PIN, edit_state, holder, runtime};

/// What makes the middleman the server.
fn update(middleman: &Identity, order: PinOrder) -> PinUpdate {
    let pin = middleman.public_key().unwrap().fingerprint();
    PinUpdate { order, issued_at: Timestamp::now(), pins: vec![pin.into()], keys: None }
}

#[test]
fn a_middleman_makes_no_phone_believe_other_keys() {
    let mut world = World::new().unwrap();
    let holder = holder(&world, "between").unwrap();
    world.stop().unwrap();
    let known = known_to(&holder.phone).unwrap();
    let id = known.server_id();
    let command = keyring(&world).unwrap().command;
    let recovery = SoftwareKey::from_pkcs8(&fs::read(offline(&world, RECOVERY_KEY_FILE)).unwrap()).unwrap();
    let middleman = Identity::fresh().unwrap();
    let own = middleman.key().unwrap();
    let newer = PinOrder { epoch: 0, counter: u64::MAX };
    let good = update(&middleman, newer);
    let signed = |update: &PinUpdate, bound_to: &[u8], key: &dyn Signer| sign(update, bound_to, key).unwrap();
    let signing = SigningKeys {
        command: own.public_key().clone(),
        lease: own.public_key().clone(),
        checkpoint: own.public_key().clone(),
    };

    let lies = [
        ("none at all", vec![]),
        ("no statement", vec![vec![0x84]]),
        ("signed by the middleman", vec![signed(&good, &id, &own)]),
        ("of the set that it has", vec![signed(&update(&middleman, known.order), &id, &command)]),
        ("for another server", vec![signed(&good, &[7; 32], &command)]),
        ("without a pin", vec![signed(&PinUpdate { pins: vec![], ..good.clone() }, &id, &command)]),
        (
            "with keys, by the command key",
            vec![signed(&PinUpdate { keys: Some(signing), ..good.clone() }, &id, &command)],
        ),
        (
            "of another epoch, by the command key",
            vec![signed(&update(&middleman, PinOrder { epoch: 9, counter: 9 }), &id, &command)],
        ),
        ("of no new epoch, by the recovery key", vec![signed(&good, &id, &recovery)]),
    ];
    let runtime = runtime().unwrap();
    let pins = {
        let _entered = runtime.enter();
        FalsePins::start(&middleman).unwrap()
    };
    edit_state(&holder.phone, |state| state.server = pins.address().to_string()).unwrap();
    let state = || fs::read(Home::new(holder.phone.home()).state()).unwrap();
    let before = state();
    for (number, (what, updates)) in lies.into_iter().enumerate() {
        pins.hand_out(updates);
        let said = holder.phone.sync().unwrap().expect_failure(what).unwrap();
        assert!(said.contains("does not have the key"), "{what}: {said}");
        assert_eq!(pins.asked(), number + 1, "{what}");
        assert_eq!((state() == before, pins.believed()), (true, 0), "{what}: the phone is as it was");
    }

    // The control: the same with a stolen command key is taken, which SECURITY.md says.
    pins.hand_out(vec![signed(&good, &id, &command)]);
    let _lost = holder.phone.spawn(&["sync"]).unwrap();
    e2e::world::wait::until("the middleman is believed", || (pins.believed() > 0).then_some(())).unwrap();
    assert_eq!(known_to(&holder.phone).unwrap().pins, good.pins);
    drop(_lost);

    // And is undone by the recovery key, however high the middleman has counted.
    super::recover(&world, &world.folder().join("spare-2")).unwrap();
    world.start().unwrap();
    edit_state(&holder.phone, |state| state.server = world.quic().to_string()).unwrap();
    holder.phone.unlock(PIN).unwrap();
    assert_ne!(known_to(&holder.phone).unwrap().pins, good.pins);
}
