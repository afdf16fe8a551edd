//! The vault in use, and against someone who changes what is in its store.

use super::*;
use crate::world::*;
use crate::{Batch, CHUNK_LEN, INLINE_MAX};
use proptest::prelude::*;
use std::collections::BTreeMap;

const MARKER: &str = "牛舎の点検 marker-7f3a";

#[test]
fn records_of_every_length_read_back_after_a_restart() {
    let (mut world, vault) = world();
    let lengths = [0, 1, 15, 16, 1024, INLINE_MAX - 1, INLINE_MAX];
    for length in lengths {
        world.put(&vault, &format!("点検 {length}"), &content(length));
    }
    drop(vault);
    let vault = world.open().unwrap();
    for length in lengths {
        let name = format!("点検 {length}");
        assert_eq!(note(&vault, &name).unwrap(), content(length));
        assert_eq!(vault.entry(NOTES, &name).unwrap().unwrap().size, length as u64);
    }
}

#[test]
fn one_name_in_two_collections_is_two_records() {
    let (mut world, vault) = world();
    for collection in Collection::ALL {
        let text = format!("{collection:?}");
        vault.put(collection, "a", text.as_bytes(), NOW, &mut world.rng).unwrap();
    }
    vault.delete(Collection::Outbox, "a", &mut world.rng).unwrap();
    drop(vault);
    let vault = world.open().unwrap();
    for collection in Collection::ALL {
        let found = vault.get(collection, "a").ok().map(|bytes| bytes.to_vec());
        let expected = (collection != Collection::Outbox).then(|| format!("{collection:?}").into_bytes());
        assert_eq!(found, expected);
    }
}

#[test]
fn listing_is_in_order_and_by_prefix() {
    let (mut world, vault) = world();
    for name in ["b/2", "a", "b/10", "b", "点検", "b/1", "c"] {
        world.put(&vault, name, b"x");
    }
    let names = |prefix| -> Vec<String> {
        vault.list_prefix(NOTES, prefix).unwrap().into_iter().map(|entry| entry.name).collect()
    };
    assert_eq!(names(""), ["a", "b", "b/1", "b/10", "b/2", "c", "点検"]);
    assert_eq!(names("b/"), ["b/1", "b/10", "b/2"]);
    assert_eq!(names("点"), ["点検"]);
    assert_eq!(names("d"), Vec::<String>::new());
}

#[test]
fn a_batch_is_there_as_a_whole_and_its_last_word_counts() {
    let (mut world, vault) = world();
    world.put(&vault, "old", b"old");
    let mut batch = Batch::new();
    batch.put(NOTES, "a", b"1").unwrap().put(NOTES, "b", b"1").unwrap();
    batch.delete(NOTES, "old").unwrap().delete(NOTES, "never").unwrap();
    batch.put(NOTES, "a", b"2").unwrap().delete(NOTES, "b").unwrap();
    let epoch = vault.epoch();
    assert_eq!(vault.commit(batch, NOW, &mut world.rng).unwrap(), epoch + 1);
    drop(vault);
    let vault = world.open().unwrap();
    let names: Vec<String> = vault.list(NOTES).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["a"]);
    assert_eq!(note(&vault, "a").unwrap(), b"2");
    assert_eq!(vault.commit(Batch::new(), NOW, &mut world.rng).unwrap(), epoch + 1, "nothing changed");
}

#[test]
fn what_is_too_large_for_a_record_or_a_batch_is_refused() {
    let (mut world, vault) = world();
    let long = content(INLINE_MAX + 1);
    let refused = vault.put(NOTES, "a", &long, NOW, &mut world.rng);
    assert!(matches!(refused, Err(VaultError::RecordTooLarge)));
    let mut batch = Batch::new();
    for n in 0..=crate::MAX_BATCH {
        batch.put(NOTES, &n.to_string(), b"x").unwrap();
    }
    assert!(matches!(vault.commit(batch, NOW, &mut world.rng), Err(VaultError::BatchTooLarge)));
    world.store(&vault, "file", &long);
    assert!(matches!(vault.get(FILES, "file"), Err(VaultError::IsFile)));
    assert!(vault.list(NOTES).unwrap().is_empty());
}

