//! Documents on their way into the vault of a running phone.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use e2e::world::powercut::{Change, Loss, Recorder, Recording, Tree};
use e2e::world::{Process, World, wait};
use vault::Collection;

use super::cut_everywhere;
use super::vault::Keys;
use crate::thief::{Holder, MARKER, PIN, holder};

/// Long enough for several chunks of the vault, and found in clear wherever it is written.
fn text(version: u8) -> Vec<u8> {
    let mut bytes: Vec<u8> = MARKER.iter().copied().cycle().take(400_000).collect();
    bytes[0] = version;
    bytes
}

fn publish(world: &World, version: u8, more: &[&str]) -> Result<String> {
    let file = world.file("manual.txt", &text(version))?;
    let file = file.to_str().context("a path in UTF-8")?;
    let audience = ["documents", "publish", file, "--organisation", "--level", "2"];
    let published = world.mdmctl(&[&audience[..], more].concat())?;
    Ok(published["id"].as_str().context("an id")?.to_owned())
}

/// How far the story was when so many changes were recorded.
struct Heard {
    at: usize,
    /// The version that was said to be there, if one was.
    there: Option<u8>,
}

/// A document comes, is replaced, and is unpublished, while a phone is unlocked, each time told as it happens.
fn story(world: &World, holder: &Holder) -> (Recording, Vec<Heard>) {
    let phone = &holder.phone;
    let id = publish(world, 1, &[]).unwrap();
    let recorder = Recorder::new(world, phone.home()).unwrap();
    let running =
        Process::spawn("phone run", recorder.prepare(&mut phone.command(&["run"]).unwrap())).unwrap();
    running.wait_for_line("connecting", |line| (line == "connected").then_some(())).unwrap();
    let said = |line: &str| running.printed().lines().filter(|said| *said == line).count();
    let mut heard = Vec::new();
    let mut hear = |there| heard.push(Heard { at: recorder.now().unwrap(), there });
    phone.unlock(PIN).unwrap();
    wait::until("the first is there", || (said("documents 1 of 1") == 1).then_some(())).unwrap();
    hear(Some(1));
    publish(world, 2, &["--replace", &id]).unwrap();
    // The end of what is promised of the first: from the next look on it goes.
    hear(None);
    phone.lock().unwrap();
    phone.unlock(PIN).unwrap();
    wait::until("the second is there", || (said("documents 1 of 1") == 2).then_some(())).unwrap();
    hear(Some(2));
    world.mdmctl(&["documents", "unpublish", &id]).unwrap();
    hear(None);
    phone.lock().unwrap();
    phone.unlock(PIN).unwrap();
    wait::until("it is gone", || (said("documents 0 of 0") == 1).then_some(())).unwrap();
    phone.lock().unwrap();
    running.terminate().unwrap();
    running.finish().unwrap().expect_success("phone run").unwrap();
    (recorder.finish().unwrap(), heard)
}

/// The versions that would be shown: each is whole.
fn shown(keys: &Keys, folder: &Path) -> Result<Vec<u8>> {
    let vault = keys.open(folder)?;
    let mut versions = Vec::new();
    for whole in vault.list_prefix(Collection::Documents, "whole/")? {
        let name = whole.name.replace("whole/", "content/");
        let mut bytes = Vec::new();
        vault.load_file(Collection::Documents, &name, &mut bytes)?;
        let version = *bytes.first().context("an empty document")?;
        ensure!(bytes == text(version), "{name} is not what was published");
        versions.push(version);
    }
    Ok(versions)
}

fn check(keys: &Keys, heard: &[Heard], folder: &Path, tree: &Tree, at: usize) -> Result<()> {
    let readable = tree.containing(MARKER);
    ensure!(readable.is_empty(), "a document is readable in {readable:?}");
    let shown = shown(keys, folder)?;
    let promised = heard.iter().rev().find(|heard| heard.at <= at).and_then(|heard| heard.there);
    ensure!(promised.is_none_or(|version| shown.contains(&version)), "{promised:?} was there, {shown:?} is");
    Ok(())
}

#[test]
fn whatever_a_power_cut_leaves_of_documents_that_come_opens_and_shows_only_whole_ones() {
    let world = World::new().unwrap();
    let holder = holder(&world, "documents").unwrap();
    let keys = Keys::of(&world, &holder).unwrap();
    let (recording, heard) = story(&world, &holder);
    let (mut with_one, mut without) = (0, 0);
    let acknowledged: Vec<_> = heard.iter().map(|heard| heard.at).collect();
    let tally = cut_everywhere(&recording, 60, &acknowledged, |folder, tree, at| {
        check(&keys, &heard, folder, tree, at)?;
        if shown(&keys, folder)?.is_empty() {
            without += 1
        } else {
            with_one += 1
        }
        Ok(())
    })
    .unwrap();
    println!("documents: {} changes and syncs; {tally}", recording.changes.len());
    assert!(tally.unsynced * 2 > tally.cuts, "most cuts lose something: {tally}");
    assert!(with_one > 0 && without > 0, "{with_one} with a document, {without} without");

    // The control: without its syncs what was said to be there is not.
    let risky = recording.without_syncs();
    let there = heard.iter().find(|heard| heard.there == Some(2)).unwrap();
    let is_sync = |change: &Change| matches!(change, Change::Sync { .. } | Change::SyncAll);
    let before = recording.changes[..there.at].iter().filter(|change| !is_sync(change)).count();
    let place = tempfile::TempDir::new().unwrap();
    let folder = place.path().join("cut");
    risky.disk(before).cut(Loss::All).write(&folder).unwrap();
    let survived = shown(&keys, &folder).is_ok_and(|shown| shown.contains(&2));
    assert!(!survived, "a vault that never syncs survives: then nothing above is shown");
}
