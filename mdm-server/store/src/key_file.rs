//! The key file: OPAQUE records, credential ids and attempt counters, each enrolment's in a page of its own that can be
//! overwritten and is.
//!
//! Page 0 is the header; every other page belongs to one enrolment or is all zeros. The file's mode is 0600, and one
//! process has it open. `page` is the format, `book` the pages and what may be done to them, `worker` the one thread that
//! does it and syncs once for all that came together.
//!
//! What the file system does below is outside this promise: a copy-on-write file system or an SSD may keep old blocks,
//! which is why the database's backups and the key file's are kept apart and the latter short.

mod book;
mod page;
mod paper;
#[cfg(test)]
mod tests;
mod worker;

use std::path::Path;
use std::sync::Arc;

use crate::error::OpenError;
use crate::traits::UnlockRecords;
use paper::{FilePaper, MemoryPaper, Paper};
use worker::Worker;

/// Opens the key file at `path`, or makes it. Blocks while all pages are read; what a crash has torn is mended: a torn
/// write counts as an attempt.
pub fn open(path: &Path) -> Result<Arc<dyn UnlockRecords>, OpenError> {
    let paper = FilePaper::open(path)?;
    Ok(Arc::new(open_on(paper, path)?))
}

/// The same in memory, for tests.
pub fn in_memory() -> Arc<dyn UnlockRecords> {
    let worker = open_on(MemoryPaper::default(), Path::new("memory"));
    Arc::new(worker.expect("empty memory opens"))
}

/// The same in memory, on the bytes of a file, for tests.
pub fn in_memory_from(bytes: Vec<u8>) -> Result<Arc<dyn UnlockRecords>, OpenError> {
    Ok(Arc::new(open_on(MemoryPaper::holding(bytes), Path::new("memory"))?))
}

fn open_on(paper: impl Paper, path: &Path) -> Result<Worker, OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let book = book::Book::open(paper).map_err(|error| match error {
        book::BookError::Io(source) => io(source),
        book::BookError::Damaged(detail) => OpenError::Damaged { path: path.to_owned(), detail },
    })?;
    Worker::start(book).map_err(io)
}
