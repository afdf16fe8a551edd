//! A batch of 1,400 rows that is given a time and takes effect by itself.

use e2e::world::{Finished, World, wait};
use jiff::{SignedDuration, Timestamp};

use super::apply::{roster, state};
use super::{Tally, kill, rehearse};
use crate::prepared;

/// Gives the batch a time that comes at once, and waits until it is in force: the answer of who looks last.
fn schedule(world: &World, batch: &str) -> anyhow::Result<Finished> {
    // The commands of a busy machine come late: then the time is past, and another one is given.
    let scheduled = wait::until("the batch has its time", || {
        let at = jiff::tz::offset(9).to_datetime(Timestamp::now() + SignedDuration::from_secs(2)).to_string();
        let answer = world.try_mdmctl(&["batch", "schedule", batch, "--at", &at]);
        Some(answer).filter(|answer| {
            !world.is_up()
                || answer.as_ref().map_or(true, |answer| !answer.said().contains("is over already"))
        })
    })??;
    if !scheduled.succeeded() {
        return Ok(scheduled);
    }
    wait::until("it is in force, or the server is gone", || {
        let answer = world.try_mdmctl(&["batch", "show", batch]);
        let in_force = answer.as_ref().is_ok_and(|answer| {
            serde_json::from_slice::<serde_json::Value>(&answer.stdout)
                .is_ok_and(|shown| shown["batch"]["state"] == "applied")
        });
        let is_gone = answer.as_ref().is_ok_and(|answer| !answer.succeeded()) && !world.is_up();
        (in_force || is_gone).then_some(answer)
    })?
}

#[test]
fn a_batch_with_a_time_is_in_force_whole_or_not_at_all_wherever_the_server_is_killed() {
    let (mut prepared, batch) = prepared::large_batch();
    prepared.start().unwrap();
    let before = roster(&prepared);
    prepared.stop().unwrap();

    let schedule = |world: &World| schedule(world, &batch);
    let mut rehearsal = rehearse(&mut prepared, &schedule).unwrap();
    rehearsal.world.start().unwrap();
    let after = roster(&rehearsal.world);
    rehearsal.world.stop().unwrap();
    assert_ne!(before, after);
    assert_eq!(after["accounts"].as_array().unwrap().len(), 1_405);

    let mut tally = Tally::default();
    let mut by_itself = 0;
    for mode in rehearsal.points(12, 1) {
        let mut killed = kill(&prepared, mode, &schedule).unwrap();
        tally.note(&killed);
        killed.world.start().unwrap();
        if state(&killed.world, &batch) == "planned" {
            assert_eq!(roster(&killed.world), before, "{mode:?}: it was given no time");
            assert!(!killed.answer.succeeded(), "{mode:?}: it was seen in force");
            killed.world.apply(&batch).unwrap();
        } else {
            by_itself += usize::from(!killed.answer.succeeded());
            let applied = wait::until("it takes effect by itself", || {
                (state(&killed.world, &batch) == "applied").then_some(())
            });
            applied.unwrap_or_else(|error| panic!("{mode:?}: {error:#}"));
        }
        assert_eq!(roster(&killed.world), after, "{mode:?}");
        rehearsal.anchor.verify(&killed.world).unwrap();
    }
    println!("{by_itself} killed batches took effect by themselves after the restart");
    assert!(by_itself > 0, "no kill fell between its time being set and its being in force");
    tally.conclude("batch schedule", &rehearsal);
}
