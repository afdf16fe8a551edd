//! The vault in use, and against someone who changes what is on disk.

use super::*;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;

const MARKER: &str = "牛舎の点検 marker-7f3a";

struct World {
    folder: tempfile::TempDir,
    key: VaultKey,
    enrolment: EnrolmentId,
    rng: StdRng,
}

fn world() -> (World, Vault) {
    let mut rng = StdRng::seed_from_u64(1);
    let (folder, key) = (tempfile::tempdir().unwrap(), VaultKey::make(&mut rng));
    let enrolment = EnrolmentId::make(Timestamp::UNIX_EPOCH, &mut rng);
    let vault = Vault::create(&folder.path().join("store"), &key, enrolment, &mut rng).unwrap();
    (World { folder, key, enrolment, rng }, vault)
}

impl World {
    fn open(&self) -> Result<Vault, VaultError> {
        Vault::open(&self.folder.path().join("store"), &self.key, self.enrolment)
    }

    fn put(&mut self, vault: &Vault, name: &str, bytes: &[u8]) -> EntryInfo {
        vault.put(name, &mut &bytes[..], Timestamp::UNIX_EPOCH, &mut self.rng).unwrap()
    }
}

fn get(vault: &Vault, name: &str) -> Result<Vec<u8>, VaultError> {
    let mut bytes = Vec::new();
    vault.get(name, &mut bytes).map(|_| bytes)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

fn damage<T>(result: Result<T, VaultError>) -> Option<Damage> {
    match result {
        Err(VaultError::Damaged(damage)) => Some(damage),
        _ => None,
    }
}

fn set(vault: &Vault, key: &[u8], value: Option<&[u8]>) {
    let mut batch = sled::Batch::default();
    match value {
        Some(value) => batch.insert(key, value),
        None => batch.remove(key),
    }
    vault.store.apply(batch).unwrap();
}

fn stored(vault: &Vault, key: &[u8]) -> Vec<u8> {
    vault.store.get(key).unwrap().unwrap().to_vec()
}

#[test]
fn files_of_every_length_read_back_after_a_restart() {
    let (mut world, vault) = world();
    let lengths = [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 3 * CHUNK_LEN, 3 * CHUNK_LEN + 7];
    for length in lengths {
        assert_eq!(world.put(&vault, &format!("写真 {length}"), &content(length)).size, length as u64);
    }
    drop(vault);
    let vault = world.open().unwrap();
    for length in lengths {
        assert_eq!(get(&vault, &format!("写真 {length}")).unwrap(), content(length));
    }
    assert_eq!(vault.list().unwrap().len(), lengths.len());
}

#[test]
fn another_vault_key_or_enrolment_opens_nothing() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"smoke");
    drop(vault);
    let key = std::mem::replace(&mut world.key, VaultKey::make(&mut StdRng::seed_from_u64(2)));
    assert_eq!(damage(world.open()), Some(Damage::Index));
    world.key = key;
    let other = EnrolmentId::make(Timestamp::UNIX_EPOCH, &mut world.rng);
    let own = std::mem::replace(&mut world.enrolment, other);
    assert_eq!(damage(world.open()), Some(Damage::Index));
    world.enrolment = own;
    assert!(world.open().is_ok());
}

#[test]
fn neither_names_nor_content_stand_in_clear_on_disk() {
    let (mut world, vault) = world();
    world.put(&vault, MARKER, MARKER.repeat(4000).as_bytes());
    world.put(&vault, "other", MARKER.as_bytes());
    vault.delete("other", &mut world.rng).unwrap();
    drop(vault);
    std::fs::write(world.folder.path().join("control"), MARKER).unwrap();
    let mut found = Vec::new();
    let mut folders = vec![world.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path).unwrap().windows(11).any(|w| w == b"marker-7f3a") {
                found.push(path.file_name().unwrap().to_owned());
            }
        }
    }
    assert_eq!(found, ["control"], "the search finds what is in clear, and nothing else is");
}

#[test]
fn swapped_records_are_found() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"of a");
    world.put(&vault, "b", b"of b");
    let [a, b] = ["a", "b"].map(|name| entry_key(&vault.tag(name).unwrap()));
    let (of_a, of_b) = (stored(&vault, &a), stored(&vault, &b));
    set(&vault, &a, Some(&of_b));
    set(&vault, &b, Some(&of_a));
    assert_eq!(damage(get(&vault, "a")), Some(Damage::Record));
    set(&vault, &a, Some(&of_a));
    assert_eq!(get(&vault, "a").unwrap(), b"of a");
}

