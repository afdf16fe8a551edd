//! Reading the audit journal.

use mdm_core::audit::Entry;
use shared::signed::JournalHead;

use super::Read;

/// The audit journal.
pub trait Audit: Send + Sync {
    /// Where it ends; [`mdm_core::audit::GENESIS`] while it is empty.
    fn journal_head(&self) -> Read<'_, JournalHead>;

    /// A page of entries in order; `after` is the sequence number of the last one already seen, 0 to begin.
    fn journal_entries(&self, after: u64, limit: usize) -> Read<'_, Vec<Entry>>;
}
