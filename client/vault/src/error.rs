//! Why the open vault did not do something: what is wrong, and what to do.

use crate::index::SealBudgetSpent;
use crate::store::StoreError;

/// Which part of the vault is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The index does not open: another vault key, or changed bytes.
    #[error("its index does not open")]
    Index,
    /// The index names a record that is not there.
    #[error("a record is missing")]
    MissingRecord,
    /// A record does not open as what the index says: changed, swapped or rolled back.
    #[error("a record was changed, swapped or rolled back")]
    Record,
    /// The content of a file is not there.
    #[error("the content of a file is missing")]
    MissingContent,
    /// A chunk of a file is not there.
    #[error("chunk {0} of a file is missing")]
    MissingChunk(u32),
    /// A chunk does not open in its place: changed, moved, or the file was cut.
    #[error("chunk {0} of a file was changed, moved or cut")]
    Chunk(u32),
}

/// Why the vault did not do it.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// No file of this name.
    #[error("there is no file of this name in the vault: see the list of files")]
    NotFound,
    /// A name that cannot be used.
    #[error("a file name has 1 to 255 bytes and no control characters")]
    Name,
    /// Over [`crate::MAX_FILE`].
    #[error("the file is over the limit of 500 MiB; nothing was stored")]
    TooLarge,
    /// The vault is being closed.
    #[error("the vault is closed: unlock it first")]
    Closed,
    /// Over [`crate::MAX_FILES`].
    #[error("the vault has 10,000 files, which is its limit: remove some first")]
    TooManyFiles,
    /// Not as it was written.
    #[error("the vault is damaged: {0}; have this device wiped and enrol it again")]
    Damaged(#[from] Damage),
    /// Written to too often.
    #[error(transparent)]
    Budget(#[from] SealBudgetSpent),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Reading or writing a content: a full disk, for example.
    #[error("a file could not be read or written: {0}")]
    Io(#[from] std::io::Error),
}
