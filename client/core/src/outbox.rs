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
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::ids::NoteId;
use shared::wire::{NoteContents, NoteEntry, NoteOffer, NotesPage, NotesRequest, RefusalReason};

use crate::aside::{Aside, LATER, SOON};
use crate::clock::BootTime;

/// SHA-256 of contents.
pub type Hash = [u8; 32];

/// The most bytes of contents that are fetched: 500 MiB, what the vault keeps.
pub const MAX_SIZE: u64 = 500 * 1024 * 1024;
/// The most notes of the server that are taken note of at a time: as many as a vault keeps.
const MAX_NEWS: usize = 1 << 17;
/// Hashes of offers whose answers were lost: older ones are forgotten, and would make a copy.
const MAX_OFFERED: usize = 16;
/// Revisions that a note had here before, of which a restored server may hold one: older ones are forgotten, and would make a copy.
const MAX_EARLIER: usize = 32;

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
    /// What the bases before this one held, the newest last: what is here was made from each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<serde_bytes::ByteArray<32>>,
}

impl Record {
    /// With another base in the place of the one before.
    fn based_on(&mut self, base: Base) {
        let before = self.base.take().and_then(|before| before.hash);
        if let Some(before) = before.filter(|before| Some(*before) != base.hash) {
            self.earlier.retain(|earlier| *earlier != before);
            self.earlier.push(before);
            let forgotten = self.earlier.len().saturating_sub(MAX_EARLIER);
            self.earlier.drain(..forgotten);
        }
        self.base = Some(base);
    }

    /// Whether what is here was made from contents of this hash.
    fn comes_from(&self, hash: Hash) -> bool {
        self.base.as_ref().and_then(Base::hash) == Some(hash) || self.earlier.contains(&hash.into())
    }
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

/// What does not go up or come down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Contents of this hash, offered or fetched; a deletion.
    Contents(Option<Hash>),
    /// A file of this version, which cannot be read.
    File(u64),
}

#[derive(Debug, Clone, Copy)]
struct Stuck {
    what: What,
    problem: Problem,
    aside: Aside,
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
    /// Set aside while it is this and no other.
    stuck: BTreeMap<NoteId, Stuck>,
    /// When the last pass began.
    now: BootTime,
    /// Conflicting edits that are to become notes of their own.
    conflicting: BTreeSet<NoteId>,
}

impl Outbox {
    /// At the opening of the vault, with what is durable.
    pub fn resume(cursor: Option<Cursor>, records: impl IntoIterator<Item = (NoteId, Record)>) -> Self {
        Self { cursor, kept_cursor: cursor, records: records.into_iter().collect(), ..Self::default() }
    }

    /// A pass over a connection begins: the server is asked, and what was set aside long enough is tried again.
    pub fn connected(&mut self, now: BootTime) {
        self.connected = true;
        self.has_asked = false;
        self.now = now;
    }

