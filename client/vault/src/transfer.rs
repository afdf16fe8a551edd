//! Files in and out of the open vault, chunk by chunk, so that a block or wipe never waits for more than one; and writes that go
//! on where they stood after a lock or a restart.

use std::io::{Read, Write};

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use crate::batch::{Batch, Op, Value};
use crate::content::{CHUNK_LEN, Content, ContentRecord, FileReader, FileWriter, MAX_FILE, MAX_SEGMENTS};
use crate::error::{Damage, VaultError};
use crate::format::{Collection, Space, check_name};
use crate::index::Listed;
use crate::records::{EntryInfo, Vault};

/// Longest text that says what a resumable write is a copy of, in bytes.
pub const MAX_SOURCE: usize = 128;

impl Vault {
    /// Begins to store a file. Nothing is seen of it before [`Vault::commit_file`].
    pub fn begin(
        &self,
        collection: Collection,
        name: &str,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<FileWriter, VaultError> {
        self.check_open()?;
        check_name(name)?;
        let content = Content::new(ContentRecord::make(&[], rng));
        Ok(self.contents().begin(collection, name, content))
    }

    /// Adds bytes to a file that was begun; at most [`CHUNK_LEN`] at a time keep the time to close short.
    pub fn write(&self, file: &mut FileWriter, bytes: &[u8]) -> Result<(), VaultError> {
        self.check_open()?;
        self.contents().check(file)?;
        if file.is_broken() {
            return Err(VaultError::Unfinished);
        }
        if file.size.saturating_add(bytes.len() as u64) > MAX_FILE {
            return Err(VaultError::TooLarge);
        }
        if file.overflows(bytes.len()) {
            self.store().check_writable(bytes.len() as u64, true)?;
        }
        file.push(bytes)
    }

    /// Makes the file the one of its name; durable when this returns. An older one is removed.
    pub fn commit_file(
        &self,
        file: FileWriter,
        now: Timestamp,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<EntryInfo, VaultError> {
        let (name, size) = (file.name.to_string(), file.size);
        let mut batch = Batch::new();
        batch.put_file(file);
        let version = self.commit(batch, now, rng)?;
        Ok(EntryInfo { name, size, version, stored_at: now })
    }

    /// Begins to read a file, or a record as if it were one.
    pub fn file(&self, collection: Collection, name: &str) -> Result<FileReader, VaultError> {
        self.check_open()?;
        loop {
            let (listed, stored) = self.lookup(Space::of(collection), name)?;
            match self.reader(&listed, &stored) {
                // Replaced between the look at the index and the one at the folder: then that is what is read.
                Err(VaultError::Damaged(Damage::MissingContent)) if !self.is_newest(&listed) => {}
                read => return read,
            }
        }
    }

    fn reader(&self, listed: &Listed, stored: &[u8]) -> Result<FileReader, VaultError> {
        let bytes = self.open_record(listed, stored)?;
        let Some(id) = listed.content else { return Ok(FileReader::inline(bytes)) };
        let record = ContentRecord::parse(&bytes).ok_or(Damage::Record)?;
        if record.id() != id || record.size() != listed.size {
            return Err(Damage::Record.into());
        }
        self.contents().read(Content::new(record), listed.size)
    }

    fn is_newest(&self, listed: &Listed) -> bool {
        self.index().find(listed.space, &listed.name).is_some_and(|found| found.version == listed.version)
    }

    /// The next chunk, verified; `None` after the last.
    pub fn read<'a>(&self, file: &'a mut FileReader) -> Result<Option<&'a [u8]>, VaultError> {
        self.check_open()?;
        file.next_chunk()
    }

