//! Offers in every order, repeated and late: an edit is stored once, and none is written over by who has not seen it.

use proptest::prelude::*;
use shared::crypto::hazmat::sha256;
use shared::wire::NOTE_MEDIA_TYPE;

use super::*;
use crate::document::ContentId;

const LIMITS: Limits = Limits { largest: 1_000, account_bytes: 1_500, account_notes: 2 };

fn account() -> AccountId {
    AccountId::from_bytes([1; 16])
}

fn offer(base: u32, text: Option<&str>) -> NoteOffer {
    let contents = text.map(|text| NoteContents {
        media_type: NOTE_MEDIA_TYPE.to_owned(),
        size: text.len() as u64,
        hash: sha256(&[text.as_bytes()]),
    });
    NoteOffer { id: NoteId::from_bytes([2; 16]), parent: None, base, contents }
}

/// A store with one account in it.
#[derive(Default)]
struct Desk {
    notes: Vec<Note>,
    shelf: Option<Shelf>,
    /// Every revision that was ever made.
    made: Vec<(u32, Option<[u8; 32]>)>,
    events: Vec<AuditEvent>,
}

impl Desk {
    fn standing(&self, id: NoteId) -> Standing {
        let version = Version(1);
        let note = self.notes.iter().find(|note| note.id == id).cloned();
        Standing {
            account: account(),
            note: note.map(|value| Stored { version, value }),
            shelf: self.shelf.clone().map(|value| Stored { version, value }),
        }
    }

    fn take(&mut self, offer: &NoteOffer) -> Result<Verdict, NoteError> {
        let standing = self.standing(offer.id);
        let verdict = judge(&standing, offer, &LIMITS)?;
        if verdict != Verdict::Next {
            return Ok(verdict);
        }
        let content = offer.contents.as_ref().map(|contents| Content {
            id: ContentId([3; 16]),
            size: contents.size,
            hash: contents.hash,
        });
        let (by, now) = (EnrolmentId::from_bytes([4; 16]), Timestamp::UNIX_EPOCH);
        let (number, _, changes) = store(standing, Revision { offer, content, hash: None, by, now }).unwrap();
        for write in changes.writes {
            match write.record {
                Some(Record::Note(note)) => {
                    self.notes.retain(|other| other.id != note.id);
                    self.notes.push(note);
                }
                Some(Record::Shelf(shelf)) => self.shelf = Some(shelf),
                other => panic!("{other:?}"),
            }
        }
        self.events.extend(changes.events);
        self.made.push((number, offer.contents.as_ref().map(|contents| contents.hash)));
        Ok(Verdict::Stored(number))
    }
}

#[test]
fn an_answer_that_was_lost_is_given_again_and_nothing_is_stored_twice() {
    let mut desk = Desk::default();
    for _ in 0..3 {
        assert_eq!(desk.take(&offer(0, Some("牛舎"))), Ok(Verdict::Stored(1)));
    }
    assert_eq!(desk.take(&offer(1, Some("牛舎 3棟"))), Ok(Verdict::Stored(2)));
    assert_eq!(
        desk.take(&offer(0, Some("牛舎"))),
        Ok(Verdict::Stored(1)),
        "it was stored, and edited further"
    );
    assert_eq!(desk.made.len(), 2);
    assert_eq!(desk.events.len(), 2);
    assert_eq!(desk.shelf.unwrap().change, 2);
}

#[test]
fn an_edit_of_an_older_revision_is_a_conflict_that_changes_nothing() {
    let mut desk = Desk::default();
    desk.take(&offer(0, Some("一"))).unwrap();
    desk.take(&offer(1, Some("二"))).unwrap();
    let before = (desk.notes.clone(), desk.shelf.clone());
    let Ok(Verdict::Conflict(entry)) = desk.take(&offer(1, Some("別の二"))) else { panic!("no conflict") };
    assert_eq!((entry.revision, entry.hash()), (2, Some(sha256(&["二".as_bytes()]))));
    assert!(matches!(desk.take(&offer(1, None)), Ok(Verdict::Conflict(_))), "an edit is not deleted unseen");
    assert!(matches!(desk.take(&offer(7, Some("先"))), Ok(Verdict::Conflict(_))), "a base that never was");
    assert_eq!((desk.notes, desk.shelf), before);
}

#[test]
fn a_deletion_is_a_revision_and_frees_its_bytes() {
    let mut desk = Desk::default();
    desk.take(&offer(0, Some("一"))).unwrap();
    assert_eq!(desk.take(&offer(1, None)), Ok(Verdict::Stored(2)));
    assert_eq!(desk.take(&offer(1, None)), Ok(Verdict::Stored(2)));
    let shelf = desk.shelf.clone().unwrap();
    assert_eq!((shelf.notes, shelf.deleted, shelf.bytes), (1, 1, 0));
    let Ok(Verdict::Conflict(entry)) = desk.take(&offer(1, Some("二"))) else { panic!("no conflict") };
    assert_eq!(entry.contents, None, "who edited it meanwhile learns of the deletion");
    assert_eq!(desk.take(&offer(2, Some("二"))), Ok(Verdict::Stored(3)), "and edits on top of it");
    let shelf = desk.shelf.unwrap();
    assert_eq!((shelf.notes, shelf.deleted, shelf.bytes), (1, 0, 3));
    assert_eq!(desk.made.len(), 3);
}

