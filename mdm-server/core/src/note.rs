//! Notes and photos of accounts: what is stored of each revision, and the one rule by which the next is made. Contents are the
//! shell's; what the notes say nobody but their account reads.
//!
//! Who builds on the current revision makes the next one. Who repeats what is stored already gets the answer it got then.
//! Everybody else is told of the revision that holds, and nothing is changed: the device settles it (ADR 13).

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ids::{AccountId, EnrolmentId, NoteId};
use shared::wire::{NoteContents, NoteEntry, NoteOffer};

use crate::audit::{Actor, AuditEvent, Happening, PersonalValue, Subject};
use crate::change::{Changeset, Record, Stored, Version};
use crate::document::{Content, InvalidMediaType, MediaType};

/// How many revisions of a note are remembered by their hashes: an answer that was lost for longer makes a copy.
pub const REMEMBERED: usize = 32;

/// What a revision holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What it is.
    pub media_type: MediaType,
    /// Where its bytes are.
    pub content: Content,
}

/// One note: its newest revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Whose.
    pub account: AccountId,
    /// Which of theirs.
    pub id: NoteId,
    /// The note that it belongs to.
    pub parent: Option<NoteId>,
    /// From 1; rises with each edit and with its deletion.
    pub revision: u32,
    /// The shelf's number of this revision.
    pub change: u64,
    /// Absent once it was deleted.
    pub held: Option<Held>,
    /// Hashes of the newest revisions, this one last; absent for a deletion.
    pub hashes: Vec<Option<serde_bytes::ByteArray<32>>>,
    /// When this revision was stored.
    pub stored_at: Timestamp,
    /// By which device.
    pub stored_by: EnrolmentId,
}

impl Note {
    /// What a device is told of it.
    pub fn entry(&self) -> NoteEntry {
        let contents = self.held.as_ref().map(|held| NoteContents {
            media_type: held.media_type.as_str().to_owned(),
            size: held.content.size,
            hash: held.content.hash,
        });
        NoteEntry { id: self.id, parent: self.parent, revision: self.revision, change: self.change, contents }
    }

    fn hash(&self) -> Option<[u8; 32]> {
        self.held.as_ref().map(|held| held.content.hash)
    }

    /// Whether a revision is remembered and had this hash.
    fn was(&self, revision: u32, hash: Option<[u8; 32]>) -> bool {
        let back = self.revision.checked_sub(revision).and_then(|back| usize::try_from(back).ok());
        let place = back.and_then(|back| self.hashes.len().checked_sub(back + 1));
        place.is_some_and(|place| self.hashes[place].map(serde_bytes::ByteArray::into_array) == hash)
    }

    fn bytes(&self) -> u64 {
        self.held.as_ref().map_or(0, |held| held.content.size)
    }
}

/// All notes of an account, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelf {
    /// Whose.
    pub account: AccountId,
    /// The number of the last change.
    pub change: u64,
    /// Notes and photos, those that were deleted included.
    pub notes: u32,
    /// Those that were deleted.
    pub deleted: u32,
    /// Bytes of all contents.
    pub bytes: u64,
}

impl Shelf {
    fn empty(account: AccountId) -> Self {
        Self { account, change: 0, notes: 0, deleted: 0, bytes: 0 }
    }
}

/// How much there may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one.
    pub largest: u64,
    /// Bytes of all of an account.
    pub account_bytes: u64,
    /// How many an account may have, those that were deleted included. Deletions of notes that never came may be as many again.
    pub account_notes: u32,
}

/// Why a revision is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Larger than one may be.
    #[error("the note is larger than a note may be (notes.largest_mib)")]
    TooLarge,
    /// The account's bytes.
    #[error("the account's notes have as many bytes as they may have (notes.account_mib)")]
    Full,
    /// The account's number of notes.
    #[error("the account has as many notes as it may have (notes.account_notes)")]
    TooMany,
    /// No media type, or a note that belongs to itself.
    #[error("the note is not described as a note is")]
    Malformed,
}

impl From<InvalidMediaType> for NoteError {
    fn from(_: InvalidMediaType) -> Self {
        Self::Malformed
    }
}

/// What becomes of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It becomes the next revision, once its contents are there.
    Next,
    /// It is this revision already.
    Stored(u32),
    /// Another revision was made from the same base.
    Conflict(NoteEntry),
}

/// A note and its account's shelf, as stored now. Neither is there before the first note.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Whose.
    pub account: AccountId,
    /// The note.
    pub note: Option<Stored<Note>>,
    /// The shelf.
    pub shelf: Option<Stored<Shelf>>,
}

