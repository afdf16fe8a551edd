//! An unlock: no kill gives an attempt back.

use std::time::Duration;

use anyhow::Result;
use e2e::world::{Finished, World, wait};

use super::{Tally, kill, rehearse};
use crate::prepared::{self, PIN};

/// How long a phone is given, once the server is dead, to make something of what had reached it.
const GRACE: Duration = Duration::from_secs(1);

const WRONG: &str = "314159";
const LIMIT: u64 = 10;

fn attempts_left(world: &World) -> u64 {
    world.devices().unwrap()[0]["attempts_left"].as_u64().unwrap()
}

/// The phone had KE2 in its hands: only with it can it tell that the PIN is wrong.
fn received_ke2(answer: &Finished) -> bool {
    answer.succeeded() || answer.said().contains("the PIN is wrong")
}

/// A phone that has signed in and then been given three wrong PINs; the server is stopped.
fn prepare() -> World {
    let (mut world, _) = prepared::phone();
    world.start().unwrap();
    let phone = world.phone("phone");
    for left in (LIMIT - 3..LIMIT).rev() {
        let said = phone.try_unlock(WRONG).unwrap().expect_failure("a wrong PIN").unwrap();
        assert!(said.contains("the PIN is wrong"), "{said}");
        assert_eq!(attempts_left(&world), left);
    }
    world.stop().unwrap();
    world
}

/// An unlock whose phone loses its power soon after the server did.
fn unlock(world: &World, pin: &str) -> Result<Finished> {
    let phone = world.phone("phone").spawn(&["unlock", "--pin", pin])?;
    wait::until("an end of the phone or of the server", || {
        (phone.has_ended() || !world.is_up()).then_some(())
    })?;
    match wait::within(GRACE, || phone.has_ended().then_some(())) {
        Some(()) => phone.finish(),
        None => phone.kill(),
    }
}

#[test]
fn a_kill_during_an_unlock_with_a_wrong_pin_never_gives_an_attempt_back() {
    let mut prepared = prepare();
    let before = LIMIT - 3;
    // The wrong PIN is refused as it should be: a success of the exchange, for the count of writes.
    let wrong = |world: &World| {
        let mut answer = unlock(world, WRONG)?;
        if received_ke2(&answer) {
            answer.status = Default::default();
        }
        Ok(answer)
    };
    let rehearsal = rehearse(&mut prepared, &wrong).unwrap();
    let mut tally = Tally::default();
    let (mut charged, mut received) = (0, 0);
    for mode in rehearsal.points(20, 2) {
        let mut killed = kill(&prepared, mode, &wrong).unwrap();
        tally.note(&killed);
        killed.world.start().unwrap();
        let left = attempts_left(&killed.world);
        assert!(left == before || left == before - 1, "{mode:?}: {before} attempts became {left}");
        if received_ke2(&killed.answer) {
            received += 1;
            assert_eq!(left, before - 1, "{mode:?}: KE2 was received and the attempt is not charged");
        }
        charged += usize::from(left < before);
        rehearsal.anchor.verify(&killed.world).unwrap();
        let phone = killed.world.phone("phone");
        phone.unlock(PIN).unwrap();
        assert_eq!(
            attempts_left(&killed.world),
            LIMIT,
            "{mode:?}: only a verified unlock gives attempts back"
        );
    }
    println!("{charged} of the attempts were charged, {received} times KE2 was received");
    assert!(received <= charged);
    assert!(charged > received, "no kill fell between the charge and KE2");
    tally.conclude("unlock with a wrong PIN", &rehearsal);
}

#[test]
fn a_kill_during_an_unlock_with_the_right_pin_loses_no_acknowledged_sign_in() {
    let mut prepared = prepare();
    let before = LIMIT - 3;
    let right = |world: &World| unlock(world, PIN);
    let rehearsal = rehearse(&mut prepared, &right).unwrap();
    let mut tally = Tally::default();
    let (mut charged, mut credited) = (0, 0);
    for mode in rehearsal.points(20, 2) {
        let mut killed = kill(&prepared, mode, &right).unwrap();
        tally.note(&killed);
        killed.world.start().unwrap();
        let left = attempts_left(&killed.world);
        assert!(
            [LIMIT, before, before - 1].contains(&left),
            "{mode:?}: {before} attempts became {left}: neither charged once nor given back by the verified unlock"
        );
        if killed.answer.succeeded() {
            assert_eq!(left, LIMIT, "{mode:?}: the unlock was acknowledged");
        }
        charged += usize::from(left < before);
        credited += usize::from(left == LIMIT);
        rehearsal.anchor.verify(&killed.world).unwrap();
        let phone = killed.world.phone("phone");
        phone.unlock(PIN).unwrap_or_else(|error| panic!("{mode:?}: the phone is locked out: {error:#}"));
    }
    println!("{charged} of the killed unlocks were left charged, {credited} credited");
    assert!(charged > 0, "no kill fell between the charge and the credit");
    tally.conclude("unlock", &rehearsal);
}
