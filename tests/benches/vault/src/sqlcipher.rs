//! SQLCipher with a raw key, so that no password is stretched, and the cache of ours. `synchronous=FULL` syncs at every commit.

use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::store::Store;

/// How commits are made safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Journal {
    /// Changes go to a log beside the database first.
    Wal,
    /// What changes is kept beside the database first.
    Rollback,
}

/// An open database.
pub(crate) struct SqlCipher(Connection);

impl SqlCipher {
    pub(crate) fn open(folder: &Path, journal: Journal) -> Result<Self> {
        let database = Connection::open(folder.join("db"))?;
        database.pragma_update(None, "key", format!("x'{}'", "2b".repeat(32)))?;
        let version: String = database.query_row("PRAGMA cipher_version", [], |row| row.get(0))?;
        ensure!(!version.is_empty(), "this SQLite does not encrypt");
        let wanted = if journal == Journal::Wal { "wal" } else { "delete" };
        let mode: String =
            database.query_row(&format!("PRAGMA journal_mode={wanted}"), [], |row| row.get(0))?;
        ensure!(mode == wanted, "the journal is {mode}");
        database.pragma_update(None, "synchronous", "FULL")?;
        database.pragma_update(None, "cache_size", -8 * 1024)?;
        database.execute_batch(
            "CREATE TABLE IF NOT EXISTS records (name TEXT NOT NULL UNIQUE, value BLOB NOT NULL);",
        )?;
        Ok(Self(database))
    }

    /// The version of SQLCipher and of the cryptography under it.
    pub(crate) fn version(&self) -> Result<String> {
        let ask = |what: &str| self.0.query_row(&format!("PRAGMA {what}"), [], |row| row.get::<_, String>(0));
        Ok(format!("SQLCipher {} on {}", ask("cipher_version")?, ask("cipher_provider_version")?))
    }

    pub(crate) fn put_file(&mut self, name: &str, size: usize, source: &mut dyn Read) -> Result<()> {
        let all = self.0.transaction()?;
        all.execute("DELETE FROM records WHERE name = ?1", params![name])?;
        let size = i32::try_from(size)?;
        all.execute("INSERT INTO records (name, value) VALUES (?1, zeroblob(?2))", params![name, size])?;
        let row = all.last_insert_rowid();
        std::io::copy(source, &mut all.blob_open("main", "records", "value", row, false)?)?;
        Ok(all.commit()?)
    }

    pub(crate) fn get_file(&self, name: &str, buffer: &mut [u8], sink: &mut dyn Write) -> Result<u64> {
        let row: Option<i64> = self
            .0
            .query_row("SELECT rowid FROM records WHERE name = ?1", params![name], |row| row.get(0))
            .optional()?;
        let row = row.context("a file is missing")?;
        let mut blob = self.0.blob_open("main", "records", "value", row, true)?;
        let mut read = 0;
        loop {
            let length = blob.read(buffer)?;
            if length == 0 {
                return Ok(read);
            }
            sink.write_all(&buffer[..length])?;
            read += length as u64;
        }
    }
}

const PUT: &str = "INSERT INTO records (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

impl Store for SqlCipher {
    fn put(&mut self, name: &str, value: &[u8]) -> Result<()> {
        self.0.prepare_cached(PUT)?.execute(params![name, value])?;
        Ok(())
    }

    fn put_all(&mut self, records: &[(String, Vec<u8>)]) -> Result<()> {
        let all = self.0.transaction()?;
        {
            let mut put = all.prepare_cached(PUT)?;
            for (name, value) in records {
                put.execute(params![name, value])?;
            }
        }
        Ok(all.commit()?)
    }

    fn get(&mut self, name: &str) -> Result<Vec<u8>> {
        let mut get = self.0.prepare_cached("SELECT value FROM records WHERE name = ?1")?;
        Ok(get.query_row(params![name], |row| row.get(0))?)
    }

    fn list(&mut self, look: &mut dyn FnMut(&str)) -> Result<()> {
        // The unique index has all of it: no record is read.
        let mut names = self.0.prepare_cached("SELECT name FROM records ORDER BY name")?;
        let mut rows = names.query([])?;
        while let Some(row) = rows.next()? {
            look(row.get_ref(0)?.as_str()?);
        }
        Ok(())
    }
}
