//! What can go wrong with the store, for the log and for the person who must do something about it.
//!
//! Messages name records by id only: no staff number, name or key.

use std::path::PathBuf;
use std::sync::Arc;

use mdm_core::change::{Key, Version};

/// An input or output error, shared by all commits that it hit.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct IoProblem(pub Arc<str>);

impl IoProblem {
    pub(crate) fn new(text: impl std::fmt::Display) -> Self {
        Self(text.to_string().into())
    }
}

/// Why something could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// A stored value does not decode.
    #[error("the stored {what} is damaged: stop the server and restore the data folder from its backup")]
    Damaged {
        /// Which value.
        what: String,
    },
    /// The disk did not give the value.
    #[error("the database could not be read ({0}): check the disk and the server's log")]
    Io(IoProblem),
}

/// A value that only one record may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unique {
    /// Source and current staff number, among accounts that are not closed.
    StaffNumber,
    /// The public key of a device, wiped ones included.
    DeviceKey,
    /// The name of an operator, disabled ones included.
    OperatorName,
    /// The token of an operator.
    OperatorToken,
    /// The invitation of an operator.
    OperatorInvitation,
}

/// Why a change no longer fits: load again and decide again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A record was changed since it was loaded.
    #[error("{key:?} was expected at version {} but is at {}", expected.0, stored.0)]
    Version {
        /// Which record.
        key: Key,
        /// What the change expected.
        expected: Version,
        /// What is stored.
        stored: Version,
    },
    /// Another record already has a value that only one may have.
    #[error("{key:?} has a value ({unique:?}) that another record already has")]
    Taken {
        /// The record that was to be written.
        key: Key,
        /// Which of its values.
        unique: Unique,
    },
    /// Another commit wrote to a record of a large change while that was being staged.
    #[error("{key:?} was changed while a large change that writes it was being prepared")]
    Overtaken {
        /// Which record.
        key: Key,
    },
}

/// Why a change was not committed. Unless it is [`CommitError::Unknown`], nothing of it is stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// Load again and decide again.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A write whose record is not the one its key names, or two writes of one key: a fault of the caller.
    #[error("the change is malformed at {key:?}: {problem}")]
    Malformed {
        /// Which write.
        key: Key,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// More puts than one atomic write takes.
    #[error(
        "the change has {puts} puts of {bytes} bytes, more than one write takes: commit it as a large change"
    )]
    TooMany {
        /// How many it has, index and audit entries included.
        puts: usize,
        /// How large they are together.
        bytes: usize,
    },
    /// A value beyond [`crate::MAX_VALUE`].
    #[error("{what} has {bytes} bytes, more than the {} that a stored value may have", crate::MAX_VALUE)]
    TooLarge {
        /// Which record or audit entry.
        what: String,
        /// Its size.
        bytes: usize,
    },
    /// The disk is full, or nearly so.
    #[error(
        "the disk is full ({0}): nothing was changed; free space on the disk of the data folder and try again"
    )]
    Full(IoProblem),
    /// The disk refused the write.
    #[error("the disk refused the write ({0}): nothing was changed; check the disk and the server's log")]
    Io(IoProblem),
    /// The disk failed in the middle: whether the change is stored shows when the database opens again.
    #[error(
        "the disk failed during the write ({0}): restart the server, then look whether the change is there"
    )]
    Unknown(IoProblem),
    /// A value that the change builds upon is damaged.
    #[error(transparent)]
    Damaged(ReadError),
    /// The store is closing or its writer has ended.
    #[error("the store no longer takes changes: restart the server")]
    Closed,
}

impl CommitError {
    /// Whether loading again and deciding again can help.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }
}

/// Why rows were not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Whoever takes the rows cannot.
    #[error("{0}")]
    Sink(std::io::Error),
    /// The store is closing.
    #[error("the store is closed: restart the server")]
    Closed,
}

/// Why a folder or file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use by another process: stop that server first", path.display())]
    InUse {
        /// The folder or file.
        path: PathBuf,
    },
    /// What is there is not what was written.
    #[error("{} is damaged ({detail}): move it away and restore it from its newest backup; \
             do not delete it, support may need it", path.display())]
    Damaged {
        /// The folder or file.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// Written by a newer version.
    #[error("{} was written by a newer version (format {found}): install that version again", path.display())]
    Newer {
        /// The folder or file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// It cannot be read or written at all.
    #[error("{} cannot be opened: {source}; check that it exists and belongs to the server's user", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}
