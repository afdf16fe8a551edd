//! Notes and photos on their way up, and those of other devices on their way down: what is to be done next. Here: decisions.
//! Not here: the vault that keeps them, and the connection.
//!
//! There is no queue. What is unsent is what differs from its [`Base`], the revision of the server that it was made from. One
//! [`Step`] is done at a time; whoever does it looks at the vault again before asking for the next, so that whatever was typed
//! meanwhile counts. Steps that change a note name the version of the file that they were decided upon, and are not to be done to
//! another one. ADR 13 says why it is so, `docs/formats/notes.md` what is said to the server.

mod name;
mod standing;
#[cfg(test)]
mod tests;

pub use name::{FOLDER, NoteName};
pub use standing::{Counts, Problem, Standing};

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shared::ids::NoteId;
use shared::wire::{NoteContents, NoteEntry, NoteOffer, NotesPage, NotesRequest, RefusalReason};

/// SHA-256 of contents.
pub type Hash = [u8; 32];

/// The most bytes of contents that are fetched: 500 MiB, what the vault keeps.
pub const MAX_SIZE: u64 = 500 * 1024 * 1024;
/// The most notes of the server that are taken note of at a time: as many as a vault keeps.
const MAX_NEWS: usize = 1 << 17;
/// Hashes of offers whose answers were lost: older ones are forgotten, and would make a copy.
const MAX_OFFERED: usize = 16;

/// The revision that what is here was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Since when the server counts so: a base of another era is none.
    pub era: u32,
    /// The server's number; 0 for a note that it never had.
    pub revision: u32,
    /// What it held; absent for a deletion.
    pub hash: Option<serde_bytes::ByteArray<32>>,
    /// The version of the file that is known to hold the same; 0 if none is known to.
    pub version: u64,
}

impl Base {
    fn hash(&self) -> Option<Hash> {
        self.hash.map(serde_bytes::ByteArray::into_array)
    }
}

/// What is kept of a note beside its file, durably.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Absent before the server has answered for the first time.
    #[serde(default)]
    pub base: Option<Base>,
    /// What was offered on top of it without an answer, the newest last.
    #[serde(default)]
    pub offered: Vec<serde_bytes::ByteArray<32>>,
    /// The note that this one was a conflicting edit of.
    #[serde(default)]
    pub copy_of: Option<NoteId>,
}

/// Up to which change everything of the server is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// See [`NotesPage::era`].
    pub era: u32,
    /// The number of the change.
    pub change: u64,
}

/// A file as the vault lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// Where it is.
    pub name: NoteName,
    /// Another one whenever it was written.
    pub version: u64,
    /// Bytes.
    pub size: u64,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Compute the SHA-256 of a file; answered by [`Outbox::hashed`].
    Hash(Local),
    /// Ask what has changed; answered by [`Outbox::heard`], part by part.
    Ask(NotesRequest),
    /// Keep these, durably and together, in the place of what was kept; answered by [`Outbox::kept`].
    Keep(Vec<(NoteId, Record)>, Option<Cursor>),
    /// Offer a revision and send its contents if they are wanted; answered by [`Outbox::stored`], [`Outbox::conflict`] or
    /// [`Outbox::refused`]. The contents are those of the version, or nothing is sent.
    Offer(NoteOffer, Option<Local>),
    /// Fetch contents, compare their hash, and put them in the place of that version (`None`: where nothing is), together with
    /// the record; answered by [`Outbox::settled`], [`Outbox::gone`] or [`Outbox::unusable`].
    Fetch {
        /// What to fetch.
        entry: NoteEntry,
        /// Where to.
        name: NoteName,
        /// What is there.
        over: Option<u64>,
        /// What to keep with it.
        record: Record,
    },
    /// Remove a file of that version, together with keeping the record; answered by [`Outbox::settled`].
    Remove(Local, Record),
    /// Store the contents of a file of that version under a new id, with [`Record::copy_of`] and with `record` for the note
    /// itself, all together; answered by [`Outbox::copied`].
    Copy(Local, Record),
    /// Nothing before something changes.
    Idle,
}

/// The machine.
#[derive(Default)]
pub struct Outbox {
    connected: bool,
    /// The server was asked for changes on this connection, and has answered.
    has_asked: bool,
    cursor: Option<Cursor>,
    kept_cursor: Option<Cursor>,
    records: BTreeMap<NoteId, Record>,
    /// Records that are not durable as they are here.
    unkept: BTreeSet<NoteId>,
    locals: BTreeMap<NoteId, Local>,
    hashes: BTreeMap<NoteId, (u64, Hash)>,
    /// The newest that was heard of notes that are not settled.
    news: BTreeMap<NoteId, NoteEntry>,
    /// Not tried again while it has this hash, or before the next connection.
    stuck: BTreeMap<NoteId, (Option<Hash>, Problem)>,
    /// Conflicting edits that are to become notes of their own.
    conflicting: BTreeSet<NoteId>,
}

