//! Contents of files: sealed in chunks so that memory stays bounded and a cut, swapped or missing chunk is found.
//!
//! The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse
//! Misuse-Resistance", 2015) over AES-256-GCM. Every file version has a fresh key; chunk `i` is sealed under the nonce
//! `prefix (7, random) ‖ i (u32, big-endian) ‖ last (1 if it is the last, else 0)` with the file id as associated data. All
//! chunks but the last hold exactly [`CHUNK_LEN`] bytes; an empty file is one empty chunk.
//!
//! The sealed chunks of a version stand one after the other in `content/<file id in hex>`, beside the store and not in
//! it: sled moves pages over 128 KiB to files that it does not sync.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use shared::crypto::Secret;
use shared::crypto::hazmat;
use zeroize::Zeroizing;

use crate::error::{Damage, VaultError};
use crate::files;
use crate::store::StoreError;

/// Plain bytes of a chunk.
pub const CHUNK_LEN: usize = 32 * 1024;
/// Longest file accepted, in bytes: 500 MiB.
pub const MAX_FILE: u64 = 500 * 1024 * 1024;
const PREFIX_LEN: usize = 7;

/// Names a file version in the store; says nothing of its record.
pub(crate) type FileId = [u8; 16];

/// What a record keeps to read its content.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ContentKey {
    #[serde(with = "serde_bytes")]
    pub(crate) id: FileId,
    #[serde(with = "serde_bytes")]
    key: [u8; 32],
    #[serde(with = "serde_bytes")]
    prefix: [u8; PREFIX_LEN],
}

impl Drop for ContentKey {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.key);
    }
}

impl ContentKey {
    pub(crate) fn make(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut made = Self { id: [0; 16], key: [0; 32], prefix: [0; PREFIX_LEN] };
        rng.fill_bytes(&mut made.id);
        rng.fill_bytes(&mut made.key);
        rng.fill_bytes(&mut made.prefix);
        made
    }

    fn nonce(&self, index: u32, last: bool) -> [u8; hazmat::NONCE_LEN] {
        let mut nonce = [0; hazmat::NONCE_LEN];
        nonce[..PREFIX_LEN].copy_from_slice(&self.prefix);
        nonce[PREFIX_LEN..PREFIX_LEN + 4].copy_from_slice(&index.to_be_bytes());
        nonce[PREFIX_LEN + 4] = u8::from(last);
        nonce
    }

    pub(crate) fn seal(&self, index: u32, last: bool, chunk: &[u8]) -> Vec<u8> {
        hazmat::seal(&Secret::from_bytes(self.key), self.nonce(index, last), &self.id, chunk)
    }

    pub(crate) fn open(&self, index: u32, last: bool, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        hazmat::open(&Secret::from_bytes(self.key), self.nonce(index, last), &self.id, sealed).ok()
    }
}

/// A file on its way into the vault: [`crate::Vault::begin`], `write`, then `commit`. Dropped before that, it leaves nothing.
pub struct FileWriter {
    pub(crate) name: Zeroizing<String>,
    pub(crate) content: ContentKey,
    pub(crate) size: u64,
    next: u32,
    buffer: Zeroizing<Vec<u8>>,
    file: File,
    /// `None` once a record points to it.
    path: Option<PathBuf>,
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What cannot be removed now is removed when the vault is opened next.
            let _ = fs::remove_file(path);
        }
    }
}

