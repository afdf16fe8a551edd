//! The erase on the phone, and a block.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use client_agent::{Agent, Event, Observer, OpenError, Platform};
use client_core::State;
use e2e::world::powercut::{Loss, Recorder, Recording, Tree};
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
    let tally = cut_everywhere(&recording, 400, &[begun], check).unwrap();
    println!(
        "erase: {end} changes and syncs, the wipe is synced after {begun}; {tally}; {untouched} phones had not begun, \
         {went_on} went on, {gone} had ended"
    );
    assert!(untouched > 0 && went_on > 10 && gone > 0, "cuts before, in and after the erase");

    // The control: without its syncs an erase is undone.
    let risky = recording.without_syncs();
    let disk = risky.disk(risky.changes.len());
    let place = tempfile::TempDir::new().unwrap();
    let state_after = |loss: Loss| {
        let folder = place.path().join(format!("{loss:?}"));
        disk.cut(loss).write(&folder).unwrap();
        // Without its syncs a file may be left that no program has ever written: then it does not open at all.
        start(&folder).ok().map(|(_, state)| state)
    };
    let ended = state_after(Loss::Nothing);
    let undone = [Loss::All, Loss::Some(1), Loss::Some(2), Loss::Some(3)].map(&state_after);
    println!("without syncs: {ended:?} where nothing is lost, {undone:?} where something is");
    assert_eq!(ended, Some(State::Gone), "what nothing is lost of has ended: the complaint is of the loss");
    assert_eq!(
        undone[0],
        Some(State::Locked),
        "an erase that never syncs survives: then nothing above is shown"
    );
}

/// What is on a phone that has obeyed the block of the test below, and may be there of one that has not yet.
fn blocked(folder: &Path, obeyed: bool) -> Result<()> {
    let (home, state) = start(folder)?;
    ensure!(matches!(state, State::Locked | State::Blocked), "{state:?}");
    let left: Vec<_> = [home.offline_slot(), home.lease_secret(), home.lease(), home.grant()]
        .into_iter()
        .filter(|path| path.exists())
        .collect();
    ensure!(state != State::Blocked || left.is_empty(), "blocked, and of a lease there is {left:?}");
    ensure!(!obeyed || state == State::Blocked, "the block was obeyed and the phone is {state:?}");
    Ok(())
}

#[test]
fn a_block_that_was_obeyed_is_there_after_any_power_cut_and_the_lease_is_not() {
    let mut world = World::with_durable_leases().unwrap();
    world.start().unwrap();
    let holder = holder(&world, "block").unwrap();
    holder.put("memo", &world.file("memo", MARKER).unwrap()).unwrap();
    let home = Home::new(holder.phone.home());
    assert!(home.offline_slot().exists() && home.lease_secret().exists(), "there is a lease to lose");
    holder.order(&world, "block").unwrap();
    let recording = synced(&world, &holder);
    let end = recording.changes.len();
    let mut with_lease = 0;
    let tally = cut_everywhere(&recording, 400, &[], |folder, tree, at| {
        with_lease += usize::from(tree.has("vault/slots/offline"));
        blocked(folder, at == end)
    });
    println!(
        "block: {end} changes and syncs; {}; {with_lease} of them with the slot still there",
        tally.unwrap()
    );
    assert!(with_lease > 0, "no cut fell before the slot was dropped");

    // The control: without its syncs a phone that has obeyed may be one that has not.
    let risky = recording.without_syncs();
    let place = tempfile::TempDir::new().unwrap();
    let folder = place.path().join("cut");
    risky.disk(risky.changes.len()).cut(Loss::All).write(&folder).unwrap();
    let said = blocked(&folder, true).unwrap_err().to_string();
    assert!(said.contains("the block was obeyed and the phone is"), "{said}");
}

#[test]
fn an_enrolment_that_is_discarded_leaves_a_home_that_opens_wherever_the_power_is_cut() {
    let world = World::new().unwrap();
    let holder = holder(&world, "discarded").unwrap();
    // As if the answer to the upload of the PIN had been lost; and then the letter of another person is used.
    crate::thief::edit_state(&holder.phone, |state| state.confirmed = false).unwrap();
    let other = world.hire("other", 1).unwrap().pop().unwrap();
    let server = world.quic().to_string();
    let recorder = Recorder::new(&world, holder.phone.home()).unwrap();
    let enrol = ["enrol", "--code", &other.code, "--server", &server, "--pin", crate::thief::PIN];
    let mut command = holder.phone.command(&enrol).unwrap();
    let finished = Process::spawn("phone enrol", recorder.prepare(&mut command)).unwrap().finish().unwrap();
    let said = finished.expect_failure("a key that is another person's").unwrap();
    let recording = recorder.finish().unwrap();
    let (mut before, mut after) = (0, 0);
    let tally = cut_everywhere(&recording, 400, &[], |folder, _, _| {
        match start(folder)?.1 {
            State::Locked => before += 1,
            State::Unenrolled => after += 1,
            state => anyhow::bail!("the phone is {state:?}"),
        }
        Ok(())
    });
    println!("discarded: {}; {before} not yet, {after} discarded; {said}", tally.unwrap());
    assert!(before > 0 && after > 0);
}
