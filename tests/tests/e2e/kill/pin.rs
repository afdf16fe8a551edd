//! A change of the PIN: after every kill one PIN opens the vault, and the other does not.

use e2e::world::World;

use super::{Tally, kill, rehearse};
use crate::prepared::{self, PIN};

const NEW: &str = "161803";

#[test]
fn a_kill_during_a_change_of_the_pin_leaves_one_that_opens() {
    let (mut prepared, _) = prepared::phone();
    let change = |world: &World| world.phone("phone").call(&["change-pin", "--pin", PIN, "--new-pin", NEW]);
    let rehearsal = rehearse(&mut prepared, &change).unwrap();
    let mut tally = Tally::default();
    let (mut old, mut new) = (0, 0);
    for mode in rehearsal.points(24, 2) {
        let mut killed = kill(&prepared, mode, &change).unwrap();
        tally.note(&killed);
        killed.world.start().unwrap();
        let phone = killed.world.phone("phone");
        let opens = |pin| phone.try_unlock(pin).unwrap().succeeded();
        match (opens(PIN), opens(NEW)) {
            (true, false) => old += 1,
            (false, true) => new += 1,
            both => panic!("{mode:?}: the old and the new PIN open: {both:?}"),
        }
        if killed.answer.succeeded() {
            assert!(opens(NEW), "{mode:?}: the change was acknowledged");
        }
        rehearsal.anchor.verify(&killed.world).unwrap();
    }
    println!("{old} kills left the old PIN, {new} the new one");
    assert!(old > 0 && new > 0, "kills on one side of the change only");
    tally.conclude("change of the PIN", &rehearsal);
}
