//! Everything at once, for a backup.

use shared::signed::JournalHead;

use super::BoxFuture;
use crate::error::ExportError;

/// Takes a key and its value.
pub type Sink = Box<dyn FnMut(&[u8], &[u8]) -> std::io::Result<()> + Send>;

/// Copying a store that is in use.
pub trait Export: Send + Sync {
    /// Gives `sink` every row as of one moment between two commits, in no order that means anything: all records first,
    /// while commits wait, then the journal up to that moment, while they go on. A large change that is under way is
    /// waited for. [`crate::sled::import`] makes a store of the rows. Answers where the journal ended then.
    fn export(&self, sink: Sink) -> BoxFuture<'_, Result<JournalHead, ExportError>>;
}