    /// Stores everything that `source` gives, at most [`MAX_FILE`] bytes.
    pub fn store_file(
        &self,
        (collection, name): (Collection, &str),
        source: &mut dyn Read,
        now: Timestamp,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<EntryInfo, VaultError> {
        let mut file = self.begin(collection, name, rng)?;
        let mut buffer = Zeroizing::new(vec![0; CHUNK_LEN]);
        loop {
            match source.read(&mut buffer)? {
                0 => return self.commit_file(file, now, rng),
                length => self.write(&mut file, &buffer[..length])?,
            }
        }
    }

    /// Writes a file to `sink`, chunk by verified chunk. After an error `sink` has a part of it.
    pub fn load_file(
        &self,
        collection: Collection,
        name: &str,
        sink: &mut dyn Write,
    ) -> Result<u64, VaultError> {
        let mut file = self.file(collection, name)?;
        while let Some(chunk) = self.read(&mut file)? {
            sink.write_all(chunk)?;
        }
        sink.flush()?;
        Ok(file.size())
    }

    /// Begins to store a file that survives lock and restart until it is committed or abandoned. `source` says what it is a
    /// copy of (an id and a hash, for example). A write into this name that was begun before is abandoned.
    pub fn begin_resumable(
        &self,
        collection: Collection,
        name: &str,
        source: &[u8],
        now: Timestamp,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<FileWriter, VaultError> {
        self.check_open()?;
        check_name(name)?;
        if source.len() > MAX_SOURCE {
            return Err(VaultError::RecordTooLarge);
        }
        let content = Content::new(ContentRecord::make(source, rng));
        let writer = self.contents().begin_resumable(collection, name, content)?;
        self.keep_begun(&writer, now, rng)?;
        Ok(writer)
    }

    /// Goes on with a write of the same source; the writer's position says where. `None` if there is none. What is on disk is
    /// verified first; what is not as it was written is cut off.
    pub fn resume(
        &self,
        collection: Collection,
        name: &str,
        source: &[u8],
        now: Timestamp,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Option<FileWriter>, VaultError> {
        let Some(mut content) = self.begun(collection, name)? else { return Ok(None) };
        if content.record.source() != source || content.record.segments() >= MAX_SEGMENTS {
            return Ok(None);
        }
        let chunks = self.contents().verify_begun(&content, || self.check_open())?;
        content.record.add_segment(chunks, rng);
        let writer = self.contents().resume(collection, name, content, chunks)?;
        self.keep_begun(&writer, now, rng)?;
        Ok(Some(writer))
    }

    /// The writes into a collection that were begun to be resumed: their names, and how many bytes seem to be on the disk. How
    /// many of those are whole, [`Vault::resume`] finds.
    pub fn begun_files(&self, collection: Collection) -> Result<Vec<(String, u64)>, VaultError> {
        self.check_open()?;
        let index = self.index();
        let begun = index.all_of(Space::partial(collection));
        let on_disk = |id| self.contents().begun_bytes(&id);
        Ok(begun.map(|listed| (listed.name.to_string(), listed.content.map_or(0, on_disk))).collect())
    }

    /// Forgets a write that was begun. None there is no error.
    pub fn abandon(
        &self,
        collection: Collection,
        name: &str,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(), VaultError> {
        self.check_open()?;
        let mut batch = Batch::new();
        batch.abandon(collection, name)?;
        self.commit(batch, Timestamp::UNIX_EPOCH, rng).map(drop)
    }

    /// The content of a write that was begun. One that is damaged is none: it is begun anew.
    fn begun(&self, collection: Collection, name: &str) -> Result<Option<Content>, VaultError> {
        self.check_open()?;
        let bytes = self
            .lookup(Space::partial(collection), name)
            .and_then(|(listed, stored)| self.open_record(&listed, &stored));
        match bytes {
            Ok(bytes) => Ok(ContentRecord::parse(&bytes).map(Content::new)),
            Err(VaultError::NotFound | VaultError::Damaged(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps key and prefixes of a begun write, durably: from then on they are used.
    fn keep_begun(
        &self,
        writer: &FileWriter,
        now: Timestamp,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(), VaultError> {
        let record = &writer.content.record;
        let value = Value { bytes: record.to_bytes(), size: 0, content: Some(record.id()) };
        let (space, name) = (Space::partial(writer.collection), writer.name.clone());
        self.apply(vec![Op { space, name, value: Some(value) }], now, rng).map(drop)
    }
}

#[cfg(test)]
mod tests;