/// What is to be done about an offer. Limits and form are judged for what would become the next revision.
pub fn judge(standing: &Standing, offer: &NoteOffer, limits: &Limits) -> Result<Verdict, NoteError> {
    let hash = offer.contents.as_ref().map(|contents| contents.hash);
    match standing.note.as_ref().map(|stored| &stored.value) {
        // The revision after the base comes first: what was stored and then edited further was stored.
        Some(note) if offer.base < note.revision && note.was(offer.base + 1, hash) => {
            Ok(Verdict::Stored(offer.base + 1))
        }
        Some(note) if note.hash() == hash => Ok(Verdict::Stored(note.revision)),
        Some(note) if note.revision != offer.base => Ok(Verdict::Conflict(note.entry())),
        _ => check(standing, offer, limits).map(|()| Verdict::Next),
    }
}

fn check(standing: &Standing, offer: &NoteOffer, limits: &Limits) -> Result<(), NoteError> {
    let (notes, bytes) =
        standing.shelf.as_ref().map_or((0, 0), |shelf| (shelf.value.notes, shelf.value.bytes));
    let is_one_more = |most: u32| standing.note.is_none() && notes >= most;
    let Some(contents) = &offer.contents else {
        // A tombstone is kept also of a note that never came. Whoever was refused one because there are too many, and deletes
        // it, is not refused again; but these are not without end either.
        let most = limits.account_notes.saturating_mul(2);
        return if is_one_more(most) { Err(NoteError::TooMany) } else { Ok(()) };
    };
    if offer.parent == Some(offer.id) || MediaType::new(&contents.media_type)?.as_str() != contents.media_type
    {
        return Err(NoteError::Malformed);
    }
    let before = standing.note.as_ref().map_or(0, |note| note.value.bytes());
    let after = bytes.saturating_sub(before).saturating_add(contents.size);
    if contents.size > limits.largest {
        Err(NoteError::TooLarge)
    } else if after > limits.account_bytes {
        Err(NoteError::Full)
    } else if is_one_more(limits.account_notes) {
        Err(NoteError::TooMany)
    } else {
        Ok(())
    }
}

/// What a device wants stored.
pub struct Revision<'a> {
    /// The offer, judged [`Verdict::Next`].
    pub offer: &'a NoteOffer,
    /// The contents that came; absent for a deletion.
    pub content: Option<Content>,
    /// The hash for the journal's personal part; absent for a deletion.
    pub hash: Option<PersonalValue>,
    /// Whose device it is.
    pub by: EnrolmentId,
    /// Now.
    pub now: Timestamp,
}

/// Makes the next revision. Gives its number, and the contents that nobody needs any more after the commit.
pub fn store(
    standing: Standing,
    revision: Revision<'_>,
) -> Result<(u32, Option<Content>, Changeset), NoteError> {
    let Revision { offer, content, hash, by, now } = revision;
    let Standing { account, note: before, shelf } = standing;
    let held = match (&offer.contents, content) {
        (Some(said), Some(content)) => Some(Held { media_type: MediaType::new(&said.media_type)?, content }),
        _ => None,
    };
    let shelf = shelf.unwrap_or(Stored { version: Version(0), value: Shelf::empty(account) });
    let (version, before) = before.map_or((Version(0), None), |stored| (stored.version, Some(stored.value)));
    let mut hashes = before.as_ref().map(|note| note.hashes.clone()).unwrap_or_default();
    hashes.push(held.as_ref().map(|held| held.content.hash.into()));
    let forgotten = hashes.len().saturating_sub(REMEMBERED);
    hashes.drain(..forgotten);
    let counted = Shelf {
        change: shelf.value.change + 1,
        notes: shelf.value.notes + u32::from(before.is_none()),
        deleted: shelf.value.deleted + u32::from(held.is_none())
            - u32::from(before.as_ref().is_some_and(|note| note.held.is_none())),
        bytes: shelf.value.bytes - before.as_ref().map_or(0, Note::bytes)
            + held.as_ref().map_or(0, |held| held.content.size),
        ..shelf.value
    };
    let note = Note {
        account,
        id: offer.id,
        parent: if held.is_some() { offer.parent } else { before.as_ref().and_then(|note| note.parent) },
        revision: before.as_ref().map_or(0, |note| note.revision) + 1,
        change: counted.change,
        held,
        hashes,
        stored_at: now,
        stored_by: by,
    };
    let mut changes = Changeset::default();
    changes.note(event(&note, hash));
    let number = note.revision;
    changes.update(version, Record::Note(note));
    changes.update(shelf.version, Record::Shelf(counted));
    Ok((number, before.and_then(|note| note.held).map(|held| held.content), changes))
}

fn event(note: &Note, hash: Option<PersonalValue>) -> AuditEvent {
    let what = if note.held.is_some() { Happening::NoteStored } else { Happening::NoteDeleted };
    let subject = Subject { account: Some(note.account), device: Some(note.stored_by), ..Subject::default() };
    let event = AuditEvent::new(note.stored_at, Actor::Device(note.stored_by), what, subject)
        .fact("note", note.id)
        .fact("revision", note.revision)
        .fact("bytes", note.bytes());
    match hash {
        Some(hash) => event.personal(hash),
        None => event,
    }
}
