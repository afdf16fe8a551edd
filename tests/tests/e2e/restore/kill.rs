//! A backup and a restore are killed at counted writes: a backup that can be restored is whole, and a data folder that is
//! not is not served.

use std::fs;
use std::path::Path;

use e2e::world::shim::{Mode, Shim};
use e2e::world::{Finished, Process, Site, World};
use serde_json::{Value, json};

use super::{Backup, admin, lose, said_quarantine, text};
use crate::thief::{PIN, holder, journal};

/// How many writes are killed at.
const POINTS: usize = 14;

/// `mdm-server` with the shim loaded, which looks at the writes into `folder`.
fn shimmed(site: &Site, shim: &Shim, folder: &Path, arguments: &[&str]) -> Finished {
    let mut command = site.command("mdm-server").unwrap();
    command.env("LD_PRELOAD", shim.library()).envs(shim.variables()).env("WRITES_FOLDER", folder);
    command.arg(arguments[0]).arg("--config").arg(site.config_file()).args(&arguments[1..]);
    Process::spawn("mdm-server", &mut command).unwrap().finish().unwrap()
}

/// So many of the writes, the first and the last among them, killed at before and after in turn.
fn points(writes: usize) -> Vec<Mode> {
    assert!(writes > POINTS, "only {writes} writes were counted");
    let at = |number: usize| 1 + number * (writes - 1) / (POINTS - 1);
    let mode = |number: usize| match number % 2 {
        0 => Mode::KillBefore(at(number)),
        _ => Mode::KillAfter(at(number)),
    };
    (0..POINTS).map(mode).collect()
}

#[test]
fn a_restore_that_was_killed_is_refused_by_name_and_done_again() {
    let mut world = World::new().unwrap();
    let owner = world.owner().unwrap();
    let kept = holder(&world, "kept").unwrap();
    kept.phone.unlock(PIN).unwrap();
    let backup = Backup::make(&world, "backups").unwrap();
    let expected = holdings(&world);
    world.stop().unwrap();
    let entries = journal(&world).unwrap().len();
    let expected_history = history(&world, entries);
    fs::remove_dir_all(lose(&world).unwrap()).unwrap();
    let arguments =
        ["restore", "--from", text(&backup.folder).unwrap(), "--key-file", text(&backup.key_file).unwrap()];

    let counted = world.copy().unwrap();
    let shim = Shim::new(&counted, Mode::Count).unwrap();
    shim.arm().unwrap();
    shimmed(&counted, &shim, &counted.data(), &arguments)
        .expect_success("a restore, counted and not killed")
        .unwrap();
    let writes = shim.calls().unwrap().len();

    // The backup itself was noted in the journal, maybe behind what is in it.
    let backed_up = entries - 1;
    let (mut refused, mut whole, mut beyond) = (0, 0, 0);
    for mode in points(writes) {
        let mut killed = world.copy().unwrap();
        let shim = Shim::new(&killed, mode).unwrap();
        shim.arm().unwrap();
        let finished = shimmed(&killed, &shim, &killed.data(), &arguments);
        // The store's own writes are some more or less from run to run: the last of the counted may not come.
        match finished.status.success() {
            true => beyond += 1,
            false => finished.expect_killed(),
        }
        let begun = fs::read_dir(killed.data()).is_ok_and(|mut entries| entries.next().is_some());
        match killed.start() {
            Ok(()) => whole += 1,
            Err(error) => {
                let said = format!("{error:#}");
                assert!(!begun || said.contains("was cut off before its end"), "{mode:?}: {said}");
                refused += usize::from(begun);
                let again = admin(&killed, &arguments).unwrap();
                if begun {
                    again.expect_failure("what is there is not written over").unwrap();
                    fs::remove_dir_all(killed.data()).unwrap();
                    admin(&killed, &arguments).unwrap().expect_success("the restore, again").unwrap();
                } else {
                    again.expect_success("the restore, from its beginning").unwrap();
                }
                killed.start().unwrap();
            }
        }
        // Whether it was whole or done again: all that was backed up is there, and the vault opens by it.
        said_quarantine(killed.phone("kept").try_unlock(PIN).unwrap());
        killed.renew_token(&owner).unwrap();
        assert_eq!(holdings(&killed), expected, "{mode:?}");
        opens_again(&mut killed);
        killed.stop().unwrap();
        assert_eq!(history(&killed, backed_up), expected_history[..backed_up], "{mode:?}");
    }
    println!(
        "{writes} writes of a restore, {POINTS} kills: {refused} refused by name, {whole} whole, {beyond} not killed"
    );
    assert!(beyond <= 2, "{beyond} of {POINTS} were not killed");
    assert!(refused * 2 > POINTS, "only {refused} of {POINTS} kills fell into the restore");
}

