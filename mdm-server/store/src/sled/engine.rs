//! Bytes in sled: one tree, values in pieces, `fdatasync` after `flush`, and a mark against lost commits.
//!
//! - sled keeps up to 16 values in a node and writes a node above 128 KiB into a file that it never syncs. So a value
//!   above [`PIECE`] bytes is stored as several.
//! - `flush` ends in `sync_file_range` on Linux, which is no promise: `sync_data` on the `db` file follows it.
//! - The stage is a file of its own: sled would write a node of many values anew for each value that is put into it.
//! - sled takes a file that ends early for one that was torn by a crash and opens what is left. The file `commits` holds
//!   the number of a commit that was durable; a database that knows fewer has lost some, and is reported as damaged.

use std::fs::{File, OpenOptions};
use std::ops::ControlFlow;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Options;
use crate::MAX_VALUE;
use crate::error::{IoProblem, OpenError};
use crate::keyed::{Engine, EngineError, Puts, Range, Visit};

/// Bytes of a value that are stored under one key: 17 of them and their keys stay below 128 KiB.
const PIECE: usize = 6 * 1024;
/// The most pieces of a value.
const MAX_PIECES: usize = MAX_VALUE.div_ceil(PIECE);
/// Before a value that stands under its own key.
const WHOLE: u8 = 0;
/// Before the number of pieces.
const IN_PIECES: u8 = 1;
/// Before the key in the keys of pieces. No key of the layers above begins with it.
const PIECE_KEY: u8 = 0xfe;

/// How often an open is tried while the threads of a database that was just closed let go of its file. No other process
/// can have it: the folder's lock was taken first.
const OPEN_TRIES: u32 = 50;
const OPEN_PAUSE: Duration = Duration::from_millis(20);

const SYNC_FAILED: &str = "the disk failed to sync; restart the machine, then the server";

/// Bytes in a folder.
pub(crate) struct SledEngine {
    folder: PathBuf,
    options: Options,
    /// Empty while the database could not be opened again after a failure.
    open: RwLock<Option<sled::Db>>,
    /// The file that sled writes, for `sync_data`. Opened once: a file that is opened later does not hear of what the kernel failed
    /// to write before.
    file: File,
    mark: File,
    stage: Arc<File>,
    /// The sync of the stage that is on its way.
    syncing: Mutex<Option<JoinHandle<()>>>,
    /// Set when `sync_data` failed: the kernel may have dropped what it could not write, still show it, and call the next sync a
    /// success. Nothing that is read from then on is known to be on the disk.
    sync_failed: Arc<AtomicBool>,
    /// Held as long as the folder is in use.
    _lock: File,
}

impl SledEngine {
    /// Opens or makes the database in `folder`.
    pub(crate) fn open(folder: &Path, options: Options) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: folder.to_owned(), source };
        if !folder.is_dir() {
            std::fs::DirBuilder::new().mode(0o700).create(folder).map_err(io)?;
        }
        let mut file_options = OpenOptions::new();
        file_options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let lock = file_options.open(folder.join("lock")).map_err(io)?;
        crate::lock::lock(&lock, folder)?;
        let mark = file_options.open(folder.join("commits")).map_err(io)?;
        let stage = file_options.open(folder.join("stage")).map_err(io)?;
        let open = open_patiently(folder, &options).map_err(|error| super::open_error(folder, error))?;
        let file = File::open(folder.join("db")).map_err(io)?;
        let engine = Self {
            folder: folder.to_owned(),
            options,
            open: RwLock::new(Some(open)),
            file,
            mark,
            stage: Arc::new(stage),
            syncing: Mutex::default(),
            sync_failed: Arc::default(),
            _lock: lock,
        };
        engine.check_mark().map_err(|error| super::open_error(folder, error))?;
        // So that a power cut does not take the new files' names.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
        Ok(engine)
    }

    fn with<T>(&self, work: impl FnOnce(&sled::Db) -> Result<T, EngineError>) -> Result<T, EngineError> {
        match &*self.open.read().unwrap_or_else(PoisonError::into_inner) {
            Some(db) => work(db),
            None => Err(EngineError::Io(IoProblem::new("the database is closed after a failure"))),
        }
    }

    /// `sync_data` of a file. After a failure of it nothing that was written counts as durable before a restart.
    fn sync_file(&self, file: &File) -> Result<(), EngineError> {
        file.sync_data().map_err(|error| {
            self.sync_failed.store(true, Ordering::SeqCst);
            EngineError::io(&error)
        })
    }

    fn syncing(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.syncing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the sync of the stage that is on its way.
    fn stage_synced(&self) -> Result<(), EngineError> {
        if self.syncing().take().is_some_and(|thread| thread.join().is_err()) {
            self.sync_failed.store(true, Ordering::SeqCst);
        }
        if self.sync_failed.load(Ordering::SeqCst) {
            Err(EngineError::Io(IoProblem::new(SYNC_FAILED)))
        } else {
            Ok(())
        }
    }

    /// Compares the database with the mark.
    fn check_mark(&self) -> Result<(), EngineError> {
        let mut mark = [0; 16];
        if self.mark.read_exact_at(&mut mark, 0).is_err() {
            return Ok(()); // new, or lost by a power cut before it was ever synced
        }
        let (number, check) = (u64::from_be_bytes(half(&mark, 0)), u64::from_be_bytes(half(&mark, 8)));
        if number != !check {
            tracing::warn!("the file of the last commit's number is torn; it is not compared");
            return Ok(());
        }
        let known = self.get(crate::keyed::META_COMMITS)?.and_then(|bytes| bytes.try_into().ok());
        match known.map(u64::from_be_bytes) {
            Some(known) if known >= number => Ok(()),
            known => Err(EngineError::Damaged(format!(
                "it holds {} commits of at least {number} that were durable",
                known.unwrap_or(0)
            ))),
        }
    }
}

