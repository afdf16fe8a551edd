//! sled as the vault uses it, with plain names and plain values: what lies under ours, and what sealing costs.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::store::Store;

/// The vault's cache.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// An open store.
pub(crate) struct RawSled {
    db: sled::Db,
    file: File,
}

impl RawSled {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("sled");
        let db = sled::Config::new().path(&path).cache_capacity(CACHE_BYTES).flush_every_ms(None).open()?;
        Ok(Self { db, file: File::open(path.join("db"))? })
    }

    /// sled's flush ends in `sync_file_range` on Linux, which is no promise.
    fn sync(&self) -> Result<()> {
        self.db.flush()?;
        Ok(self.file.sync_data()?)
    }
}

impl Store for RawSled {
    fn put(&mut self, name: &str, value: &[u8]) -> Result<()> {
        self.db.insert(name, value)?;
        self.sync()
    }

    fn put_all(&mut self, records: &[(String, Vec<u8>)]) -> Result<()> {
        // As ours: larger batches grow without measure in sled.
        for records in records.chunks(2_000) {
            let mut batch = sled::Batch::default();
            for (name, value) in records {
                batch.insert(name.as_bytes(), value.as_slice());
            }
            self.db.apply_batch(batch)?;
            self.sync()?;
        }
        Ok(())
    }

    fn get(&mut self, name: &str) -> Result<Vec<u8>> {
        Ok(self.db.get(name)?.context("a record is missing")?.to_vec())
    }

    fn list(&mut self, look: &mut dyn FnMut(&str)) -> Result<()> {
        self.db.iter().keys().try_for_each(|name| Ok(look(std::str::from_utf8(&name?)?)))
    }
}