#[test]
fn another_vault_key_or_enrolment_opens_nothing() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"smoke");
    drop(vault);
    let other = VaultKey::make(&mut world.rng);
    let key = std::mem::replace(&mut world.key, other);
    assert_eq!(damage(world.open()), Some(Damage::Index));
    world.key = key;
    let other = EnrolmentId::make(NOW, &mut world.rng);
    let own = std::mem::replace(&mut world.enrolment, other);
    assert_eq!(damage(world.open()), Some(Damage::Index));
    world.enrolment = own;
    assert_eq!(note(&world.open().unwrap(), "a").unwrap(), b"smoke");
}

#[test]
fn neither_names_nor_content_stand_in_clear_on_disk() {
    let (mut world, vault) = world();
    world.store(&vault, MARKER, MARKER.repeat(8000).as_bytes());
    world.put(&vault, MARKER, MARKER.as_bytes());
    world.put(&vault, "other", MARKER.as_bytes());
    vault.delete(NOTES, "other", &mut world.rng).unwrap();
    vault.begin_resumable(FILES, MARKER, MARKER.as_bytes(), NOW, &mut world.rng).unwrap();
    drop(vault);
    std::fs::write(world.path().join("control"), MARKER).unwrap();
    let mut found = Vec::new();
    let mut folders = vec![world.path().to_owned()];
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
    let mut batch = Batch::new();
    batch.put(NOTES, "a", b"of a").unwrap().put(NOTES, "b", b"of b").unwrap();
    vault.commit(batch, NOW, &mut world.rng).unwrap();
    let [a, b] = ["a", "b"].map(|name| key_of(&vault, name));
    let (of_a, of_b) = (stored(&vault, &a), stored(&vault, &b));
    set(&vault, &a, Some(&of_b));
    set(&vault, &b, Some(&of_a));
    assert_eq!(damage(note(&vault, "a")), Some(Damage::Record), "both are of one version");
    set(&vault, &a, Some(&of_a));
    assert_eq!(note(&vault, "a").unwrap(), b"of a");
}

#[test]
fn one_record_set_back_or_removed_is_found() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"old");
    let record = key_of(&vault, "a");
    let old = stored(&vault, &record);
    world.put(&vault, "a", b"new");
    let new = stored(&vault, &record);
    set(&vault, &record, Some(&old));
    assert_eq!(damage(note(&vault, "a")), Some(Damage::Version));
    let pretending = [&new[..8], &old[8..]].concat();
    set(&vault, &record, Some(&pretending));
    assert_eq!(damage(note(&vault, "a")), Some(Damage::Record), "with the version of the new one, too");
    set(&vault, &record, None);
    assert_eq!(damage(note(&vault, "a")), Some(Damage::MissingRecord));
    set(&vault, &record, Some(&new));
    assert_eq!(note(&vault, "a").unwrap(), b"new");
}

#[test]
fn a_record_of_another_history_with_the_same_version_is_found() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"1");
    let before: Vec<_> = keys(&vault).into_iter().map(|key| (key.clone(), stored(&vault, &key))).collect();
    world.put(&vault, "a", b"2");
    let (delta, record) = (Part::Delta.key(vault.epoch(), 0), key_of(&vault, "a"));
    let one = stored(&vault, &record);
    // A copy from before is put in its place, and something else is done.
    set(&vault, &delta, None);
    before.iter().for_each(|(key, value)| set(&vault, key, Some(value)));
    drop(vault);
    std::fs::remove_file(world.home().mark()).unwrap();
    let vault = world.open().unwrap();
    world.put(&vault, "a", b"3");
    let (space, tag) = (Space::of(NOTES), vault.keys().tag(Space::of(NOTES), "a"));
    let (version, plain) = open_sealed_record(vault.keys(), 1, space, &tag, &one).unwrap();
    assert_eq!(version, vault.epoch(), "it is of the version that the index says");
    assert!(plain.starts_with(b"2"), "and opens under the keys of this vault");
    set(&vault, &record, Some(&one));
    assert_eq!(damage(note(&vault, "a")), Some(Damage::Version));
}

#[test]
fn every_changed_byte_of_a_record_is_found_and_takes_no_other_record_with_it() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"smoke");
    world.put(&vault, "b", b"whole");
    let record = key_of(&vault, "a");
    let whole = stored(&vault, &record);
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        set(&vault, &record, Some(&changed));
        assert_eq!(damage(note(&vault, "a")), Some(Damage::Record), "byte {at}");
        set(&vault, &record, Some(&whole[..at]));
        assert_eq!(damage(note(&vault, "a")), Some(Damage::Record), "cut to {at} bytes");
    }
    drop(vault);
    let vault = world.open().unwrap();
    assert!(damage(note(&vault, "a")).is_some());
    assert_eq!(note(&vault, "b").unwrap(), b"whole");
    world.put(&vault, "a", b"again");
    assert_eq!(note(&vault, "a").unwrap(), b"again", "a damaged record can be written anew");
}