#[test]
fn one_record_set_back_or_removed_is_found() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"old");
    let tag = vault.tag("a").unwrap();
    let (record, bucket) = (entry_key(&tag), index::bucket_key(tag[0]));
    let (old_record, old_bucket) = (stored(&vault, &record), stored(&vault, &bucket));
    world.put(&vault, "a", b"new");
    set(&vault, &record, Some(&old_record));
    assert_eq!(damage(get(&vault, "a")), Some(Damage::Record));
    set(&vault, &bucket, Some(&old_bucket));
    assert_eq!(damage(get(&vault, "a")), Some(Damage::Index), "together with its bucket, too");
    set(&vault, &bucket, None);
    assert_eq!(damage(vault.list()), Some(Damage::Index));
}

#[test]
fn a_removed_record_is_found() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"smoke");
    set(&vault, &entry_key(&vault.tag("a").unwrap()), None);
    assert_eq!(damage(get(&vault, "a")), Some(Damage::MissingRecord));
}

/// The file that holds the content of `name`.
fn content_file(world: &World, vault: &Vault, name: &str) -> std::path::PathBuf {
    let (entry, _) = vault.find(&vault.tag(name).unwrap()).unwrap().unwrap();
    let id = u128::from_be_bytes(entry.content.id);
    world.folder.path().join("content").join(format!("{id:032x}"))
}

fn contents(world: &World) -> usize {
    std::fs::read_dir(world.folder.path().join("content")).unwrap().count()
}

#[test]
fn cut_moved_and_missing_chunks_are_found() {
    const SEALED: usize = CHUNK_LEN + 16;
    let (mut world, vault) = world();
    world.put(&vault, "a", &content(3 * CHUNK_LEN));
    let file = content_file(&world, &vault, "a");
    let whole = std::fs::read(&file).unwrap();
    assert_eq!(whole.len(), 3 * SEALED);
    let chunk = |index: usize| &whole[index * SEALED..(index + 1) * SEALED];
    let changes = [
        (Damage::Chunk(0), [chunk(1), chunk(1), chunk(2)].concat()),
        (Damage::Chunk(1), [chunk(0), chunk(2), chunk(1)].concat()),
        (Damage::Chunk(2), [chunk(0), chunk(1), chunk(1)].concat()),
        (Damage::MissingChunk(2), [chunk(0), chunk(1)].concat()),
        (Damage::MissingChunk(2), whole[..3 * SEALED - 1].to_vec()),
        (Damage::MissingChunk(0), Vec::new()),
    ];
    for (expected, changed) in changes {
        std::fs::write(&file, changed).unwrap();
        assert_eq!(damage(get(&vault, "a")), Some(expected));
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(damage(get(&vault, "a")), Some(Damage::MissingContent));
    std::fs::write(&file, &whole).unwrap();
    assert_eq!(get(&vault, "a").unwrap(), content(3 * CHUNK_LEN));
}

#[test]
fn contents_of_two_files_cannot_be_exchanged() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"of a");
    world.put(&vault, "b", b"of b");
    std::fs::copy(content_file(&world, &vault, "b"), content_file(&world, &vault, "a")).unwrap();
    assert_eq!(damage(get(&vault, "a")), Some(Damage::Chunk(0)));
}

#[test]
fn a_chunk_that_is_not_the_last_is_not_taken_for_it() {
    let mut rng = StdRng::seed_from_u64(1);
    let key = ContentKey::make(&mut rng);
    let sealed = key.seal(4, false, b"smoke");
    assert!(key.open(4, false, &sealed).is_some());
    assert!(key.open(4, true, &sealed).is_none());
    assert!(key.open(5, false, &sealed).is_none());
}

#[test]
fn what_a_crash_or_a_replacement_leaves_is_removed() {
    let (mut world, vault) = world();
    world.put(&vault, "a", &content(2 * CHUNK_LEN));
    let mut begun = vault.begin("b", &mut world.rng).unwrap();
    vault.write(&mut begun, &content(2 * CHUNK_LEN + 1)).unwrap();
    begun.keep();
    drop(begun);
    assert_eq!(contents(&world), 2, "as after a crash");
    drop(vault);
    let vault = world.open().unwrap();
    assert_eq!(contents(&world), 1);
    world.put(&vault, "a", b"short");
    assert_eq!(contents(&world), 1);
    vault.delete("a", &mut world.rng).unwrap();
    assert_eq!(contents(&world), 0);
}

