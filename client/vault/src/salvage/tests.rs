//! Each kind of damage, and the way back from it.

use super::*;
use crate::format::{HEADER_KEY, ROOT_KEY, SEALS_KEY};
use crate::world::*;
use crate::{CHUNK_LEN, StoreError};
use rustix::process::{Signal, getpid, kill_process};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

/// Three notes, a file of three chunks, and a file on its way in.
fn filled() -> (World, Vault) {
    let (mut world, vault) = world();
    for name in ["a", "b", "c"] {
        world.put(&vault, name, name.as_bytes());
    }
    world.store(&vault, "file", &content(3 * CHUNK_LEN));
    let mut begun = vault.begin_resumable(FILES, "begun", b"source", NOW, &mut world.rng).unwrap();
    vault.write(&mut begun, &content(2 * CHUNK_LEN + 1)).unwrap();
    (world, vault)
}

impl World {
    fn salvage(&mut self) -> Result<(Vault, Salvaged), VaultError> {
        Vault::salvage(&self.home(), &self.key, self.enrolment, &mut self.rng)
    }

    fn start_over(&mut self) -> Vault {
        Vault::start_over(&self.home(), &self.key, self.enrolment, &mut self.rng).unwrap()
    }
}

fn lost_note(name: &str, damage: Damage) -> Lost {
    Lost { collection: NOTES, name: Some(name.to_owned()), unfinished: false, damage }
}

#[test]
fn a_whole_vault_has_nothing_to_salvage() {
    let (mut world, vault) = filled();
    assert_eq!(vault.check().unwrap(), []);
    drop(vault);
    let (vault, salvaged) = world.salvage().unwrap();
    assert_eq!(salvaged, Salvaged { kept: 5, ..Salvaged::default() });
    let mut begun = vault.resume(FILES, "begun", b"source", NOW, &mut world.rng).unwrap().unwrap();
    assert_eq!(begun.position(), 2 * CHUNK_LEN as u64);
    vault.write(&mut begun, b"rest").unwrap();
    vault.commit_file(begun, NOW, &mut world.rng).unwrap();
    drop(vault);
    assert_eq!(load(&world.open().unwrap(), "file").unwrap(), content(3 * CHUNK_LEN));
}

#[test]
fn a_changed_header_makes_nobody_drop_what_is_whole() {
    let (mut world, vault) = filled();
    let header = vault.store().get(HEADER_KEY).unwrap().unwrap();
    let mut changed = header.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    set(&vault, HEADER_KEY, Some(&changed));
    drop(vault);
    assert_eq!(damage(world.open()), Some(Damage::Index));
    assert_eq!(damage(world.salvage()), Some(Damage::Keys));
    let store = crate::store::Store::open(&world.home().store_dir()).unwrap();
    let mut batch = sled::Batch::default();
    batch.insert(HEADER_KEY, header);
    store.apply(batch).unwrap();
    store.sync().unwrap();
    drop(store);
    let vault = world.open().unwrap();
    assert_eq!(load(&vault, "file").unwrap(), content(3 * CHUNK_LEN));
    assert_eq!(note(&vault, "a").unwrap(), b"a");
}

#[test]
fn damaged_records_are_named_and_dropped_and_the_rest_works() {
    let (mut world, vault) = filled();
    set(&vault, &key_of(&vault, "a"), Some(b"damaged"));
    set(&vault, &key_of(&vault, "b"), None);
    fs::write(world.content_of(&vault, "file"), b"cut").unwrap();
    let lost = vault.check().unwrap();
    let file = Lost {
        collection: FILES,
        name: Some("file".to_owned()),
        unfinished: false,
        damage: Damage::MissingChunk(0),
    };
    assert_eq!(lost, [file, lost_note("a", Damage::Record), lost_note("b", Damage::MissingRecord)]);
    vault.drop_lost(&lost, &mut world.rng).unwrap();
    drop(vault);
    let vault = world.open().unwrap();
    assert_eq!(vault.check().unwrap(), []);
    assert_eq!(note(&vault, "c").unwrap(), b"c");
    assert!(matches!(note(&vault, "a"), Err(VaultError::NotFound)));
    world.put(&vault, "a", b"fetched again");
    assert_eq!(note(&vault, "a").unwrap(), b"fetched again");
}