fn half(mark: &[u8; 16], at: usize) -> [u8; 8] {
    mark[at..at + 8].try_into().expect("half of 16 bytes are 8")
}

fn open_patiently(folder: &Path, options: &Options) -> Result<sled::Db, EngineError> {
    let mut tries = 1;
    loop {
        match open_database(folder, options) {
            // sled says "could not acquire lock" as any other IO error.
            Err(EngineError::Io(_)) if tries < OPEN_TRIES => {
                tries += 1;
                std::thread::sleep(OPEN_PAUSE);
            }
            result => return result,
        }
    }
}

/// sled panics on some damaged files, hence the net.
fn open_database(folder: &Path, options: &Options) -> Result<sled::Db, EngineError> {
    remove_unfinished_snapshots(folder).map_err(|error| EngineError::io(&error))?;
    let config = sled::Config::new()
        .path(folder)
        .cache_capacity(options.cache_bytes)
        .flush_every_ms(None)
        .mode(sled::Mode::LowSpace);
    catch_unwind(AssertUnwindSafe(|| config.open()))
        .map_err(|_| EngineError::Damaged("sled cannot read it".to_owned()))?
        .map_err(engine_error)
}

/// At each open sled writes what it has recovered to `snap.N.generating`, renames that to `snap.N` and removes the one
/// before. A file that it was killed at it takes for the newest snapshot, and calls the database corrupt: it goes, and
/// sled recovers from the one before, or from all of the log.
fn remove_unfinished_snapshots(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::warn!(
                "an earlier start was interrupted while the database was being recovered; it is done again"
            );
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn engine_error(error: sled::Error) -> EngineError {
    match error {
        sled::Error::Io(error) => EngineError::io(&error),
        sled::Error::Corruption { .. } | sled::Error::Unsupported(_) | sled::Error::ReportableBug(_) => {
            EngineError::Damaged(error.to_string())
        }
        other => EngineError::Io(IoProblem::new(other)),
    }
}

fn piece_key(key: &[u8], number: usize) -> Vec<u8> {
    let number = u8::try_from(number).expect("a value has at most a few pieces");
    [&[PIECE_KEY], key, &[number]].concat()
}

/// How many pieces a stored value says it has.
fn pieces(stored: &[u8]) -> usize {
    match stored {
        [IN_PIECES, count] => usize::from(*count),
        _ => 0,
    }
}

fn load(db: &sled::Db, key: &[u8], stored: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
    let damaged = || EngineError::Damaged("value in pieces".to_owned());
    match stored {
        [WHOLE, value @ ..] => Ok(Some(value.to_vec())),
        [IN_PIECES, count] => {
            let mut value = Vec::with_capacity(usize::from(*count) * PIECE);
            for number in 0..usize::from(*count) {
                let piece = db.get(piece_key(key, number)).map_err(engine_error)?.ok_or_else(damaged)?;
                value.extend_from_slice(&piece);
            }
            Ok(Some(value))
        }
        _ => Err(damaged()),
    }
}

fn batch(db: &sled::Db, puts: Puts) -> Result<sled::Batch, EngineError> {
    let mut batch = sled::Batch::default();
    for (key, value) in puts {
        let before = db.get(&key).map_err(engine_error)?.map_or(0, |stored| pieces(&stored));
        let mut now = 0;
        match value {
            None => batch.remove(key.as_slice()),
            Some(value) if value.len() <= PIECE => {
                batch.insert(key.as_slice(), [&[WHOLE], value.as_slice()].concat());
            }
            Some(value) => {
                now = value.len().div_ceil(PIECE);
                if now > MAX_PIECES {
                    return Err(EngineError::Io(IoProblem::new("a value is beyond the limit")));
                }
                for (number, piece) in value.chunks(PIECE).enumerate() {
                    batch.insert(piece_key(&key, number), piece);
                }
                let count = u8::try_from(now).expect("a value has at most a few pieces");
                batch.insert(key.as_slice(), &[IN_PIECES, count]);
            }
        }
        (now..before).for_each(|number| batch.remove(piece_key(&key, number)));
    }
    Ok(batch)
}

impl Engine for SledEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.with(|db| match db.get(key).map_err(engine_error)? {
            Some(stored) => load(db, key, &stored),
            None => Ok(None),
        })
    }

    fn scan(&self, range: &Range, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        if range.start >= range.end {
            return Ok(());
        }
        self.with(|db| {
            let mut rows = db.range(range.start.as_slice()..range.end.as_slice());
            while let Some(row) = if range.reverse { rows.next_back() } else { rows.next() } {
                let (key, stored) = row.map_err(engine_error)?;
                if let ControlFlow::Break(()) = visit(&key, &|| load(db, &key, &stored))? {
                    break;
                }
            }
            Ok(())
        })
    }

    fn room(&self, bytes: usize, reserve: bool) -> Result<(), EngineError> {
        let free = fs4::available_space(&self.folder).map_err(|error| EngineError::io(&error))?;
        let kept = if reserve { self.options.last_bytes } else { self.options.reserve_bytes };
        let needed = kept.saturating_add(bytes as u64);
        if free < needed {
            let problem = format_args!("{free} bytes are free, {needed} are needed").to_string();
            return Err(EngineError::Full(IoProblem::new(problem)));
        }
        Ok(())
    }

    fn apply(&self, puts: Puts) -> Result<(), EngineError> {
        self.with(|db| db.apply_batch(batch(db, puts)?).map_err(engine_error))
    }

    fn sync(&self, commits: u64) -> Result<(), EngineError> {
        self.with(|db| {
            db.flush().map_err(engine_error)?;
            self.sync_file(&self.file)
        })?;
        // Not synced: the mark may be behind the database, never ahead of it.
        let mark = [commits.to_be_bytes(), (!commits).to_be_bytes()].concat();
        if let Err(error) = self.mark.write_all_at(&mark, 0) {
            tracing::warn!(%error, "the number of the last commit could not be noted beside the database");
        }
        Ok(())
    }

    fn stage(&self, at: u64, bytes: &[u8]) -> Result<(), EngineError> {
        self.stage.write_all_at(bytes, at).map_err(|error| EngineError::io(&error))
    }

    fn staged(&self, at: u64, length: usize) -> Result<Vec<u8>, EngineError> {
        let mut bytes = vec![0; length];
        let mut read = 0;
        while read < length {
            match self.stage.read_at(&mut bytes[read..], at + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(EngineError::io(&error)),
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }

    fn begin_sync_stage(&self) -> Result<(), EngineError> {
        self.stage_synced()?;
        let (stage, failed) = (Arc::clone(&self.stage), Arc::clone(&self.sync_failed));
        let sync = move || {
            if stage.sync_data().is_err() {
                failed.store(true, Ordering::SeqCst);
            }
        };
        match thread::Builder::new().name("stage-sync".to_owned()).spawn(sync) {
            Ok(thread) => *self.syncing() = Some(thread),
            // Too many threads: what is not begun now is left for the sync of all.
            Err(error) => tracing::debug!(%error, "the stage is not synced beside other work"),
        }
        Ok(())
    }

    fn sync_stage(&self) -> Result<(), EngineError> {
        self.stage_synced()?;
        self.sync_file(&self.stage)
    }

    fn clear_stage(&self) -> Result<(), EngineError> {
        self.stage.set_len(0).map_err(|error| EngineError::io(&error))
    }

    fn reopen(&self) -> Result<(), EngineError> {
        if self.sync_failed.load(Ordering::SeqCst) {
            return Err(EngineError::Io(IoProblem::new(SYNC_FAILED)));
        }
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        *open = None;
        *open = Some(open_patiently(&self.folder, &self.options)?);
        Ok(())
    }
}
