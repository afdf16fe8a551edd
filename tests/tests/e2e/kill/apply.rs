//! A batch of 1,400 rows.

use e2e::world::shim::Mode;
use e2e::world::{Site, World};
use serde_json::{Value, json};

use super::{Rehearsal, Tally, kill, kill_starts, rehearse};
use crate::prepared::{self, SOURCE};

/// Everything a batch changes, without ids, times and codes, which differ from run to run.
pub(super) fn roster(site: &Site) -> Value {
    let mut accounts: Vec<String> = ["委員会", SOURCE]
        .into_iter()
        .flat_map(|source| site.accounts(source).unwrap())
        .map(|mut account| {
            let fields = account.as_object_mut().unwrap();
            for time in ["seat_since", "code_issued_at"] {
                let there = fields.get(time).is_some_and(|value| !value.is_null());
                fields.insert(time.to_owned(), json!(there));
            }
            fields.remove("id");
            account.to_string()
        })
        .collect();
    accounts.sort();
    let mut codes: Vec<String> = site.codes().unwrap().into_iter().map(|code| code.staff_number).collect();
    codes.sort();
    let waiting = site.mdmctl(&["waitlist", "list"]).unwrap();
    let waiting: Vec<_> =
        waiting.as_array().unwrap().iter().map(|entry| entry["staff_number"].clone()).collect();
    json!({
        "accounts": accounts,
        "codes": codes,
        "waiting": waiting,
        "seats": site.mdmctl(&["licenses", "status"]).unwrap(),
    })
}

pub(super) fn state(site: &Site, batch: &str) -> String {
    let shown = site.mdmctl(&["batch", "show", batch]).unwrap();
    shown["batch"]["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_batch_is_in_force_whole_or_not_at_all_wherever_the_server_is_killed() {
    let (mut prepared, batch) = prepared::large_batch();
    prepared.start().unwrap();
    let before = roster(&prepared);
    prepared.stop().unwrap();

    let apply = |world: &World| world.try_mdmctl(&["batch", "apply", &batch]);
    let mut rehearsal: Rehearsal = rehearse(&mut prepared, &apply).unwrap();
    assert!(rehearsal.counts("/db/stage"), "what is staged is killed at as well");
    rehearsal.world.start().unwrap();
    let after = roster(&rehearsal.world);
    rehearsal.world.stop().unwrap();
    assert_ne!(before, after);
    assert_eq!(after["accounts"].as_array().unwrap().len(), 1_405);
    assert_eq!(after["codes"].as_array().unwrap().len(), 705);

    let mut tally = Tally::default();
    let mut applied = 0;
    for mode in rehearsal.points(16, 4) {
        let mut killed = kill(&prepared, mode, &apply).unwrap();
        tally.note(&killed);
        killed.world.start().unwrap();
        let state = state(&killed.world, &batch);
        let expected = if state == "applied" { &after } else { &before };
        assert_eq!(&roster(&killed.world), expected, "{mode:?}: the batch says {state}");
        if killed.answer.succeeded() {
            assert_eq!(state, "applied", "{mode:?}: the batch was acknowledged");
        }
        applied += usize::from(state == "applied");
        rehearsal.anchor.verify(&killed.world).unwrap();
        if state == "planned" {
            // What the kill left behind is no obstacle.
            killed.world.apply(&batch).unwrap();
            assert_eq!(roster(&killed.world), after, "{mode:?}: applied after the restart");
        }
    }

    // Staged records are being moved into place: the next start goes on with it, and is killed as well.
    let moving = kill(&prepared, Mode::KillAfter(rehearsal.answered + 3), &apply).unwrap().world;
    let again = kill_starts(&moving, 8, |world, when| {
        assert_eq!(roster(world), after, "{when}");
        rehearsal.anchor.verify(world).unwrap();
    });
    assert!(again.unwrap() > 3, "the start should be killed while it goes on with the batch");
    println!("{applied} of the killed batches were in force after the restart");
    tally.conclude("batch apply", &rehearsal);
}
