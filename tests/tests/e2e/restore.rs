//! A server that was restored from a backup opens nobody's vault, and says why, until what it has forgotten is accounted for.

mod kill;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use e2e::web::Web;
use e2e::world::{Finished, Operator, Phone, Process, Site, World};
use mdm_core::change::{Changeset, Record};
use mdm_core::quarantine::ServerState;
use mdm_server::server::open_store;

use crate::thief::{Holder, PIN, holder, journal, runtime};

/// `mdm-server` on the machine of the site.
fn admin(site: &Site, arguments: &[&str]) -> Result<Finished> {
    let mut command = site.command("mdm-server")?;
    let (verb, rest) = arguments.split_at(if arguments[0] == "quarantine" { 2 } else { 1 });
    command.args(verb).arg("--config").arg(site.config_file()).args(rest);
    Process::spawn("mdm-server", &mut command)?.finish()
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}

/// What one backup is made of.
struct Backup {
    folder: PathBuf,
    key_file: PathBuf,
    tombstones: PathBuf,
}

/// The only thing in a folder that `is` so.
fn only(folder: &Path, is: impl Fn(&Path) -> bool) -> Result<PathBuf> {
    let entries: std::io::Result<Vec<_>> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect();
    let mut found: Vec<_> = entries?.into_iter().filter(|path| is(path)).collect();
    found.sort();
    ensure!(found.len() == 1, "one in {}: {found:?}", folder.display());
    Ok(found.remove(0))
}

impl Backup {
    /// Makes one into a folder of its own.
    fn make(site: &Site, name: &str) -> Result<Self> {
        let to = site.folder().join(name);
        admin(site, &["backup", "--to", text(&to)?])?.expect_success("mdm-server backup")?;
        Ok(Self {
            folder: only(&to, |path| path.join("manifest.json").exists())?,
            key_file: only(&to.join("key-files"), |_| true)?,
            tombstones: only(&to.join("tombstones"), |_| true)?,
        })
    }

    fn restore(&self, site: &Site, more: &[&str]) -> Result<Finished> {
        let arguments = ["restore", "--from", text(&self.folder)?, "--key-file", text(&self.key_file)?];
        admin(site, &[&arguments, more].concat())
    }
}

/// The data folder is gone, wherever to.
fn lose(world: &World) -> Result<PathBuf> {
    let lost = world.folder().join("data.lost");
    fs::rename(world.data(), &lost)?;
    Ok(lost)
}

fn export(world: &World, name: &str) -> Result<PathBuf> {
    let file = world.folder().join(name);
    world.mdmctl(&["audit", "export", text(&file)?])?;
    Ok(file)
}

fn said_quarantine(finished: Finished) {
    let said = finished.expect_failure("a server in quarantine").unwrap();
    assert!(said.contains("restored from a backup") || said.contains("in quarantine"), "{said}");
}

/// Two phones, of which one is wiped after a backup while it is switched off, and a copy of its folder from before; the journal
/// as it was then; and the server restored from that backup, stopped.
struct Restored {
    world: World,
    owner: Operator,
    lost: Holder,
    copy: Phone,
    kept: Holder,
    journal: PathBuf,
    backup: Backup,
}

fn restored() -> Restored {
    let mut world = World::new().unwrap();
    let owner = world.owner().unwrap();
    let (lost, kept) = (holder(&world, "lost").unwrap(), holder(&world, "kept").unwrap());
    lost.phone.unlock(PIN).unwrap();
    kept.phone.unlock(PIN).unwrap();
    let copy = lost.phone.copy("copy").unwrap();
    let backup = Backup::make(&world, "backups").unwrap();
    lost.order(&world, "wipe").unwrap();
    kept.phone.unlock(PIN).unwrap();
    let journal = export(&world, "journal.jsonl").unwrap();
    world.stop().unwrap();
    lose(&world).unwrap();
    backup.restore(&world, &[]).unwrap().expect_success("mdm-server restore").unwrap();
    Restored { world, owner, lost, copy, kept, journal, backup }
}

