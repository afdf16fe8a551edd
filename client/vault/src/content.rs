//! Contents of files: sealed in chunks so that memory stays bounded and a cut, swapped or missing chunk is found.
//!
//! The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse
//! Misuse-Resistance", 2015) over AES-256-GCM. Every content has a fresh key; chunk `i` is sealed under the nonce
//! `prefix (7, random) ‖ i (u32, big-endian) ‖ last (1 if it is the last, else 0)` with the content's id as associated data. All
//! chunks but the last hold exactly [`CHUNK_LEN`] bytes. A write that is resumed goes on under a new prefix: what was torn is
//! sealed again, and never under a nonce that was used.
//!
//! The sealed chunks stand one after the other in `vault/content/<id in hex>`, beside the store and not in it.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::{CryptoRng, RngCore};
use rustix::fs::Advice;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use shared::crypto::Secret;
use shared::crypto::hazmat::{self, PreparedKey};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Damage, VaultError};
use crate::files;
use crate::format::{Collection, INLINE_MAX};
use crate::home::Home;
use crate::store::StoreError;

/// Plain bytes of a chunk.
pub const CHUNK_LEN: usize = 64 * 1024;
/// Longest file accepted, in bytes: 500 MiB.
pub const MAX_FILE: u64 = 500 * 1024 * 1024;
/// How often a write can be resumed before it starts anew.
pub(crate) const MAX_SEGMENTS: usize = 256;
/// After so many chunks the disk is asked to begin, before the whole file is there: 8 MiB.
const BEGIN_EVERY: u32 = 128;
/// A resumable write is synced after so many chunks: 4 MiB.
const SYNC_EVERY: u32 = 64;
const SEALED_LEN: usize = CHUNK_LEN + hazmat::TAG_LEN;
const PREFIX_LEN: usize = 7;

/// Names a content in its folder; says nothing of its record.
pub(crate) type FileId = [u8; 16];

/// What a record keeps of a content: `[id, key, [[first chunk, prefix], …], size, source]`.
#[derive(Serialize, Deserialize)]
pub(crate) struct ContentRecord(
    ByteArray<16>,
    ByteArray<32>,
    Vec<(u32, ByteArray<PREFIX_LEN>)>,
    u64,
    #[serde(with = "serde_bytes")] Vec<u8>,
);

impl Drop for ContentRecord {
    fn drop(&mut self) {
        self.1.zeroize();
    }
}

impl ContentRecord {
    /// A fresh key. `source` says what a resumable write is a copy of; empty for others.
    pub(crate) fn make(source: &[u8], rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut made = Self(ByteArray::default(), ByteArray::default(), Vec::new(), 0, source.to_vec());
        rng.fill_bytes(made.0.as_mut());
        rng.fill_bytes(made.1.as_mut());
        made.add_segment(0, rng);
        made
    }

    pub(crate) fn id(&self) -> FileId {
        self.0.into_array()
    }

    /// Bytes of the whole content, once it is complete.
    pub(crate) fn size(&self) -> u64 {
        self.3
    }

    pub(crate) fn set_size(&mut self, size: u64) {
        self.3 = size;
    }

    pub(crate) fn source(&self) -> &[u8] {
        &self.4
    }

    pub(crate) fn segments(&self) -> usize {
        self.2.len()
    }

    /// From chunk `first` on a new prefix is used.
    pub(crate) fn add_segment(&mut self, first: u32, rng: &mut (impl RngCore + CryptoRng)) {
        let mut prefix = [0; PREFIX_LEN];
        rng.fill_bytes(&mut prefix);
        self.2.push((first, ByteArray::new(prefix)));
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(INLINE_MAX));
        ciborium::into_writer(self, &mut *bytes).expect("a record in memory encodes into a vector");
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        ciborium::from_reader(bytes).ok()
    }

    fn key(&self) -> PreparedKey {
        PreparedKey::new(&Secret::from_slice(self.1.as_slice()).expect("a content's key has 32 bytes"))
    }

    fn nonce(&self, index: u32, last: bool) -> [u8; hazmat::NONCE_LEN] {
        let segment = self.2.iter().rev().find(|(first, _)| *first <= index);
        let prefix = segment.map_or([0; PREFIX_LEN], |(_, prefix)| prefix.into_array());
        let mut nonce = [0; hazmat::NONCE_LEN];
        nonce[..PREFIX_LEN].copy_from_slice(&prefix);
        nonce[PREFIX_LEN..PREFIX_LEN + 4].copy_from_slice(&index.to_be_bytes());
        nonce[PREFIX_LEN + 4] = u8::from(last);
        nonce
    }
}

