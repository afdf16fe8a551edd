//! sled behind a door: one tree of keys and values in order, atomic batches, and an acknowledgement that means "on disk".

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::files::{self, FileError, at};

/// What a program adds to its log filter. sled's trace lines may be written while a thread ends, when the subscriber's own
/// thread-local is gone already, and such a panic ends the process.
pub const LOG_DIRECTIVE: &str = "sled=debug";

const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// Free disk that is left alone by whatever adds to the vault, in bytes: once a write of sled has failed it writes no more.
const RESERVE: u64 = 8 * 1024 * 1024;
/// What removing needs.
const RESERVE_TO_REMOVE: u64 = RESERVE / 8;
/// How often an open is tried while the threads of a store that was just closed let go of its file. No other process can
/// have it: the home's lock was taken first.
const OPEN_TRIES: u32 = 50;
const OPEN_PAUSE: Duration = Duration::from_millis(20);

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened.
    #[error(
        "the vault's store in {} does not open: start it over, which loses what was not sent to the server, or have this \
         device wiped and enrol it again ({reason})",
        path.display()
    )]
    Open {
        /// Its folder.
        path: PathBuf,
        /// What sled said.
        reason: String,
    },
    /// The disk is nearly full.
    #[error("the storage is full: nothing was stored, and what is in the vault stays; free some space")]
    Full(#[source] io::Error),
    /// A read or write of the operating system failed.
    #[error("the vault's store could not be read or written: {0}")]
    Io(#[source] io::Error),
    /// sled said something else.
    #[error("the vault's store could not be read or written: {0}")]
    Sled(sled::Error),
    /// Something could not be written before.
    #[error("a write to the vault failed before: lock and unlock it, then see what is in it")]
    Failed,
    /// A file or folder beside it.
    #[error(transparent)]
    File(#[from] FileError),
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => Self::Io(error),
            other => Self::Sled(other),
        }
    }
}

/// An open store.
pub(crate) struct Store {
    db: sled::Db,
    /// sled's flush on Linux ends in `sync_file_range`; durability needs a sync of this file.
    db_file: File,
    path: PathBuf,
    /// What was written may or may not be there: nothing more is written until the store was opened again.
    failed: AtomicBool,
    #[cfg(test)]
    pub(crate) reserve: std::sync::atomic::AtomicU64,
}

impl Store {
    /// Opens or creates the store in `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        files::create_dir(path)?;
        at("list", path, remove_unfinished_snapshots(path))?;
        let db = open_patiently(path)?;
        let file = path.join("db");
        for private in [file.clone(), path.join("conf")] {
            at("protect", &private, fs::set_permissions(&private, Permissions::from_mode(0o600)))?;
        }
        let db_file = at("open", &file, File::open(&file))?;
        files::sync_dir(path)?;
        let failed = AtomicBool::new(false);
        Ok(Self {
            db,
            db_file,
            path: path.to_owned(),
            failed,
            #[cfg(test)]
            reserve: RESERVE.into(),
        })
    }

    /// Says no when the disk is nearly full or a write failed before.
    pub(crate) fn check_writable(&self, bytes: u64, adds: bool) -> Result<(), StoreError> {
        if self.failed.load(Ordering::Acquire) {
            return Err(StoreError::Failed);
        }
        let stat = at("look at", &self.path, rustix::fs::statvfs(&self.path).map_err(io::Error::from))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let reserve = if adds { self.reserve() } else { RESERVE_TO_REMOVE };
        if free < reserve.saturating_add(bytes) {
            return Err(StoreError::Full(io::ErrorKind::StorageFull.into()));
        }
        Ok(())
    }

    #[cfg(not(test))]
    fn reserve(&self) -> u64 {
        RESERVE
    }

    #[cfg(test)]
    fn reserve(&self) -> u64 {
        self.reserve.load(Ordering::Relaxed)
    }

    /// Applies a batch atomically. It is durable after the next [`Store::sync`].
    pub(crate) fn apply(&self, batch: sled::Batch) -> Result<(), StoreError> {
        self.or_failed(guarded(|| self.db.apply_batch(batch)))
    }

    /// Returns when everything applied so far is on disk.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.or_failed(guarded(|| self.db.flush().map(drop)))?;
        // After a failed sync the kernel may have dropped what it could not write, and call the next sync a success.
        self.or_failed(at("sync", &self.path, self.db_file.sync_data()))
    }

    fn or_failed<T, E: Into<StoreError>>(&self, result: Result<T, E>) -> Result<T, StoreError> {
        result.map_err(|error| {
            self.failed.store(true, Ordering::Release);
            error.into()
        })
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        guarded(|| self.db.get(key))
    }

    /// All keys and values that begin with `prefix`, in order.
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(sled::IVec, sled::IVec), StoreError>> {
        self.db.scan_prefix(prefix).map(|row| row.map_err(StoreError::from))
    }
}

/// sled asserts on some kinds of damage and after a failed write; here that is an error like any other.
fn guarded<T>(work: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, StoreError> {
    let panicked = |_| StoreError::Io(io::Error::other("sled gave up"));
    Ok(catch_unwind(AssertUnwindSafe(work)).map_err(panicked)??)
}

fn open_patiently(path: &Path) -> Result<sled::Db, StoreError> {
    let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    let failed = |reason: String| StoreError::Open { path: path.to_owned(), reason };
    let mut tries = 1;
    loop {
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Err(_) => return Err(failed("it is damaged".to_owned())),
            Ok(Ok(db)) => return Ok(db),
            // sled says "could not acquire lock" as this kind.
            Ok(Err(sled::Error::Io(error))) if error.kind() == io::ErrorKind::Other && tries < OPEN_TRIES => {
                tries += 1;
                std::thread::sleep(OPEN_PAUSE);
            }
            Ok(Err(sled::Error::Io(error))) if error.kind() != io::ErrorKind::Other => {
                return Err(StoreError::Io(error));
            }
            Ok(Err(error)) => return Err(failed(error.to_string())),
        }
    }
}

/// At each open sled writes what it has recovered to `snap.N.generating` and renames it. A file that it was killed at it
/// takes for the newest snapshot, and calls the database corrupt: it goes, since the log holds everything.
fn remove_unfinished_snapshots(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
