//! Notes and photos, up and down: what changed, revisions offered and wanted, and the bytes. For connections that have proved a
//! session grant; `docs/formats/notes.md` has the exchanges.

use serde::{Deserialize, Serialize};

use super::frame::{Kind, Message};
use crate::ids::NoteId;

/// What a note of the app is: JSON of its own form (RFC 6838 section 3.2).
pub const NOTE_MEDIA_TYPE: &str = "application/vnd.tamatebako.note+json";
/// What a photo is.
pub const PHOTO_MEDIA_TYPE: &str = "image/jpeg";

/// The contents of one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteContents {
    /// What they are (RFC 6838).
    pub media_type: String,
    /// How many bytes.
    pub size: u64,
    /// Their SHA-256.
    #[serde(with = "serde_bytes")]
    pub hash: [u8; 32],
}

/// A note, or a photo that belongs to one, as the server has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteEntry {
    /// Which.
    pub id: NoteId,
    /// The note that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<NoteId>,
    /// Which of its revisions, from 1.
    pub revision: u32,
    /// The account's number of this change: rises with every revision of any note.
    pub change: u64,
    /// Absent once it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contents: Option<NoteContents>,
}

impl NoteEntry {
    /// SHA-256 of the contents, if it was not deleted.
    pub fn hash(&self) -> Option<[u8; 32]> {
        self.contents.as_ref().map(|contents| contents.hash)
    }

    /// As it travels.
    pub fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes).expect("an entry in memory encodes into a vector");
        bytes
    }
}

/// Client → server: what has changed?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotesRequest {
    /// Of which era `after` is; absent if the device knows nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub era: Option<u32>,
    /// The last change that the device knows.
    pub after: u64,
}

/// Server → client: changes, in their order. The parts follow one another on the same stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotesPage {
    /// Rises when the server has forgotten something: then nothing that it said before counts.
    pub era: u32,
    /// Up to which change the device knows everything with this part.
    pub upto: u64,
    /// The newest revision of each note that changed.
    pub entries: Vec<NoteEntry>,
    /// Whether another part follows.
    pub more: bool,
}

/// Client → server: the next revision of a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteOffer {
    /// Which note.
    pub id: NoteId,
    /// The note that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<NoteId>,
    /// The revision that it was made from; 0 for a note that the server has never had.
    pub base: u32,
    /// What it is; absent to delete it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contents: Option<NoteContents>,
}

/// Server → client: send the contents from an offset on, as [`NoteChunk`]s on this stream. Empty contents are one empty chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteWanted {
    /// How many bytes of exactly these contents are there.
    pub offset: u64,
}

/// Either: the next bytes, at most [`super::CHUNK_MAX`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteChunk {
    /// Where the bytes stand.
    pub offset: u64,
    /// The bytes.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// Server → client: what was offered is durable, now or since an earlier offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteStored {
    /// As this revision.
    pub revision: u32,
}

/// Server → client: another revision was made from the same base. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteConflict {
    /// The revision that holds.
    pub entry: NoteEntry,
}

/// Client → server: the contents of a note from an offset on; answered by [`NoteChunk`]s up to their size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteRequest {
    /// Which note.
    pub id: NoteId,
    /// Which revision. If it is not the newest any more, the answer is that it is gone.
    pub revision: u32,
    /// How many bytes the device has.
    pub offset: u64,
}

/// Server → client: there is no such revision (any more): ask what has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteGone {}

macro_rules! message {
    ($($name:ident),*) => { $(impl Message for $name { const KIND: Kind = Kind::$name; })* };
}
message!(
    NotesRequest,
    NotesPage,
    NoteOffer,
    NoteWanted,
    NoteChunk,
    NoteStored,
    NoteConflict,
    NoteRequest,
    NoteGone
);
