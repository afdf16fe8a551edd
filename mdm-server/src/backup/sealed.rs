//! The key file and the tombstones in a backup: one file each, sealed under the master key, so that neither is of use to
//! who has only the backup, and neither of another organisation is taken for ours.
//!
//! A file is the 8 bytes of its kind, then [`SealingKey::seal`] of the content with the kind as associated data.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mdm_core::quarantine::replay::Tombstone;
use rand::rngs::OsRng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::crypto::{Purpose, SealingKey, Secret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::file::{self, FileError};

/// No archive is longer: a key file of 500,000 devices.
const LIMIT: u64 = 2 * 1024 * 1024 * 1024;

/// What stands in a sealed archive.
pub(super) trait Archive: Serialize + DeserializeOwned {
    /// What a file of it begins with.
    const KIND: &'static [u8; 8];
    /// What it is called in errors.
    const NAME: &'static str;
}

/// The key file.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct KeyFile {
    /// When it was copied.
    #[zeroize(skip)]
    pub(super) made_at: Timestamp,
    /// How long backups of it were kept then.
    #[zeroize(skip)]
    #[serde(default)]
    pub(super) keep_hours: u32,
    /// All of its bytes.
    #[serde(with = "serde_bytes")]
    pub(super) bytes: Vec<u8>,
}

/// Every wipe that was ever ordered.
#[derive(Serialize, Deserialize)]
pub(super) struct Tombstones {
    /// When they were collected.
    pub(super) made_at: Timestamp,
    /// They.
    pub(super) tombstones: Vec<Tombstone>,
}

impl Archive for KeyFile {
    const KIND: &'static [u8; 8] = b"tbk-bkf1";
    const NAME: &'static str = "key file";
}

impl Archive for Tombstones {
    const KIND: &'static [u8; 8] = b"tbk-bts1";
    const NAME: &'static str = "tombstones";
}

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The disk.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another file.
    #[error("{path} is no backup of the {name}")]
    Kind {
        /// Which file.
        path: PathBuf,
        /// What it should be.
        name: &'static str,
    },
    /// Another master key, or changed bytes.
    #[error(
        "{0} does not open: it was made under another master key, or it was changed; name the master key's folder of that \
         server, or another backup"
    )]
    Authentication(PathBuf),
    /// It opens and is not understood.
    #[error("{0} opens, but was written by a newer version: install that version")]
    Content(PathBuf),
}

fn key(master: &Secret<32>) -> SealingKey {
    Purpose::Backup.derive_sealing_key(&[master.expose()], b"")
}

/// Writes a new archive, durably.
pub(super) fn write<A: Archive>(path: &Path, archive: &A, master: &Secret<32>) -> Result<(), FileError> {
    let mut content = Zeroizing::new(Vec::new());
    ciborium::into_writer(archive, &mut *content).expect("an archive in memory encodes into a vector");
    let mut bytes = A::KIND.to_vec();
    bytes.extend(key(master).seal(A::KIND, &content, &mut OsRng));
    file::write(path, &bytes)
}

/// Reads an archive.
pub(super) fn read<A: Archive>(path: &Path, master: &Secret<32>) -> Result<A, ArchiveError> {
    let bytes = file::read(path, LIMIT)?;
    let Some(sealed) = bytes.strip_prefix(A::KIND.as_slice()) else {
        return Err(ArchiveError::Kind { path: path.to_owned(), name: A::NAME });
    };
    let content = key(master).open(A::KIND, sealed);
    let content = content.map_err(|_| ArchiveError::Authentication(path.to_owned()))?;
    ciborium::from_reader(content.as_slice()).map_err(|_| ArchiveError::Content(path.to_owned()))
}
