//! Documents on their way to the phone: what to ask for, what to write, what to remove. Here: decisions. Not here: the vault
//! that keeps the bytes, and the connection.
//!
//! Each question has a [`Ticket`], and its answers come back with it: what belongs to an older question is passed over. One
//! document is fetched at a time, first one that was begun, then in the order of the manifest, from where it stood; its bytes
//! count once they are written, and it counts as there once its hash was found right.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use shared::ids::DocumentId;
use shared::wire::{
    DocumentChunk, DocumentEntry, DocumentRequest, ManifestPage, ManifestRequest, ManifestVersion,
};

use crate::aside::{Aside, LATER, SOON};
use crate::clock::BootTime;

/// The most entries of a manifest that are taken.
pub const MAX_ENTRIES: u32 = 10_000;
/// The most bytes of a document that is fetched: 500 MiB, what the vault keeps.
pub const MAX_SIZE: u64 = 500 * 1024 * 1024;

/// Which question an answer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// One version of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edition {
    /// Which document.
    pub id: DocumentId,
    /// Which version of it.
    pub version: u32,
}

impl Edition {
    /// The edition that an entry is of.
    pub fn of(entry: &DocumentEntry) -> Self {
        Self { id: entry.id, version: entry.version }
    }
}

/// What the phone has of an edition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    /// Its first so many bytes.
    pub bytes: u64,
    /// All of it is there and its hash was found right.
    pub verified: bool,
}

/// A manifest that is there whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its version.
    pub version: ManifestVersion,
    /// Its entries, in order.
    pub entries: Vec<DocumentEntry>,
}

/// What is to be done. `Debug` shows no contents.
#[derive(Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask for the manifest.
    AskManifest(Ticket, ManifestRequest),
    /// Ask for contents.
    AskDocument(Ticket, DocumentRequest),
    /// Keep this manifest, durably, in the place of the one before.
    Keep(Manifest),
    /// Append bytes to what is there of an edition; answered by [`Sync::written`].
    Write {
        /// Of which edition.
        edition: Edition,
        /// How many bytes are there by then.
        offset: u64,
        /// What to append.
        bytes: Vec<u8>,
    },
    /// Read what is there of an edition and compare its SHA-256; answered by [`Sync::verified`].
    Verify {
        /// Which edition.
        edition: Edition,
        /// What it should be.
        hash: [u8; 32],
    },
    /// Remove whatever is there of an edition.
    Remove(Edition),
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AskManifest(ticket, request) => write!(f, "AskManifest({ticket:?}, {request:?})"),
            Self::AskDocument(ticket, request) => write!(f, "AskDocument({ticket:?}, {request:?})"),
            Self::Keep(manifest) => write!(f, "Keep({} entries)", manifest.entries.len()),
            Self::Write { edition, offset, bytes } => {
                write!(f, "Write({edition:?}, {} bytes at {offset})", bytes.len())
            }
            Self::Verify { edition, .. } => write!(f, "Verify({edition:?})"),
            Self::Remove(edition) => write!(f, "Remove({edition:?})"),
        }
    }
}

/// The server said what an honest one does not: the connection is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    /// Pages that do not follow one another, or are too many.
    #[error("the parts of the manifest do not fit together")]
    Pages,
    /// The entries are not those of the manifest's version, or one stands there twice.
    #[error("the manifest is not what its version says")]
    Version,
    /// A chunk that does not follow the one before, or goes beyond the end.
    #[error("a chunk does not stand where it should")]
    Chunk,
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Documents that may be read.
    pub documents: usize,
    /// Those of them that are there.
    pub there: usize,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Bytes that are there.
    pub bytes_there: u64,
}

struct Gathering {
    ticket: Ticket,
    first: Option<(ManifestVersion, u32)>,
    entries: Vec<DocumentEntry>,
}

struct Fetch {
    ticket: Ticket,
    edition: Edition,
    size: u64,
    from: u64,
    /// Where the next chunk has to stand.
    next: u64,
}