const ROUNDS: u8 = 43;

/// Writes so often that the base is written anew, and leaves some deltas after it.
fn well_used() -> (World, Vault) {
    let (mut world, vault) = world();
    for round in 0..ROUNDS {
        let mut batch = Batch::new();
        for n in 0..60 {
            batch.put(NOTES, &format!("{n:0>100}"), &[round]).unwrap();
        }
        vault.commit(batch, NOW, &mut world.rng).unwrap();
    }
    (world, vault)
}

#[test]
fn the_index_is_gathered_into_a_new_base_and_reads_back() {
    let (world, vault) = well_used();
    let parts = |letter| keys(&vault).iter().filter(|key| key[0] == letter).count();
    let (base, deltas) = (parts(b'b'), parts(b'd'));
    assert!(base >= 2, "{base} pieces of a base");
    assert!((1..usize::from(ROUNDS) * 2).contains(&deltas), "{deltas} pieces of deltas");
    assert_eq!(vault.writer().deltas.iter().map(|(_, pieces)| *pieces as usize).sum::<usize>(), deltas);
    drop(vault);
    let vault = world.open().unwrap();
    assert_eq!(vault.list(NOTES).unwrap().len(), 60);
    assert_eq!(note(&vault, &format!("{:0>100}", 59)).unwrap(), [ROUNDS - 1]);
}

#[test]
fn every_piece_of_the_index_that_is_changed_removed_or_exchanged_is_found() {
    let (world, vault) = well_used();
    drop(vault);
    let parts: Vec<(Vec<u8>, Vec<u8>)> = {
        let vault = world.open().unwrap();
        let of_index = keys(&vault).into_iter().filter(|key| matches!(key[0], b'b' | b'd' | b'i'));
        of_index.map(|key| (key.clone(), stored(&vault, &key))).collect()
    };
    let mut other = parts.last().unwrap().1.clone();
    for (key, whole) in &parts {
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for change in [None, Some(flipped.as_slice()), Some(&whole[1..]), Some(other.as_slice())] {
            let opened = crate::records::Opened::open(&world.home(), &world.key, world.enrolment).unwrap();
            let mut batch = sled::Batch::default();
            match change {
                None => batch.remove(key.as_slice()),
                Some(bytes) => batch.insert(key.as_slice(), bytes),
            }
            opened.store.apply(batch).unwrap();
            let found = opened.load(opened.budget().unwrap()).err();
            assert!(matches!(found, Some(VaultError::Damaged(Damage::Index))), "{key:?}");
            let mut batch = sled::Batch::default();
            batch.insert(key.as_slice(), whole.as_slice());
            opened.store.apply(batch).unwrap();
        }
        other.clone_from(whole);
    }
    assert!(world.open().is_ok(), "all put back");
}

#[test]
fn a_root_set_back_is_found_with_and_without_the_deltas_since() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"1");
    let root = stored(&vault, ROOT_KEY);
    world.put(&vault, "a", b"2");
    let delta = Part::Delta.key(vault.epoch(), 0);
    let has = vault.epoch() - 1;
    set(&vault, ROOT_KEY, Some(&root));
    drop(vault);
    assert_eq!(damage(world.open()), Some(Damage::Index));
    let opened = Opened::open(&world.home(), &world.key, world.enrolment).unwrap();
    let mut batch = sled::Batch::default();
    batch.remove(&delta);
    opened.store.apply(batch).unwrap();
    drop(opened);
    assert_eq!(damage(world.open()), Some(Damage::LostCommits { has, acknowledged: has + 1 }));
    std::fs::remove_file(world.home().mark()).unwrap();
    let vault = world.open().unwrap();
    assert_eq!(damage(note(&vault, "a")), Some(Damage::Version), "and without the mark by each record since");
}

