//! From a changeset to puts: checks versions and unique values, and works out the index entries.
//!
//! Uniqueness is judged when all writes are known: an entry that one write gives up another may take.

use std::collections::{BTreeMap, HashMap, HashSet};

use mdm_core::change::{Key, Version, Write};

use super::encode::{self, IndexEntry, decode_record, index_entries};
use super::engine::{EngineError, Puts};
use super::layout;
use crate::error::{CommitError, Conflict, Unique};
use crate::{MAX_VALUE, error};

/// Reads what the writer sees: everything applied, durable or not.
pub(super) type Latest<'a> = dyn Fn(&[u8]) -> Result<Option<Vec<u8>>, EngineError> + 'a;

/// What one write comes to.
pub(super) struct Worked {
    pub(super) name: Key,
    /// Where the record stands.
    pub(super) key: Vec<u8>,
    /// Its new bytes; `None` deletes.
    pub(super) value: Option<Vec<u8>>,
    /// Index entries that led to it and do so no more.
    pub(super) given_up: Vec<Vec<u8>>,
    /// Index entries that lead to it from now on.
    pub(super) gained: Vec<IndexEntry>,
}

/// Works out one write: what is stored must have the version that it expects. What it stores gets `version`.
pub(super) fn work_out(write: Write, version: Version, latest: &Latest<'_>) -> Result<Worked, CommitError> {
    let Write { key: name, expected, record } = write;
    if record.as_ref().is_some_and(|record| record.key() != name) {
        return Err(CommitError::Malformed { key: name, problem: "its record has another key" });
    }
    let key = layout::record(&name);
    let old = latest(&key).map_err(EngineError::refused)?;
    let stored = match &old {
        Some(bytes) => encode::version(&name, bytes).map_err(EngineError::refused)?,
        None => Version(0),
    };
    if stored != expected {
        return Err(Conflict::Version { key: name, expected, stored }.into());
    }
    let before = match &old {
        Some(bytes) => index_entries(&decode_record(&name, bytes).map_err(EngineError::refused)?),
        None => Vec::new(),
    };
    let now = record.as_ref().map(index_entries).unwrap_or_default();
    let value = record.as_ref().map(|record| encode::encode(version, record));
    if let Some(bytes) = value.as_ref().map(Vec::len).filter(|bytes| *bytes > MAX_VALUE) {
        return Err(CommitError::TooLarge { what: format!("{name:?}"), bytes });
    }
    let is_among = |entries: &[IndexEntry], key: &[u8]| entries.iter().any(|entry| entry.key == key);
    let given_up = before.iter().filter(|old| !is_among(&now, &old.key)).map(|old| old.key.clone()).collect();
    let gained = now.into_iter().filter(|new| !is_among(&before, &new.key)).collect();
    Ok(Worked { name, key, value, given_up, gained })
}

/// A change has at most one write of a record.
pub(super) fn written_twice(key: Key) -> CommitError {
    CommitError::Malformed { key, problem: "it is written twice" }
}

struct Claim {
    entry: Vec<u8>,
    unique: Unique,
    by: Key,
}

/// A change being worked out.
pub(super) struct Planner {
    version: Version,
    puts: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    given_up: HashSet<Vec<u8>>,
    claims: Vec<Claim>,
    /// Every key that the change reads or writes, and for which record.
    touched: HashMap<Vec<u8>, Key>,
    bytes: usize,
}

impl Planner {
    /// What is written gets `version`.
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
            puts: BTreeMap::new(),
            given_up: HashSet::new(),
            claims: Vec::new(),
            touched: HashMap::new(),
            bytes: 0,
        }
    }

    /// Every key that the change depends upon.
    pub(super) fn touched(&self) -> &HashMap<Vec<u8>, Key> {
        &self.touched
    }

    /// Bytes of keys and values so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many puts so far.
    pub(super) fn len(&self) -> usize {
        self.puts.len()
    }

    /// Adds one write.
    pub(super) fn add(&mut self, write: Write, latest: &Latest<'_>) -> Result<(), CommitError> {
        if self.touched.contains_key(&layout::record(&write.key)) {
            return Err(written_twice(write.key));
        }
        let Worked { name, key, value, given_up, gained } = work_out(write, self.version, latest)?;
        self.touched.insert(key.clone(), name.clone());
        for entry in given_up {
            self.touched.insert(entry.clone(), name.clone());
            self.puts.entry(entry.clone()).or_insert(None);
            self.given_up.insert(entry);
        }
        for entry in gained {
            self.claim(entry.key, entry.unique, &name, &key)?;
        }
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        self.puts.insert(key, value);
        Ok(())
    }

    fn claim(
        &mut self,
        entry: Vec<u8>,
        unique: Option<Unique>,
        by: &Key,
        leads_to: &[u8],
    ) -> Result<(), error::Conflict> {
        self.bytes += entry.len() + leads_to.len();
        self.touched.insert(entry.clone(), by.clone());
        let before = self.puts.insert(entry.clone(), Some(leads_to.to_vec()));
        if let Some(unique) = unique {
            if matches!(before, Some(Some(_))) {
                return Err(Conflict::Taken { key: by.clone(), unique });
            }
            self.claims.push(Claim { entry, unique, by: by.clone() });
        }
        Ok(())
    }

    /// Checks that unique values are unique after all writes.
    pub(super) fn check_unique(&self, latest: &Latest<'_>) -> Result<(), CommitError> {
        for Claim { entry, unique, by } in &self.claims {
            let taken = latest(entry).map_err(EngineError::refused)?.is_some();
            if taken && !self.given_up.contains(entry) {
                return Err(Conflict::Taken { key: by.clone(), unique: *unique }.into());
            }
        }
        Ok(())
    }

    /// All puts, each key once.
    pub(super) fn into_puts(self) -> Puts {
        self.puts.into_iter().collect()
    }
}
