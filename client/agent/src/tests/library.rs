//! What the peer publishes: a manifest and contents, told as a server would, held up or cut off where a test wants it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use quinn::Connection;
use shared::crypto::hazmat::sha256;
use shared::ids::DocumentId;
use shared::wire::{
    CHUNK_MAX, DocumentChunk, DocumentEntry, DocumentGone, DocumentRequest, Frame, ManifestPage,
    ManifestRequest, ManifestUnchanged, ManifestVersion,
};

use super::peer::Peer;
use crate::link::Exchange;

/// The documents of the peer, by their first byte of id.
#[derive(Default)]
pub(crate) struct Library {
    documents: BTreeMap<u8, (DocumentEntry, Vec<u8>)>,
    /// Before the next chunk it hangs up, once.
    pub(crate) hang_up: bool,
    /// After so many more chunks it waits.
    pub(crate) wait_after: Option<usize>,
    /// Whatever is asked of this one, the stream breaks.
    pub(crate) broken: Option<u8>,
    /// Offsets that were asked for.
    pub(crate) offsets: Vec<u64>,
}

/// Bytes that repeat nowhere near a chunk's length.
pub(crate) fn contents(seed: u32, length: u32) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// The id of a document here.
pub(crate) fn id(number: u8) -> DocumentId {
    DocumentId::from_bytes([number; 16])
}

impl Library {
    /// Publishes or replaces.
    pub(crate) fn publish(&mut self, number: u8, bytes: &[u8]) {
        let version = self.documents.get(&number).map_or(1, |(entry, _)| entry.version + 1);
        let entry = DocumentEntry {
            id: id(number),
            version,
            title: format!("手引き {number}"),
            folder: "防災".to_owned(),
            media_type: "text/plain".to_owned(),
            size: bytes.len() as u64,
            hash: sha256(&[bytes]),
            level: 2,
            notice: None,
        };
        self.documents.insert(number, (entry, bytes.to_vec()));
    }

    /// Publishes or replaces a notice.
    pub(crate) fn notify(&mut self, number: u8, text: &str, at: Timestamp) {
        self.publish(number, text.as_bytes());
        if let Some((entry, _)) = self.documents.get_mut(&number) {
            entry.notice = Some(at);
        }
    }

    /// Tells other bytes than the entry says, of the same length.
    pub(crate) fn spoil(&mut self, number: u8) {
        if let Some((_, bytes)) = self.documents.get_mut(&number) {
            bytes[0] ^= 1;
        }
    }

    pub(crate) fn unpublish(&mut self, number: u8) {
        self.documents.remove(&number);
    }
}

impl Peer {
    pub(crate) fn library<T>(&self, change: impl FnOnce(&mut Library) -> T) -> T {
        change(&mut self.shared.lock().unwrap().library)
    }

    pub(super) async fn tell_manifest(&self, frame: &Frame, exchange: &mut Exchange) -> Option<()> {
        let request: ManifestRequest = self.hear(frame)?;
        let entries: Vec<DocumentEntry> =
            self.library(|library| library.documents.values().map(|(entry, _)| entry.clone()).collect());
        let version = ManifestVersion::of(&entries);
        if request.have == Some(version) {
            return exchange.send(&ManifestUnchanged {}).await.ok();
        }
        let total = entries.len() as u32;
        exchange.send(&ManifestPage { version, first: 0, total, entries }).await.ok()
    }

    pub(super) async fn tell_document(
        &self,
        frame: &Frame,
        exchange: &mut Exchange,
        connection: &Connection,
    ) -> Option<()> {
        let request: DocumentRequest = self.hear(frame)?;
        let found = self.library(|library| {
            library.offsets.push(request.offset);
            library.documents.get(&request.id.as_bytes()[0]).cloned()
        });
        if self.library(|library| library.broken == Some(request.id.as_bytes()[0])) {
            return None;
        }
        let Some((_, bytes)) = found.filter(|(entry, _)| entry.version == request.version) else {
            return exchange.send(&DocumentGone {}).await.ok();
        };
        let mut offset = usize::try_from(request.offset).unwrap();
        loop {
            let part = &bytes[offset..bytes.len().min(offset + CHUNK_MAX)];
            exchange.send(&DocumentChunk { offset: offset as u64, bytes: part.to_vec() }).await.ok()?;
            offset += part.len();
            if offset == bytes.len() {
                return Some(());
            }
            while self.library(Library::is_to_wait) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if self.library(|library| std::mem::take(&mut library.hang_up)) {
                connection.close(0_u8.into(), b"");
                return None;
            }
        }
    }
}

impl Library {
    fn is_to_wait(&mut self) -> bool {
        match &mut self.wait_after {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }
}