#[test]
fn a_delta_of_another_history_is_found() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"1");
    let before: Vec<_> = keys(&vault).into_iter().map(|key| (key.clone(), stored(&vault, &key))).collect();
    world.put(&vault, "a", b"2");
    let delta = Part::Delta.key(vault.epoch(), 0);
    let one = stored(&vault, &delta);
    // A copy from before is put in its place, and something else is done.
    set(&vault, &delta, None);
    before.iter().for_each(|(key, value)| set(&vault, key, Some(value)));
    drop(vault);
    std::fs::remove_file(world.home().mark()).unwrap();
    let vault = world.open().unwrap();
    world.put(&vault, "a", b"3");
    assert_ne!(stored(&vault, &delta), one);
    set(&vault, &delta, Some(&one));
    drop(vault);
    assert_eq!(
        damage(world.open()),
        Some(Damage::Index),
        "rightly sealed at its place, and not of this history"
    );
}

#[test]
fn records_of_earlier_key_epochs_are_read() {
    let (mut world, vault) = world();
    for n in 0..40_u8 {
        if n % 10 == 0 {
            vault.writer().budget.limit_to(25);
        }
        world.put(&vault, &n.to_string(), &[n]);
    }
    let epoch = vault.writer().budget.epoch;
    assert!(epoch >= 4, "{epoch}");
    let first_seal = |name: &str| stored(&vault, &key_of(&vault, name))[8..12].to_vec();
    assert_eq!(first_seal("0"), [0, 0, 0, 1]);
    assert_eq!(first_seal("39"), epoch.to_be_bytes());
    drop(vault);
    let vault = world.open().unwrap();
    assert!((0..40_u8).all(|n| note(&vault, &n.to_string()).unwrap() == [n]));
    let record = key_of(&vault, "0");
    let mut later = stored(&vault, &record);
    later[8..12].copy_from_slice(&(epoch + 1).to_be_bytes());
    set(&vault, &record, Some(&later));
    assert_eq!(damage(note(&vault, "0")), Some(Damage::Record), "an epoch that was not begun");
}

#[test]
fn a_count_of_seals_that_is_not_of_the_root_is_found() {
    let (mut world, vault) = world();
    vault.writer().budget.limit_to(1);
    world.put(&vault, "a", b"sealed in epoch 2");
    drop(vault);
    for (epoch, is_found) in [(0, true), (1, true), (2, false), (3, false), (2 + MAX_EPOCHS_AHEAD + 1, true)]
    {
        for epoch in [epoch].into_iter().chain(is_found.then_some(u32::MAX)) {
            let opened = Opened::open(&world.home(), &world.key, world.enrolment).unwrap();
            let mut batch = sled::Batch::default();
            batch.insert(SEALS_KEY, &SealBudget::new(epoch).to_bytes());
            opened.store.apply(batch).unwrap();
            drop(opened);
            assert_eq!(damage(world.open()), is_found.then_some(Damage::Seals), "epoch {epoch}");
        }
    }
}

#[test]
fn nothing_is_sealed_when_no_key_epoch_is_left() {
    let (mut world, vault) = world();
    let last = [u32::MAX.to_be_bytes().as_slice(), &crate::budget::LIMIT.to_be_bytes()].concat();
    vault.writer().budget = SealBudget::parse(&last).unwrap();
    for _ in 0..2 {
        let refused = vault.put(NOTES, "a", b"x", NOW, &mut world.rng);
        assert_eq!(damage(refused), Some(Damage::Spent));
    }
}

#[test]
fn a_vault_of_another_format_says_so_and_is_not_touched() {
    let (world, vault) = world();
    let mut header = stored(&vault, HEADER_KEY);
    header[10] = 2;
    set(&vault, HEADER_KEY, Some(&header));
    drop(vault);
    let opened = world.open();
    assert!(matches!(opened, Err(VaultError::FormatNewer { found: 2 })));
    drop(opened);
    let opened = Opened::open(&world.home(), &world.key, world.enrolment);
    assert!(matches!(opened.err(), Some(VaultError::FormatNewer { found: 2 })));
}

#[test]
fn a_vault_is_never_made_over_another() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"smoke");
    drop(vault);
    let refused = Vault::create(&world.home(), &world.key, world.enrolment, &mut world.rng);
    assert!(matches!(refused, Err(VaultError::Exists)));
    drop(refused);
    assert_eq!(note(&world.open().unwrap(), "a").unwrap(), b"smoke");
}