/// A content in use: its record and its expanded key.
pub(crate) struct Content {
    pub(crate) record: ContentRecord,
    key: PreparedKey,
}

impl Content {
    pub(crate) fn new(record: ContentRecord) -> Self {
        Self { key: record.key(), record }
    }

    /// Seals `chunk` in place and appends the tag.
    pub(crate) fn seal(&self, index: u32, last: bool, chunk: &mut Vec<u8>) {
        let tag = self.key.seal_in_place(self.record.nonce(index, last), &self.record.id(), chunk);
        chunk.extend_from_slice(&tag);
    }

    /// Opens `sealed` in place.
    pub(crate) fn open<'a>(&self, index: u32, last: bool, sealed: &'a mut [u8]) -> Option<&'a mut [u8]> {
        self.key.open_in_place(self.record.nonce(index, last), &self.record.id(), sealed).ok()
    }
}

/// A file on its way into the vault: [`crate::Vault::begin`], `write`, then `commit_file`. Dropped before that, it leaves
/// nothing, unless it was begun to be resumed.
pub struct FileWriter {
    pub(crate) collection: Collection,
    pub(crate) name: Zeroizing<String>,
    pub(crate) content: Content,
    pub(crate) size: u64,
    next: u32,
    buffer: Zeroizing<Vec<u8>>,
    /// A chunk was not written to its end: the buffer holds what nobody knows, and no more is written.
    broken: bool,
    path: PathBuf,
    /// `None` until there is more than one chunk: what is short stands in its record.
    file: Option<File>,
    /// What is on disk stays when this is dropped.
    kept: bool,
    pub(crate) resumable: bool,
    opening: Opening,
}

/// Tells one opening of the vault from the next.
type Opening = Arc<()>;

