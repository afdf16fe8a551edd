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

#[test]
fn cut_moved_and_missing_chunks_are_found() {
    let (mut world, vault) = world();
    world.put(&vault, "a", &content(3 * CHUNK_LEN));
    let id = vault.file("a").unwrap().content.id;
    let chunks: Vec<Vec<u8>> = (0..3).map(|index| stored(&vault, &chunk_key(&id, index))).collect();
    set(&vault, &chunk_key(&id, 0), Some(&chunks[1]));
    assert_eq!(damage(get(&vault, "a")), Some(Damage::Chunk(0)));
    set(&vault, &chunk_key(&id, 0), Some(&chunks[0]));
    set(&vault, &chunk_key(&id, 2), Some(&chunks[1]));
    assert_eq!(damage(get(&vault, "a")), Some(Damage::Chunk(2)));
    set(&vault, &chunk_key(&id, 2), None);
    assert_eq!(damage(get(&vault, "a")), Some(Damage::MissingChunk(2)));
    set(&vault, &chunk_key(&id, 2), Some(&chunks[2][..100]));
    assert_eq!(damage(get(&vault, "a")), Some(Damage::Chunk(2)));
    set(&vault, &chunk_key(&id, 2), Some(&chunks[2]));
    assert_eq!(get(&vault, "a").unwrap(), content(3 * CHUNK_LEN));
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
    assert!(vault.store.keys(&chunks_prefix(&begun.content.id)).count() > 0);
    drop(vault);
    let vault = world.open().unwrap();
    assert_eq!(vault.store.keys(b"p/").count(), 0);
    assert_eq!(vault.store.keys(b"c/").count(), 2, "only the chunks of a");
    world.put(&vault, "a", b"short");
    assert_eq!(vault.store.keys(b"c/").count(), 1);
}

#[test]
fn a_reader_is_told_when_its_file_was_replaced() {
    let (mut world, vault) = world();
    world.put(&vault, "a", &content(2 * CHUNK_LEN));
    let mut reader = vault.file("a").unwrap();
    vault.read(&mut reader).unwrap();
    world.put(&vault, "a", b"new");
    assert!(matches!(vault.read(&mut reader), Err(VaultError::Replaced)));
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
    vault.abandon(begun).unwrap();
    assert!(matches!(get(&vault, "a"), Err(VaultError::NotFound)));
    assert_eq!(vault.store.keys(b"p/").count(), 0);
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