#[test]
fn a_restored_server_opens_nobodys_vault_until_a_newer_journal_is_loaded() {
    let Restored { mut world, owner, lost, copy, kept, journal, .. } = restored();
    let mut forgetful = world.copy().unwrap();
    world.start().unwrap();
    // Whoever has the phone, or a copy of its folder from before the wipe, is told why.
    said_quarantine(lost.phone.try_unlock(PIN).unwrap());
    said_quarantine(copy.try_unlock(PIN).unwrap());
    said_quarantine(kept.phone.try_unlock(PIN).unwrap());
    // The token that may have been revoked since then says nothing any more.
    let refused = world.try_mdmctl(&["server"]).unwrap().expect_failure("a token from the backup").unwrap();
    assert!(refused.contains("token"), "{refused}");
    world.renew_token(&owner).unwrap();
    let console = Web::new(&world).unwrap();
    console.sign_in(&owner).unwrap();
    let why = "このサーバーはバックアップから復元されました。バックアップより後の指示は残っていません。";
    assert!(console.get("/quarantine").unwrap().body.contains(why));
    assert!(world.mdmctl(&["server"]).unwrap()["quarantine"]["since"].is_string());
    said_quarantine(world.try_mdmctl(&["licenses", "pool", "set", "9"]).unwrap());
    said_quarantine(world.try_mdmctl(&["codes", "export"]).unwrap());
    // What protects goes on.
    kept.order(&world, "block").unwrap();
    assert_eq!(kept.shown(&world).unwrap()["state"], "blocked");
    said_quarantine(world.try_mdmctl(&["devices", "unblock", &kept.device, "--reason", "found"]).unwrap());

    // While the server runs.
    let loaded = admin(&world, &["quarantine", "load", "--journal", text(&journal).unwrap()]).unwrap();
    let said = loaded.expect_success("mdm-server quarantine load").unwrap().text();
    assert!(said.contains("wiped again    1") && said.contains("The quarantine is over"), "{said}");
    assert_eq!(lost.shown(&world).unwrap()["state"], "wiped");
    copy.try_unlock(PIN).unwrap().expect_failure("a copy of a wiped phone").unwrap();
    lost.phone.try_unlock(PIN).unwrap().expect_failure("a wiped phone").unwrap();
    assert!(lost.shown(&world).unwrap()["wipe"]["erased_at"].is_string(), "{}", lost.shown(&world).unwrap());
    kept.order(&world, "unblock").unwrap();
    kept.phone.unlock(PIN).unwrap();

    world.stop().unwrap();

    // The control: the same data folder with the quarantine taken out of its database opens both.
    clear_quarantine(&forgetful).unwrap();
    forgetful.start().unwrap();
    forgetful.phone("copy").unlock(PIN).unwrap();
    forgetful.phone("kept").unlock(PIN).unwrap();
}

#[test]
fn an_owner_confirms_what_was_wiped_and_blocked_and_phones_witness_the_new_line_at_once() {
    let Restored { mut world, owner, lost, copy, kept, .. } = restored();
    world.start().unwrap();
    said_quarantine(kept.phone.try_unlock(PIN).unwrap());
    let console = Web::new(&world).unwrap();
    console.sign_in(&owner).unwrap();
    let csrf = console.csrf().unwrap();
    let form =
        [("csrf", &*csrf), ("wiped", &*lost.device), ("count", "1"), ("blocked", ""), ("blocked_count", "0")];
    console.post("/quarantine", &form).unwrap().expect(303).unwrap();
    copy.try_unlock(PIN).unwrap().expect_failure("a copy of a wiped phone").unwrap();
    kept.phone.unlock(PIN).unwrap();
    world.renew_token(&owner).unwrap();
    assert_eq!(lost.shown(&world).unwrap()["state"], "wiped");

    // The journal is shorter than the one that the phone had seen, and it witnesses it all the same: the folder of a moment
    // ago is put back, and the phone says so.
    world.stop().unwrap();
    let older = world.copy().unwrap();
    world.start().unwrap();
    kept.phone.unlock(PIN).unwrap();
    kept.phone.sync().unwrap().expect_success("a hello").unwrap();
    world.stop().unwrap();
    fs::remove_dir_all(world.data()).unwrap();
    e2e::world::files::copy(&older.data(), &world.data()).unwrap();
    world.start().unwrap();
    kept.phone.sync().unwrap().expect_success("a hello is answered").unwrap();
    said_quarantine(kept.phone.try_unlock(PIN).unwrap());
}