impl Drop for FileWriter {
    fn drop(&mut self) {
        if !self.kept && self.file.is_some() {
            // What cannot be removed now is removed when the vault is opened next.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What a complete file is stored as.
pub(crate) enum Completed {
    /// Short: the bytes.
    Inline(Zeroizing<Vec<u8>>),
    /// Durable beside the store.
    File(FileId),
}

impl FileWriter {
    /// Bytes that are in it.
    pub fn position(&self) -> u64 {
        self.size
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), VaultError> {
        while !bytes.is_empty() {
            if self.buffer.len() == CHUNK_LEN {
                self.write_chunk(false)?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_LEN - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            self.size += now.len() as u64;
            bytes = later;
        }
        Ok(())
    }

    /// Whether adding `bytes` writes a chunk to the disk.
    pub(crate) fn overflows(&self, bytes: usize) -> bool {
        self.buffer.len() + bytes > CHUNK_LEN
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    fn write_chunk(&mut self, last: bool) -> Result<(), VaultError> {
        // Until the chunk is written as a whole: sealed in place, it is sealed once.
        self.broken = true;
        self.content.seal(self.next, last, &mut self.buffer);
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(create(&self.path)?),
        };
        file.write_all(&self.buffer)?;
        self.buffer.clear();
        self.next += 1;
        if self.resumable && self.next.is_multiple_of(SYNC_EVERY) {
            file.sync_data()?;
        } else if self.next.is_multiple_of(BEGIN_EVERY) {
            begin_writeback(file, self.next - BEGIN_EVERY);
        }
        self.broken = false;
        Ok(())
    }

    /// Writes what is left; durable when this returns, unless the record is to hold it.
    pub(crate) fn complete(&mut self, folder: &Folder) -> Result<Completed, VaultError> {
        folder.check(self)?;
        // Where chunks were resumed, more was to follow them.
        if self.broken || (self.next > 0 && self.buffer.is_empty()) {
            return Err(VaultError::Unfinished);
        }
        if self.file.is_none() && self.size <= INLINE_MAX as u64 {
            return Ok(Completed::Inline(std::mem::take(&mut self.buffer)));
        }
        self.write_chunk(true)?;
        if let Some(file) = &self.file {
            file.sync_all()?;
        }
        files::sync_dir(&folder.path).map_err(StoreError::from)?;
        self.content.record.set_size(self.size);
        Ok(Completed::File(self.content.record.id()))
    }

    /// From now on chunks go into `file`.
    #[cfg(test)]
    pub(crate) fn write_to(&mut self, file: File) {
        self.file = Some(file);
    }

    /// From now on dropping it removes nothing.
    pub(crate) fn keep(&mut self) {
        self.kept = true;
    }
}

/// Has the system begin to write the chunks from `first` on to the disk, while more are sealed: less is left to wait for at the end.
/// Nothing depends on it; a system that does not do so has all of it to write then.
fn begin_writeback(file: &File, first: u32) {
    let (from, length) = (u64::from(first) * SEALED_LEN as u64, u64::from(BEGIN_EVERY) * SEALED_LEN as u64);
    let _ = rustix::fs::fadvise(file, from, NonZeroU64::new(length), Advice::DontNeed);
}

fn create(path: &Path) -> Result<File, VaultError> {
    Ok(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?)
}

/// A file on its way out: [`crate::Vault::file`], then `read` until it gives `None`. A version that is replaced meanwhile is
/// read to its end.
pub struct FileReader {
    size: u64,
    source: Source,
}

enum Source {
    Inline(Option<Zeroizing<Vec<u8>>>, Zeroizing<Vec<u8>>),
    Stream { content: Content, file: File, next: u32, buffer: Zeroizing<Vec<u8>> },
}

impl FileReader {
    pub(crate) fn inline(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { size: bytes.len() as u64, source: Source::Inline(Some(bytes), Zeroizing::default()) }
    }

    /// Bytes of the whole file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next chunk, verified; `None` after the last.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<&[u8]>, VaultError> {
        let (content, file, next, buffer) = match &mut self.source {
            Source::Inline(bytes, given) => {
                let Some(bytes) = bytes.take() else { return Ok(None) };
                *given = bytes;
                return Ok(Some(given));
            }
            Source::Stream { content, file, next, buffer } => (content, file, next, buffer),
        };
        let (index, count) = (*next, chunk_count(self.size));
        if index == count {
            return Ok(None);
        }
        let last = index + 1 == count;
        let start = u64::from(index) * CHUNK_LEN as u64;
        let length = usize::try_from(self.size - start).unwrap_or(usize::MAX).min(CHUNK_LEN);
        let sealed = &mut buffer[..length + hazmat::TAG_LEN];
        let at = u64::from(index) * SEALED_LEN as u64;
        file.read_exact_at(sealed, at).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => VaultError::from(Damage::MissingChunk(index)),
            _ => error.into(),
        })?;
        *next += 1;
        let chunk = content.open(index, last, sealed).ok_or(Damage::Chunk(index))?;
        Ok(Some(chunk))
    }
}

/// How many chunks a file of `size` bytes has.
fn chunk_count(size: u64) -> u32 {
    u32::try_from(size.div_ceil(CHUNK_LEN as u64).max(1)).unwrap_or(u32::MAX)
}

/// The folder of the contents, for as long as one opening of the vault.
pub(crate) struct Folder {
    path: PathBuf,
    opening: Opening,
}

impl Folder {
    /// The one of `home`, which is made if there is none.
    pub(crate) fn open(home: &Home) -> Result<Self, VaultError> {
        let path = home.contents_dir();
        files::create_dir(&path).map_err(StoreError::from)?;
        Ok(Self { path, opening: Opening::default() })
    }

    pub(crate) fn path(&self, id: &FileId) -> PathBuf {
        self.path.join(format!("{:032x}", u128::from_be_bytes(*id)))
    }