#[test]
fn a_lost_index_is_made_anew_from_the_records() {
    let damages: [fn(&Vault) -> Vec<u8>; 3] =
        [|_| ROOT_KEY.to_vec(), |_| SEALS_KEY.to_vec(), |vault| Part::Delta.key(vault.epoch(), 0).to_vec()];
    for (removed, damaged_at) in [true, false].into_iter().flat_map(|removed| damages.map(|at| (removed, at)))
    {
        let (mut world, vault) = filled();
        let epoch = vault.epoch();
        set(&vault, &damaged_at(&vault), (!removed).then_some(b"damaged"));
        set(&vault, &key_of(&vault, "b"), Some(b"damaged"));
        drop(vault);
        assert!(matches!(damage(world.open()), Some(Damage::Index | Damage::Seals)));
        let (vault, salvaged) = world.salvage().unwrap();
        let lost = Lost { name: None, ..lost_note("b", Damage::Record) };
        assert_eq!(salvaged, Salvaged { kept: 4, lost: vec![lost], index_lost: true, commits_lost: 0 });
        assert!(vault.epoch() > epoch, "the server sees no older vault");
        drop(vault);
        let vault = world.open().unwrap();
        assert_eq!(note(&vault, "a").unwrap(), b"a");
        assert_eq!(load(&vault, "file").unwrap(), content(3 * CHUNK_LEN));
        assert!(vault.resume(FILES, "begun", b"source", NOW, &mut world.rng).unwrap().is_some());
        let of_records = keys(&vault).into_iter().filter(|key| key[0] == RECORD_PREFIX).count();
        assert_eq!(of_records, 4, "what is lost takes no room");
    }
}

#[test]
fn keys_go_on_in_a_new_epoch_after_a_salvage() {
    let (mut world, vault) = filled();
    set(&vault, SEALS_KEY, None);
    let record = key_of(&vault, "a");
    let epoch = |vault: &Vault| stored(vault, &record)[11];
    assert_eq!(epoch(&vault), 1);
    drop(vault);
    let (vault, _) = world.salvage().unwrap();
    world.put(&vault, "a", b"new");
    assert_eq!(epoch(&vault), 2, "how often the first one sealed is not known any more");
}

#[test]
fn a_store_that_lost_commits_says_so_and_can_be_gone_on_with() {
    let (mut world, vault) = filled();
    let epoch = vault.epoch();
    drop(vault);
    let copy = tempfile::tempdir().unwrap();
    let copied = copy.path().join("store");
    copy_folder(&world.home().store_dir(), &copied);
    let vault = world.open().unwrap();
    world.put(&vault, "a", b"acknowledged");
    drop(vault);
    fs::remove_dir_all(world.home().store_dir()).unwrap();
    copy_folder(&copied, &world.home().store_dir());
    let lost = Damage::LostCommits { has: epoch, acknowledged: epoch + 1 };
    assert_eq!(damage(world.open()), Some(lost));
    let (vault, salvaged) = world.salvage().unwrap();
    assert_eq!(salvaged, Salvaged { kept: 5, commits_lost: 1, ..Salvaged::default() });
    assert_eq!(note(&vault, "a").unwrap(), b"a");
    assert!(vault.epoch() > epoch + 1);
    drop(vault);
    assert!(world.open().is_ok());
}

/// Puts an older copy of the vault's folder in its place, and leaves everything else of the home.
fn set_back(world: &World, copy: &Path) {
    fs::remove_dir_all(world.home().vault_dir()).unwrap();
    copy_folder(copy, &world.home().vault_dir());
}

