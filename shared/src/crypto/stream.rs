//! Contents sealed in chunks, so that memory stays bounded and a cut, swapped or missing chunk is found.
//!
//! The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse
//! Misuse-Resistance", 2015) over AES-256-GCM: chunk `i` is sealed under the nonce `0 (7 bytes) ‖ i (u32, big-endian) ‖ last
//! (1 if it is the last, else 0)`. A key seals one content, once. How long a chunk is, the caller says.

use zeroize::Zeroizing;

use super::{Secret, hazmat};

const PREFIX_LEN: usize = 7;

/// What a sealed chunk has more than a plain one, in bytes.
pub const OVERHEAD: usize = hazmat::TAG_LEN;

/// A chunk that does not open: another key, place or content, or changed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a chunk does not open with this key at this place")]
pub struct ChunkDamaged;

/// The key of one content. It must be fresh: derived with or made from something random that is never used again.
pub struct StreamKey(Secret<32>);

impl StreamKey {
    /// From a fresh key.
    pub fn new(key: Secret<32>) -> Self {
        Self(key)
    }

    fn nonce(index: u32, last: bool) -> [u8; hazmat::NONCE_LEN] {
        let mut nonce = [0; hazmat::NONCE_LEN];
        nonce[PREFIX_LEN..PREFIX_LEN + 4].copy_from_slice(&index.to_be_bytes());
        nonce[PREFIX_LEN + 4] = u8::from(last);
        nonce
    }

    /// Seals chunk `index`, bound to `aad`.
    pub fn seal(&self, index: u32, last: bool, aad: &[u8], chunk: &[u8]) -> Vec<u8> {
        hazmat::seal(&self.0, Self::nonce(index, last), aad, chunk)
    }

    /// Opens chunk `index`.
    pub fn open(
        &self,
        index: u32,
        last: bool,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, ChunkDamaged> {
        if sealed.len() < OVERHEAD {
            return Err(ChunkDamaged);
        }
        hazmat::open(&self.0, Self::nonce(index, last), aad, sealed).map_err(|_| ChunkDamaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_opens_in_its_own_place_only() {
        let key = || StreamKey::new(Secret::from_bytes([7; 32]));
        let sealed = key().seal(3, false, b"name", b"smoke");
        assert_eq!(&*key().open(3, false, b"name", &sealed).unwrap(), b"smoke");
        assert_eq!(key().open(4, false, b"name", &sealed).unwrap_err(), ChunkDamaged, "moved");
        assert_eq!(key().open(3, true, b"name", &sealed).unwrap_err(), ChunkDamaged, "made the last");
        assert_eq!(key().open(3, false, b"other", &sealed).unwrap_err(), ChunkDamaged, "of another content");
        assert_eq!(key().open(3, false, b"name", &sealed[..15]).unwrap_err(), ChunkDamaged, "cut");
        let other = StreamKey::new(Secret::from_bytes([8; 32]));
        assert_eq!(other.open(3, false, b"name", &sealed).unwrap_err(), ChunkDamaged, "under another key");
    }
}
