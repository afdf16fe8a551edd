//! Why the open vault did not do something: what is wrong, and what to do.

use crate::store::StoreError;

/// Which part of the vault is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The header is not there or not one.
    #[error("its header is missing or damaged")]
    Header,
    /// The count of seals is not there or not one.
    #[error("its count of seals is missing or damaged")]
    Seals,
    /// Nothing in it opens: another vault key or enrolment, or a changed header.
    #[error("nothing in it opens")]
    Keys,
    /// The index does not open: another vault key, or changed, moved, removed or older bytes.
    #[error("its index does not open")]
    Index,
    /// The store knows fewer commits than were acknowledged: it was cut, or an older copy was put in its place.
    #[error("it has {has} commits, and {acknowledged} were acknowledged")]
    LostCommits {
        /// Commits that the store knows.
        has: u64,
        /// Commits that were on the disk.
        acknowledged: u64,
    },
    /// The last key epoch there can be is used up.
    #[error("no key epoch is left")]
    Spent,
    /// The index names a record that is not there.
    #[error("a record is missing")]
    MissingRecord,
    /// A record has another version than the index says: it was set back, or changed.
    #[error("a record was set back or changed")]
    Version,
    /// A record does not open as what the index says: changed or swapped.
    #[error("a record was changed or swapped")]
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

impl Damage {
    fn way_back(self) -> &'static str {
        match self {
            Self::Header | Self::Keys | Self::Spent => {
                "start it over, which loses what was not sent to the server, or have this device wiped and enrol it again"
            }
            Self::Seals | Self::Index | Self::LostCommits { .. } => {
                "salvage it: what is whole is kept, and what is lost is named"
            }
            _ => {
                "the rest can still be read, and this be dropped knowingly and fetched again from the server"
            }
        }
    }
}

/// Why the vault did not do it.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Nothing of this name.
    #[error("there is nothing of this name in the vault: see the list")]
    NotFound,
    /// A name that cannot be used.
    #[error("a name has 1 to 255 bytes and no control characters")]
    Name,
    /// Not of the version that [`crate::Batch::expect`] names.
    #[error("it was changed meanwhile: nothing was stored")]
    Changed,
    /// Over [`crate::MAX_FILE`].
    #[error("the file is over the limit of 500 MiB; nothing was stored")]
    TooLarge,
    /// Over [`crate::INLINE_MAX`], in a batch.
    #[error("a record of a batch has at most 6 KiB: store it as a file; nothing was stored")]
    RecordTooLarge,
    /// Over [`crate::MAX_BATCH`].
    #[error("a batch has at most 2,000 changes: commit it in parts; nothing was stored")]
    BatchTooLarge,
    /// Asked for at once, and too large for that.
    #[error("this is a file: read it chunk by chunk")]
    IsFile,
    /// A write that failed before, or a source that was shorter than the time before.
    #[error("this file could not be written to its end: begin it again; nothing of it was stored")]
    Unfinished,
    /// The vault is being closed.
    #[error("the vault is closed: unlock it first")]
    Closed,
    /// Over [`crate::MAX_RECORDS`].
    #[error("the vault has 131,072 records, which is its limit: remove some first")]
    Full,
    /// Where one was to be made.
    #[error("there is a vault already: nothing was changed")]
    Exists,
    /// Of a newer app.
    #[error(
        "the vault has format {found}, this app knows format 1: install the newer app again; nothing was changed"
    )]
    FormatNewer {
        /// What its header says.
        found: u16,
    },
    /// Of an older app.
    #[error(
        "the vault has format {found}, this app knows format 1: open it once with the app that wrote it and sync, then \
             enrol again; nothing was changed"
    )]
    FormatOlder {
        /// What its header says.
        found: u16,
    },
    /// Not as it was written.
    #[error("the vault is damaged: {0}; {way}", way = .0.way_back())]
    Damaged(#[from] Damage),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Reading or writing a content: a full disk, for example.
    #[error("a file could not be read or written: {0}")]
    Io(#[from] std::io::Error),
}
