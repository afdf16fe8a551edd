//! The contracts, one file a concept. A read sees only what is durable, and one call sees one state: never half of a
//! commit.
//!
//! Pages: `after` is the last row already seen (not returned again), `limit` at most [`crate::MAX_PAGE`]; an empty page
//! is the end. A row that is added before `after` between two calls is not seen, as in any listing.

mod accounts;
mod assignments;
mod audit;
mod batches;
mod codes;
mod commands;
mod devices;
mod documents;
mod export;
mod licenses;
mod losses;
mod mails;
mod notes;
mod operators;
mod rosters;
mod server;
mod store;
mod substitutes;
mod unlock_records;

pub use accounts::Accounts;
pub use assignments::AssignmentTables;
pub use audit::Audit;
pub use batches::Batches;
pub use codes::{Codes, UsableAfter};
pub use commands::Commands;
pub use devices::Devices;
pub use documents::Documents;
pub use export::{Export, Sink};
pub use licenses::{Licenses, WaitingAfter};
pub use losses::Losses;
pub use mails::Mails;
pub use notes::Notes;
pub use operators::Operators;
pub use rosters::Rosters;
pub use server::Server;
pub use store::{Committed, LargeChange, Store};
pub use substitutes::SubstituteTables;
pub use unlock_records::{Attempts, Charge, Charged, UnlockRecords, UnlockRecordsError};

use std::pin::Pin;

use crate::error::ReadError;

/// A future in a box: what makes `Arc<dyn Store>` possible.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a read answers.
pub type Read<'a, T> = BoxFuture<'a, Result<T, ReadError>>;