/// The machine.
#[derive(Default)]
pub struct Sync {
    manifest: Option<Manifest>,
    parts: BTreeMap<Edition, Part>,
    tickets: u64,
    connected: bool,
    gathering: Option<Gathering>,
    fetching: Option<Fetch>,
    verifying: Option<Edition>,
    /// Said to be gone, and not asked for again on this connection.
    gone: BTreeSet<Edition>,
    /// With another hash than its entry says, or not given by a server that gives others.
    wrong: BTreeMap<Edition, Aside>,
    /// When the last pass began.
    now: BootTime,
}

impl Sync {
    /// At the start of the process, with what is durable.
    pub fn resume(manifest: Option<Manifest>, parts: impl IntoIterator<Item = (Edition, Part)>) -> Self {
        Self { manifest, parts: parts.into_iter().collect(), ..Self::default() }
    }

    /// What is known to be readable, whether it is there or not.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for entry in self.entries() {
            let part = self.part(Edition::of(entry));
            progress.documents += 1;
            progress.there += usize::from(part.verified);
            progress.bytes += entry.size;
            progress.bytes_there += part.bytes.min(entry.size);
        }
        progress
    }

    /// What is there of an edition.
    pub fn part(&self, edition: Edition) -> Part {
        self.parts.get(&edition).copied().unwrap_or_default()
    }

    /// Everything of which something is there, or may be.
    pub fn parts(&self) -> impl Iterator<Item = (Edition, Part)> {
        self.parts.iter().map(|(edition, part)| (*edition, *part))
    }

    /// Whether the contents of an edition were not what its entry says, or did not come though others did.
    pub fn is_wrong(&self, edition: Edition) -> bool {
        self.wrong.contains_key(&edition)
    }

    /// How long after the last pass began the first of those is to be tried again.
    pub fn next_try(&self) -> Option<Duration> {
        let waiting = self.wrong.values().filter(|aside| aside.waits(self.now));
        Some(self.now.until(waiting.map(|aside| aside.until()).min()?))
    }

    /// What the manifest says of an edition.
    pub fn entry(&self, edition: Edition) -> Option<&DocumentEntry> {
        self.entries().find(|entry| Edition::of(entry) == edition)
    }

    /// Whether an answer to that question is still of use.
    pub fn awaits(&self, ticket: Ticket) -> bool {
        let gathering = self.gathering.as_ref().is_some_and(|asked| asked.ticket == ticket);
        gathering || self.fetching.as_ref().is_some_and(|asked| asked.ticket == ticket)
    }

    /// A download that was begun earlier has so many bytes on the disk: to be said before [`Sync::connected`].
    pub fn stands_at(&mut self, edition: Edition, bytes: u64) {
        self.parts.entry(edition).or_default().bytes = bytes;
    }

    /// What was there of an edition was found damaged: it goes, and comes again.
    pub fn lost(&mut self, edition: Edition) -> Vec<Effect> {
        let was_there = self.parts.remove(&edition).is_some();
        self.fetching.take_if(|fetch| fetch.edition == edition);
        was_there.then_some(Effect::Remove(edition)).into_iter().collect()
    }

    /// A pass over a connection begins. What was to be written or verified before is answered by now; what was set aside long
    /// enough is tried again.
    pub fn connected(&mut self, now: BootTime) -> Vec<Effect> {
        self.cut();
        self.now = now;
        self.connected = true;
        self.verifying = None;
        self.gone.clear();
        self.ask_manifest()
    }

    /// The connection is gone. What was asked on it is not answered any more.
    pub fn cut(&mut self) {
        self.connected = false;
        self.gathering = None;
        self.fetching = None;
    }

    /// The server has news: something was published or taken back.
    pub fn news(&mut self) -> Vec<Effect> {
        if self.connected && self.gathering.is_none() { self.ask_manifest() } else { Vec::new() }
    }

    /// A part of the manifest came.
    pub fn page(&mut self, ticket: Ticket, page: ManifestPage) -> Result<Vec<Effect>, Misbehaviour> {
        let Some(gathering) = self.gathering.as_mut().filter(|asked| asked.ticket == ticket) else {
            return Ok(Vec::new());
        };
        let heading = *gathering.first.get_or_insert((page.version, page.total));
        let before = u32::try_from(gathering.entries.len()).map_err(|_| Misbehaviour::Pages)?;
        let after = u32::try_from(page.entries.len()).ok().and_then(|more| before.checked_add(more));
        let fits = heading == (page.version, page.total)
            && page.first == before
            && page.total <= MAX_ENTRIES
            && after.is_some_and(|after| after <= page.total && (after > before || page.total == 0));
        if !fits {
            return Err(Misbehaviour::Pages);
        }
        gathering.entries.extend(page.entries);
        if gathering.entries.len() < page.total as usize {
            return Ok(Vec::new());
        }
        let entries = std::mem::take(&mut gathering.entries);
        self.gathering = None;
        let ids: BTreeSet<DocumentId> = entries.iter().map(|entry| entry.id).collect();
        if ManifestVersion::of(&entries) != page.version || ids.len() != entries.len() {
            return Err(Misbehaviour::Version);
        }
        Ok(self.adopt(Manifest { version: page.version, entries }))
    }

    /// The manifest that is there is the newest.
    pub fn unchanged(&mut self, ticket: Ticket) -> Vec<Effect> {
        if self.gathering.take_if(|asked| asked.ticket == ticket).is_none() {
            return Vec::new();
        }
        // The phone may have gone off right after it had kept the manifest.
        let mut effects = self.sweep();
        effects.extend(self.go_on());
        effects
    }

    /// Bytes of a document came.
    pub fn chunk(&mut self, ticket: Ticket, chunk: DocumentChunk) -> Result<Vec<Effect>, Misbehaviour> {
        let Some(fetch) = self.fetching.as_mut().filter(|asked| asked.ticket == ticket) else {
            return Ok(Vec::new());
        };
        let after = fetch.next.checked_add(chunk.bytes.len() as u64);
        let Some(after) = after.filter(|after| chunk.offset == fetch.next && *after <= fetch.size) else {
            return Err(Misbehaviour::Chunk);
        };
        if chunk.bytes.is_empty() && fetch.size > 0 {
            return Err(Misbehaviour::Chunk);
        }
        fetch.next = after;
        // From now on something may be there, which a newer manifest may have removed.
        self.parts.entry(fetch.edition).or_default();
        Ok(vec![Effect::Write { edition: fetch.edition, offset: chunk.offset, bytes: chunk.bytes }])
    }

    /// Bytes of an edition are durable up to there.
    pub fn written(&mut self, edition: Edition, upto: u64) -> Vec<Effect> {
        // An edition that was removed meanwhile does not come back by it.
        let Some(size) = self.entry(edition).map(|entry| entry.size) else { return Vec::new() };
        let part = self.parts.entry(edition).or_default();
        if part.verified {
            return Vec::new();
        }
        part.bytes = part.bytes.max(upto);
        if upto < size {
            return Vec::new();
        }
        self.fetching.take_if(|fetch| fetch.edition == edition);
        self.go_on()
    }

    /// Bytes of an edition could not be written: the disk is full. Nothing more is fetched before the next connection.
    pub fn write_failed(&mut self) {
        self.fetching = None;
        self.connected = false;
    }

    /// What is there of an edition was compared with its hash.
    pub fn verified(&mut self, edition: Edition, is_right: bool) -> Vec<Effect> {
        if self.verifying.take_if(|asked| *asked == edition).is_none() || self.entry(edition).is_none() {
            return self.go_on();
        }
        let mut effects = Vec::new();
        if is_right {
            self.parts.entry(edition).or_default().verified = true;
            self.wrong.remove(&edition);
        } else {
            self.parts.remove(&edition);
            let before = self.wrong.get(&edition).copied();
            self.wrong.insert(edition, Aside::again(before, LATER, self.now));
            effects.push(Effect::Remove(edition));
        }
        effects.extend(self.go_on());
        effects
    }

    /// The server does not give it, though the connection is good: others are not to wait for it.
    pub fn failed(&mut self, ticket: Ticket) -> Vec<Effect> {
        let Some(fetch) = self.fetching.take_if(|fetch| fetch.ticket == ticket) else { return Vec::new() };
        let before = self.wrong.get(&fetch.edition).copied().filter(|_| fetch.next == fetch.from);
        self.wrong.insert(fetch.edition, Aside::again(before, SOON, self.now));
        self.go_on()
    }

    /// The server has no such edition for this account any more: nor has the phone.
    pub fn gone(&mut self, ticket: Ticket) -> Vec<Effect> {
        let Some(fetch) = self.fetching.take_if(|fetch| fetch.ticket == ticket) else { return Vec::new() };
        self.gone.insert(fetch.edition);
        let mut effects = self.lost(fetch.edition);
        if self.gathering.is_none() {
            effects.extend(self.ask_manifest());
        }
        effects
    }

    fn entries(&self) -> impl Iterator<Item = &DocumentEntry> {
        self.manifest.iter().flat_map(|manifest| &manifest.entries)
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn ask_manifest(&mut self) -> Vec<Effect> {
        let ticket = self.ticket();
        self.gathering = Some(Gathering { ticket, first: None, entries: Vec::new() });
        let have = self.manifest.as_ref().map(|manifest| manifest.version);
        vec![Effect::AskManifest(ticket, ManifestRequest { have })]
    }

    /// What is no longer in the manifest is no longer kept.
    fn adopt(&mut self, manifest: Manifest) -> Vec<Effect> {
        // Kept first: what is removed after that is known to be of no use, whenever the phone goes off.
        let mut effects = vec![Effect::Keep(manifest.clone())];
        self.manifest = Some(manifest);
        effects.extend(self.sweep());
        effects.extend(self.go_on());
        effects
    }

    /// What is there and stands in the manifest no more.
    fn sweep(&mut self) -> Vec<Effect> {
        let kept: BTreeSet<Edition> = self.entries().map(Edition::of).collect();
        let removed: Vec<Edition> =
            self.parts.keys().copied().filter(|edition| !kept.contains(edition)).collect();
        self.parts.retain(|edition, _| kept.contains(edition));
        self.wrong.retain(|edition, _| kept.contains(edition));
        self.fetching.take_if(|fetch| !kept.contains(&fetch.edition));
        removed.into_iter().map(Effect::Remove).collect()
    }

    /// The next document that is not there, if nothing is under way.
    fn go_on(&mut self) -> Vec<Effect> {
        if self.fetching.is_some() || self.verifying.is_some() {
            return Vec::new();
        }
        let is_missing = |entry: &&DocumentEntry| {
            let edition = Edition::of(entry);
            let waits = self.wrong.get(&edition).is_some_and(|aside| aside.waits(self.now));
            let is_set_aside = self.gone.contains(&edition) || waits;
            entry.size <= MAX_SIZE && !is_set_aside && !self.part(edition).verified
        };
        let is_begun = |entry: &&DocumentEntry| self.part(Edition::of(entry)).bytes > 0;
        let begun = self.entries().filter(is_missing).find(is_begun);
        let Some(entry) = begun.or_else(|| self.entries().find(is_missing)).cloned() else {
            return Vec::new();
        };
        let edition = Edition::of(&entry);
        let there = self.parts.get(&edition).map(|part| part.bytes);
        if there.is_some_and(|bytes| bytes >= entry.size) {
            self.verifying = Some(edition);
            return vec![Effect::Verify { edition, hash: entry.hash }];
        }
        if !self.connected {
            return Vec::new();
        }
        let (ticket, offset) = (self.ticket(), there.unwrap_or(0));
        self.fetching = Some(Fetch { ticket, edition, size: entry.size, from: offset, next: offset });
        vec![Effect::AskDocument(ticket, DocumentRequest { id: entry.id, version: entry.version, offset })]
    }
}