impl FileWriter {
    /// Adds bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        for bytes in bytes.chunks(CHUNK_LEN) {
            self.size += bytes.len() as u64;
            self.buffer.extend_from_slice(bytes);
            if self.buffer.len() > CHUNK_LEN {
                self.write_chunk(false)?;
            }
        }
        Ok(())
    }

    fn write_chunk(&mut self, last: bool) -> std::io::Result<()> {
        let length = self.buffer.len().min(CHUNK_LEN);
        let sealed = self.content.seal(self.next, last, &self.buffer[..length]);
        self.file.write_all(&sealed)?;
        self.buffer.copy_within(length.., 0);
        let rest = self.buffer.len() - length;
        self.buffer[rest..].fill(0);
        self.buffer.truncate(rest);
        self.next += 1;
        Ok(())
    }

    /// Writes the last chunk; durable when this returns.
    pub(crate) fn complete(&mut self, folder: &Folder) -> Result<(), VaultError> {
        self.write_chunk(true)?;
        self.file.sync_all()?;
        Ok(files::sync_dir(&folder.0).map_err(StoreError::from)?)
    }

    /// From now on dropping it removes nothing.
    pub(crate) fn keep(&mut self) {
        self.path = None;
    }
}

/// A file on its way out: [`crate::Vault::file`], then `read` until it gives `None`. A version that is replaced meanwhile is
/// read to its end.
pub struct FileReader {
    content: ContentKey,
    size: u64,
    next: u32,
    file: File,
}

impl FileReader {
    /// Bytes of the whole file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next chunk, verified; `None` after the last.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let (index, count) = (self.next, chunk_count(self.size));
        if index == count {
            return Ok(None);
        }
        let start = u64::from(index) * CHUNK_LEN as u64;
        let length = usize::try_from(self.size - start).unwrap_or(usize::MAX).min(CHUNK_LEN);
        let mut sealed = vec![0; length + hazmat::TAG_LEN];
        let at = u64::from(index) * (CHUNK_LEN + hazmat::TAG_LEN) as u64;
        self.file.read_exact_at(&mut sealed, at).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => VaultError::from(Damage::MissingChunk(index)),
            _ => error.into(),
        })?;
        let chunk = self.content.open(index, index + 1 == count, &sealed).ok_or(Damage::Chunk(index))?;
        self.next += 1;
        Ok(Some(chunk))
    }
}

/// How many chunks a file of `size` bytes has.
fn chunk_count(size: u64) -> u32 {
    u32::try_from(size.div_ceil(CHUNK_LEN as u64).max(1)).unwrap_or(u32::MAX)
}

/// The folder of the contents.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder that belongs to the store in `store_dir`.
    pub(crate) fn beside(store_dir: &Path) -> Result<Self, VaultError> {
        let path = store_dir.with_file_name("content");
        files::create_dir(&path).map_err(StoreError::from)?;
        Ok(Self(path))
    }

    fn path(&self, id: &FileId) -> PathBuf {
        self.0.join(format!("{:032x}", u128::from_be_bytes(*id)))
    }

    pub(crate) fn create(&self, name: &str, content: ContentKey) -> Result<FileWriter, VaultError> {
        let path = self.path(&content.id);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let buffer = Zeroizing::new(Vec::with_capacity(2 * CHUNK_LEN));
        let name = Zeroizing::new(name.to_owned());
        Ok(FileWriter { name, content, size: 0, next: 0, buffer, file, path: Some(path) })
    }

    pub(crate) fn open(&self, content: ContentKey, size: u64) -> Result<FileReader, VaultError> {
        let file = File::open(self.path(&content.id)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => VaultError::from(Damage::MissingContent),
            _ => error.into(),
        })?;
        Ok(FileReader { content, size, next: 0, file })
    }

    pub(crate) fn remove(&self, id: &FileId) -> Result<(), VaultError> {
        Ok(files::remove(&self.path(id)).map_err(StoreError::from)?)
    }

    /// Removes what belongs to no record: begun and not committed, or replaced right before a crash.
    pub(crate) fn keep_only(&self, ids: &[FileId]) -> Result<(), VaultError> {
        let kept: HashSet<PathBuf> = ids.iter().map(|id| self.path(id)).collect();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            if !kept.contains(&path) {
                files::remove(&path).map_err(StoreError::from)?;
            }
        }
        Ok(())
    }
}