#[test]
fn what_is_deleted_before_it_came_does_not_come_any_more() {
    let mut desk = Desk::default();
    assert_eq!(desk.take(&offer(0, None)), Ok(Verdict::Stored(1)));
    assert!(matches!(desk.take(&offer(0, Some("一"))), Ok(Verdict::Conflict(_))), "an offer that was late");
    let shelf = desk.shelf.unwrap();
    assert_eq!((shelf.notes, shelf.deleted, shelf.bytes), (1, 1, 0));
}

#[test]
fn what_is_too_large_or_too_many_is_named() {
    let mut desk = Desk::default();
    let large = |id: u8, size: u64| NoteOffer {
        id: NoteId::from_bytes([id; 16]),
        contents: Some(NoteContents { media_type: "image/jpeg".to_owned(), size, hash: [id; 32] }),
        ..offer(0, None)
    };
    assert_eq!(desk.take(&large(1, 1_001)), Err(NoteError::TooLarge));
    desk.take(&large(1, 1_000)).unwrap();
    assert_eq!(desk.take(&large(2, 600)), Err(NoteError::Full));
    desk.take(&large(2, 500)).unwrap();
    assert_eq!(desk.take(&large(3, 0)), Err(NoteError::TooMany));
    // What takes the place of something counts instead of it.
    assert_eq!(desk.take(&NoteOffer { base: 1, ..large(1, 999) }), Ok(Verdict::Stored(1)), "the same hash");
    let mut next = large(1, 999);
    next.base = 1;
    next.contents.as_mut().unwrap().hash = [9; 32];
    assert_eq!(desk.take(&next), Ok(Verdict::Stored(2)));
    let mut strange = large(4, 1);
    strange.parent = Some(strange.id);
    assert_eq!(desk.take(&strange), Err(NoteError::Malformed));
    let mut strange = large(4, 1);
    strange.contents.as_mut().unwrap().media_type = "Image/JPEG; x".to_owned();
    assert_eq!(desk.take(&strange), Err(NoteError::Malformed));
}

#[test]
fn deletions_of_notes_that_never_were_have_an_end() {
    let mut desk = Desk::default();
    let deletion = |id: u8| NoteOffer { id: NoteId::from_bytes([id; 16]), ..offer(0, None) };
    let note = |id: u8| NoteOffer { id: NoteId::from_bytes([id; 16]), ..offer(0, Some("一")) };
    for id in 1..=2 {
        desk.take(&note(id)).unwrap();
    }
    assert_eq!(desk.take(&note(3)), Err(NoteError::TooMany));
    assert_eq!(desk.take(&deletion(3)), Ok(Verdict::Stored(1)), "who was refused may delete it");
    let stored = (4..100).filter(|id| desk.take(&deletion(*id)).is_ok()).count();
    assert_eq!((stored, desk.notes.len()), (1, 4));
    assert_eq!(desk.take(&deletion(50)), Err(NoteError::TooMany));
    // What is there can be deleted however many there are.
    assert_eq!(desk.take(&NoteOffer { base: 1, ..deletion(1) }), Ok(Verdict::Stored(2)));
}

#[test]
fn only_so_many_revisions_are_remembered() {
    let mut desk = Desk::default();
    for base in 0..100 {
        desk.take(&offer(base, Some(&base.to_string()))).unwrap();
    }
    assert_eq!(desk.notes[0].hashes.len(), REMEMBERED);
    assert_eq!(desk.take(&offer(68, Some("68"))), Ok(Verdict::Stored(69)));
    assert!(matches!(desk.take(&offer(67, Some("67"))), Ok(Verdict::Conflict(_))));
}

#[test]
fn the_journal_hears_of_a_revision_without_what_it_says() {
    let mut desk = Desk::default();
    desk.take(&offer(0, Some("牛舎"))).unwrap();
    let [event] = desk.events.as_slice() else { panic!("{:?}", desk.events) };
    assert_eq!(event.what, Happening::NoteStored);
    let names: Vec<&str> = event.facts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["note", "revision", "bytes"]);
}

proptest! {
    /// However offers are repeated and delayed, each revision was made from the one that its maker had seen.
    #[test]
    fn every_revision_stands_on_the_one_before(
        offers in proptest::collection::vec((0_u32..12, proptest::option::of(0_u8..6)), 0..60),
    ) {
        let mut desk = Desk::default();
        for (base, text) in offers {
            let text = text.map(|number| number.to_string());
            let before = desk.made.len();
            drop(desk.take(&offer(base, text.as_deref())).unwrap());
            if desk.made.len() > before {
                let base = if before == 0 { 0 } else { base };
                prop_assert_eq!(base as usize, before, "the base is the newest revision");
                prop_assert_eq!(desk.made[before].0 as usize, before + 1);
            }
        }
        prop_assert!(desk.made.windows(2).all(|two| two[0].1 != two[1].1), "no revision repeats the one before");
    }
}