    fn writer(&self, collection: Collection, name: &str, content: Content) -> FileWriter {
        FileWriter {
            collection,
            name: Zeroizing::new(name.to_owned()),
            path: self.path(&content.record.id()),
            content,
            size: 0,
            next: 0,
            buffer: Zeroizing::new(Vec::with_capacity(SEALED_LEN)),
            broken: false,
            file: None,
            kept: false,
            resumable: false,
            opening: Arc::clone(&self.opening),
        }
    }

    /// Refuses a writer of an earlier opening: the next one has removed what was begun and not committed.
    pub(crate) fn check(&self, writer: &FileWriter) -> Result<(), VaultError> {
        if Arc::ptr_eq(&self.opening, &writer.opening) { Ok(()) } else { Err(VaultError::Closed) }
    }

    /// A writer that has written nothing.
    pub(crate) fn begin(&self, collection: Collection, name: &str, content: Content) -> FileWriter {
        self.writer(collection, name, content)
    }

    /// A writer that stays on disk from its first byte on.
    pub(crate) fn begin_resumable(
        &self,
        collection: Collection,
        name: &str,
        content: Content,
    ) -> Result<FileWriter, VaultError> {
        let mut writer = self.writer(collection, name, content);
        writer.file = Some(create(&writer.path)?);
        (writer.resumable, writer.kept) = (true, true);
        files::sync_dir(&self.path).map_err(StoreError::from)?;
        Ok(writer)
    }

    /// How many plain bytes an unfinished content seems to have.
    pub(crate) fn begun_bytes(&self, id: &FileId) -> u64 {
        let length = fs::metadata(self.path(id)).map_or(0, |metadata| metadata.len());
        length / SEALED_LEN as u64 * CHUNK_LEN as u64
    }

    /// How many whole chunks of an unfinished content are as they were sealed. `go_on` is asked before each.
    pub(crate) fn verify_begun(
        &self,
        content: &Content,
        mut go_on: impl FnMut() -> Result<(), VaultError>,
    ) -> Result<u32, VaultError> {
        let file = match File::open(self.path(&content.record.id())) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            opened => opened?,
        };
        let whole = (file.metadata()?.len() / SEALED_LEN as u64).min(MAX_FILE / CHUNK_LEN as u64);
        let mut sealed = Zeroizing::new(vec![0; SEALED_LEN]);
        for index in 0..u32::try_from(whole).unwrap_or(u32::MAX) {
            go_on()?;
            file.read_exact_at(&mut sealed, u64::from(index) * SEALED_LEN as u64)?;
            if content.open(index, false, &mut sealed).is_none() {
                return Ok(index);
            }
        }
        Ok(u32::try_from(whole).unwrap_or(u32::MAX))
    }

    /// A writer that goes on behind the first `chunks` chunks; what stood behind them is cut off.
    pub(crate) fn resume(
        &self,
        collection: Collection,
        name: &str,
        content: Content,
        chunks: u32,
    ) -> Result<FileWriter, VaultError> {
        let mut writer = self.writer(collection, name, content);
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&writer.path)?;
        file.set_len(u64::from(chunks) * SEALED_LEN as u64)?;
        (writer.file, writer.next) = (Some(file), chunks);
        writer.size = u64::from(chunks) * CHUNK_LEN as u64;
        (writer.resumable, writer.kept) = (true, true);
        Ok(writer)
    }

    pub(crate) fn read(&self, content: Content, size: u64) -> Result<FileReader, VaultError> {
        let file = File::open(self.path(&content.record.id())).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => VaultError::from(Damage::MissingContent),
            _ => error.into(),
        })?;
        let buffer = Zeroizing::new(vec![0; SEALED_LEN]);
        Ok(FileReader { size, source: Source::Stream { content, file, next: 0, buffer } })
    }

    pub(crate) fn remove(&self, id: &FileId) -> Result<(), VaultError> {
        Ok(files::remove(&self.path(id)).map_err(StoreError::from)?)
    }

    /// Removes what belongs to no record: begun and not committed, or replaced right before a crash.
    pub(crate) fn keep_only(&self, ids: impl Iterator<Item = FileId>) -> Result<(), VaultError> {
        let kept: HashSet<PathBuf> = ids.map(|id| self.path(&id)).collect();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if !kept.contains(&path) {
                files::remove(&path).map_err(StoreError::from)?;
            }
        }
        Ok(())
    }
}
