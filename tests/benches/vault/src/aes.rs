//! AES-256-GCM alone, by ring, in memory: nothing is stored. What no encrypted file can be faster than.

use anyhow::{Result, anyhow};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use vault::CHUNK_LEN;

/// Chunks as long as the vault's.
pub(crate) struct Aes {
    key: LessSafeKey,
    buffer: Vec<u8>,
    sealed: Vec<(Vec<u8>, Tag)>,
}

fn nonce(number: usize) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

impl Aes {
    pub(crate) fn new(file: &[u8]) -> Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &[3; 32]).map_err(|_| anyhow!("32 bytes are a key"))?;
        let mut aes = Self { key: LessSafeKey::new(key), buffer: Vec::new(), sealed: Vec::new() };
        for (number, chunk) in file.chunks(CHUNK_LEN).enumerate() {
            let mut chunk = chunk.to_vec();
            let tag = aes.seal_chunk(number, &mut chunk)?;
            aes.sealed.push((chunk, tag));
        }
        Ok(aes)
    }

    fn seal_chunk(&self, number: usize, chunk: &mut [u8]) -> Result<Tag> {
        self.key
            .seal_in_place_separate_tag(nonce(number), Aad::empty(), chunk)
            .map_err(|_| anyhow!("a chunk is not sealed"))
    }

    pub(crate) fn seal(&mut self, file: &[u8]) -> Result<()> {
        for (number, chunk) in file.chunks(CHUNK_LEN).enumerate() {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            buffer.extend_from_slice(chunk);
            let _tag = self.seal_chunk(number, &mut buffer)?;
            self.buffer = buffer;
        }
        Ok(())
    }

    pub(crate) fn open(&mut self) -> Result<()> {
        for (number, (chunk, tag)) in self.sealed.iter().enumerate() {
            self.buffer.clear();
            self.buffer.extend_from_slice(chunk);
            self.buffer.extend_from_slice(tag.as_ref());
            self.key
                .open_in_place(nonce(number), Aad::empty(), &mut self.buffer)
                .map_err(|_| anyhow!("a chunk does not open"))?;
        }
        Ok(())
    }
}
