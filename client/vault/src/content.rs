//! Contents of files: sealed in chunks so that memory stays bounded and a cut, swapped or missing chunk is found.
//!
//! The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse
//! Misuse-Resistance", 2015) over AES-256-GCM. Every file version has a fresh key; chunk `i` is sealed under the nonce
//! `prefix (7, random) ‖ i (u32, big-endian) ‖ last (1 if it is the last, else 0)` with the file id as associated data. All
//! chunks but the last hold exactly [`CHUNK_LEN`] bytes; an empty file is one empty chunk.

use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use shared::crypto::Secret;
use shared::crypto::hazmat;
use zeroize::Zeroizing;

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

/// The store's key of a chunk.
pub(crate) fn chunk_key(id: &FileId, index: u32) -> Vec<u8> {
    [b"c/".as_slice(), id, &index.to_be_bytes()].concat()
}

/// What the keys of all chunks of a file start with.
pub(crate) fn chunks_prefix(id: &FileId) -> Vec<u8> {
    [b"c/".as_slice(), id].concat()
}

/// A file on its way into the vault: [`crate::Vault::begin`], `write`, then `commit`.
pub struct FileWriter {
    pub(crate) name: Zeroizing<String>,
    pub(crate) content: ContentKey,
    pub(crate) next: u32,
    pub(crate) size: u64,
    pub(crate) buffer: Zeroizing<Vec<u8>>,
}

/// A file on its way out: [`crate::Vault::file`], then `read` until it gives `None`.
pub struct FileReader {
    pub(crate) name: Zeroizing<String>,
    pub(crate) content: ContentKey,
    pub(crate) size: u64,
    pub(crate) version: u64,
    pub(crate) next: u32,
}

impl FileReader {
    /// Bytes of the whole file.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// How many chunks a file of `size` bytes has.
pub(crate) fn chunk_count(size: u64) -> u32 {
    u32::try_from(size.div_ceil(CHUNK_LEN as u64).max(1)).unwrap_or(u32::MAX)
}