impl Outbox {
    /// At the opening of the vault, with what is durable.
    pub fn resume(cursor: Option<Cursor>, records: impl IntoIterator<Item = (NoteId, Record)>) -> Self {
        Self { cursor, kept_cursor: cursor, records: records.into_iter().collect(), ..Self::default() }
    }

    /// A connection has proved its grant.
    pub fn connected(&mut self) {
        self.connected = true;
        self.has_asked = false;
        self.stuck.clear();
    }

    /// The connection is gone: what was asked on it is not answered any more.
    pub fn cut(&mut self) {
        self.connected = false;
    }

    /// Another device may have changed something.
    pub fn ask_again(&mut self) {
        self.has_asked = false;
    }

    /// What is in the vault now.
    pub fn look(&mut self, locals: impl IntoIterator<Item = Local>) {
        self.locals.clear();
        for local in locals {
            // One name for an id: a second one is not ours.
            self.locals.entry(local.name.id).or_insert(local);
        }
    }

    /// Files of which it is not known what they hold.
    pub fn unhashed(&self) -> Vec<Local> {
        self.locals.values().copied().filter(|local| self.local_hash(local.name.id).is_err()).collect()
    }

    /// What is to be done next.
    pub fn next_step(&mut self) -> Step {
        if self.connected && !self.has_asked {
            let (era, after) = self.cursor.map_or((None, 0), |cursor| (Some(cursor.era), cursor.change));
            return Step::Ask(NotesRequest { era, after });
        }
        // Notes before photos: they are small, and what was typed is what cannot be done again.
        let ids: BTreeSet<(bool, NoteId)> = self
            .locals
            .values()
            .map(|local| (local.name.parent.is_some(), local.name.id))
            .chain(self.records.keys().filter(|id| !self.locals.contains_key(id)).map(|id| (false, *id)))
            .chain(self.news.keys().filter(|id| !self.locals.contains_key(id)).map(|id| (true, *id)))
            .collect();
        for (_, id) in ids {
            if let Some(step) = self.step_for(id) {
                return step;
            }
        }
        self.keep_all().unwrap_or(Step::Idle)
    }

    /// What is not durable, and the cursor once nothing before it is unsettled.
    fn keep_all(&mut self) -> Option<Step> {
        let cursor = self.cursor.filter(|_| self.news.is_empty() && self.cursor != self.kept_cursor);
        let records: Vec<(NoteId, Record)> =
            self.unkept.iter().map(|id| (*id, self.records.get(id).cloned().unwrap_or_default())).collect();
        (!records.is_empty() || cursor.is_some()).then_some(Step::Keep(records, cursor))
    }

    fn base(&self, id: NoteId) -> Option<&Base> {
        let era = self.cursor.map(|cursor| cursor.era);
        self.records.get(&id)?.base.as_ref().filter(|base| Some(base.era) == era)
    }

    /// The hash of what is here; the error is the file that is to be hashed first.
    fn local_hash(&self, id: NoteId) -> Result<Option<Hash>, Local> {
        let Some(local) = self.locals.get(&id) else { return Ok(None) };
        let base = self.records.get(&id).and_then(|record| record.base.as_ref());
        if let Some(base) = base.filter(|base| base.version == local.version) {
            return Ok(base.hash());
        }
        match self.hashes.get(&id) {
            Some((version, hash)) if *version == local.version => Ok(Some(*hash)),
            _ => Err(*local),
        }
    }

    /// Whether what is here is what the server is known to have had. An offer without an answer leaves that open, also when
    /// what was offered was undone.
    fn is_clean(&self, id: NoteId, hash: Option<Hash>) -> bool {
        let base = self.base(id).and_then(Base::hash);
        !self.is_open(id) && base == hash
    }

    fn is_open(&self, id: NoteId) -> bool {
        self.records.get(&id).is_some_and(|record| !record.offered.is_empty())
    }

    fn step_for(&mut self, id: NoteId) -> Option<Step> {
        let hash = match self.local_hash(id) {
            Ok(hash) => hash,
            Err(local) => return Some(Step::Hash(local)),
        };
        self.settle_what_is_the_same(id, hash);
        let local = self.locals.get(&id).copied();
        if self.is_clean(id, hash) {
            self.conflicting.remove(&id);
            self.note_version(id, local);
            return if self.connected { self.take_news(id, local) } else { None };
        }
        let is_stuck = self.stuck.get(&id).is_some_and(|(stuck, _)| *stuck == hash);
        if is_stuck || !self.connected {
            return None;
        }
        match (local, hash) {
            (Some(local), Some(hash)) if self.conflicting.contains(&id) => {
                Some(Step::Copy(local, self.as_if_it_were_the_base(id, hash, local.version)))
            }
            _ => Some(self.offer(id, local, hash)),
        }
    }

