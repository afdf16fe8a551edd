//! What every store can do here, and who they are.

use std::path::Path;

use anyhow::Result;

use crate::ours::Ours;
use crate::raw_sled::RawSled;
use crate::sqlcipher::{Journal, SqlCipher};

/// Records by name. What changes them is on the disk when it returns.
pub(crate) trait Store {
    fn put(&mut self, name: &str, value: &[u8]) -> Result<()>;
    /// All of them or none, with one sync.
    fn put_all(&mut self, records: &[(String, Vec<u8>)]) -> Result<()>;
    fn get(&mut self, name: &str) -> Result<Vec<u8>>;
    /// Shows all names in order. Nobody makes a copy of one: who wants one does.
    fn list(&mut self, look: &mut dyn FnMut(&str)) -> Result<()>;
}

/// Ours and the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Peer {
    Ours,
    RawSled,
    SqlcipherWal,
    SqlcipherRollback,
}

impl Peer {
    /// Ours first.
    pub(crate) const ALL: [Self; 4] =
        [Self::Ours, Self::RawSled, Self::SqlcipherWal, Self::SqlcipherRollback];

    /// As rows name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::RawSled => "sled, nothing sealed",
            Self::SqlcipherWal => "SQLCipher, WAL",
            Self::SqlcipherRollback => "SQLCipher, rollback journal",
        }
    }

    /// Opens its store in a folder of its own, or makes it.
    pub(crate) fn open(self, folder: &Path) -> Result<Box<dyn Store>> {
        std::fs::create_dir_all(folder)?;
        Ok(match self {
            Self::Ours => Box::new(Ours::open(folder)?),
            Self::RawSled => Box::new(RawSled::open(folder)?),
            Self::SqlcipherWal => Box::new(SqlCipher::open(folder, Journal::Wal)?),
            Self::SqlcipherRollback => Box::new(SqlCipher::open(folder, Journal::Rollback)?),
        })
    }
}