#[test]
fn the_store_keeps_no_unsynced_pages() {
    let (mut world, vault) = world();
    for n in 0..20 {
        let mut batch = Batch::new();
        for m in 0..20 {
            batch.put(NOTES, &format!("{:0>250}", n * 20 + m), &content(INLINE_MAX)).unwrap();
        }
        vault.commit(batch, NOW, &mut world.rng).unwrap();
    }
    let blobs = std::fs::read_dir(world.home().store_dir().join("blobs")).unwrap().count();
    assert_eq!(blobs, 0, "sled moves large pages to files that it does not sync");
}

#[test]
fn a_closing_vault_does_nothing_more() {
    let (mut world, vault) = world();
    world.put(&vault, "a", b"smoke");
    let mut begun = vault.begin(FILES, "b", &mut world.rng).unwrap();
    vault.closing().store(true, Ordering::Release);
    assert!(matches!(note(&vault, "a"), Err(VaultError::Closed)));
    assert!(matches!(vault.write(&mut begun, b"x"), Err(VaultError::Closed)));
    assert!(matches!(vault.list(NOTES), Err(VaultError::Closed)));
    assert!(matches!(vault.put(NOTES, "b", b"x", NOW, &mut world.rng), Err(VaultError::Closed)));
}

#[test]
fn names_outside_the_rule_are_refused() {
    let (mut world, vault) = world();
    for name in ["", "a\nb", &"長".repeat(86)] {
        assert!(matches!(vault.begin(FILES, name, &mut world.rng), Err(VaultError::Name)));
        assert!(matches!(vault.put(NOTES, name, b"x", NOW, &mut world.rng), Err(VaultError::Name)));
    }
    assert!(matches!(note(&vault, "nothing"), Err(VaultError::NotFound)));
    assert!(matches!(vault.delete(NOTES, "nothing", &mut world.rng), Err(VaultError::NotFound)));
}

/// Reads again and again in a thread of its own, while `write` is called with one number after the other: a hundred times, and until
/// something was read besides.
fn side_by_side(read: impl Fn() + Sync, mut write: impl FnMut(u8)) {
    let (seen, done) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                read();
                seen.store(true, Ordering::Release);
            }
        });
        for n in 0_usize.. {
            write((n % 251) as u8);
            if reader.is_finished() || (n >= 100 && seen.load(Ordering::Acquire)) {
                break;
            }
        }
        done.store(true, Ordering::Release);
    });
}

#[test]
fn readers_and_a_writer_side_by_side_see_whole_records() {
    let (mut world, vault) = world();
    world.put(&vault, "a", &[0; 64]);
    let read = || {
        let bytes = note(&vault, "a").unwrap();
        assert!(bytes.iter().all(|byte| *byte == bytes[0]));
    };
    side_by_side(read, |n| world.put(&vault, "a", &[n; 64]));
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_is_no_damage() {
    let (mut world, vault) = world();
    let whole = content(INLINE_MAX + 1);
    world.store(&vault, "a", &whole);
    let read = || assert_eq!(load(&vault, "a").unwrap(), whole);
    side_by_side(read, |_| drop(world.store(&vault, "a", &whole)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn the_vault_is_a_map_of_names_to_bytes(
        operations in prop::collection::vec(
            (0_u8..5, prop_oneof![0_usize..8000, 0_usize..200_000], any::<bool>(), any::<bool>()),
            1..12,
        ),
    ) {
        let (mut world, mut vault) = world();
        let mut model = BTreeMap::new();
        for (name, length, delete, restart) in operations {
            let name = format!("file {name}");
            if delete {
                let deleted = vault.delete(FILES, &name, &mut world.rng).is_ok();
                prop_assert_eq!(deleted, model.remove(&name).is_some());
            } else {
                world.store(&vault, &name, &content(length));
                model.insert(name, content(length));
            }
            if restart {
                drop(vault);
                vault = world.open().unwrap();
            }
            let names: Vec<String> = vault.list(FILES).unwrap().into_iter().map(|info| info.name).collect();
            prop_assert_eq!(names, model.keys().cloned().collect::<Vec<_>>());
            let files = model.values().filter(|bytes: &&Vec<u8>| bytes.len() > INLINE_MAX).count();
            prop_assert_eq!(world.contents().len(), files);
        }
        for (name, bytes) in &model {
            prop_assert_eq!(&load(&vault, name).unwrap(), bytes);
        }
        prop_assert!(CHUNK_LEN < 200_000, "files of several chunks are among them");
    }
}
