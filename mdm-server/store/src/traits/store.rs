//! The one door for writes.

use mdm_core::audit::Events;
use mdm_core::change::{Changeset, Key, LongChangeset, Write};
use shared::ids::BatchId;
use shared::signed::JournalHead;

use super::{
    Accounts, AssignmentTables, Audit, Batches, BoxFuture, Codes, Commands, Devices, Documents, Export,
    Licenses, Losses, Mails, Notes, Operators, Rosters, Server, SubstituteTables,
};
use crate::error::CommitError;

/// A change is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Where the audit journal ends after this change.
    pub head: JournalHead,
}

/// A change of more puts than one atomic write takes: a personnel batch in force.
pub struct LargeChange {
    /// Whose change it is, for the log and for recovery.
    pub batch: BatchId,
    /// The bulk, at most one write a key, taken one by one while it is staged: they need not all be in memory at once. Their
    /// versions are checked by then; a later commit to one of these records ends the change with a conflict.
    pub writes: Box<dyn Iterator<Item = Write> + Send>,
    /// What the audit journal says of all of it.
    pub events: Box<dyn Events>,
    /// Becomes true in the very write that makes the whole change true, its events after the others: the batch's
    /// state, the roster's version, the pool. At most [`crate::MAX_PUTS`] puts. Records that others write often belong
    /// here, since their versions are checked last.
    pub last: Changeset,
}

impl LargeChange {
    /// Splits one changeset: batch, roster and pool, which the head has, come last; all events stay in their order.
    pub fn split(batch: BatchId, changes: impl Into<LongChangeset>) -> Self {
        let LongChangeset { head: Changeset { writes, events: first }, events, writes: others } =
            changes.into();
        let is_last = |write: &Write| matches!(write.key, Key::Batch(_) | Key::Roster(_) | Key::Pool);
        let (last, bulk): (Vec<_>, Vec<_>) = writes.into_iter().partition(is_last);
        let last = Changeset { writes: last, events: Vec::new() };
        let events = Box::new((first, events));
        Self { batch, writes: Box::new(bulk.into_iter().chain(others)), events, last }
    }
}

/// Everything the server stores besides unlock records.
pub trait Store:
    Accounts
    + AssignmentTables
    + Audit
    + Batches
    + Codes
    + Commands
    + Devices
    + Documents
    + Notes
    + Export
    + Licenses
    + Losses
    + Mails
    + Operators
    + Rosters
    + Server
    + SubstituteTables
{
    /// Stores all of a change or nothing.
    ///
    /// Every write must meet the version it expects ([`mdm_core::change::Version`] 0: the record is not there), and
    /// unique values must stay unique ([`crate::Unique`]), counted after the whole change: two accounts may exchange
    /// their staff numbers in one. The events are linked to the journal in the order of commits. Answers when the change
    /// is durable (on a disk: after `fdatasync`); readers see it from then on and not before. Once called, the change
    /// may take effect even if the future is dropped.
    fn commit(&self, changes: Changeset) -> BoxFuture<'_, Result<Committed, CommitError>>;

    /// The same for a change of any size.
    ///
    /// The bulk is staged in short writes that no reader sees; one last write then makes all of it true at once, journal
    /// entries included. Answers when that write is durable; moving the staged records into place goes on behind the answer
    /// and, after a crash, before the store opens again. Other commits go between those writes: to a record that is still
    /// staged they win (this change ends with a conflict), to one that is already true they are ordinary changes of it. Large
    /// changes run one after the other.
    fn commit_large(&self, change: LargeChange) -> BoxFuture<'_, Result<Committed, CommitError>>;
}
