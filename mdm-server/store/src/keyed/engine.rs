//! What a backend provides: ordered bytes, one atomic write, and a way to make it durable.

use std::ops::ControlFlow;

use crate::error::{CommitError, IoProblem, ReadError};

/// Puts (`Some`) and deletes (`None`) that become true together.
pub(crate) type Puts = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Keys from `start` (included) to `end` (not included).
#[derive(Debug, Clone)]
pub(crate) struct Range {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
    /// The greatest key first.
    pub(crate) reverse: bool,
}

/// Is shown a key of a range and a way to load its value; says whether to go on.
pub(crate) type Visit<'a> = dyn FnMut(&[u8], &dyn Fn() -> Result<Option<Vec<u8>>, EngineError>) -> Result<ControlFlow<()>, EngineError>
    + 'a;

/// Why an engine did not do it.
#[derive(Debug, Clone)]
pub(crate) enum EngineError {
    /// No space left.
    Full(IoProblem),
    /// The disk failed otherwise.
    Io(IoProblem),
    /// What is stored is not what was written.
    Damaged(String),
    /// Written by a newer version of the server.
    Newer(u64),
}

impl EngineError {
    pub(crate) fn io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::Full(IoProblem::new(error)),
            _ => Self::Io(IoProblem::new(error)),
        }
    }

    fn problem(self) -> IoProblem {
        match self {
            Self::Full(problem) | Self::Io(problem) => problem,
            Self::Damaged(what) => IoProblem::new(what),
            Self::Newer(format) => IoProblem::new(format_args!("format {format}")),
        }
    }

    /// For a commit of which nothing is stored.
    pub(crate) fn refused(self) -> CommitError {
        match self {
            Self::Full(problem) => CommitError::Full(problem),
            Self::Damaged(what) => CommitError::Damaged(ReadError::Damaged { what }),
            other => CommitError::Io(other.problem()),
        }
    }

    /// For a commit of which it is not known whether it is stored.
    pub(crate) fn unknown(self) -> CommitError {
        CommitError::Unknown(self.problem())
    }
}

impl From<EngineError> for crate::error::ExportError {
    fn from(error: EngineError) -> Self {
        Self::Read(error.into())
    }
}

impl From<EngineError> for ReadError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Damaged(what) => Self::Damaged { what },
            other => Self::Io(other.problem()),
        }
    }
}

/// An ordered map of bytes, and a stage beside it. One thread writes, any number read.
///
/// A read may see what is applied and not yet durable, and a scan need not be a snapshot: the layers above hide both.
pub(crate) trait Engine: Send + Sync + 'static {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError>;

    /// Shows the keys of a range in order until told to stop.
    fn scan(&self, range: &Range, visit: &mut Visit<'_>) -> Result<(), EngineError>;

    /// Whether there is space for some more bytes: asked before each commit, so that a full disk is refused while the
    /// engine can still go on. `reserve`: what is kept for such commits may be used.
    fn room(&self, bytes: usize, reserve: bool) -> Result<(), EngineError>;

    /// Applies all puts or, after a crash, none.
    fn apply(&self, puts: Puts) -> Result<(), EngineError>;

    /// Makes all that was applied durable. `commits` is the number of the last commit among it.
    fn sync(&self, commits: u64) -> Result<(), EngineError>;

    /// Writes to the stage: bytes by their place, for what would burden the map before it is known to become true.
    fn stage(&self, at: u64, bytes: &[u8]) -> Result<(), EngineError>;

    /// Up to so many bytes of the stage: fewer where it ends.
    fn staged(&self, at: u64, length: usize) -> Result<Vec<u8>, EngineError>;

    /// Begins to make durable what was staged, so that little is left for [`Engine::sync_stage`], and goes on meanwhile. Waits for
    /// the one that was begun before.
    fn begin_sync_stage(&self) -> Result<(), EngineError>;

    /// Makes all that was staged durable.
    fn sync_stage(&self) -> Result<(), EngineError>;

    /// Empties the stage, now or, after a crash, never.
    fn clear_stage(&self) -> Result<(), EngineError>;

    /// After a failure: opens what is on the disk anew. What was applied and never synced may be there or not.
    fn reopen(&self) -> Result<(), EngineError>;
}
