//! From a changeset to puts: checks versions and unique values, and works out the index entries.
//!
//! Uniqueness is judged when all writes are known: an entry that one write gives up another may take.

use std::collections::{BTreeMap, HashMap, HashSet};

use mdm_core::change::{Key, Version, Write};

use super::encode::{decode_record, encode, index_entries, version};
use super::engine::{EngineError, Puts};
use super::layout;
use crate::error::{CommitError, Conflict, Unique};
use crate::{MAX_VALUE, error};

/// Reads what the writer sees: everything applied, durable or not.
pub(super) type Latest<'a> = dyn Fn(&[u8]) -> Result<Option<Vec<u8>>, EngineError> + 'a;

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
        let Write { key: name, expected, record } = write;
        if record.as_ref().is_some_and(|record| record.key() != name) {
            return Err(CommitError::Malformed { key: name, problem: "its record has another key" });
        }
        let key = layout::record(&name);
        if self.touched.insert(key.clone(), name.clone()).is_some() {
            return Err(CommitError::Malformed { key: name, problem: "it is written twice" });
        }
        let old = latest(&key).map_err(EngineError::refused)?;
        let stored = match &old {
            Some(bytes) => version(&name, bytes).map_err(EngineError::refused)?,
            None => Version(0),
        };
        if stored != expected {
            return Err(Conflict::Version { key: name, expected, stored }.into());
        }
        let old_entries = match &old {
            Some(bytes) => index_entries(&decode_record(&name, bytes).map_err(EngineError::refused)?),
            None => Vec::new(),
        };
        let new_entries = record.as_ref().map(index_entries).unwrap_or_default();
        let value = record.as_ref().map(|record| encode(self.version, record));
        if let Some(bytes) = value.as_ref().map(Vec::len).filter(|bytes| *bytes > MAX_VALUE) {
            return Err(CommitError::TooLarge { what: format!("{name:?}"), bytes });
        }
        for entry in &old_entries {
            if !new_entries.iter().any(|new| new.key == entry.key) {
                self.touched.insert(entry.key.clone(), name.clone());
                self.given_up.insert(entry.key.clone());
                self.puts.entry(entry.key.clone()).or_insert(None);
            }
        }
        for entry in new_entries {
            if !old_entries.iter().any(|old| old.key == entry.key) {
                self.claim(entry.key, entry.unique, &name, &key)?;
            }
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
        self.claims.iter().try_for_each(|claim| self.check_claim(claim, latest))
    }

    fn check_claim(&self, claim: &Claim, latest: &Latest<'_>) -> Result<(), CommitError> {
        let Claim { entry, unique, by } = claim;
        let taken = latest(entry).map_err(EngineError::refused)?.is_some();
        if taken && !self.given_up.contains(entry) {
            return Err(Conflict::Taken { key: by.clone(), unique: *unique }.into());
        }
        Ok(())
    }

    /// All puts, each key once.
    pub(super) fn into_puts(self) -> Puts {
        self.puts.into_iter().collect()
    }

    /// Everything is added: unique values can be looked up, some at a time.
    pub(super) fn all_added(mut self) -> Checked {
        let claims = std::mem::take(&mut self.claims).into_iter();
        Checked { planner: self, claims }
    }
}

/// A change all of whose writes are known.
pub(super) struct Checked {
    planner: Planner,
    claims: std::vec::IntoIter<Claim>,
}

impl Checked {
    /// Every key that the change depends upon.
    pub(super) fn touched(&self) -> &HashMap<Vec<u8>, Key> {
        &self.planner.touched
    }

    /// Checks that so many more values are unique. Says whether all are checked.
    pub(super) fn check(&mut self, most: usize, latest: &Latest<'_>) -> Result<bool, CommitError> {
        for claim in self.claims.by_ref().take(most) {
            self.planner.check_claim(&claim, latest)?;
        }
        Ok(self.claims.len() == 0)
    }

    /// The puts by key, and what the change depends upon.
    pub(super) fn into_parts(self) -> (Puts, HashMap<Vec<u8>, Key>) {
        (self.planner.puts.into_iter().collect(), self.planner.touched)
    }
}
