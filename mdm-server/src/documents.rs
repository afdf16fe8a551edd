//! The contents of documents, and those of notes: files in a folder of the data folder, each sealed under a key of its own.
//! Here: writing, reading, limits, and what a crash left over. Which contents belong to what the store says.
//!
//! A file is `documents/<content id in hexadecimal>`, or in `notes`: chunks of [`CHUNK`] plain bytes, the last one shorter or not, sealed by
//! [`StreamKey`] with the content id as associated data. The key is derived from the master key and the content id, which is
//! random and never used again. What is being received has the suffix `.part`.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::ContentReader;
pub use writer::{ContentWriter, Received};

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;
use mdm_core::document::ContentId;
use rand::{CryptoRng, RngCore};
use shared::crypto::stream::StreamKey;
use shared::crypto::{Purpose, Secret};

/// The folder of documents in the data folder.
pub const FOLDER: &str = "documents";
/// The folder of notes.
pub const NOTES_FOLDER: &str = "notes";
/// Plain bytes of a chunk.
pub const CHUNK: usize = 64 * 1024;
/// Bytes of the disk that documents leave free: a wipe that cannot be committed for want of space would be the worse loss.
pub const RESERVE: u64 = 256 * 1024 * 1024;
const PART: &str = "part";

/// Why contents are not stored or not there.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// Larger than a document may be.
    #[error(
        "the file is larger than {largest} bytes, which is the limit (documents.largest_mib): nothing was stored"
    )]
    TooLarge {
        /// The limit.
        largest: u64,
    },
    /// All documents together would be larger than they may be.
    #[error(
        "all documents together would be larger than {together} bytes, which is the limit (documents.all_together_mib): \
         nothing was stored; unpublish some first"
    )]
    TooMuch {
        /// The limit.
        together: u64,
    },
    /// The disk is full, or so full that the database would soon have no room.
    #[error(
        "the disk of the data folder is full: nothing was stored; free space and try again, or unpublish documents"
    )]
    DiskFull,
    /// The file is not there.
    #[error(
        "the contents of this document are not on the disk: restore the documents folder, or replace the document"
    )]
    Missing,
    /// A chunk does not open, or the file is too short.
    #[error(
        "the contents of this document are damaged: restore the documents folder, or replace the document"
    )]
    Damaged,
    /// The disk failed otherwise.
    #[error("the documents folder cannot be read or written ({0}): check the disk and the server's log")]
    Io(io::Error),
}

impl From<io::Error> for ContentError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{NotFound, QuotaExceeded, StorageFull, UnexpectedEof};
        match error.kind() {
            StorageFull | QuotaExceeded => Self::DiskFull,
            NotFound => Self::Missing,
            UnexpectedEof => Self::Damaged,
            _ => Self::Io(error),
        }
    }
}

/// How large documents may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// One.
    pub largest: u64,
    /// All together, those that are being received included.
    pub together: u64,
}

/// The folder of contents.
#[derive(Clone)]
pub struct Contents(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    key: Secret<32>,
    limits: Limits,
    /// Bytes of all files, those that are being received included.
    taken: Mutex<u64>,
    held: Mutex<Held>,
}

/// Who wants that nothing is removed, and what is to be removed after that.
#[derive(Default)]
struct Held {
    holders: usize,
    waiting: Vec<ContentId>,
}

/// While it lives nothing is removed: what the database names now can be copied.
pub struct Hold(Contents);

impl Drop for Hold {
    fn drop(&mut self) {
        let waiting = {
            let mut held = self.0.held();
            held.holders -= 1;
            if held.holders > 0 { Vec::new() } else { std::mem::take(&mut held.waiting) }
        };
        for id in waiting {
            if let Err(error) = self.0.remove(id) {
                tracing::warn!(%error, "contents that nobody needs stay until the next start");
            }
        }
    }
}

