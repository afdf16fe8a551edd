//! sled behind a door: one tree, key prefixes, atomic batches, and an acknowledgement that means "on disk".

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::files::{self, FileError, at};

const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened.
    #[error(
        "the vault's store in {} does not open: have this device wiped and enrol it again ({reason})",
        path.display()
    )]
    Open {
        /// Its folder.
        path: PathBuf,
        /// What sled said.
        reason: String,
    },
    /// A read or write failed: a full disk, for example.
    #[error("the vault's store could not be read or written: {0}")]
    Io(#[from] sled::Error),
    /// A file or folder beside it.
    #[error(transparent)]
    File(#[from] FileError),
}

/// An open store.
pub(crate) struct Store {
    db: sled::Db,
    /// sled's flush on Linux ends in `sync_file_range`; durability needs a sync of this file.
    db_file: File,
    path: PathBuf,
}

impl Store {
    /// Opens or creates the store in `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        files::create_dir(path)?;
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let failed = |reason: String| StoreError::Open { path: path.to_owned(), reason };
        // sled asserts on some kinds of damage; here that is a report like any other.
        let db = catch_unwind(AssertUnwindSafe(|| config.open()))
            .map_err(|_| failed("it is damaged".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        let file = path.join("db");
        for private in [file.clone(), path.join("conf")] {
            at("protect", &private, fs::set_permissions(&private, Permissions::from_mode(0o600)))?;
        }
        let db_file = at("open", &file, File::open(&file))?;
        files::sync_dir(path)?;
        Ok(Self { db, db_file, path: path.to_owned() })
    }

    /// Applies a batch atomically. It is durable after the next [`Store::sync`].
    pub(crate) fn apply(&self, batch: sled::Batch) -> Result<(), StoreError> {
        Ok(self.db.apply_batch(batch)?)
    }

    /// Returns when everything applied so far is on disk.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.db.flush()?;
        Ok(at("sync", &self.path, self.db_file.sync_data())?)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        Ok(self.db.get(key)?)
    }
}