#[test]
fn a_damaged_record_takes_no_other_file_with_it() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"smoke");
    world.put(&vault, "b", b"whole");
    set(&vault, &entry_key(&vault.tag("a").unwrap()), Some(b"damaged"));
    vault.store.sync().unwrap();
    drop(vault);
    let vault = world.open().unwrap();
    assert_eq!(damage(get(&vault, "a")), Some(Damage::Record));
    assert_eq!(get(&vault, "b").unwrap(), b"whole");
    assert_eq!(contents(&world), 2);
}

#[test]
fn a_reader_reads_its_version_to_the_end() {
    let (mut world, vault) = world();
    world.put(&vault, "a", &content(2 * CHUNK_LEN));
    let mut reader = vault.file("a").unwrap();
    let mut bytes = vault.read(&mut reader).unwrap().unwrap().to_vec();
    world.put(&vault, "a", b"new");
    while let Some(chunk) = vault.read(&mut reader).unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    assert_eq!(bytes, content(2 * CHUNK_LEN));
}

#[test]
fn the_store_keeps_no_unsynced_pages() {
    let (mut world, vault) = world();
    for n in 0..400 {
        world.put(&vault, &format!("{n:0>200}"), b"smoke");
    }
    let blobs = std::fs::read_dir(world.folder.path().join("store/blobs")).unwrap().count();
    assert_eq!(blobs, 0, "sled moves large pages to files that it does not sync");
}

#[test]
fn a_full_vault_says_so_and_keeps_nothing_of_the_file() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"smoke");
    vault.current().files = MAX_FILES;
    let refused = vault.put("b", &mut &b"smoke"[..], Timestamp::UNIX_EPOCH, &mut world.rng);
    assert!(matches!(refused, Err(VaultError::TooManyFiles)));
    assert_eq!(contents(&world), 1);
    world.put(&vault, "a", b"replaced");
}

#[test]
fn a_closing_vault_does_nothing_more() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"smoke");
    let mut begun = vault.begin("b", &mut world.rng).unwrap();
    vault.closing().store(true, Ordering::Release);
    assert!(matches!(get(&vault, "a"), Err(VaultError::Closed)));
    assert!(matches!(vault.write(&mut begun, b"x"), Err(VaultError::Closed)));
    assert!(matches!(vault.list(), Err(VaultError::Closed)));
}

#[test]
fn names_outside_the_rule_are_refused() {
    let (mut world, vault) = world();
    for name in ["", "a\nb", &"長".repeat(86)] {
        assert!(matches!(vault.begin(name, &mut world.rng), Err(VaultError::Name)));
    }
    assert!(matches!(get(&vault, "nothing"), Err(VaultError::NotFound)));
    assert!(matches!(vault.delete("nothing", &mut world.rng), Err(VaultError::NotFound)));
}

#[test]
fn a_file_over_the_limit_leaves_nothing() {
    let (mut world, vault) = world();
    let mut begun = vault.begin("a", &mut world.rng).unwrap();
    begun.size = MAX_FILE;
    assert!(matches!(vault.write(&mut begun, b"x"), Err(VaultError::TooLarge)));
    drop(begun);
    assert!(matches!(get(&vault, "a"), Err(VaultError::NotFound)));
    assert_eq!(contents(&world), 0);
}

#[test]
fn a_damaged_store_is_an_error_with_a_way_back() {
    let (mut world, vault) = world();
    world.put(&vault, "a", &content(100_000));
    drop(vault);
    let file = world.folder.path().join("store/db");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.fill(0xa5);
    std::fs::write(&file, bytes).unwrap();
    let message = world.open().err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains("enrol it again"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn the_vault_is_a_map_of_names_to_bytes(
        operations in prop::collection::vec((0_u8..5, 0_usize..70_000, any::<bool>(), any::<bool>()), 1..12),
    ) {
        let (mut world, mut vault) = world();
        let mut model = BTreeMap::new();
        for (name, length, delete, restart) in operations {
            let name = format!("file {name}");
            if delete {
                let deleted = vault.delete(&name, &mut world.rng).is_ok();
                prop_assert_eq!(deleted, model.remove(&name).is_some());
            } else {
                world.put(&vault, &name, &content(length));
                model.insert(name, content(length));
            }
            if restart {
                drop(vault);
                vault = world.open().unwrap();
            }
            let names: Vec<String> = vault.list().unwrap().into_iter().map(|info| info.name).collect();
            prop_assert_eq!(names, model.keys().cloned().collect::<Vec<_>>());
        }
        for (name, bytes) in &model {
            prop_assert_eq!(&get(&vault, name).unwrap(), bytes);
        }
    }
}
