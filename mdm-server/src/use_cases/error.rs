//! Why a use case was not carried out: words for the person who asked, and a class for the API's status.

use mdm_core::command::CommandError;
use mdm_store::{CommitError, ReadError, UnlockRecordsError};

/// Why a use case was not carried out. Its text may be shown to the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum UseCaseError {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// What was asked for cannot be done as things stand, or was asked for wrongly.
    #[error("{0}")]
    Refused(String),
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store did not take the change.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The key file failed. What was committed before stays committed.
    #[error("{done}{cause}")]
    UnlockRecords {
        /// What is in force all the same; empty or a sentence with a blank after it.
        done: &'static str,
        /// What failed.
        cause: UnlockRecordsError,
    },
    /// A key did not sign.
    #[error(transparent)]
    Sign(#[from] shared::cose::SignError),
}

impl From<CommandError> for UseCaseError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Sign(error) => Self::Sign(error),
            other => Self::Refused(other.to_string()),
        }
    }
}
