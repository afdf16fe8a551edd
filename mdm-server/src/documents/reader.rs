//! Contents on their way out, from any offset.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use mdm_core::document::ContentId;
use shared::crypto::stream::{OVERHEAD, StreamKey};
use zeroize::Zeroizing;

use super::{CHUNK, ContentError};

/// Stored contents. They are read to their end even if they are removed meanwhile.
pub struct ContentReader {
    file: File,
    key: StreamKey,
    id: ContentId,
    size: u64,
    /// The chunk that was opened last.
    open: Option<(u32, Zeroizing<Vec<u8>>)>,
}

impl ContentReader {
    pub(super) fn open(path: &Path, key: StreamKey, id: ContentId, size: u64) -> Result<Self, ContentError> {
        Ok(Self { file: File::open(path)?, key, id, size, open: None })
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes from `offset` on, at most `most` and never beyond the chunk that they stand in; empty at the end only.
    pub fn read_at(&mut self, offset: u64, most: usize) -> Result<&[u8], ContentError> {
        if offset >= self.size {
            return Ok(&[]);
        }
        let index = u32::try_from(offset / CHUNK as u64).map_err(|_| ContentError::Damaged)?;
        if self.open.as_ref().is_none_or(|(open, _)| *open != index) {
            self.open = Some((index, self.chunk(index)?));
        }
        let chunk = self.open.as_ref().map_or(&[][..], |(_, chunk)| chunk.as_slice());
        let start = usize::try_from(offset % CHUNK as u64).map_err(|_| ContentError::Damaged)?;
        let rest = chunk.get(start..).ok_or(ContentError::Damaged)?;
        Ok(&rest[..rest.len().min(most)])
    }

    fn chunk(&self, index: u32) -> Result<Zeroizing<Vec<u8>>, ContentError> {
        let count = self.size.div_ceil(CHUNK as u64).max(1);
        let start = u64::from(index) * CHUNK as u64;
        let length = usize::try_from(self.size - start).unwrap_or(usize::MAX).min(CHUNK);
        let mut sealed = vec![0; length + OVERHEAD];
        self.file.read_exact_at(&mut sealed, u64::from(index) * (CHUNK + OVERHEAD) as u64)?;
        let last = u64::from(index) + 1 == count;
        self.key.open(index, last, &self.id.0, &sealed).map_err(|_| ContentError::Damaged)
    }
}
