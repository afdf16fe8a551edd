//! The undo of a batch of 1,400 rows, and the phone of somebody who had left by it.

use e2e::roster::{Encoding, FIRST_YEAR, encode};
use e2e::world::World;
use e2e::world::wait;

use super::apply::{roster, state};
use super::{Tally, kill, rehearse};
use crate::prepared::{PIN, SOURCE, staff, upload};

/// 700 seats; the staff of a year in force, by mistake instead of one person who has a phone. The undo of it is planned.
fn planned_undo() -> (World, String) {
    let mut world = World::new().unwrap();
    world.hire("委員会", 5).unwrap();
    world.mdmctl(&["licenses", "pool", "set", "706"]).unwrap();
    let mut people = staff(FIRST_YEAR);
    let mut known = people.split_off(1_399);
    known[0].wish = true;
    let file = world.file("before.csv", &encode(&known, Encoding::Cp932).unwrap()).unwrap();
    let before = world.upload(file.to_str().unwrap(), SOURCE, "roster").unwrap();
    world.apply(&before).unwrap();
    let code = world.codes().unwrap().into_iter().find(|code| code.staff_number == known[0].number).unwrap();
    let phone = world.phone("phone");
    phone.enrol(&code.code, PIN).unwrap();
    phone.unlock(PIN).unwrap();
    let wrong = upload(&world, &people);
    world.apply(&wrong).unwrap();
    let undo = world.mdmctl(&["batch", "undo", &wrong]).unwrap()["id"].as_str().unwrap().to_owned();
    world.stop().unwrap();
    (world, undo)
}

#[test]
fn an_undo_is_in_force_whole_or_not_at_all_wherever_the_server_is_killed() {
    let (mut prepared, undo) = planned_undo();
    prepared.start().unwrap();
    let before = roster(&prepared);
    prepared.stop().unwrap();

    let apply = |world: &World| world.try_mdmctl(&["batch", "apply", &undo]);
    let mut rehearsal = rehearse(&mut prepared, &apply).unwrap();
    rehearsal.world.start().unwrap();
    let after = roster(&rehearsal.world);
    rehearsal.world.stop().unwrap();
    assert_ne!(before, after);
    assert_eq!(after["accounts"].as_array().unwrap().len(), 1_405);
    assert_eq!(after["seats"]["assigned"], 6, "the person of before has the seat again");

    let mut tally = Tally::default();
    let (mut undone, mut left_closed) = (0, 0);
    for mode in rehearsal.points(12, 3) {
        let mut killed = kill(&prepared, mode, &apply).unwrap();
        tally.note(&killed);
        killed.world.start().unwrap();
        let state = state(&killed.world, &undo);
        let expected = if state == "applied" { &after } else { &before };
        assert_eq!(&roster(&killed.world), expected, "{mode:?}: the undo says {state}");
        if killed.answer.succeeded() {
            assert_eq!(state, "applied", "{mode:?}: the undo was acknowledged");
        }
        rehearsal.anchor.verify(&killed.world).unwrap();
        let phone = killed.world.phone("phone");
        if state == "planned" {
            phone.try_unlock(PIN).unwrap().expect_failure("the phone of who left").unwrap();
            killed.world.apply(&undo).unwrap();
            assert_eq!(roster(&killed.world), after, "{mode:?}: applied after the restart");
        } else {
            undone += 1;
            left_closed += usize::from(!killed.answer.succeeded());
        }
        // Be it by the undo itself or by what goes on after the restart.
        let open = wait::until("the phone is open again", || {
            killed.world.phone("phone").try_unlock(PIN).ok().filter(|done| done.succeeded())
        });
        open.unwrap_or_else(|error| panic!("{mode:?}: {error:#}"));
    }
    println!("{undone} killed undos were in force after the restart, {left_closed} of them not acknowledged");
    assert!(left_closed > 0, "no kill fell between the undo and its answer");
    tally.conclude("undo", &rehearsal);
}