/// Somebody who writes into the database of a stopped server.
fn clear_quarantine(site: &Site) -> Result<()> {
    runtime()?.block_on(async {
        let store = open_store(&site.data())?;
        let stored = store.server_state().await?.context("a state")?;
        ensure!(stored.value.is_quarantined(), "the control should have something to take out");
        let mut changes = Changeset::default();
        // Nothing that a device has seen counts either.
        let accounted_until = Some(jiff::Timestamp::MAX);
        let cleared = ServerState { quarantine: None, accounted_until, ..stored.value };
        changes.update(stored.version, Record::Server(cleared));
        store.commit(changes).await?;
        Ok(())
    })
}

#[test]
fn tombstones_of_a_newer_backup_wipe_what_an_older_one_has_forgotten() {
    let mut world = World::new().unwrap();
    let owner = world.owner().unwrap();
    let lost = holder(&world, "lost").unwrap();
    lost.phone.unlock(PIN).unwrap();
    let older = Backup::make(&world, "older").unwrap();
    lost.order(&world, "wipe").unwrap();
    world.stop().unwrap();
    // Of a stopped server.
    let newer = Backup::make(&world, "newer").unwrap();
    lose(&world).unwrap();
    let more = ["--tombstones", text(&newer.tombstones).unwrap()];
    older.restore(&world, &more).unwrap().expect_success("mdm-server restore").unwrap();
    world.start().unwrap();
    world.renew_token(&owner).unwrap();
    assert_eq!(lost.shown(&world).unwrap()["state"], "wiped");
    lost.phone.try_unlock(PIN).unwrap().expect_failure("a wiped phone").unwrap();
    assert!(lost.shown(&world).unwrap()["wipe"]["erased_at"].is_string(), "{}", lost.shown(&world).unwrap());
}

#[test]
fn a_backup_is_restored_whole_or_not_at_all_and_only_where_it_belongs() {
    let Restored { mut world, kept, backup, .. } = restored();
    let refused = |finished: Finished, part: &str| {
        let said = finished.expect_failure(part).unwrap();
        assert!(said.contains(part), "{said}");
    };
    refused(backup.restore(&world, &[]).unwrap(), "is not empty");
    // Another organisation's server.
    let stranger = World::prepared().unwrap();
    fs::remove_dir_all(stranger.data()).unwrap();
    refused(backup.restore(&stranger, &[]).unwrap(), "made under another master key");
    assert!(!stranger.data().exists());

    fs::remove_dir_all(world.data()).unwrap();
    let rows = backup.folder.join("database.rows");
    let whole = fs::read(&rows).unwrap();
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(&rows, &changed).unwrap();
    refused(backup.restore(&world, &[]).unwrap(), "database.rows of the backup is damaged");
    assert!(!world.data().exists());
    fs::write(&rows, &whole).unwrap();
    let manifest = backup.folder.join("manifest.json");
    let listed = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, listed.replace("玉手県", "別の県")).unwrap();
    refused(backup.restore(&world, &[]).unwrap(), "does not verify");
    fs::write(&manifest, &listed).unwrap();

    backup.restore(&world, &[]).unwrap().expect_success("the backup as it was").unwrap();
    world.start().unwrap();
    said_quarantine(kept.phone.try_unlock(PIN).unwrap());
}