#[test]
fn a_vault_folder_set_back_as_a_whole_is_found_and_can_be_gone_on_with() {
    let (mut world, vault) = filled();
    let has = vault.epoch();
    drop(vault);
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("vault");
    copy_folder(&world.home().vault_dir(), &copy);
    let vault = world.open().unwrap();
    vault.delete(NOTES, "a", &mut world.rng).unwrap();
    drop(vault);
    set_back(&world, &copy);
    assert_eq!(damage(world.open()), Some(Damage::LostCommits { has, acknowledged: has + 1 }));

    let mark = fs::read(world.home().mark()).unwrap();
    fs::remove_file(world.home().mark()).unwrap();
    assert_eq!(
        note(&world.open().unwrap(), "a").unwrap(),
        b"a",
        "without the mark it opens as if nothing was"
    );

    fs::write(world.home().mark(), mark).unwrap();
    let (vault, salvaged) = world.salvage().unwrap();
    assert_eq!(salvaged, Salvaged { kept: 5, commits_lost: 1, ..Salvaged::default() });
    assert!(vault.epoch() > has + 1);
    drop(vault);
    assert!(world.open().is_ok());
}

/// The key epoch that a note is sealed in.
fn key_epoch_of(vault: &Vault, name: &str) -> u32 {
    u32::from_be_bytes(stored(vault, &key_of(vault, name))[8..12].try_into().unwrap())
}

#[test]
fn a_store_set_back_before_a_salvage_begins_no_key_epoch_again() {
    let (mut world, vault) = filled();
    drop(vault);
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("vault");
    copy_folder(&world.home().vault_dir(), &copy);
    let (vault, _) = world.salvage().unwrap();
    world.put(&vault, "a", b"in the second epoch");
    assert_eq!(key_epoch_of(&vault, "a"), 2);
    drop(vault);
    set_back(&world, &copy);
    let (vault, _) = world.salvage().unwrap();
    world.put(&vault, "a", b"in the third");
    assert_eq!(key_epoch_of(&vault, "a"), 3, "the second one has sealed already");
}

#[test]
fn what_is_damaged_counts_when_a_salvage_goes_on_above_all_that_was() {
    let (mut world, vault) = filled();
    drop(vault);
    // The index is sealed in a new epoch, the records are not.
    let (vault, _) = world.salvage().unwrap();
    for name in ["c", "b"] {
        vault.delete(NOTES, name, &mut world.rng).unwrap();
    }
    let before = vault.epoch();
    let damage_to = [vec![SEALS_KEY.to_vec()], vec![SEALS_KEY.to_vec(), ROOT_KEY.to_vec()]];
    drop(vault);
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("vault");
    copy_folder(&world.home().vault_dir(), &copy);
    for (keys, is_flipped) in damage_to.iter().flat_map(|keys| [(keys, false), (keys, true)]) {
        set_back(&world, &copy);
        fs::remove_file(world.home().mark()).unwrap();
        let vault = world.open().unwrap();
        for key in keys {
            let mut bytes = stored(&vault, key);
            *bytes.last_mut().unwrap() ^= 1;
            bytes.truncate(if key == SEALS_KEY { 3 } else { bytes.len() });
            set(&vault, key, is_flipped.then_some(&bytes));
        }
        drop(vault);
        fs::remove_file(world.home().mark()).unwrap();
        let (vault, salvaged) = world.salvage().unwrap();
        assert!(salvaged.index_lost);
        assert!(vault.epoch() > before, "{} after {before}", vault.epoch());
        world.put(&vault, "a", b"new");
        assert_eq!(key_epoch_of(&vault, "a"), 3);
        drop(vault);
    }
}

