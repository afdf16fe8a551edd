//! The erase on the phone, and a block.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use client_agent::{Agent, Event, Observer, OpenError, Platform};
use client_core::State;
use e2e::world::powercut::{Recorder, Recording, Tree};
use e2e::world::{Process, World, wait};
use vault::{Home, HomeError, erase};

use super::cut_everywhere;
use crate::thief::{Holder, MARKER, holder};

struct Nobody;

impl Observer for Nobody {
    fn event(&self, _event: Event) {}
}

/// Records `phone sync`.
fn synced(world: &World, holder: &Holder) -> Recording {
    let recorder = Recorder::new(world, holder.phone.home()).unwrap();
    let mut command = holder.phone.command(&["sync"]).unwrap();
    let finished = Process::spawn("phone sync", recorder.prepare(&mut command)).unwrap().finish().unwrap();
    finished.expect_success("phone sync").unwrap();
    recorder.finish().unwrap()
}

/// Starts the phone in what is left: an erase goes on before this returns, as far as it can without a server.
fn start(folder: &Path) -> Result<(Home, State)> {
    let home = Home::new(folder);
    let platform = Platform::software(&home, "phone", "0");
    // A process that another test is just starting has the folder open for a moment, until it becomes that program.
    let agent = wait::until("the home is let go", || {
        match Agent::open(home.clone(), platform.clone(), Arc::new(Nobody)) {
            Err(OpenError::Home(HomeError::InUse(_))) => None,
            opened => Some(opened),
        }
    })??;
    let state = agent.state();
    Ok((home, state))
}

fn is_erased(home: &Home) -> Result<()> {
    erase::check_keys_gone(home)?;
    ensure!(!home.vault_dir().exists(), "the vault is still there");
    Ok(())
}

#[test]
fn an_erase_whose_power_is_cut_anywhere_ends_at_the_next_start_and_never_comes_back() {
    let world = World::new().unwrap();
    let holder = holder(&world, "erase").unwrap();
    holder.put("memo", &world.file("memo", MARKER).unwrap()).unwrap();
    holder.order(&world, "wipe").unwrap();
    let recording = synced(&world, &holder);
    let begun = recording.synced("wipe-intent").unwrap();
    let end = recording.changes.len();
    let (mut untouched, mut went_on, mut gone) = (0, 0, 0);
    let check = |folder: &Path, tree: &Tree, at: usize| {
        let whole = tree.has("device/secret") && tree.has("vault/slots/online");
        let (home, state) = start(folder)?;
        match state {
            State::Gone => gone += 1,
            State::Wiping => went_on += 1,
            State::Locked if at < begun => {
                // The server sends the wipe again; until then this is the phone that it was.
                ensure!(whole, "the keys are damaged, and no erase was begun that would go on");
                untouched += 1;
                return Ok(());
            }
            state => anyhow::bail!("the phone is {state:?}, and the wipe was synced after {begun} changes"),
        }
        is_erased(&home)?;
        // Once more: nothing of it depends on having been interrupted once.
        let (home, again) = start(folder)?;
        ensure!(again == state, "{state:?} became {again:?} by another start");
        ensure!(at < end || state == State::Gone, "the erase had ended, and now is {state:?}");
        is_erased(&home)
    };
    let tally = cut_everywhere(&recording, 400, check).unwrap();
    println!(
        "erase: {end} changes and syncs, the wipe is synced after {begun}; {tally}; {untouched} phones had not begun, \
         {went_on} went on, {gone} had ended"
    );
    assert!(untouched > 0 && went_on > 10 && gone > 0, "cuts before, in and after the erase");

    // The control: without its syncs an erase is undone.
    let risky = recording.without_syncs();
    let undone = cut_everywhere(&risky, 400, |folder, _, at| {
        let (_, state) = start(folder)?;
        ensure!(at < risky.changes.len() || state == State::Gone, "the phone is {state:?} after the erase");
        Ok(())
    });
    assert!(undone.is_err(), "an erase that never syncs survives: then nothing above is shown");
}

#[test]
fn a_block_that_was_obeyed_is_there_after_any_power_cut() {
    let world = World::new().unwrap();
    let holder = holder(&world, "block").unwrap();
    holder.put("memo", &world.file("memo", MARKER).unwrap()).unwrap();
    holder.order(&world, "block").unwrap();
    let recording = synced(&world, &holder);
    let end = recording.changes.len();
    let tally = cut_everywhere(&recording, 400, |folder, _, at| {
        let (home, state) = start(folder)?;
        ensure!(matches!(state, State::Locked | State::Blocked), "{state:?}");
        ensure!(at < end || state == State::Blocked, "the block was obeyed and the phone is {state:?}");
        ensure!(
            !home.offline_slot().exists() && !home.lease_secret().exists(),
            "something of a lease is left"
        );
        Ok(())
    });
    println!("block: {end} changes and syncs; {}", tally.unwrap());
}
