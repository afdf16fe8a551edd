//! Documents on their way down to a device: what an account may read, and the bytes. For connections that have proved a session
//! grant; `docs/formats/sync.md` has the exchanges.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond::optional as maybe_millis;
use serde::{Deserialize, Serialize};

use super::frame::{Kind, Message};
use crate::crypto::hazmat::sha256;
use crate::ids::DocumentId;

/// The most plain bytes of a [`DocumentChunk`].
pub const CHUNK_MAX: usize = 15 * 1024;
/// The most bytes of the entries of one [`ManifestPage`], encoded.
pub const PAGE_MAX: usize = 15 * 1024;

/// SHA-256 of all entries of a manifest in their order, so that it changes when they do and not otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ManifestVersion(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// A document as a device sees it before it has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentEntry {
    /// Which document.
    pub id: DocumentId,
    /// Which of its versions, from 1.
    pub version: u32,
    /// Its title.
    pub title: String,
    /// Where it stands: names of folders with `/` between them, empty at the top.
    pub folder: String,
    /// What it is (RFC 6838): `application/pdf`.
    pub media_type: String,
    /// Bytes of its contents.
    pub size: u64,
    /// SHA-256 of its contents.
    #[serde(with = "serde_bytes")]
    pub hash: [u8; 32],
    /// 機密性, 1 to 3.
    pub level: u8,
    /// It is a notice (お知らせ), published at this time: shown before documents, and marked until it was read.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "maybe_millis")]
    pub notice: Option<Timestamp>,
}

impl DocumentEntry {
    /// As it travels.
    pub fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes).expect("an entry in memory encodes into a vector");
        bytes
    }
}

impl ManifestVersion {
    /// The version of a manifest with these entries.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a DocumentEntry>) -> Self {
        let encoded: Vec<Vec<u8>> = entries.into_iter().map(DocumentEntry::encoded).collect();
        let parts: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
        Self(sha256(&parts))
    }
}

/// Client → server: what may I read?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestRequest {
    /// The manifest that the device has whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub have: Option<ManifestVersion>,
}

/// Server → client: what you have is what there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestUnchanged {}

/// Server → client: a part of the manifest. The parts follow one another on the same stream, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestPage {
    /// Of which manifest; the same in all its parts.
    pub version: ManifestVersion,
    /// How many entries stood in the parts before.
    pub first: u32,
    /// How many entries all parts have together.
    pub total: u32,
    /// The next entries, in order.
    pub entries: Vec<DocumentEntry>,
}

/// Client → server: the contents of a document from an offset on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentRequest {
    /// Which document.
    pub id: DocumentId,
    /// Which version. If it is not the newest any more, the answer is that it is gone.
    pub version: u32,
    /// How many bytes the device has.
    pub offset: u64,
}

/// Server → client: the next bytes. Chunks follow one another on the same stream until the size of the manifest's entry is
/// reached; an empty document is one empty chunk.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentChunk {
    /// Where the bytes stand.
    pub offset: u64,
    /// At most [`CHUNK_MAX`] of them.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// Server → client: there is no such version for this account (any more): ask for the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentGone {}

impl Message for ManifestRequest {
    const KIND: Kind = Kind::ManifestRequest;
}

impl Message for ManifestUnchanged {
    const KIND: Kind = Kind::ManifestUnchanged;
}

impl Message for ManifestPage {
    const KIND: Kind = Kind::ManifestPage;
}

impl Message for DocumentRequest {
    const KIND: Kind = Kind::DocumentRequest;
}

impl Message for DocumentChunk {
    const KIND: Kind = Kind::DocumentChunk;
}

impl Message for DocumentGone {
    const KIND: Kind = Kind::DocumentGone;
}