#[test]
fn a_phone_that_has_seen_more_puts_a_folder_that_was_swapped_back_into_quarantine() {
    let mut world = World::new().unwrap();
    let owner = world.owner().unwrap();
    let lost = holder(&world, "lost").unwrap();
    let witness = holder(&world, "witness").unwrap();
    lost.phone.unlock(PIN).unwrap();
    world.stop().unwrap();
    let older = world.copy().unwrap();
    world.start().unwrap();
    lost.order(&world, "wipe").unwrap();
    witness.phone.unlock(PIN).unwrap();
    witness.phone.sync().unwrap().expect_success("a hello after the wipe").unwrap();
    let forgotten = export(&world, "forgotten.jsonl").unwrap();
    world.stop().unwrap();

    // The older folder comes back without a word.
    fs::remove_dir_all(world.data()).unwrap();
    e2e::world::files::copy(&older.data(), &world.data()).unwrap();
    world.start().unwrap();
    witness.phone.sync().unwrap().expect_success("a hello is answered").unwrap();
    said_quarantine(witness.phone.try_unlock(PIN).unwrap());
    said_quarantine(lost.phone.try_unlock(PIN).unwrap());
    // Durably.
    world.restart().unwrap();
    said_quarantine(lost.phone.try_unlock(PIN).unwrap());
    world.renew_token(&owner).unwrap();
    let own = export(&world, "own.jsonl").unwrap();
    world.stop().unwrap();
    let noted = journal(&world).unwrap();
    let entered = noted.iter().filter(|body| body.what == mdm_core::audit::Happening::QuarantineEntered);
    let entered: Vec<_> = entered.collect();
    assert_eq!(entered.len(), 1);
    assert_eq!(entered[0].subject.device, Some(witness.enrolment().unwrap()));

    // What the forgetful server exports itself is newer than all, and says nothing of the wipe.
    let load = |journal: &Path| admin(&world, &["quarantine", "load", "--journal", text(journal)?]);
    let refused = load(&own).unwrap().expect_failure("the journal of the forgetful server").unwrap();
    assert!(refused.contains("says nothing of what this server has forgotten"), "{refused}");
    let said = load(&forgotten).unwrap().expect_success("mdm-server quarantine load").unwrap().text();
    assert!(said.contains("wiped again    1"), "{said}");
    world.start().unwrap();
    assert_eq!(lost.shown(&world).unwrap()["state"], "wiped");
    witness.phone.unlock(PIN).unwrap();
}

#[test]
fn backups_of_the_key_file_are_destroyed_when_their_day_is_over() {
    let world = World::new().unwrap();
    let to = world.folder().join("backups");
    let make = || {
        admin(&world, &["backup", "--to", text(&to).unwrap(), "--keep-key-files", "0"])
            .unwrap()
            .expect_success("mdm-server backup")
            .unwrap()
    };
    make();
    let first = only(&to.join("key-files"), |_| true).unwrap();
    let foreign = to.join("key-files/notes.txt");
    fs::write(&foreign, b"not ours").unwrap();
    // Backups are named by the second.
    let said = e2e::world::wait::until("the next second", || {
        let finished =
            admin(&world, &["backup", "--to", text(&to).unwrap(), "--keep-key-files", "0"]).unwrap();
        finished.succeeded().then(|| finished.text())
    })
    .unwrap();
    assert!(said.contains("destroyed      1 older"), "{said}");
    assert!(!first.exists() && foreign.exists());
    let tombstones = only(&to.join("tombstones"), |_| true).unwrap();
    assert!(tombstones.exists());
}

#[test]
fn an_older_copy_of_a_phone_has_both_blocked_and_a_phone_that_lost_power_does_not() {
    let world = World::new().unwrap();
    let holder = holder(&world, "real").unwrap();
    holder.phone.unlock(PIN).unwrap();
    let copy = holder.phone.copy("copy").unwrap();
    // Two more, so that the copy is no hello that was overtaken on its way.
    holder.phone.unlock(PIN).unwrap();
    holder.phone.unlock(PIN).unwrap();
    // Power was lost between the count and KE3: the phone is ahead.
    crate::thief::edit_state(&holder.phone, |state| state.vault_epoch += 1).unwrap();
    holder.phone.unlock(PIN).unwrap();
    assert_eq!(holder.shown(&world).unwrap()["state"], "live");

    copy.try_unlock(PIN).unwrap().expect_failure("an older copy").unwrap();
    assert_eq!(holder.shown(&world).unwrap()["state"], "blocked");
    holder
        .phone
        .try_unlock(PIN)
        .unwrap()
        .expect_failure("the phone itself, until somebody has looked")
        .unwrap();
    holder.order(&world, "unblock").unwrap();
    holder.phone.unlock(PIN).unwrap();
}