#[test]
fn a_backup_that_was_killed_is_whole_or_not_there() {
    let mut world = World::new().unwrap();
    let owner = world.owner().unwrap();
    let kept = holder(&world, "kept").unwrap();
    kept.phone.unlock(PIN).unwrap();
    world.stop().unwrap();
    let noted = journal(&world).unwrap().len();
    let expected_history = history(&world, noted);
    let counted = world.copy().unwrap();
    let to = counted.folder().join("backups");
    let shim = Shim::new(&counted, Mode::Count).unwrap();
    shim.arm().unwrap();
    shimmed(&counted, &shim, &to, &["backup", "--to", text(&to).unwrap()])
        .expect_success("a backup, counted and not killed")
        .unwrap();
    let writes = shim.calls().unwrap().len();

    let mut cut_off = 0;
    for mode in points(writes) {
        let mut killed = world.copy().unwrap();
        let shim = Shim::new(&killed, mode).unwrap();
        shim.arm().unwrap();
        let to = killed.folder().join("backups");
        shimmed(&killed, &shim, &to, &["backup", "--to", text(&to).unwrap()]).expect_killed();
        let is_whole = |entry: &fs::DirEntry| {
            entry.path().join("manifest.json").exists() && entry.file_name() != "unfinished"
        };
        let entries = fs::read_dir(&to).map(|entries| entries.map(Result::unwrap).collect::<Vec<_>>());
        let entries = entries.unwrap_or_default();
        let backup = match entries.iter().find(|entry| is_whole(entry)) {
            Some(whole) => {
                let key_file =
                    super::only(&to.join("key-files"), |path| !path.ends_with("unfinished")).unwrap();
                let tombstones =
                    super::only(&to.join("tombstones"), |path| !path.ends_with("unfinished")).unwrap();
                Backup { folder: whole.path(), key_file, tombstones }
            }
            None => {
                cut_off += 1;
                Backup::make(&killed, "again").unwrap()
            }
        };
        // The server is unharmed, and what is there can be restored.
        killed.start().unwrap();
        killed.phone("kept").unlock(PIN).unwrap();
        let expected = holdings(&killed);
        killed.stop().unwrap();
        lose(&killed).unwrap();
        backup.restore(&killed, &[]).unwrap().expect_success("the backup").unwrap();
        killed.start().unwrap();
        said_quarantine(killed.phone("kept").try_unlock(PIN).unwrap());
        killed.renew_token(&owner).unwrap();
        let without_last_unlock = |mut known: Value| {
            // The phone was unlocked after the backup.
            known["devices"][0].as_object_mut().unwrap().remove("last_unlock");
            known
        };
        assert_eq!(without_last_unlock(holdings(&killed)), without_last_unlock(expected), "{mode:?}");
        opens_again(&mut killed);
        killed.stop().unwrap();
        assert_eq!(history(&killed, noted), expected_history, "{mode:?}");
    }
    println!("{writes} writes of a backup, {POINTS} kills: {cut_off} left no backup");
    assert!(cut_off * 2 > POINTS, "only {cut_off} of {POINTS} kills fell into the backup");
}

/// What a restored server knows, which nothing has changed since: devices, people, and the journal that leads to it.
fn holdings(world: &World) -> Value {
    let without_times = |mut device: Value| {
        // A server in quarantine says so of each device; what it holds of them is the same.
        let fields = device.as_object_mut().unwrap();
        fields.retain(|name, _| {
            ["id", "account", "state", "model", "enrolled_at", "last_unlock"].contains(&name.as_str())
        });
        device
    };
    json!({
        "devices": world.devices().unwrap().into_iter().map(without_times).collect::<Vec<_>>(),
        "accounts": world.accounts("kept").unwrap(),
        "seats": world.mdmctl(&["licenses", "status"]).unwrap(),
    })
}

/// The journal of a stopped server, up to where the backup was made.
fn history(world: &World, entries: usize) -> Vec<String> {
    let bodies = journal(world).unwrap();
    assert!(bodies.len() >= entries, "{} entries of {entries}", bodies.len());
    bodies.iter().take(entries).map(|body| format!("{body:?}")).collect()
}

/// Ends the quarantine as an owner would who knows of no wipe, and opens the vault: its record is there as well.
fn opens_again(world: &mut World) {
    world.stop().unwrap();
    super::clear_quarantine(world).unwrap();
    world.start().unwrap();
    world.phone("kept").unlock(PIN).unwrap();
}

/// What the shim does to a process.
trait Killed {
    fn expect_killed(self);
}

impl Killed for Finished {
    fn expect_killed(self) {
        assert_eq!(self.status.code(), None, "it should have been killed: {}", self.said());
    }
}
