//! A process that commits is killed again and again: what it said was done is there, and nothing is half done.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::world::*;
use crate::{Batch, CHUNK_LEN, Vault, VaultError};

const CHILD: &str = "batch::tests::commits_until_it_is_killed";
const FOLDER: &str = "VAULT_TO_COMMIT_TO";
/// Records of one batch.
const TOGETHER: usize = 20;
const BATCHES_KEPT: usize = 3;

fn record(batch: usize, n: usize) -> String {
    format!("{batch:06}/{n:02}")
}

#[test]
fn of_a_file_and_a_removal_in_one_batch_the_last_counts() {
    let (mut world, vault) = world();
    for (is_removed_last, length) in [(true, 2 * CHUNK_LEN), (true, 5), (false, 2 * CHUNK_LEN), (false, 5)] {
        let mut file = vault.begin(FILES, "a", &mut world.rng).unwrap();
        vault.write(&mut file, &content(length)).unwrap();
        let mut batch = Batch::new();
        if is_removed_last {
            batch.put_file(file).delete(FILES, "a").unwrap();
        } else {
            batch.delete(FILES, "a").unwrap().put_file(file);
        }
        vault.commit(batch, NOW, &mut world.rng).unwrap();
        match load(&vault, "a") {
            Err(VaultError::NotFound) => assert!(is_removed_last),
            read => assert!(!is_removed_last && read.unwrap() == content(length)),
        }
        let files = usize::from(!is_removed_last && length > CHUNK_LEN);
        assert_eq!(world.contents().len(), files, "what was overtaken takes no room");
    }
}

/// Commits one batch after the other: each puts some records and removes those of an earlier one; each third puts a file besides, and
/// writes a part of another.
#[test]
#[ignore = "run by what_was_acknowledged_is_there_after_every_kill, which kills it"]
fn commits_until_it_is_killed() {
    let folder = std::env::var_os(FOLDER).expect("run by another test");
    let mut world = world_at(folder.into());
    let (key, enrolment) = (world.key.clone(), world.enrolment);
    let vault = match Vault::create(&world.home(), &key, enrolment, &mut world.rng) {
        Err(VaultError::Exists) => world.open().unwrap(),
        made => made.unwrap(),
    };
    let begun = vault.list(NOTES).unwrap().last().map(|entry| entry.name[..6].parse::<usize>().unwrap());
    for number in begun.map_or(0, |last| last + 1).. {
        let mut batch = Batch::new();
        for n in 0..TOGETHER {
            batch.put(NOTES, &record(number, n), &content(number + n)).unwrap();
            if let Some(old) = number.checked_sub(BATCHES_KEPT) {
                batch.delete(NOTES, &record(old, n)).unwrap();
            }
        }
        if number % 3 == 0 {
            let mut file = vault.begin(FILES, "file", &mut world.rng).unwrap();
            vault.write(&mut file, &content(2 * CHUNK_LEN + number)).unwrap();
            batch.put_file(file);
            let mut part = vault.begin_resumable(FILES, "part", b"source", NOW, &mut world.rng).unwrap();
            vault.write(&mut part, &content(2 * CHUNK_LEN + 1)).unwrap();
        }
        vault.commit(batch, NOW, &mut world.rng).unwrap();
        println!("done {number}");
    }
}

/// Runs the child until it has acknowledged `count` batches; gives the last one it acknowledged before it died.
fn kill_after(folder: &Path, count: usize) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture", "--ignored"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut done = lines.filter_map(|line| line.strip_prefix("done ")?.parse::<usize>().ok());
    let mut last = done.by_ref().take(count).last().expect("the child commits");
    child.kill().unwrap();
    child.wait().unwrap();
    last = done.last().unwrap_or(last);
    last
}

#[test]
fn what_was_acknowledged_is_there_after_every_kill() {
    let folder = tempfile::tempdir().unwrap();
    for round in 1..=8 {
        let last = kill_after(folder.path(), 2 * round);
        let mut world = world_at(folder.path().to_owned());
        let vault = world.open().unwrap();
        assert_eq!(vault.check().unwrap(), []);
        let names: Vec<String> = vault.list(NOTES).unwrap().into_iter().map(|entry| entry.name).collect();
        let newest: usize = names.last().unwrap()[..6].parse().unwrap();
        assert!(newest == last || newest == last + 1, "{newest} after {last}: one may be done and not said");
        let kept = (newest + 1).saturating_sub(BATCHES_KEPT)..=newest;
        let expected: Vec<String> =
            kept.flat_map(|number| (0..TOGETHER).map(move |n| record(number, n))).collect();
        assert_eq!(names, expected, "batches are whole or not there");
        assert_eq!(note(&vault, &record(newest, 7)).unwrap(), content(newest + 7));
        let of_file = newest - newest % 3;
        assert_eq!(load(&vault, "file").unwrap(), content(2 * CHUNK_LEN + of_file));
        let part = vault.resume(FILES, "part", b"source", NOW, &mut world.rng).unwrap().unwrap();
        assert!(part.position() <= 2 * CHUNK_LEN as u64);
        drop(part);
        drop(vault);
    }
}

#[test]
fn a_batch_that_expects_another_version_does_nothing() {
    let (mut world, vault) = world();
    vault.put(NOTES, "one", b"1", NOW, &mut world.rng).unwrap();
    let version = vault.entry(NOTES, "one").unwrap().map(|entry| entry.version);
    let attempt = |vault: &Vault, rng: &mut _, expected: Option<u64>| {
        let mut file = vault.begin(FILES, "file", rng).unwrap();
        vault.write(&mut file, &content(2 * CHUNK_LEN)).unwrap();
        let mut batch = Batch::new();
        batch.put(NOTES, "one", b"2").unwrap().put_file(file);
        batch.expect(NOTES, "one", expected).unwrap();
        vault.commit(batch, NOW, rng)
    };
    let epoch = vault.epoch();
    for wrong in [None, version.map(|version| version + 1)] {
        assert!(matches!(attempt(&vault, &mut world.rng, wrong), Err(VaultError::Changed)));
    }
    assert_eq!(vault.epoch(), epoch);
    assert_eq!(vault.get(NOTES, "one").unwrap().as_slice(), b"1");
    assert!(vault.list(FILES).unwrap().is_empty());
    attempt(&vault, &mut world.rng, version).unwrap();
    assert_eq!(vault.get(NOTES, "one").unwrap().as_slice(), b"2");

    let mut batch = Batch::new();
    batch.put(NOTES, "two", b"1").unwrap().expect(NOTES, "two", None).unwrap();
    vault.commit(batch, NOW, &mut world.rng).unwrap();
}
