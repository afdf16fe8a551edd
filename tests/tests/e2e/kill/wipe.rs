//! A wipe: tombstone, page, seal.

use std::fs;

use e2e::world::{Phone, World, files};
use serde_json::Value;

use super::{Tally, kill, kill_starts, rehearse};
use crate::prepared::{self, PIN};

fn key_file(world: &World) -> Vec<u8> {
    fs::read(world.data().join("unlock-records")).unwrap()
}

/// The places of the key file that a wipe zeroes, and what stood there, in pieces that occur nowhere by chance.
struct Doomed {
    places: Vec<usize>,
    pieces: Vec<Vec<u8>>,
}

impl Doomed {
    fn find(before: &World, after: &World) -> Self {
        let (before, after) = (key_file(before), key_file(after));
        let zeroed = |i: &usize| before[*i] != 0 && after.get(*i).is_none_or(|byte| *byte == 0);
        let places: Vec<usize> = (0..before.len()).filter(zeroed).collect();
        let bytes: Vec<u8> = places.iter().map(|i| before[*i]).collect();
        let random = |piece: &&[u8]| piece.iter().collect::<std::collections::BTreeSet<_>>().len() > 12;
        let pieces: Vec<_> = bytes.chunks_exact(16).filter(random).map(<[u8]>::to_vec).collect();
        assert!(
            pieces.len() * 16 >= 128,
            "a wipe should zero at least an OPAQUE record, and zeroed {} bytes",
            places.len()
        );
        Self { places, pieces }
    }

    fn is_gone(&self, world: &World) -> bool {
        let now = key_file(world);
        self.places.iter().all(|i| now.get(*i).is_none_or(|byte| *byte == 0))
    }

    fn assert_nowhere(&self, world: &World, when: &str) {
        for piece in &self.pieces {
            let found = files::containing(&world.data(), piece).unwrap();
            assert!(found.is_empty(), "{when}: a piece of the destroyed page is in {found:?}");
        }
    }
}

fn assert_live(phone: &Phone, device: &Value, when: &str) {
    assert_eq!(device["state"], "live", "{when}");
    assert_eq!(device["wipe"], Value::Null, "{when}");
    phone.unlock(PIN).unwrap_or_else(|error| panic!("{when}: {error:#}"));
}

fn assert_wiped(phone: &Phone, device: &Value, when: &str) {
    assert_eq!(device["state"], "wiped", "{when}");
    assert!(device["wipe"]["sealed_at"].is_string(), "{when}: {device}");
    assert_eq!(device["attempts_left"], Value::Null, "{when}");
    phone.try_unlock(PIN).unwrap().expect_failure(when).unwrap();
    phone.try_unlock(PIN).unwrap().expect_failure(when).unwrap();
}

#[test]
fn a_wipe_is_whole_or_not_there_and_a_tombstone_is_final_wherever_the_server_is_killed() {
    let (mut prepared, id) = prepared::phone();
    let wipe = |world: &World| world.try_mdmctl(&["devices", "wipe", &id, "--reason", "left in a taxi"]);
    let rehearsal = rehearse(&mut prepared, &wipe).unwrap();
    let doomed = Doomed::find(&prepared, &rehearsal.world);

    let mut tally = Tally::default();
    let (mut wiped, mut resealed, mut unsealed) = (0, 0, None);
    for mode in rehearsal.points(20, 2) {
        let mut killed = kill(&prepared, mode, &wipe).unwrap();
        tally.note(&killed);
        let acknowledged = killed.answer.succeeded();
        let was_gone = doomed.is_gone(&killed.world);
        let left = killed.world.copy().unwrap();
        killed.world.start().unwrap();
        let device = killed.world.device(&id).unwrap();
        let phone = killed.world.phone("phone");
        let when = format!("{mode:?} of {:?}", killed.calls.last());
        if device["state"] == "wiped" {
            wiped += 1;
            if !was_gone {
                resealed += 1;
                unsealed = Some(left);
            }
            assert!(doomed.is_gone(&killed.world), "{when}: the page is not zeroed after the restart");
            doomed.assert_nowhere(&killed.world, &when);
            assert_wiped(&phone, &device, &when);
        } else {
            assert!(!acknowledged, "{when}: the wipe was acknowledged and is not there: {device}");
            assert!(!was_gone, "{when}: the page was destroyed before the wipe was committed");
            assert_live(&phone, &device, &when);
        }
        assert!(!acknowledged || was_gone, "{when}: acknowledged before the page was zeroed");
        rehearsal.anchor.verify(&killed.world).unwrap();
    }
    println!(
        "{wiped} of the killed wipes were in force after the restart, which zeroed the page of {resealed}"
    );
    assert!(wiped < tally.points, "no kill fell before the tombstone");
    let unsealed = unsealed.expect("a kill between the tombstone and the end of the page");
    let again = kill_starts(&unsealed, 15, |world, when| {
        assert!(doomed.is_gone(world), "{when}");
        doomed.assert_nowhere(world, when);
        assert_wiped(&world.phone("phone"), &world.device(&id).unwrap(), when);
    });
    assert!(again.unwrap() > 3, "the start should be killed while it destroys the page");
    tally.conclude("wipe", &rehearsal);
}