    /// How long after the last pass began the first of what is set aside is to be tried again.
    pub fn next_try(&self) -> Option<Duration> {
        let waiting = self.stuck.values().map(|stuck| stuck.aside).filter(|aside| aside.waits(self.now));
        Some(self.now.until(waiting.map(Aside::until).min()?))
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
        let is_unknown = |local: &Local| {
            let id = local.name.id;
            self.local_hash(id).is_err() && !self.waits(id, What::File(local.version))
        };
        self.locals.values().copied().filter(is_unknown).collect()
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
            Err(local) if self.waits(id, What::File(local.version)) => return None,
            Err(local) => return Some(Step::Hash(local)),
        };
        self.settle_what_is_the_same(id, hash);
        let local = self.locals.get(&id).copied();
        if self.is_clean(id, hash) {
            self.conflicting.remove(&id);
            self.note_version(id, local);
            return if self.connected { self.take_news(id, local) } else { None };
        }
        let is_unreadable = local.is_some_and(|local| self.waits(id, What::File(local.version)));
        if is_unreadable || self.waits(id, What::Contents(hash)) || !self.connected {
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
        } else if self.was_restored(id)
            && let (Some(hash), Some(record)) = (entry.hash(), self.records.get(&id))
            && record.comes_from(hash)
        {
            // A restored server holds what is known here: an edit or a deletion since then goes on top of it.
            let of_base = record.base.as_ref().filter(|base| base.hash() == Some(hash));
            let (revision, version) = (entry.revision, of_base.map_or(0, |base| base.version));
            self.news.remove(&id);
            self.rebase(id, revision, Some(hash), version);
        }
    }

    /// Whether the server has been restored since it acknowledged what is here.
    fn was_restored(&self, id: NoteId) -> bool {
        self.base(id).is_none() && self.records.get(&id).is_some_and(|record| record.base.is_some())
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
        self.change(id, |record| record.based_on(base));
    }

    /// A newer revision of a note that is unchanged here.
    fn take_news(&mut self, id: NoteId, local: Option<Local>) -> Option<Step> {
        let entry = self.news.get(&id)?.clone();
        if self.waits(id, What::Contents(entry.hash())) {
            return None;
        }
        let era = self.cursor?.era;
        let base = Base { era, revision: entry.revision, hash: entry.hash().map(Into::into), version: 0 };
        let mut record = self.records.get(&id).cloned().unwrap_or_default();
        record.offered.clear();
        record.based_on(base);
        let Some(contents) = &entry.contents else {
            // Nothing here is settled above, so that there is a file.
            return local.map(|local| Step::Remove(local, record));
        };
        let name = NoteName::of(&entry).filter(|name| local.is_none_or(|local| local.name == *name));
        let Some(name) = name.filter(|_| contents.size <= MAX_SIZE) else {
            self.set_aside(id, What::Contents(entry.hash()), (Problem::Unknown, LATER));
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
        let record = self.records.get(&id).cloned().unwrap_or_default();
        Record { base, offered: Vec::new(), ..record }
    }

    /// Whether this is set aside, and not its turn again yet.
    fn waits(&self, id: NoteId, what: What) -> bool {
        self.stuck.get(&id).is_some_and(|stuck| stuck.what == what && stuck.aside.waits(self.now))
    }

    fn set_aside(&mut self, id: NoteId, what: What, (problem, first): (Problem, Duration)) {
        let before = self.stuck.get(&id).filter(|stuck| stuck.what == what).map(|stuck| stuck.aside);
        self.stuck.insert(id, Stuck { what, problem, aside: Aside::again(before, first, self.now) });
    }

    /// A file has this hash.
    pub fn hashed(&mut self, local: Local, hash: Hash) {
        self.hashes.insert(local.name.id, (local.version, hash));
        self.readable(local);
    }

    /// What was set aside as unreadable can be read after all.
    fn readable(&mut self, local: Local) {
        let id = local.name.id;
        if self.stuck.get(&id).is_some_and(|stuck| stuck.what == What::File(local.version)) {
            self.stuck.remove(&id);
        }
    }

    /// A file of that version cannot be read: it waits, and holds up no other.
    pub fn unreadable(&mut self, local: Local) {
        self.set_aside(local.name.id, What::File(local.version), (Problem::Unreadable, SOON));
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
        if hash.is_none() {
            // What was deleted may have made the room that others lack.
            self.stuck.retain(|_, stuck| stuck.problem != Problem::Full);
        }
        self.rebase(offer.id, revision, hash, local.map_or(0, |local| local.version));
        self.change(offer.id, |record| record.offered.clear());
    }

    /// An offer met another revision.
    pub fn conflict(&mut self, offer: &NoteOffer, entry: NoteEntry) {
        let id = offer.id;
        if entry.id != id {
            return self.failed(offer);
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
        self.set_aside(offer.id, What::Contents(hash_of(offer)), (problem, SOON));
    }

    /// An offer came to nothing, though the connection is good.
    pub fn failed(&mut self, offer: &NoteOffer) {
        self.set_aside(offer.id, What::Contents(hash_of(offer)), (Problem::Refused, SOON));
    }

    /// A revision of the server is here as a file of that version, or gone from here, with its record.
    pub fn settled(&mut self, id: NoteId, record: Record, version: Option<u64>) {
        let (revision, hash) =
            record.base.as_ref().map_or((0, None), |base| (base.revision, Base::hash(base)));
        if let Some((version, hash)) = version.zip(hash) {
            self.hashes.insert(id, (version, hash));
        }
        self.stuck.remove(&id);
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
        self.set_aside(entry.id, What::Contents(entry.hash()), (Problem::Refused, LATER));
    }

    /// The server does not give a revision, though the connection is good.
    pub fn not_given(&mut self, entry: &NoteEntry) {
        self.set_aside(entry.id, What::Contents(entry.hash()), (Problem::Refused, SOON));
    }

    /// A conflicting edit is a note of its own by now.
    pub fn copied(&mut self, id: NoteId, record: Record, copy: NoteId) {
        self.conflicting.remove(&id);
        self.unkept.remove(&id);
        self.records.insert(id, record);
        self.made_copy(id, copy);
    }

    /// A note was stored as the copy of another, with this in its record.
    pub fn made_copy(&mut self, of: NoteId, copy: NoteId) {
        self.records.insert(copy, Record { copy_of: Some(of), ..Record::default() });
    }
}

fn hash_of(offer: &NoteOffer) -> Option<Hash> {
    offer.contents.as_ref().map(|contents| contents.hash)
}
