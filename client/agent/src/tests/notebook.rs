//! The notes that the peer has of the account: it takes and gives them as a server would, and fails with one where a test wants it.

use std::collections::{BTreeMap, BTreeSet};

use shared::crypto::hazmat::sha256;
use shared::ids::NoteId;
use shared::wire::{
    CHUNK_MAX, Frame, NOTE_MEDIA_TYPE, NoteChunk, NoteConflict, NoteContents, NoteEntry, NoteGone, NoteOffer,
    NoteRequest, NoteStored, NoteWanted, NotesPage, NotesRequest,
};

use super::peer::Peer;
use crate::link::Exchange;

/// The notes of the peer.
#[derive(Default)]
pub(crate) struct Notebook {
    notes: BTreeMap<NoteId, (NoteEntry, Vec<u8>)>,
    changes: u64,
    /// Whatever is asked of these, the stream breaks.
    pub(crate) broken: BTreeSet<NoteId>,
}

impl Notebook {
    /// Another device of the account has edited a note.
    pub(crate) fn edit(&mut self, id: NoteId, text: &[u8]) {
        self.store(id, None, Some((NOTE_MEDIA_TYPE, text)));
    }

    /// Another device has deleted it.
    pub(crate) fn delete(&mut self, id: NoteId) {
        self.store(id, None, None);
    }

    pub(crate) fn text(&self, id: NoteId) -> Option<Vec<u8>> {
        let (entry, text) = self.notes.get(&id)?;
        entry.contents.is_some().then(|| text.clone())
    }

    pub(crate) fn revision(&self, id: NoteId) -> u32 {
        self.notes.get(&id).map_or(0, |(entry, _)| entry.revision)
    }

    fn store(&mut self, id: NoteId, parent: Option<NoteId>, contents: Option<(&str, &[u8])>) -> u32 {
        self.changes += 1;
        let revision = self.revision(id) + 1;
        let (change, text) = (self.changes, contents.map(|(_, text)| text.to_vec()).unwrap_or_default());
        let contents = contents.map(|(media_type, text)| NoteContents {
            media_type: media_type.to_owned(),
            size: text.len() as u64,
            hash: sha256(&[text]),
        });
        self.notes.insert(id, (NoteEntry { id, parent, revision, change, contents }, text));
        revision
    }
}

impl Peer {
    pub(crate) fn notebook<T>(&self, change: impl FnOnce(&mut Notebook) -> T) -> T {
        change(&mut self.shared.lock().unwrap().notebook)
    }

    pub(super) async fn tell_notes(&self, frame: &Frame, exchange: &mut Exchange) -> Option<()> {
        let request: NotesRequest = self.hear(frame)?;
        let page = self.notebook(|notebook| {
            let changed = notebook.notes.values().map(|(entry, _)| entry.clone());
            let mut entries: Vec<NoteEntry> = changed.filter(|entry| entry.change > request.after).collect();
            entries.sort_by_key(|entry| entry.change);
            NotesPage { era: 0, upto: notebook.changes, entries, more: false }
        });
        exchange.send(&page).await.ok()
    }

    pub(super) async fn take_note(&self, frame: &Frame, exchange: &mut Exchange) -> Option<()> {
        let offer: NoteOffer = self.hear(frame)?;
        if self.notebook(|notebook| notebook.broken.contains(&offer.id)) {
            return None;
        }
        let current = self.notebook(|notebook| notebook.notes.get(&offer.id).map(|(entry, _)| entry.clone()));
        let hash = offer.contents.as_ref().map(|contents| contents.hash);
        if let Some(entry) = current.filter(|entry| entry.revision != offer.base) {
            if entry.hash() == hash {
                return exchange.send(&NoteStored { revision: entry.revision }).await.ok();
            }
            return exchange.send(&NoteConflict { entry }).await.ok();
        }
        let mut text = Vec::new();
        if let Some(contents) = &offer.contents {
            exchange.send(&NoteWanted { offset: 0 }).await.ok()?;
            while (text.len() as u64) < contents.size {
                let chunk: NoteChunk = exchange.receive().await.ok()?.decode().ok()?;
                text.extend(chunk.bytes);
            }
            assert_eq!(sha256(&[&text]), contents.hash, "what was offered");
        }
        let revision = self.notebook(|notebook| {
            let contents = offer.contents.as_ref().map(|contents| (contents.media_type.as_str(), &*text));
            notebook.store(offer.id, offer.parent, contents)
        });
        exchange.send(&NoteStored { revision }).await.ok()
    }

    pub(super) async fn give_note(&self, frame: &Frame, exchange: &mut Exchange) -> Option<()> {
        let request: NoteRequest = self.hear(frame)?;
        if self.notebook(|notebook| notebook.broken.contains(&request.id)) {
            return None;
        }
        let found = self.notebook(|notebook| notebook.notes.get(&request.id).cloned());
        let Some((_, text)) = found.filter(|(entry, _)| entry.revision == request.revision) else {
            return exchange.send(&NoteGone {}).await.ok();
        };
        let mut offset = usize::try_from(request.offset).unwrap();
        loop {
            let part = &text[offset..text.len().min(offset + CHUNK_MAX)];
            exchange.send(&NoteChunk { offset: offset as u64, bytes: part.to_vec() }).await.ok()?;
            offset += part.len();
            if offset == text.len() {
                return Some(());
            }
        }
    }
}
