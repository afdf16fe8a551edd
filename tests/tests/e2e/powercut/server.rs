//! The server's data folder: store and key file.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use e2e::attacker::unlock_secrets;
use e2e::world::powercut::{Loss, Recorder, Recording, Tree};
use e2e::world::{Launch, World, files};
use mdm_core::device::DeviceState;
use mdm_server::server::{open_store, open_unlock_records};
use mdm_store::MAX_PAGE;
use shared::ids::EnrolmentId;

use super::cut_everywhere;
use crate::thief::{Holder, PIN, holder, runtime};

/// What was answered once so many changes had been made.
struct Answered {
    at: usize,
    /// The journal had at least so many entries.
    journal: u64,
}

struct Story {
    recording: Recording,
    answers: Vec<Answered>,
    /// The attempt with a wrong PIN was answered, and the next unlock was not asked for.
    charged: std::ops::Range<usize>,
    /// The wipe was answered.
    wiped: usize,
    blocked: usize,
    journal: Vec<Vec<u8>>,
    /// The first phone as it was once so many changes had been made: a phone that is ahead of its server by a run is taken
    /// for a copy.
    phones: Vec<(usize, &'static str)>,
}

fn head(world: &World) -> u64 {
    let file = world.folder().join("journal.jsonl");
    drop(std::fs::remove_file(&file));
    let checkpoint = world.mdmctl(&["audit", "export", file.to_str().unwrap()]).unwrap();
    checkpoint["sequence"].as_u64().unwrap()
}

fn journal(folder: &Path) -> Result<Vec<Vec<u8>>> {
    runtime()?.block_on(async {
        let store = open_store(folder)?;
        let mut entries: Vec<Vec<u8>> = Vec::new();
        loop {
            let page = store.journal_entries(entries.len() as u64, MAX_PAGE).await?;
            if page.is_empty() {
                return Ok(entries);
            }
            for entry in page {
                ensure!(entry.body()?.sequence == entries.len() as u64 + 1, "the journal has a gap");
                entries.push(entry.bytes.clone());
            }
        }
    })
}

/// A wrong PIN, the right one, three more people, a block, a wipe.
fn story(world: &mut World, [first, second]: [&Holder; 2]) -> Story {
    let recorder = Recorder::new(world, &world.data()).unwrap();
    world.start_with(&Launch::with(recorder.shim())).unwrap();
    let mut answers = Vec::new();
    let mut answered = |world: &World| {
        let journal = head(world);
        answers.push(Answered { at: recorder.now().unwrap(), journal });
    };
    first.phone.copy("first-at-0").unwrap();
    let mut phones = vec![(0, "first-at-0")];
    first.phone.try_unlock("314159").unwrap().expect_failure("a wrong PIN").unwrap();
    let charged = recorder.now().unwrap();
    answered(world);
    let charged = charged..recorder.now().unwrap();
    first.phone.copy("first-at-1").unwrap();
    phones.push((recorder.now().unwrap(), "first-at-1"));
    first.phone.unlock(PIN).unwrap();
    first.phone.copy("first-at-2").unwrap();
    phones.push((recorder.now().unwrap(), "first-at-2"));
    answered(world);
    world.hire("later", 3).unwrap();
    answered(world);
    second.order(world, "block").unwrap();
    let blocked = recorder.now().unwrap();
    answered(world);
    first.order(world, "wipe").unwrap();
    let wiped = recorder.now().unwrap();
    answered(world);
    world.stop().unwrap();
    let recording = recorder.finish().unwrap();
    Story { recording, answers, charged, wiped, blocked, journal: journal(&world.data()).unwrap(), phones }
}

async fn devices(folder: &Path, ids: [EnrolmentId; 2]) -> Result<[DeviceState; 2]> {
    let store = open_store(folder)?;
    let first = store.device(ids[0]).await?.context("the first device is gone")?.value.state;
    let second = store.device(ids[1]).await?.context("the second device is gone")?.value.state;
    Ok([first, second])
}

impl Story {
    fn check(&self, folder: &Path, ids: [EnrolmentId; 2], at: usize) -> Result<()> {
        let left = journal(folder)?;
        ensure!(
            left.len() <= self.journal.len() && left[..] == self.journal[..left.len()],
            "another journal"
        );
        let promised =
            self.answers.iter().filter(|answer| answer.at <= at).map(|answer| answer.journal).max();
        ensure!(left.len() as u64 >= promised.unwrap_or(0), "{} entries of {promised:?}", left.len());
        runtime()?.block_on(async {
            let [first, second] = devices(folder, ids).await?;
            ensure!(at < self.blocked || second == DeviceState::Blocked, "blocked, and now {second:?}");
            let records = open_unlock_records(folder)?;
            let attempts = records.attempts(ids[0]).await?;
            if let DeviceState::Wiped(wipe) = &first {
                ensure!(at < self.wiped || wipe.sealed_at.is_some(), "acknowledged, and not sealed");
                ensure!(at < self.wiped || attempts.is_none(), "acknowledged, and the record is there");
            } else {
                ensure!(at < self.wiped, "wiped, and now {first:?}");
                let attempts = attempts.context("the record of a device that is not wiped is gone")?;
                // The wrong PIN's, the right one's until it is given back with it, and one for a write that was torn.
                ensure!(attempts.used <= 3, "{} attempts were charged for two", attempts.used);
                ensure!(!self.charged.contains(&at) || attempts.used >= 1, "an attempt was given back");
            }
            Ok(())
        })
    }
}

#[test]
fn whatever_a_power_cut_leaves_of_a_server_opens_with_everything_that_was_acknowledged() {
    let mut world = World::new().unwrap();
    let (first, second) = (holder(&world, "first").unwrap(), holder(&world, "second").unwrap());
    first.phone.unlock(PIN).unwrap();
    let ids = [first.enrolment().unwrap(), second.enrolment().unwrap()];
    world.stop().unwrap();
    let copied =
        world.file("key-file", &std::fs::read(world.data().join("unlock-records")).unwrap()).unwrap();
    let secrets = runtime().unwrap().block_on(unlock_secrets(&copied, ids[0])).unwrap();
    let story = story(&mut world, [&first, &second]);
    let nowhere = |tree: &Tree| {
        let left = tree.containing(&secrets.record[..32]);
        ensure!(left.is_empty(), "the destroyed record is in {left:?}");
        Ok(())
    };
    let answered: Vec<usize> =
        story.answers.iter().map(|answer| answer.at).chain([story.wiped, story.blocked]).collect();
    let tally = cut_everywhere(&story.recording, 60, &answered, |folder, tree, at| {
        if at >= story.wiped {
            nowhere(tree)?;
        }
        story.check(folder, ids, at)
    });
    println!("server: {} changes and syncs; {}", story.recording.changes.len(), tally.unwrap());

    // Some of what is left is started as a server: what is wiped is sealed before a door opens, and nobody is locked out.
    let last = story.recording.changes.len();
    for (turn, at) in (0..=8).map(|i| i * last / 8).enumerate() {
        let mut copy = world.copy().unwrap();
        std::fs::remove_dir_all(copy.data()).unwrap();
        story.recording.disk(at).cut(Loss::Some(turn as u64)).write(&copy.data()).unwrap();
        copy.start().unwrap();
        let device = copy.device(&first.device).unwrap();
        let (_, phone) = story.phones.iter().rev().find(|(then, _)| *then <= at).unwrap();
        let phone = copy.phone(phone);
        if device["state"] == "wiped" {
            assert!(device["wipe"]["sealed_at"].is_string(), "after {at} changes: {device}");
            assert_eq!(
                files::containing(&copy.data(), &secrets.record[..32]).unwrap(),
                Vec::<std::path::PathBuf>::new()
            );
            phone.try_unlock(PIN).unwrap().expect_failure("an unlock of a wiped phone").unwrap();
        } else {
            assert!(at < story.wiped, "after {at} changes: {device}");
            // The phone is that of the end of the story: what it has seen since would show that the folder is an older one.
            crate::thief::edit_state(&phone, |state| state.signed_checkpoint = None).unwrap();
            phone.unlock(PIN).unwrap();
        }
        copy.stop().unwrap();
    }
}
