//! The store in a folder, by sled 0.34: the default of a server.
//!
//! Values that were replaced or deleted stay readable in the folder's files until some megabytes more were written, and
//! are not zeroed: what must be destroyable belongs into the key file.

mod engine;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use crate::error::OpenError;
use crate::keyed::{EngineError, KeyedStore};
use crate::traits::Store;
use engine::SledEngine;

/// What a program adds to its log filter. sled's trace lines may be written while a thread ends, when the subscriber's own
/// thread-local is gone already, and such a panic ends the process.
pub const LOG_DIRECTIVE: &str = "sled=debug";

/// How the folder is used.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of memory for pages that were read.
    pub cache_bytes: u64,
    /// Commits are refused while the file system has fewer bytes free: what is left is for those that withhold or destroy a key
    /// ([`mdm_core::change::Changeset::may_use_reserve`]).
    pub reserve_bytes: u64,
    /// Those are refused below this: sled cannot go on once a write failed.
    pub last_bytes: u64,
}

impl Default for Options {
    /// 16 MB of cache; 32 MiB of reserve, of which 8 MiB are never touched. A block is a few KiB.
    fn default() -> Self {
        Self { cache_bytes: 16_000_000, reserve_bytes: 32 << 20, last_bytes: 8 << 20 }
    }
}

/// Opens the store in `folder`, which is made if it is not there (its parent must be). Blocks: a large change that a
/// crash left in the middle is discarded or finished before this returns.
pub fn open(folder: &Path, options: Options) -> Result<Arc<dyn Store>, OpenError> {
    let engine = SledEngine::open(folder, options)?;
    let store = KeyedStore::open(engine).map_err(|error| open_error(folder, error))?;
    Ok(Arc::new(store))
}

/// Makes a store in `folder`, which must be empty or not there, of rows that [`crate::Export::export`] gave. The first row
/// that is an error ends it. What a failure leaves behind is no store.
pub fn import<R>(
    folder: &Path,
    options: Options,
    rows: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), R>>,
) -> Result<Result<(), R>, OpenError> {
    let engine = SledEngine::open(folder, options)?;
    crate::keyed::export::import(&engine, rows).map_err(|error| open_error(folder, error))
}

fn open_error(folder: &Path, error: EngineError) -> OpenError {
    let path = folder.to_owned();
    match error {
        EngineError::Damaged(detail) => OpenError::Damaged { path, detail },
        EngineError::Newer(found) => OpenError::Newer { path, found },
        EngineError::Full(problem) | EngineError::Io(problem) => {
            OpenError::Io { path, source: std::io::Error::other(problem) }
        }
    }
}
