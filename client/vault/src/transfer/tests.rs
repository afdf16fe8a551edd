//! Files in chunks: whole, damaged, left behind, and resumed.

use super::*;
use crate::INLINE_MAX;
use crate::world::*;
use std::fs;

const SEALED: usize = CHUNK_LEN + 16;
const SOURCE: &[u8] = b"document 7, revision 3";

#[test]
fn files_of_every_length_read_back_after_a_restart() {
    let (mut world, vault) = world();
    let chunk = CHUNK_LEN;
    let lengths = [0, 1, INLINE_MAX, INLINE_MAX + 1, chunk - 1, chunk, chunk + 1, 3 * chunk, 3 * chunk + 7];
    for length in lengths {
        assert_eq!(world.store(&vault, &format!("写真 {length}"), &content(length)).size, length as u64);
    }
    drop(vault);
    let vault = world.open().unwrap();
    for length in lengths {
        assert_eq!(load(&vault, &format!("写真 {length}")).unwrap(), content(length));
    }
    assert_eq!(vault.list(FILES).unwrap().len(), lengths.len());
    assert_eq!(world.contents().len(), lengths.len() - 3, "what is short stands in its record");
}

#[test]
fn cut_moved_and_missing_chunks_are_found() {
    let (mut world, vault) = world();
    world.store(&vault, "a", &content(3 * CHUNK_LEN));
    let file = world.content_of(&vault, "a");
    let whole = fs::read(&file).unwrap();
    assert_eq!(whole.len(), 3 * SEALED);
    let chunk = |index: usize| &whole[index * SEALED..(index + 1) * SEALED];
    let mut flipped = whole.clone();
    flipped[SEALED] ^= 0x80;
    let changes = [
        (Damage::Chunk(0), [chunk(1), chunk(1), chunk(2)].concat()),
        (Damage::Chunk(1), [chunk(0), chunk(2), chunk(1)].concat()),
        (Damage::Chunk(2), [chunk(0), chunk(1), chunk(1)].concat()),
        (Damage::Chunk(1), flipped),
        (Damage::MissingChunk(2), [chunk(0), chunk(1)].concat()),
        (Damage::MissingChunk(2), whole[..3 * SEALED - 1].to_vec()),
        (Damage::MissingChunk(0), Vec::new()),
    ];
    for (expected, changed) in changes {
        fs::write(&file, changed).unwrap();
        assert_eq!(damage(load(&vault, "a")), Some(expected));
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(damage(load(&vault, "a")), Some(Damage::MissingContent));
    fs::write(&file, &whole).unwrap();
    assert_eq!(load(&vault, "a").unwrap(), content(3 * CHUNK_LEN));
}

#[test]
fn contents_of_two_files_cannot_be_exchanged() {
    let (mut world, vault) = world();
    world.store(&vault, "a", &content(10_000));
    world.store(&vault, "b", &content(10_000));
    fs::copy(world.content_of(&vault, "b"), world.content_of(&vault, "a")).unwrap();
    assert_eq!(damage(load(&vault, "a")), Some(Damage::Chunk(0)));
}

#[test]
fn what_a_crash_or_a_replacement_leaves_is_removed() {
    let (mut world, vault) = world();
    world.store(&vault, "a", &content(2 * CHUNK_LEN));
    let mut begun = vault.begin(FILES, "b", &mut world.rng).unwrap();
    vault.write(&mut begun, &content(2 * CHUNK_LEN + 1)).unwrap();
    begun.keep();
    drop(begun);
    assert_eq!(world.contents().len(), 2, "as after a crash");
    drop(vault);
    let vault = world.open().unwrap();
    assert_eq!(world.contents().len(), 1);
    world.store(&vault, "a", b"short");
    assert_eq!(world.contents().len(), 0);
    world.store(&vault, "a", &content(2 * CHUNK_LEN));
    vault.delete(FILES, "a", &mut world.rng).unwrap();
    assert_eq!(world.contents().len(), 0);
}

#[test]
fn a_file_begun_before_the_vault_was_closed_is_not_committed_after_it() {
    let (mut world, vault) = world();
    world.store(&vault, "a", &content(CHUNK_LEN + 1));
    let mut begun = vault.begin(FILES, "a", &mut world.rng).unwrap();
    vault.write(&mut begun, &content(2 * CHUNK_LEN)).unwrap();
    drop(vault);
    let vault = world.open().unwrap();
    assert!(matches!(vault.write(&mut begun, b"more"), Err(VaultError::Closed)));
    assert!(matches!(vault.commit_file(begun, NOW, &mut world.rng), Err(VaultError::Closed)));
    assert_eq!(load(&vault, "a").unwrap(), content(CHUNK_LEN + 1), "the version before it stays");
}

#[test]
fn a_reader_reads_its_version_to_the_end() {
    let (mut world, vault) = world();
    world.store(&vault, "a", &content(2 * CHUNK_LEN));
    let mut reader = vault.file(FILES, "a").unwrap();
    let mut bytes = vault.read(&mut reader).unwrap().unwrap().to_vec();
    world.store(&vault, "a", b"new");
    while let Some(chunk) = vault.read(&mut reader).unwrap() {
        bytes.extend_from_slice(chunk);
    }
    assert_eq!(bytes, content(2 * CHUNK_LEN));
}

#[test]
fn a_file_over_the_limit_leaves_nothing() {
    let (mut world, vault) = world();
    let mut begun = vault.begin(FILES, "a", &mut world.rng).unwrap();
    vault.write(&mut begun, &content(2 * CHUNK_LEN)).unwrap();
    begun.size = MAX_FILE;
    assert!(matches!(vault.write(&mut begun, b"x"), Err(VaultError::TooLarge)));
    drop(begun);
    assert!(matches!(load(&vault, "a"), Err(VaultError::NotFound)));
    assert_eq!(world.contents().len(), 0);
}

#[test]
fn a_file_whose_chunk_was_not_written_takes_no_more_and_is_not_committed() {
    let (mut world, vault) = world();
    let mut begun = vault.begin(FILES, "a", &mut world.rng).unwrap();
    vault.write(&mut begun, &content(CHUNK_LEN)).unwrap();
    begun.write_to(fs::File::options().write(true).open("/dev/full").unwrap());
    let refused = vault.write(&mut begun, b"more");
    assert!(matches!(refused, Err(VaultError::Io(_))), "{refused:?}");
    for _ in 0..2 {
        let refused = vault.write(&mut begun, &content(CHUNK_LEN));
        assert!(matches!(refused, Err(VaultError::Unfinished)), "{refused:?}");
    }
    assert!(matches!(vault.commit_file(begun, NOW, &mut world.rng), Err(VaultError::Unfinished)));
    assert!(matches!(load(&vault, "a"), Err(VaultError::NotFound)));
}

#[test]
fn a_full_disk_is_said_before_a_chunk_is_written() {
    let (mut world, vault) = world();
    let mut begun = vault.begin(FILES, "a", &mut world.rng).unwrap();
    vault.store().reserve.store(u64::MAX / 2, std::sync::atomic::Ordering::Relaxed);
    vault.write(&mut begun, &content(CHUNK_LEN)).unwrap();
    let refused = vault.write(&mut begun, b"more");
    assert!(matches!(refused, Err(VaultError::Store(crate::StoreError::Full(_)))), "{refused:?}");
    assert!(world.contents().is_empty(), "nothing was written");
    vault.store().reserve.store(0, std::sync::atomic::Ordering::Relaxed);
    vault.write(&mut begun, b"more").unwrap();
    vault.commit_file(begun, NOW, &mut world.rng).unwrap();
    assert_eq!(load(&vault, "a").unwrap(), [content(CHUNK_LEN), b"more".to_vec()].concat());
}

#[test]
fn a_source_that_ends_before_what_was_resumed_is_not_committed() {
    let (mut world, vault) = world();
    let mut writer = vault.begin_resumable(FILES, "a", SOURCE, NOW, &mut world.rng).unwrap();
    vault.write(&mut writer, &content(2 * CHUNK_LEN + 1)).unwrap();
    drop(writer);
    let writer = resume(&mut world, &vault).unwrap();
    assert_eq!(writer.position(), 2 * CHUNK_LEN as u64);
    assert!(matches!(vault.commit_file(writer, NOW, &mut world.rng), Err(VaultError::Unfinished)));
    assert!(matches!(load(&vault, "a"), Err(VaultError::NotFound)));
}

/// Resumes, and says where.
fn resume(world: &mut World, vault: &Vault) -> Option<FileWriter> {
    vault.resume(FILES, "a", SOURCE, NOW, &mut world.rng).unwrap()
}

#[test]
fn a_file_cut_three_times_goes_on_where_it_stood() {
    let (mut world, mut vault) = world();
    let whole = content(9 * CHUNK_LEN + 99);
    let mut writer = vault.begin_resumable(FILES, "a", SOURCE, NOW, &mut world.rng).unwrap();
    let mut written = 0;
    for _ in 0..3 {
        let to = written + 2 * CHUNK_LEN + 1000;
        vault.write(&mut writer, &whole[written..to]).unwrap();
        drop(writer);
        drop(vault);
        vault = world.open().unwrap();
        assert!(matches!(load(&vault, "a"), Err(VaultError::NotFound)), "not seen before it is whole");
        let seems_there = (written + 2 * CHUNK_LEN) as u64;
        assert_eq!(vault.begun_files(FILES).unwrap(), [("a".to_owned(), seems_there)]);
        writer = resume(&mut world, &vault).unwrap();
        assert_eq!(
            writer.position(),
            (written + 2 * CHUNK_LEN) as u64,
            "what is less than a chunk is asked for again"
        );
        written += 2 * CHUNK_LEN;
    }
    vault.write(&mut writer, &whole[written..]).unwrap();
    vault.commit_file(writer, NOW, &mut world.rng).unwrap();
    drop(vault);
    let vault = world.open().unwrap();
    assert_eq!(load(&vault, "a").unwrap(), whole);
    assert!(resume(&mut world, &vault).is_none(), "it is not begun any more");
    assert!(vault.begun_files(FILES).unwrap().is_empty());
}

#[test]
fn what_was_torn_is_cut_off_and_never_sealed_again_under_a_used_nonce() {
    let (mut world, vault) = world();
    let whole = content(5 * CHUNK_LEN);
    let mut writer = vault.begin_resumable(FILES, "a", SOURCE, NOW, &mut world.rng).unwrap();
    vault.write(&mut writer, &whole).unwrap();
    let path = world.contents().remove(0);
    drop(writer);
    let before = fs::read(&path).unwrap();
    assert_eq!(before.len(), 4 * SEALED);
    let mut torn = before.clone();
    torn[2 * SEALED + 5] ^= 1;
    fs::write(&path, &torn).unwrap();
    let mut writer = resume(&mut world, &vault).unwrap();
    assert_eq!(writer.position(), 2 * CHUNK_LEN as u64);
    vault.write(&mut writer, &whole[2 * CHUNK_LEN..]).unwrap();
    vault.commit_file(writer, NOW, &mut world.rng).unwrap();
    let after = fs::read(&path).unwrap();
    assert_eq!(after[..2 * SEALED], before[..2 * SEALED]);
    assert_ne!(
        after[2 * SEALED..3 * SEALED],
        before[2 * SEALED..3 * SEALED],
        "the same text under another nonce"
    );
    assert_eq!(load(&vault, "a").unwrap(), whole);
}

#[test]
fn a_write_of_another_source_is_not_gone_on_with() {
    let (mut world, vault) = world();
    let mut writer = vault.begin_resumable(FILES, "a", SOURCE, NOW, &mut world.rng).unwrap();
    vault.write(&mut writer, &content(3 * CHUNK_LEN)).unwrap();
    drop(writer);
    assert!(vault.resume(FILES, "a", b"revision 4", NOW, &mut world.rng).unwrap().is_none());
    let writer = vault.begin_resumable(FILES, "a", b"revision 4", NOW, &mut world.rng).unwrap();
    assert_eq!(world.contents().len(), 1, "the older one is gone");
    drop(writer);
    vault.abandon(FILES, "a", &mut world.rng).unwrap();
    assert_eq!(world.contents().len(), 0);
    assert!(vault.resume(FILES, "a", b"revision 4", NOW, &mut world.rng).unwrap().is_none());
}

#[test]
fn a_resumable_write_that_lost_its_file_begins_at_nothing() {
    let (mut world, vault) = world();
    let mut writer = vault.begin_resumable(FILES, "a", SOURCE, NOW, &mut world.rng).unwrap();
    vault.write(&mut writer, &content(3 * CHUNK_LEN)).unwrap();
    drop(writer);
    fs::remove_file(world.contents().remove(0)).unwrap();
    let mut writer = resume(&mut world, &vault).unwrap();
    assert_eq!(writer.position(), 0);
    vault.write(&mut writer, b"short").unwrap();
    vault.commit_file(writer, NOW, &mut world.rng).unwrap();
    assert_eq!(load(&vault, "a").unwrap(), b"short");
}

#[test]
fn a_write_resumed_too_often_starts_anew() {
    let (mut world, vault) = world();
    drop(vault.begin_resumable(FILES, "a", SOURCE, NOW, &mut world.rng).unwrap());
    let resumed = (0..2 * MAX_SEGMENTS).take_while(|_| resume(&mut world, &vault).is_some()).count();
    assert_eq!(resumed, MAX_SEGMENTS - 1);
    let longest = vault.store().scan(b"r").map(|row| row.unwrap().1.len()).max().unwrap();
    assert!(longest < INLINE_MAX, "{longest}");
}
