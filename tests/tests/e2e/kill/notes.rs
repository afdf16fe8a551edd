//! A note on its way up: after every kill it is stored once, and it is no conflict with itself.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use anyhow::Result;
use e2e::world::{Finished, World, wait};
use serde_json::json;

use super::{Tally, kill, rehearse};
use crate::notes::{listed, stored, until_sent};
use crate::prepared::{self, PIN};

const NOTE: &str = "notes/0192f0c1-2345-7abc-8def-0123456789ab";
const TEXT: &[u8] = "牛舎 3棟".as_bytes();

/// A phone with a note that the server does not have; the server is stopped.
fn prepare() -> World {
    let (mut world, _) = prepared::phone();
    world.start().unwrap();
    // Without a running phone nothing is sent.
    world.phone("phone").with_pin(PIN).put(NOTE, TEXT).unwrap();
    assert_eq!(stored(&world), 0);
    world.stop().unwrap();
    world
}

/// Switches the phone on until the note is sent or the server is dead.
fn send(world: &World) -> Result<Finished> {
    let phone = world.phone("phone");
    let running = phone.spawn(&["run"])?;
    let is_connected = || running.printed().lines().any(|line| line == "connected");
    wait::until("a connection or a dead server", || (is_connected() || !world.is_up()).then_some(()))?;
    let unlocked = phone.try_unlock(PIN)?;
    if !unlocked.succeeded() {
        return Ok(unlocked);
    }
    let is_sent = || listed(&phone).is_ok_and(|notes| notes[0]["state"] == "sent");
    wait::until("a note that is sent, or a dead server", || (is_sent() || !world.is_up()).then_some(()))?;
    let sent = is_sent();
    let mut said = phone.call(&["notes"])?;
    if !sent {
        said.status = ExitStatus::from_raw(1 << 8);
    }
    Ok(said)
}

#[test]
fn a_kill_while_a_note_goes_up_has_it_stored_once() {
    let mut prepared = prepare();
    let rehearsal = rehearse(&mut prepared, &send).unwrap();
    let mut tally = Tally::default();
    let mut before = 0;
    for mode in rehearsal.points(10, 1) {
        let mut killed = kill(&prepared, mode, &send).unwrap();
        tally.note(&killed);
        killed.world.start().unwrap();
        before += stored(&killed.world);
        let phone = killed.world.phone("phone");
        let _running = phone.run().unwrap();
        phone.unlock(PIN).unwrap();
        until_sent(&phone, 1);
        assert_eq!(stored(&killed.world), 1, "{mode:?}");
        let notes = listed(&phone).unwrap();
        assert_eq!((notes.len(), &notes[0]["name"], notes[0].get("copy_of")), (1, &json!(NOTE), None));
        assert_eq!(phone.get(NOTE).unwrap(), TEXT);
        rehearsal.anchor.verify(&killed.world).unwrap();
    }
    println!("{before} kills had it stored, the others not yet");
    assert!(before > 0, "no kill fell between the commit and the answer");
    tally.conclude("a note on its way up", &rehearsal);
}