#[test]
fn a_key_epoch_that_a_damaged_record_says_leaves_enough_for_later() {
    let (mut world, vault) = filled();
    let mut absurd = stored(&vault, &key_of(&vault, "a"));
    absurd[..12].fill(0xff);
    set(&vault, &key_of(&vault, "a"), Some(&absurd));
    set(&vault, SEALS_KEY, None);
    drop(vault);
    let (vault, _) = world.salvage().unwrap();
    assert!(vault.epoch() < u64::MAX / 2);
    world.put(&vault, "a", b"new");
    assert!((2..=1 + MAX_EPOCHS_AHEAD).contains(&key_epoch_of(&vault, "a")));
    drop(vault);
    assert_eq!(note(&world.open().unwrap(), "a").unwrap(), b"new");
}

#[test]
fn a_vault_started_over_goes_on_above_the_one_before() {
    let (mut world, vault) = filled();
    let before = vault.epoch();
    drop(vault);
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("vault");
    copy_folder(&world.home().vault_dir(), &copy);
    let vault = world.start_over();
    assert_eq!(vault.epoch(), before + 1);
    drop(vault);
    set_back(&world, &copy);
    assert!(
        matches!(damage(world.open()), Some(Damage::LostCommits { .. })),
        "the older one is known as that"
    );
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_torn_mark_is_no_damage_and_an_absurd_one_overflows_nothing() {
    let (mut world, vault) = filled();
    let mark = world.home().mark();
    drop(vault);
    for torn in [&b""[..], b"short", &[0x5a; 24]] {
        fs::write(&mark, torn).unwrap();
        assert!(world.open().is_ok());
    }
    fs::write(&mark, [[0xff; 12], [0; 12]].concat()).unwrap();
    assert!(matches!(damage(world.open()), Some(Damage::LostCommits { .. })));
    let (vault, _) = world.salvage().unwrap();
    world.put(&vault, "a", b"goes on");
    drop(vault);
    assert_eq!(note(&world.open().unwrap(), "a").unwrap(), b"goes on");
}

#[test]
fn a_store_that_does_not_open_is_named_and_can_be_started_over() {
    for file in ["conf", "db"] {
        let (mut world, vault) = filled();
        drop(vault);
        let file = world.home().store_dir().join(file);
        let length = fs::read(&file).unwrap().len();
        fs::write(&file, vec![0xa5; length]).unwrap();
        for result in [world.open(), world.salvage().map(|(vault, _)| vault)] {
            let message = result.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(message.contains("start it over") && message.contains("enrol it again"), "{message}");
        }
        let vault = world.start_over();
        assert!(vault.list(NOTES).unwrap().is_empty() && world.contents().is_empty());
        world.put(&vault, "a", b"new");
        drop(vault);
        assert_eq!(note(&world.open().unwrap(), "a").unwrap(), b"new");
    }
}

#[test]
fn a_store_without_a_header_is_named_and_not_guessed_at() {
    let (mut world, vault) = filled();
    set(&vault, HEADER_KEY, None);
    drop(vault);
    assert_eq!(damage(world.open()), Some(Damage::Header));
    assert_eq!(damage(world.salvage()), Some(Damage::Header));
}

#[test]
fn every_truncation_of_the_store_opens_or_is_named() {
    let (world, vault) = filled();
    drop(vault);
    let folder = world.home().store_dir();
    let whole: Vec<(std::path::PathBuf, Vec<u8>)> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    let db = whole.iter().find(|(path, _)| path.ends_with("db")).unwrap().1.clone();
    let used = db.iter().rposition(|byte| *byte != 0).unwrap();
    for cut in (0..24).map(|part| used * part / 24) {
        fs::remove_dir_all(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        whole.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        fs::write(folder.join("db"), &db[..cut]).unwrap();
        match world.open() {
            Ok(vault) => {
                // sled had it in its snapshot, or it was behind what is used.
                assert_eq!(vault.check().unwrap(), [], "cut at {cut}");
                assert_eq!(note(&vault, "c").unwrap(), b"c");
            }
            Err(VaultError::Damaged(_) | VaultError::Store(_)) => {}
            Err(error) => panic!("cut at {cut}: {error}"),
        }
    }
}

#[test]
fn a_full_disk_is_said_before_anything_is_written_and_reading_and_removing_go_on() {
    let (mut world, vault) = filled();
    vault.store().reserve.store(u64::MAX / 2, Ordering::Relaxed);
    let refused = vault.put(NOTES, "d", b"x", NOW, &mut world.rng);
    let Err(VaultError::Store(StoreError::Full(cause))) = refused else { panic!("{refused:?}") };
    assert_eq!(cause.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(note(&vault, "a").unwrap(), b"a");
    vault.delete(FILES, "file", &mut world.rng).unwrap();
    vault.store().reserve.store(0, Ordering::Relaxed);
    world.put(&vault, "d", b"x");
}

/// Runs one test of this binary in a process of its own: with files no longer than `blocks`, a write fails in the middle.
fn with_file_limit(test: &str, folder: &Path, blocks: u32) -> std::process::Output {
    let script =
        format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" --exact {test} --nocapture --ignored");
    let mut command = Command::new("bash");
    command.args(["-c", &script]).arg(std::env::current_exe().unwrap()).env("VAULT_UNDER_LIMIT", folder);
    command.output().unwrap()
}

#[test]
fn a_write_that_fails_in_the_middle_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let test = "salvage::tests::fills_a_limited_disk";
    let ended = with_file_limit(test, folder.path(), 3072);
    assert_eq!(ended.status.signal(), Some(Signal::KILL.as_raw()), "{ended:?}");
    let acknowledged: usize =
        fs::read_to_string(folder.path().join("acknowledged")).unwrap().parse().unwrap();
    assert!(acknowledged > 0);
    let world = world_in(folder);
    let vault = world.open().unwrap();
    assert!(vault.list(NOTES).unwrap().len() >= acknowledged);
    for n in 0..acknowledged {
        assert_eq!(note(&vault, &n.to_string()).unwrap(), content(5000));
    }
    assert_eq!(vault.check().unwrap(), []);
    assert!(world.contents().is_empty(), "the file that did not fit left nothing");
}

#[test]
#[ignore = "run by a_write_that_fails_in_the_middle_loses_nothing_acknowledged, under a limit of its own"]
fn fills_a_limited_disk() {
    let folder =
        std::path::PathBuf::from(std::env::var_os("VAULT_UNDER_LIMIT").expect("run by another test"));
    let mut world = world_at(folder.clone());
    let vault = Vault::create(&world.home(), &world.key, world.enrolment, &mut world.rng).unwrap();
    let large = content(4 << 20);
    let refused = vault.store_file((FILES, "large"), &mut large.as_slice(), NOW, &mut world.rng);
    assert!(matches!(refused, Err(VaultError::Io(_))), "{refused:?}");
    let mut acknowledged = 0;
    let error = loop {
        match vault.put(NOTES, &acknowledged.to_string(), &content(5000), NOW, &mut world.rng) {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, VaultError::Store(_)), "{error}");
    let again = vault.put(NOTES, "again", b"x", NOW, &mut world.rng);
    assert!(matches!(again, Err(VaultError::Store(StoreError::Failed))), "{again:?}");
    // A read may want to rewrite sled's page of it and then meet the same disk: the record, or that; never something else.
    match note(&vault, "0") {
        Ok(found) => assert_eq!(found, content(5000)),
        Err(refused) => assert!(matches!(refused, VaultError::Store(_)), "{refused}"),
    }
    fs::write(folder.join("acknowledged"), acknowledged.to_string()).unwrap();
    // sled's threads may go on trying, and what it left to be dropped when a thread ends may fail: nothing more runs here.
    kill_process(getpid(), Signal::KILL).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let (world, _vault) = world();
    let folder = Path::new("/proc/self/vault");
    let refused = Vault::open(&Home::new(folder), &world.key, world.enrolment);
    let message = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains("cannot create /proc/self/vault"), "{message}");
}
