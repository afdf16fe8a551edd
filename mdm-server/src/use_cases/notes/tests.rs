//! Revisions over the store and the folder: what is stored has its contents, and nothing else has.

use mdm_core::audit::Happening;
use shared::crypto::hazmat::sha256;
use shared::ids::NoteId;
use shared::wire::{NOTE_MEDIA_TYPE, NoteContents};

use super::*;
use crate::testing::World;

fn account(number: u8) -> AccountId {
    AccountId::from_bytes([number; 16])
}

fn device() -> EnrolmentId {
    EnrolmentId::from_bytes([4; 16])
}

fn offer(base: u32, text: &str) -> NoteOffer {
    let contents = NoteContents {
        media_type: NOTE_MEDIA_TYPE.to_owned(),
        size: text.len() as u64,
        hash: sha256(&[text.as_bytes()]),
    };
    NoteOffer { id: NoteId::from_bytes([2; 16]), parent: None, base, contents: Some(contents) }
}

fn received(world: &World, text: &str) -> Received {
    let mut writer = world.service.notes.begin(None, &mut OsRng).unwrap();
    writer.push(text.as_bytes()).unwrap();
    writer.finish().unwrap()
}

async fn send(world: &World, whose: u8, base: u32, text: &str) -> Result<Taken, TakeError> {
    let by = (account(whose), device());
    take(&world.service, by, &offer(base, text), Some(received(world, text))).await
}

fn files(world: &World) -> usize {
    std::fs::read_dir(world.service.config.data.join("notes")).unwrap().count()
}

async fn read(world: &World, whose: u8, revision: u32) -> Option<Vec<u8>> {
    let request = NoteRequest { id: NoteId::from_bytes([2; 16]), revision, offset: 0 };
    let reader = open(&world.service, account(whose), &request).await.unwrap();
    reader.map(|mut reader| reader.read_at(0, 1_000).unwrap().to_vec())
}

async fn noted(world: &World, what: Happening) -> usize {
    let entries = world.service.store.journal_entries(0, MAX_PAGE).await.unwrap();
    entries.iter().filter(|entry| entry.body().unwrap().what == what).count()
}

#[tokio::test]
async fn a_revision_is_stored_once_and_the_one_before_is_gone_from_the_disk() {
    let world = World::new();
    assert_eq!(send(&world, 1, 0, "牛舎").await.unwrap(), Taken::Stored(1));
    assert_eq!(send(&world, 1, 0, "牛舎").await.unwrap(), Taken::Stored(1), "an answer that was lost");
    assert_eq!(noted(&world, Happening::NoteStored).await, 1);
    assert_eq!(send(&world, 1, 1, "牛舎 3棟").await.unwrap(), Taken::Stored(2));
    assert_eq!(files(&world), 1);
    assert_eq!(read(&world, 1, 1).await, None);
    assert_eq!(read(&world, 1, 2).await.unwrap(), "牛舎 3棟".as_bytes());
    let on_disk = std::fs::read_dir(world.service.config.data.join("notes")).unwrap();
    for file in on_disk {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows("牛舎".len()).any(|part| part == "牛舎".as_bytes()), "sealed");
    }
}

#[tokio::test]
async fn a_conflict_changes_nothing_and_leaves_nothing() {
    let world = World::new();
    send(&world, 1, 0, "一").await.unwrap();
    send(&world, 1, 1, "二").await.unwrap();
    let Taken::Conflict(entry) = send(&world, 1, 1, "別の二").await.unwrap() else {
        panic!("no conflict")
    };
    assert_eq!(entry.revision, 2);
    assert_eq!(files(&world), 1);
    assert_eq!(read(&world, 1, 2).await.unwrap(), "二".as_bytes());
}

#[tokio::test]
async fn of_two_at_the_same_moment_one_is_stored_and_the_other_hears_of_it() {
    let world = World::new();
    send(&world, 1, 0, "一").await.unwrap();
    let (one, other) = tokio::join!(send(&world, 1, 1, "甲"), send(&world, 1, 1, "乙"));
    let outcomes = [one.unwrap(), other.unwrap()];
    assert_eq!(outcomes.iter().filter(|taken| **taken == Taken::Stored(2)).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|taken| matches!(taken, Taken::Conflict(_))).count(), 1);
    assert_eq!(files(&world), 1);
}

#[tokio::test]
async fn nobody_has_the_notes_of_another_account() {
    let world = World::new();
    send(&world, 1, 0, "一").await.unwrap();
    assert_eq!(read(&world, 2, 1).await, None);
    assert!(changed(&world.service, account(2), 0, 10).await.unwrap().is_empty());
    assert_eq!(send(&world, 2, 0, "二").await.unwrap(), Taken::Stored(1), "the same id is another note");
    assert_eq!(read(&world, 1, 1).await.unwrap(), "一".as_bytes());
    assert_eq!(shelf(&world.service, account(1)).await.unwrap().unwrap().notes, 1);
}

#[tokio::test]
async fn a_deletion_takes_the_contents_away() {
    let world = World::new();
    send(&world, 1, 0, "一").await.unwrap();
    let deletion = NoteOffer { base: 1, contents: None, ..offer(0, "") };
    let by = (account(1), device());
    assert_eq!(take(&world.service, by, &deletion, None).await.unwrap(), Taken::Stored(2));
    assert_eq!(files(&world), 0);
    assert_eq!(noted(&world, Happening::NoteDeleted).await, 1);
    let shelf = shelf(&world.service, account(1)).await.unwrap().unwrap();
    assert_eq!((shelf.notes, shelf.deleted, shelf.bytes), (1, 1, 0));
}

#[tokio::test]
async fn an_account_that_is_full_is_refused_by_name_and_nothing_is_left() {
    let mut world = World::new();
    let service = std::sync::Arc::get_mut(&mut world.service).unwrap();
    service.config.notes.account_notes = 0;
    let refused = send(&world, 1, 0, "一").await;
    assert!(matches!(refused, Err(TakeError::Rules(NoteError::TooMany))), "{refused:?}");
    assert_eq!(files(&world), 0);
}

#[tokio::test]
async fn a_start_removes_what_belongs_to_no_note_and_keeps_the_rest() {
    let world = World::new();
    send(&world, 1, 0, "一").await.unwrap();
    let _nobodys = received(&world, "誰のでもない").keep();
    std::fs::write(world.service.config.data.join("notes").join("0123.part"), b"x").unwrap();
    assert_eq!(files(&world), 3);
    tidy(&world.service).await.unwrap();
    assert_eq!(files(&world), 1);
    assert_eq!(read(&world, 1, 1).await.unwrap(), "一".as_bytes());
}

#[tokio::test]
async fn while_a_backup_is_made_nothing_that_it_names_is_removed() {
    let world = World::new();
    send(&world, 1, 0, "一").await.unwrap();
    let note = world.service.store.note(account(1), offer(0, "").id).await.unwrap().unwrap().value;
    let before = note.held.unwrap().content;
    {
        let _held = world.service.notes.hold();
        send(&world, 1, 1, "二").await.unwrap();
        assert!(world.service.notes.open(before.id, before.size).is_ok());
    }
    assert!(world.service.notes.open(before.id, before.size).is_err());
    assert_eq!(files(&world), 1);
}
