//! The vault of a running phone.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use e2e::attacker::RawDevice;
use e2e::world::powercut::{Loss, Recorder, Recording, Tree};
use e2e::world::{Process, World};
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::opaque::ExportKey;
use vault::{Collection, Home, Slot, SlotKind, Vault};

use super::cut_everywhere;
use crate::thief::{Holder, MARKER, PIN, holder, runtime};

type Files = BTreeMap<String, Vec<u8>>;

/// What was asked for between two counts of changes, and what the vault holds once it is done.
struct Step {
    began: usize,
    answered: usize,
    after: Files,
}

/// What opens the vault without the rules of the agent.
pub(super) struct Keys {
    enrolment: EnrolmentId,
    device_secret: Secret<32>,
    export_key: ExportKey,
}

impl Keys {
    pub(super) fn of(world: &World, holder: &Holder) -> Result<Self> {
        let home = Home::new(holder.phone.home());
        let device_secret = Secret::from_slice(&std::fs::read(home.device_secret())?).context("32 bytes")?;
        let enrolment = holder.enrolment()?;
        let slot = Slot::load(&home, SlotKind::Online)?.context("an online slot")?;
        let challenged = runtime()?.block_on(async {
            let device = RawDevice::connect(world.quic(), Some(&holder.identity()?)).await?;
            let answer = device.challenge(PIN, &device_secret, enrolment, slot.header().stretching).await;
            anyhow::Ok(answer?)
        })?;
        Ok(Self { enrolment, export_key: challenged.export_key, device_secret })
    }

    pub(super) fn open(&self, folder: &Path) -> Result<Vault> {
        let home = Home::new(folder);
        let slot = Slot::load(&home, SlotKind::Online)?.context("the online slot is gone")?;
        let key = slot.open_online(&self.export_key, &self.device_secret)?;
        Ok(Vault::open(&home, &key, self.enrolment)?)
    }

    fn files(&self, folder: &Path) -> Result<Files> {
        let vault = self.open(folder)?;
        let mut files = Files::new();
        for entry in vault.list(Collection::Files)? {
            let mut bytes = Vec::new();
            vault.load_file(Collection::Files, &entry.name, &mut bytes)?;
            files.insert(entry.name, bytes);
        }
        Ok(files)
    }
}

/// Runs a phone through storing, replacing and removing, and gives what was recorded.
fn story(world: &World, holder: &Holder) -> (Recording, Vec<Step>) {
    let phone = &holder.phone;
    let recorder = Recorder::new(world, phone.home()).unwrap();
    let running =
        Process::spawn("phone run", recorder.prepare(&mut phone.command(&["run"]).unwrap())).unwrap();
    running.wait_for_line("connecting", |line| (line == "connected").then_some(())).unwrap();
    let mut steps = vec![Step { began: 0, answered: 0, after: Files::new() }];
    let mut step = |act: &dyn Fn(), change: &dyn Fn(&mut Files)| {
        let began = recorder.now().unwrap();
        act();
        let mut after = steps.last().unwrap().after.clone();
        change(&mut after);
        steps.push(Step { began, answered: recorder.now().unwrap(), after });
    };
    step(&|| phone.unlock(PIN).unwrap(), &|_| {});
    let small = [MARKER, b" first"].concat();
    let large: Vec<u8> = MARKER.iter().copied().cycle().take(90_000).collect();
    let puts: [(&str, &[u8]); 4] = [("note", &small), ("photo", &large), ("note", MARKER), ("other", &small)];
    for (name, bytes) in puts {
        step(&|| phone.put(name, bytes).unwrap(), &|files| {
            drop(files.insert(name.to_owned(), bytes.to_vec()))
        });
    }
    step(&|| drop(phone.call(&["rm", "photo"]).unwrap().expect_success("phone rm").unwrap()), &|files| {
        drop(files.remove("photo"))
    });
    step(&|| phone.lock().unwrap(), &|_| {});
    running.terminate().unwrap();
    running.finish().unwrap().expect_success("phone run").unwrap();
    (recorder.finish().unwrap(), steps)
}

/// What is left opens, and is what some step left: the last that was answered, or the one that was under way.
fn check(keys: &Keys, steps: &[Step], folder: &Path, tree: &Tree, at: usize) -> Result<()> {
    let readable = tree.containing(MARKER);
    ensure!(readable.is_empty(), "what was stored is readable in {readable:?}");
    let found = keys.files(folder)?;
    let possible = steps
        .iter()
        .enumerate()
        .filter(|(i, step)| step.began <= at && steps.get(i + 1).is_none_or(|next| next.answered > at));
    let names = || found.iter().map(|(name, bytes)| (name.clone(), bytes.len())).collect::<Vec<_>>();
    ensure!(possible.map(|(_, step)| &step.after).any(|after| *after == found), "found {:?}", names());
    Ok(())
}

#[test]
fn whatever_a_power_cut_leaves_of_a_vault_opens_with_everything_that_was_stored() {
    let world = World::new().unwrap();
    let holder = holder(&world, "vault").unwrap();
    let keys = Keys::of(&world, &holder).unwrap();
    let (recording, steps) = story(&world, &holder);
    let answered: Vec<usize> = steps.iter().map(|step| step.answered).collect();
    let tally =
        cut_everywhere(&recording, 70, &answered, |folder, tree, at| check(&keys, &steps, folder, tree, at))
            .unwrap();
    println!("vault: {} changes and syncs; {tally}", recording.changes.len());
    assert!(tally.unsynced * 2 > tally.cuts, "most cuts lose something: {tally}");

    // The control: without its syncs the same story does not survive.
    let risky = recording.without_syncs();
    let last = steps.last().unwrap();
    let end = risky.changes.len();
    let place = tempfile::TempDir::new().unwrap();
    let folder = place.path().join("cut");
    risky.disk(end).cut(Loss::All).write(&folder).unwrap();
    let survived = keys.files(&folder).is_ok_and(|files| files == last.after);
    assert!(!survived, "a vault that never syncs survives: then nothing above is shown");
}