    /// What the server has said of a note may be what is here already, or older than what it has acknowledged.
    fn settle_what_is_the_same(&mut self, id: NoteId, hash: Option<Hash>) {
        let Some(entry) = self.news.get(&id) else { return };
        if self.base(id).is_some_and(|base| entry.revision <= base.revision) {
            self.news.remove(&id);
        } else if entry.hash() == hash {
            let version = self.locals.get(&id).map_or(0, |local| local.version);
            let (revision, hash) = (entry.revision, entry.hash());
            self.news.remove(&id);
            self.rebase(id, revision, hash, version);
            self.change(id, |record| record.offered.clear());
        }
    }

    /// Which file is known to be the same, so that it is not read again after a restart.
    fn note_version(&mut self, id: NoteId, local: Option<Local>) {
        let Some(local) = local else { return };
        if self.base(id).is_some_and(|base| base.version != local.version) {
            self.change(id, |record| {
                if let Some(base) = &mut record.base {
                    base.version = local.version;
                }
            });
        }
    }

    fn change(&mut self, id: NoteId, change: impl FnOnce(&mut Record)) {
        let record = self.records.entry(id).or_default();
        let before = record.clone();
        change(record);
        if *record != before {
            self.unkept.insert(id);
        }
    }

    fn rebase(&mut self, id: NoteId, revision: u32, hash: Option<Hash>, version: u64) {
        let Some(cursor) = self.cursor else { return };
        let base = Base { era: cursor.era, revision, hash: hash.map(Into::into), version };
        self.change(id, |record| record.base = Some(base));
    }

    /// A newer revision of a note that is unchanged here.
    fn take_news(&mut self, id: NoteId, local: Option<Local>) -> Option<Step> {
        let entry = self.news.get(&id)?.clone();
        if self.stuck.get(&id).is_some_and(|(stuck, _)| *stuck == entry.hash()) {
            return None;
        }
        let era = self.cursor?.era;
        let base = Base { era, revision: entry.revision, hash: entry.hash().map(Into::into), version: 0 };
        let copy_of = self.records.get(&id).and_then(|record| record.copy_of);
        let record = Record { base: Some(base), offered: Vec::new(), copy_of };
        let Some(contents) = &entry.contents else {
            // Nothing here is settled above, so that there is a file.
            return local.map(|local| Step::Remove(local, record));
        };
        let name = NoteName::of(&entry).filter(|name| local.is_none_or(|local| local.name == *name));
        let Some(name) = name.filter(|_| contents.size <= MAX_SIZE) else {
            self.stuck.insert(id, (entry.hash(), Problem::Unknown));
            return None;
        };
        Some(Step::Fetch { entry, name, over: local.map(|local| local.version), record })
    }

    fn offer(&mut self, id: NoteId, local: Option<Local>, hash: Option<Hash>) -> Step {
        if let Some(hash) = hash {
            self.change(id, |record| {
                if !record.offered.contains(&hash.into()) {
                    record.offered.push(hash.into());
                    let forgotten = record.offered.len().saturating_sub(MAX_OFFERED);
                    record.offered.drain(..forgotten);
                }
            });
        }
        if self.unkept.contains(&id)
            && let Some(step) = self.keep_all()
        {
            return step;
        }
        let contents = local.zip(hash).map(|(local, hash)| NoteContents {
            media_type: local.name.media_type().to_owned(),
            size: local.size,
            hash,
        });
        let base = self.base(id).map_or(0, |base| base.revision);
        let parent = local.and_then(|local| local.name.parent);
        Step::Offer(NoteOffer { id, parent, base, contents }, local)
    }

    /// The record of a note whose edit becomes a note of its own: what is here counts as unchanged, so that the server's
    /// revision takes its place.
    fn as_if_it_were_the_base(&self, id: NoteId, hash: Hash, version: u64) -> Record {
        let revision = self.base(id).map_or(0, |base| base.revision);
        let base =
            self.cursor.map(|cursor| Base { era: cursor.era, revision, hash: Some(hash.into()), version });
        let copy_of = self.records.get(&id).and_then(|record| record.copy_of);
        Record { base, offered: Vec::new(), copy_of }
    }

