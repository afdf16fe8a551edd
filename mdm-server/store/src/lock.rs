//! The advisory lock that keeps a second process out of a file.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::error::OpenError;

/// A lock outlives its file for a moment where another thread is just starting a process: the child holds copies of all
/// files until it becomes another program.
const TRIES: u32 = 15;
const PAUSE: Duration = Duration::from_millis(20);

/// Locks `file` for as long as it is open; `path` is what the error names.
pub(crate) fn lock(file: &File, path: &Path) -> Result<(), OpenError> {
    for attempt in 1.. {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if attempt < TRIES => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(OpenError::Io { path: path.to_owned(), source }),
        }
    }
    Ok(())
}
