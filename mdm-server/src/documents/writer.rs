//! Contents on their way in: written to a `.part` file as they come, hashed and sealed, made durable, then renamed.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use mdm_core::document::{Content, ContentId};
use ring::digest::{Context, SHA256};
use shared::crypto::stream::StreamKey;

use super::{CHUNK, ContentError, Contents};

/// How many bytes may come before the disk is looked at again.
const LOOK_EVERY: u64 = 8 * 1024 * 1024;

/// Contents that are being received. Dropped before [`ContentWriter::finish`], they leave nothing.
pub struct ContentWriter {
    contents: Contents,
    id: ContentId,
    key: StreamKey,
    file: File,
    hash: Context,
    size: u64,
    index: u32,
    buffer: Vec<u8>,
    /// Bytes written to the disk, counted as taken.
    written: u64,
    /// Plain bytes until the disk is looked at again.
    look_after: u64,
    finished: bool,
}

impl ContentWriter {
    pub(super) fn create(contents: Contents, id: ContentId) -> Result<Self, ContentError> {
        let path = contents.part(id);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Self {
            key: contents.key(id),
            contents,
            id,
            file,
            hash: Context::new(&SHA256),
            size: 0,
            index: 0,
            buffer: Vec::with_capacity(2 * CHUNK),
            written: 0,
            look_after: LOOK_EVERY,
            finished: false,
        })
    }

    /// How many bytes came.
    pub fn received(&self) -> u64 {
        self.size
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ContentError> {
        self.contents.check(self.size, bytes.len() as u64)?;
        self.size += bytes.len() as u64;
        if self.size > self.look_after {
            self.contents.check_room(LOOK_EVERY)?;
            self.look_after = self.size + LOOK_EVERY;
        }
        self.hash.update(bytes);
        for bytes in bytes.chunks(CHUNK) {
            self.buffer.extend_from_slice(bytes);
            if self.buffer.len() > CHUNK {
                self.write_chunk(false)?;
            }
        }
        Ok(())
    }

    fn write_chunk(&mut self, last: bool) -> Result<(), ContentError> {
        let length = self.buffer.len().min(CHUNK);
        let sealed = self.key.seal(self.index, last, &self.id.0, &self.buffer[..length]);
        self.contents.take(sealed.len() as u64);
        self.written += sealed.len() as u64;
        self.file.write_all(&sealed)?;
        self.buffer.drain(..length);
        self.index += 1;
        Ok(())
    }

    /// Makes the contents durable under their name. No document has them yet: [`Received`] is for the commit.
    pub fn finish(mut self) -> Result<Received, ContentError> {
        self.write_chunk(true)?;
        self.file.sync_all()?;
        fs::rename(self.contents.part(self.id), self.contents.path(self.id))?;
        self.finished = true;
        // From here on dropping removes the renamed file.
        let hash = self.hash.clone().finish();
        let hash = hash.as_ref().try_into().expect("SHA-256 gives 32 bytes");
        let received = Received {
            contents: self.contents.clone(),
            content: Content { id: self.id, size: self.size, hash },
            kept: false,
        };
        File::open(&self.contents.0.folder)?.sync_all()?;
        Ok(received)
    }
}

impl Drop for ContentWriter {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed now is removed at the next start.
            let _ = fs::remove_file(self.contents.part(self.id));
            self.contents.give_back(self.written);
        }
    }
}

/// Contents that are on the disk and belong to no document yet. Dropped before they do, they are removed.
pub struct Received {
    contents: Contents,
    content: Content,
    kept: bool,
}

impl Received {
    /// What a document's record says of them.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// A commit that names them is about to be made: from now on only its refusal, or the next start, removes them.
    pub fn keep(mut self) -> Content {
        self.kept = true;
        self.content.clone()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if !self.kept {
            let _ = self.contents.remove(self.content.id);
        }
    }
}