    /// A file has this hash.
    pub fn hashed(&mut self, local: Local, hash: Hash) {
        self.hashes.insert(local.name.id, (local.version, hash));
    }

    /// A part of what has changed.
    pub fn heard(&mut self, page: NotesPage) {
        if self.cursor.is_some_and(|cursor| cursor.era != page.era) {
            self.news.clear();
        }
        self.cursor = Some(Cursor { era: page.era, change: page.upto });
        self.has_asked = !page.more;
        for entry in page.entries {
            self.hear(entry);
        }
    }

    fn hear(&mut self, entry: NoteEntry) {
        let known = self.news.get(&entry.id).map_or(0, |known| known.revision);
        if entry.revision > known && self.news.len() < MAX_NEWS {
            self.news.insert(entry.id, entry);
        }
    }

    /// What was to be kept is durable.
    pub fn kept(&mut self, records: &[(NoteId, Record)], cursor: Option<Cursor>) {
        for (id, record) in records {
            if self.records.get(id) == Some(record) {
                self.unkept.remove(id);
            }
        }
        self.kept_cursor = cursor.or(self.kept_cursor);
    }

    /// An offer is stored as this revision.
    pub fn stored(&mut self, offer: &NoteOffer, local: Option<Local>, revision: u32) {
        let hash = offer.contents.as_ref().map(|contents| contents.hash);
        self.stuck.remove(&offer.id);
        self.rebase(offer.id, revision, hash, local.map_or(0, |local| local.version));
        self.change(offer.id, |record| record.offered.clear());
    }

    /// An offer met another revision.
    pub fn conflict(&mut self, offer: &NoteOffer, entry: NoteEntry) {
        let id = offer.id;
        if entry.id != id {
            self.stuck.insert(id, (offer.contents.as_ref().map(|contents| contents.hash), Problem::Refused));
            return;
        }
        let offered = self.records.get(&id).map(|record| record.offered.clone()).unwrap_or_default();
        let is_own = entry.hash().is_some_and(|hash| offered.contains(&hash.into()));
        match (&offer.contents, &entry.contents) {
            // An answer that was lost, and an edit or a deletion after it: it goes on top.
            _ if is_own => self.go_on_top_of(&entry),
            // An edit of what another device has deleted.
            (Some(_), None) => self.go_on_top_of(&entry),
            (Some(_), Some(_)) => {
                self.conflicting.insert(id);
                self.hear(entry);
            }
            // What another device has edited is not deleted unseen: nothing here counts as unchanged.
            (None, _) => {
                let revision = self.base(id).map_or(0, |base| base.revision);
                self.rebase(id, revision, None, 0);
                self.change(id, |record| record.offered.clear());
                self.hear(entry);
            }
        }
    }

    fn go_on_top_of(&mut self, entry: &NoteEntry) {
        self.rebase(entry.id, entry.revision, entry.hash(), 0);
        self.news.remove(&entry.id);
    }

    /// The server does not take an offer for what it is; other refusals end the connection.
    pub fn refused(&mut self, offer: &NoteOffer, reason: RefusalReason) {
        let problem = match reason {
            RefusalReason::NoteTooLarge => Problem::TooLarge,
            RefusalReason::NotesFull => Problem::Full,
            _ => Problem::Refused,
        };
        let hash = offer.contents.as_ref().map(|contents| contents.hash);
        self.stuck.insert(offer.id, (hash, problem));
    }

    /// A revision of the server is here as a file of that version, or gone from here, with its record.
    pub fn settled(&mut self, id: NoteId, record: Record, version: Option<u64>) {
        let (revision, hash) =
            record.base.as_ref().map_or((0, None), |base| (base.revision, Base::hash(base)));
        if let Some((version, hash)) = version.zip(hash) {
            self.hashes.insert(id, (version, hash));
        }
        if self.news.get(&id).is_some_and(|entry| entry.revision <= revision) {
            self.news.remove(&id);
        }
        self.unkept.remove(&id);
        self.records.insert(id, record);
    }

    /// The server has no such revision any more.
    pub fn gone(&mut self, id: NoteId) {
        self.news.remove(&id);
        self.has_asked = false;
    }

    /// What the server sent is not what it said.
    pub fn unusable(&mut self, entry: &NoteEntry) {
        self.stuck.insert(entry.id, (entry.hash(), Problem::Refused));
    }

    /// A conflicting edit is a note of its own by now.
    pub fn copied(&mut self, id: NoteId, record: Record, copy: NoteId) {
        self.conflicting.remove(&id);
        self.unkept.remove(&id);
        self.records.insert(id, record);
        self.records.insert(copy, Record { copy_of: Some(id), ..Record::default() });
    }
}
