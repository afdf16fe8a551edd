//! The one door for writes: what a rule wants stored, with the versions it saw.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use shared::ids::{AccountId, BatchId, CommandId, DocumentId, EnrolmentId, NoteId, OperatorId};

use crate::account::{Account, Roster, SourceName};
use crate::assignment::Assignments;
use crate::audit::{AuditEvent, Events, Happening};
use crate::batch::{Batch, PlanChunk, UploadPart};
use crate::code::{CodeIndex, CodeRecord};
use crate::command::CommandRecord;
use crate::device::Device;
use crate::document::Document;
use crate::license::{DayOfUse, Pool, WaitingEntry};
use crate::loss::LossRecord;
use crate::mail::MailItem;
use crate::note::{Note, Shelf};
use crate::operator::Operator;
use crate::quarantine::ServerState;
use crate::substitute::Substitutes;
use crate::undo::BeforeChunk;

/// Rises with each write of a record, also over its deletion, by any step; 0 = not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(pub u64);

/// A record as it was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<T> {
    /// The version that a change of it must name.
    pub version: Version,
    /// The record.
    pub value: T,
}

/// Names a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Key {
    /// [`Account`].
    Account(AccountId),
    /// [`Roster`].
    Roster(SourceName),
    /// [`Assignments`] of a source.
    Assignments(SourceName),
    /// [`Substitutes`] of a source.
    Substitutes(SourceName),
    /// [`Pool`]; there is one.
    Pool,
    /// [`WaitingEntry`].
    Waiting(AccountId),
    /// [`DayOfUse`].
    DayOfUse(Date),
    /// [`CodeRecord`].
    Code(CodeIndex),
    /// [`LossRecord`].
    Loss(AccountId),
    /// [`MailItem`], by the code that it brings.
    Mail(CodeIndex),
    /// [`Device`].
    Device(EnrolmentId),
    /// [`CommandRecord`].
    Command(CommandId),
    /// [`Batch`].
    Batch(BatchId),
    /// [`PlanChunk`], counted from 0.
    PlanChunk(BatchId, u32),
    /// [`BeforeChunk`], counted from 0.
    BeforeChunk(BatchId, u32),
    /// [`UploadPart`], counted from 0.
    UploadPart(BatchId, u32),
    /// [`Operator`].
    Operator(OperatorId),
    /// [`Document`].
    Document(DocumentId),
    /// [`Note`].
    Note(AccountId, NoteId),
    /// [`Shelf`].
    Shelf(AccountId),
    /// [`ServerState`]; there is one.
    Server,
}

/// A record to store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each variant is the record it names")]
pub enum Record {
    Account(Account),
    Roster(Roster),
    Assignments(Assignments),
    Substitutes(Substitutes),
    Pool(Pool),
    Waiting(WaitingEntry),
    DayOfUse(DayOfUse),
    Code(CodeRecord),
    Loss(LossRecord),
    Mail(MailItem),
    Device(Device),
    Command(CommandRecord),
    Batch(Batch),
    PlanChunk(PlanChunk),
    BeforeChunk(BeforeChunk),
    UploadPart(UploadPart),
    Operator(Operator),
    Document(Document),
    Note(Note),
    Shelf(Shelf),
    Server(ServerState),
}

impl Record {
    /// The record's name.
    pub fn key(&self) -> Key {
        match self {
            Self::Account(account) => Key::Account(account.id),
            Self::Roster(roster) => Key::Roster(roster.source.clone()),
            Self::Assignments(table) => Key::Assignments(table.source.clone()),
            Self::Substitutes(table) => Key::Substitutes(table.source.clone()),
            Self::Pool(_) => Key::Pool,
            Self::Waiting(entry) => Key::Waiting(entry.account),
            Self::DayOfUse(sample) => Key::DayOfUse(sample.day),
            Self::Code(code) => Key::Code(code.index),
            Self::Loss(loss) => Key::Loss(loss.account),
            Self::Mail(item) => Key::Mail(item.code),
            Self::Device(device) => Key::Device(device.enrolment),
            Self::Command(command) => Key::Command(command.id),
            Self::Batch(batch) => Key::Batch(batch.id),
            Self::PlanChunk(chunk) => Key::PlanChunk(chunk.batch, chunk.number),
            Self::BeforeChunk(chunk) => Key::BeforeChunk(chunk.batch, chunk.number),
            Self::UploadPart(part) => Key::UploadPart(part.batch, part.number),
            Self::Operator(operator) => Key::Operator(operator.id),
            Self::Document(document) => Key::Document(document.id),
            Self::Note(note) => Key::Note(note.account, note.id),
            Self::Shelf(shelf) => Key::Shelf(shelf.account),
            Self::Server(_) => Key::Server,
        }
    }
}

/// One write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Which record.
    pub key: Key,
    /// The version that must be stored now.
    pub expected: Version,
    /// What to store; `None` deletes.
    pub record: Option<Record>,
}

/// What becomes true together, or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changeset {
    /// At most one write a key.
    pub writes: Vec<Write>,
    /// What the audit journal says of it. The store gives sequence and hash, inside its write lock.
    pub events: Vec<AuditEvent>,
}

impl Changeset {
    /// Stores a record that is not there yet.
    pub fn insert(&mut self, record: Record) {
        self.writes.push(Write::insert(record));
    }

    /// Stores a record over the version that was loaded.
    pub fn update(&mut self, expected: Version, record: Record) {
        self.writes.push(Write { key: record.key(), expected, record: Some(record) });
    }

    /// Deletes a record at the version that was loaded.
    pub fn delete(&mut self, expected: Version, key: Key) {
        self.writes.push(Write { key, expected, record: None });
    }

    /// Notes an event.
    pub fn note(&mut self, event: AuditEvent) {
        self.events.push(event);
    }

    /// Whether it may use what is kept in reserve for the time when the disk is nearly full: what withholds or destroys a key, and
    /// the proof of it. A full disk must not be a way to keep a lost phone open.
    pub fn may_use_reserve(&self) -> bool {
        self.events.iter().any(|event| {
            matches!(
                event.what,
                Happening::DeviceBlocked
                    | Happening::DeviceWiped
                    | Happening::DeviceSealed
                    | Happening::DeviceErased
            )
        })
    }

    /// Both as one.
    pub fn extend(&mut self, other: Changeset) {
        self.writes.extend(other.writes);
        self.events.extend(other.events);
    }
}

/// A change of any size: all but a few of its writes are made as they are taken, since there may be 100,000.
pub struct LongChangeset {
    /// The first events, and the writes that others may be in the way of: batch, roster, pool.
    pub head: Changeset,
    /// The other events.
    pub events: Box<dyn Events>,
    /// The others. No key is written twice.
    pub writes: Box<dyn Iterator<Item = Write> + Send>,
}

impl LongChangeset {
    /// All of it at once.
    pub fn whole(self) -> Changeset {
        let Self { mut head, events, writes } = self;
        head.writes.extend(writes);
        head.events.extend(events.all());
        head
    }
}

impl From<Changeset> for LongChangeset {
    fn from(head: Changeset) -> Self {
        Self { head, events: Box::new(Vec::new()), writes: Box::new(std::iter::empty()) }
    }
}

impl fmt::Debug for LongChangeset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LongChangeset").field("head", &self.head).finish_non_exhaustive()
    }
}

impl Write {
    /// Stores a record that is not there yet.
    pub fn insert(record: Record) -> Self {
        Self { key: record.key(), expected: Version(0), record: Some(record) }
    }
}