impl Contents {
    /// In a folder of the data folder; it is not made before the first contents. `key` is derived from the master key for this.
    pub fn new(data: &Path, folder: &str, key: Secret<32>, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            folder: data.join(folder),
            key,
            limits,
            taken: Mutex::default(),
            held: Mutex::default(),
        }))
    }

    /// How large documents may be.
    pub fn limits(&self) -> Limits {
        self.0.limits
    }

    /// Begins to receive contents of a size that may be known beforehand.
    pub fn begin(
        &self,
        announced: Option<u64>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<ContentWriter, ContentError> {
        let announced = announced.unwrap_or(0);
        self.check(0, announced)?;
        self.check_room(announced)?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0.folder)?;
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        ContentWriter::create(self.clone(), ContentId(id))
    }

    /// Opens stored contents of that many bytes.
    pub fn open(&self, id: ContentId, size: u64) -> Result<ContentReader, ContentError> {
        ContentReader::open(&self.path(id), self.key(id), id, size)
    }

    /// Has everything stay that is there, until what is given is dropped.
    pub fn hold(&self) -> Hold {
        self.held().holders += 1;
        Hold(self.clone())
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes contents; who reads them at this moment reads them to the end.
    pub fn remove(&self, id: ContentId) -> Result<(), ContentError> {
        {
            let mut held = self.held();
            if held.holders > 0 {
                held.waiting.push(id);
                return Ok(());
            }
        }
        let path = self.path(id);
        let length = fs::metadata(&path)?.len();
        fs::remove_file(path)?;
        self.give_back(length);
        Ok(())
    }

    /// Removes what belongs to no document, and counts the rest: to be called once, before anything is received. Gives those
    /// of `ids` that are not there.
    pub fn keep_only(&self, ids: &HashSet<ContentId>) -> Result<Vec<ContentId>, ContentError> {
        let kept: HashSet<PathBuf> = ids.iter().map(|id| self.path(*id)).collect();
        let entries = match fs::read_dir(&self.0.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(ids.iter().copied().collect());
            }
            Err(error) => return Err(error.into()),
        };
        let mut taken = 0;
        for entry in entries {
            let entry = entry?;
            if kept.contains(&entry.path()) {
                taken += entry.metadata()?.len();
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        *self.taken() = taken;
        Ok(ids.iter().copied().filter(|id| !self.path(*id).exists()).collect())
    }

    fn path(&self, id: ContentId) -> PathBuf {
        self.0.folder.join(HEXLOWER.encode(&id.0))
    }

    fn part(&self, id: ContentId) -> PathBuf {
        self.path(id).with_extension(PART)
    }

    fn key(&self, id: ContentId) -> StreamKey {
        StreamKey::new(Purpose::DocumentContents.derive_bytes(&[self.0.key.expose()], &id.0))
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, u64> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether contents that have `size` bytes may have `more`.
    fn check(&self, size: u64, more: u64) -> Result<(), ContentError> {
        let Limits { largest, together } = self.0.limits;
        if size.saturating_add(more) > largest {
            return Err(ContentError::TooLarge { largest });
        }
        if self.taken().saturating_add(more) > together {
            return Err(ContentError::TooMuch { together });
        }
        Ok(())
    }

    /// Whether the disk has so many bytes and the reserve besides.
    fn check_room(&self, bytes: u64) -> Result<(), ContentError> {
        let place =
            if self.0.folder.exists() { Some(self.0.folder.as_path()) } else { self.0.folder.parent() };
        let Some(place) = place.filter(|place| place.exists()) else { return Ok(()) };
        let disk = rustix::fs::statvfs(place).map_err(|error| ContentError::Io(error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < bytes.saturating_add(RESERVE) { Err(ContentError::DiskFull) } else { Ok(()) }
    }

    fn take(&self, bytes: u64) {
        *self.taken() += bytes;
    }

    fn give_back(&self, bytes: u64) {
        let mut taken = self.taken();
        *taken = taken.saturating_sub(bytes);
    }
}
