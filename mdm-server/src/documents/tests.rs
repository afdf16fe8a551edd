use std::os::unix::fs::FileExt as _;

use proptest::prelude::*;
use rand::rngs::OsRng;
use ring::digest::{SHA256, digest};
use tempfile::TempDir;

use super::*;

const LIMITS: Limits = Limits { largest: 1 << 20, together: 3 << 20 };

fn contents(folder: &TempDir) -> Contents {
    Contents::new(folder.path(), FOLDER, Secret::from_bytes([7; 32]), LIMITS)
}

fn stored(contents: &Contents, bytes: &[u8]) -> mdm_core::document::Content {
    let mut writer = contents.begin(None, &mut OsRng).unwrap();
    bytes.chunks(10_000).for_each(|part| writer.push(part).unwrap());
    writer.finish().unwrap().keep()
}

fn read(
    contents: &Contents,
    content: &mdm_core::document::Content,
    from: u64,
) -> Result<Vec<u8>, ContentError> {
    let mut reader = contents.open(content.id, content.size)?;
    let mut bytes = Vec::new();
    loop {
        let part = reader.read_at(from + bytes.len() as u64, 15 * 1024)?;
        if part.is_empty() {
            return Ok(bytes);
        }
        bytes.extend_from_slice(part);
    }
}

fn files(folder: &TempDir) -> usize {
    std::fs::read_dir(folder.path().join(FOLDER)).map_or(0, Iterator::count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_was_stored_is_read_from_any_offset(size in 0_usize..300_000, from: prop::sample::Index, seed: u8) {
        let folder = tempfile::tempdir().unwrap();
        let contents = contents(&folder);
        let bytes: Vec<u8> = (0..size).map(|at| (at / 7) as u8 ^ seed).collect();
        let content = stored(&contents, &bytes);
        prop_assert_eq!(content.size, size as u64);
        let hash = digest(&SHA256, &bytes);
        prop_assert_eq!(&content.hash[..], hash.as_ref());
        let from = from.index(size + 1);
        prop_assert_eq!(read(&contents, &content, from as u64).unwrap(), &bytes[from..]);
    }
}

#[test]
fn chunk_borders_are_no_special_place() {
    let folder = tempfile::tempdir().unwrap();
    let contents = contents(&folder);
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK] {
        let bytes = vec![b'x'; size];
        let content = stored(&contents, &bytes);
        assert_eq!(read(&contents, &content, 0).unwrap(), bytes, "{size}");
    }
}

#[test]
fn nothing_readable_is_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let contents = contents(&folder);
    let text = "住民の要配慮者名簿".repeat(10_000);
    let content = stored(&contents, text.as_bytes());
    let sealed = std::fs::read(contents.path(content.id)).unwrap();
    let marker = "要配慮者".as_bytes();
    assert!(!sealed.windows(marker.len()).any(|window| window == marker));
    assert_eq!(read(&contents, &content, 0).unwrap(), text.as_bytes(), "control");
    let other = Contents::new(folder.path(), FOLDER, Secret::from_bytes([8; 32]), LIMITS);
    assert!(matches!(read(&other, &content, 0), Err(ContentError::Damaged)), "another master key");
}

#[test]
fn damage_is_found_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let contents = contents(&folder);
    let content = stored(&contents, &vec![b'x'; 3 * CHUNK]);
    let file = std::fs::File::options().write(true).open(contents.path(content.id)).unwrap();
    file.write_all_at(b"!", (CHUNK + OVERHEAD_OF_A_CHUNK + 5) as u64).unwrap();
    let mut reader = contents.open(content.id, content.size).unwrap();
    assert_eq!(reader.read_at(0, 10).unwrap(), b"xxxxxxxxxx");
    assert!(matches!(reader.read_at(CHUNK as u64, 10), Err(ContentError::Damaged)));
    file.set_len(2 * (CHUNK + OVERHEAD_OF_A_CHUNK) as u64).unwrap();
    assert!(matches!(reader.read_at(2 * CHUNK as u64, 10), Err(ContentError::Damaged)), "cut");
    std::fs::remove_file(contents.path(content.id)).unwrap();
    assert!(matches!(read(&contents, &content, 0), Err(ContentError::Missing)));
}

const OVERHEAD_OF_A_CHUNK: usize = shared::crypto::stream::OVERHEAD;

#[test]
fn a_file_beyond_the_limit_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let contents = contents(&folder);
    let announced = contents.begin(Some(LIMITS.largest + 1), &mut OsRng);
    assert!(matches!(announced, Err(ContentError::TooLarge { .. })));
    let mut writer = contents.begin(None, &mut OsRng).unwrap();
    let part = vec![0; 100_000];
    let refused = (0..).find_map(|_| writer.push(&part).err()).unwrap();
    assert!(matches!(refused, ContentError::TooLarge { largest } if largest == LIMITS.largest));
    drop(writer);
    assert_eq!(files(&folder), 0);
    assert_eq!(*contents.taken(), 0);
}

#[test]
fn all_together_have_a_limit_and_what_is_removed_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let contents = contents(&folder);
    let large = vec![0; 1_000_000];
    let kept: Vec<_> = (0..3).map(|_| stored(&contents, &large)).collect();
    let refused = contents.begin(Some(1_000_000), &mut OsRng);
    assert!(matches!(refused, Err(ContentError::TooMuch { .. })));
    let mut writer = contents.begin(None, &mut OsRng).unwrap();
    let refused = large.chunks(10_000).find_map(|part| writer.push(part).err()).unwrap();
    assert!(matches!(refused, ContentError::TooMuch { .. }));
    drop(writer);
    contents.remove(kept[0].id).unwrap();
    stored(&contents, &large);
}

#[test]
fn what_belongs_to_no_document_goes_at_the_start_and_what_is_missing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let first = contents(&folder);
    let (kept, orphan) = (stored(&first, b"kept"), stored(&first, b"orphan"));
    std::mem::forget(first.begin(None, &mut OsRng).unwrap());
    assert_eq!(files(&folder), 3);
    let again = contents(&folder);
    let missing = ContentId([9; 16]);
    assert_eq!(again.keep_only(&HashSet::from([kept.id, missing])).unwrap(), [missing]);
    assert_eq!(files(&folder), 1);
    assert_eq!(read(&again, &kept, 0).unwrap(), b"kept");
    assert!(matches!(read(&again, &orphan, 0), Err(ContentError::Missing)));
    assert_eq!(*again.taken(), (4 + OVERHEAD_OF_A_CHUNK) as u64);
}

#[test]
fn what_no_commit_took_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let contents = contents(&folder);
    let mut writer = contents.begin(None, &mut OsRng).unwrap();
    writer.push(b"smoke").unwrap();
    let received = writer.finish().unwrap();
    assert_eq!(files(&folder), 1);
    drop(received);
    assert_eq!((files(&folder), *contents.taken()), (0, 0));
}
