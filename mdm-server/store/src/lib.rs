//! Persistence of the MDM server: narrow traits to read by, one door to write through, and the key file.
//!
//! - [`Store`] is all of the reading traits and [`Store::commit`]. [`memory`] is for tests, [`mod@sled`] is the default of a server. Both run the same code over a small ordered key-value engine.
//! - [`UnlockRecords`] holds what must be destroyable: OPAQUE records, credential ids and attempt counters. They never
//!   enter the database, in which a removed value stays readable for megabytes of further writes. [`key_file`] is
//!   their file, and the same in memory for tests.
//!
//! The rules that decide what is written stand in `mdm-core`; nothing here judges a change beyond its versions and
//! unique indexes.

#[cfg(test)]
mod conformance;
mod error;
pub mod key_file;
mod keyed;
mod lock;
pub mod memory;
pub mod sled;
mod traits;

pub use error::{CommitError, Conflict, ExportError, IoProblem, OpenError, ReadError, Unique};
pub use traits::{
    Accounts, AssignmentTables, Attempts, Audit, Batches, BoxFuture, Charge, Charged, Codes, Commands,
    Committed, Devices, Documents, Export, LargeChange, Licenses, Losses, Mails, Notes, Operators, Read,
    Rosters, Server, Sink, Store, SubstituteTables, UnlockRecords, UnlockRecordsError, UsableAfter,
    WaitingAfter,
};

/// The most rows that a page of a scan holds, whatever was asked for.
pub const MAX_PAGE: usize = 1_000;

/// The most puts and deletes, index entries and audit entries included, in one atomic write. More, or more than
/// [`MAX_BYTES`], go by [`Store::commit_large`].
pub const MAX_PUTS: usize = 2_000;

/// The most bytes in one atomic write.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The most bytes of one stored value.
pub const MAX_VALUE: usize = 64 * 1024;
