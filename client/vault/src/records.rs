//! The open vault: files by name, sealed, in an authenticated index.
//!
//! Store keys: `m/seals` (seal budget), `i/…` (index), `e/<tag>` (sealed record). Contents are files beside the store
//! (`content`). Reads and writes go chunk by chunk, so that a block or wipe never waits for more than one.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use shared::crypto::{MacKey, Purpose, SealingKey};
use shared::ids::EnrolmentId;
use zeroize::Zeroizing;

use crate::content::{CHUNK_LEN, ContentKey, FileId, FileReader, FileWriter, Folder, MAX_FILE};
use crate::error::{Damage, VaultError};
use crate::index::{self, Bucket, Root, SealBudget, Tag};
use crate::slots::VaultKey;
use crate::store::Store;

const COLLECTION: &[u8] = b"files";
const MAX_NAME: usize = 255;
const BUDGET_KEY: &[u8] = b"m/seals";
/// Most files of a vault: keeps the pages of the store below what sled syncs.
pub const MAX_FILES: usize = 10_000;

/// A file in the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryInfo {
    /// As it was given.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Rises with every change in the vault.
    pub version: u64,
    /// When it was stored, by the device's clock.
    pub stored_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: Zeroizing<String>,
    size: u64,
    content: ContentKey,
    stored_at: i64,
}

impl Entry {
    fn info(&self, version: u64) -> EntryInfo {
        let stored_at = Timestamp::from_millisecond(self.stored_at).unwrap_or(Timestamp::UNIX_EPOCH);
        EntryInfo { name: self.name.to_string(), size: self.size, version, stored_at }
    }
}

struct Keys {
    names: MacKey,
    records: SealingKey,
    index: SealingKey,
}

struct Current {
    root: Root,
    files: usize,
    budget: SealBudget,
}

/// An open vault. Dropping it forgets its keys and closes the store.
pub struct Vault {
    store: Store,
    contents: Folder,
    keys: Keys,
    current: Mutex<Current>,
    closing: Arc<AtomicBool>,
}

fn record_aad(tag: &Tag, version: u64) -> Vec<u8> {
    [b"tbk/1/vault-record/", COLLECTION, b"/", tag, &version.to_be_bytes()].concat()
}

fn entry_key(tag: &Tag) -> Vec<u8> {
    [b"e/".as_slice(), tag].concat()
}

impl Vault {
    /// Makes an empty vault in the folder `store_dir`.
    pub fn create(
        store_dir: &Path,
        key: &VaultKey,
        enrolment: EnrolmentId,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Self, VaultError> {
        let store = Store::open(store_dir)?;
        let keys = Keys::derive(key, enrolment);
        let contents = Folder::beside(store_dir)?;
        let mut current = Current { root: Root::default(), files: 0, budget: SealBudget::default() };
        reserve(&store, &mut current.budget, 1)?;
        let mut batch = sled::Batch::default();
        batch.insert(index::root_key(), index::seal_root(&keys.index, &current.root, rng));
        store.apply(batch)?;
        store.sync()?;
        Ok(Self { store, contents, keys, current: Mutex::new(current), closing: Arc::default() })
    }

    /// Opens the vault in the folder `store_dir`. Asks for nothing but the key.
    pub fn open(store_dir: &Path, key: &VaultKey, enrolment: EnrolmentId) -> Result<Self, VaultError> {
        let store = Store::open(store_dir)?;
        let keys = Keys::derive(key, enrolment);
        let sealed = store.get(index::root_key())?.ok_or(Damage::Index)?;
        let root = index::open_root(&keys.index, &sealed)?;
        let reserved = store.get(BUDGET_KEY)?.ok_or(Damage::Index)?;
        let reserved = u64::from_be_bytes(reserved.as_ref().try_into().map_err(|_| Damage::Index)?);
        let contents = Folder::beside(store_dir)?;
        let current = Current { root, files: 0, budget: SealBudget::from_reserved(reserved) };
        let vault = Self { store, contents, keys, current: Mutex::new(current), closing: Arc::default() };
        vault.take_stock()?;
        Ok(vault)
    }

    /// Once set, every call ends with [`VaultError::Closed`] after at most one chunk.
    pub fn closing(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.closing)
    }

    fn check_open(&self) -> Result<(), VaultError> {
        if self.closing.load(Ordering::Acquire) { Err(VaultError::Closed) } else { Ok(()) }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tag(&self, name: &str) -> Result<Tag, VaultError> {
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(VaultError::Name);
        }
        Ok(self.keys.names.tag(&[COLLECTION, b"/", name.as_bytes()]))
    }

    fn bucket(&self, root: &Root, bucket: u8) -> Result<Bucket, VaultError> {
        let stored = self.store.get(&index::bucket_key(bucket))?;
        Ok(index::open_bucket(&self.keys.index, root, bucket, stored.as_deref())?)
    }

    fn entry(&self, tag: &Tag, version: u64) -> Result<Entry, VaultError> {
        let sealed = self.store.get(&entry_key(tag))?.ok_or(Damage::MissingRecord)?;
        let bytes = self.keys.records.open(&record_aad(tag, version), &sealed).map_err(|_| Damage::Record)?;
        Ok(ciborium::from_reader(bytes.as_slice()).map_err(|_| Damage::Record)?)
    }

    fn find(&self, tag: &Tag) -> Result<Option<(Entry, u64)>, VaultError> {
        let current = self.current();
        let Some(version) = self.bucket(&current.root, tag[0])?.version(tag) else { return Ok(None) };
        Ok(Some((self.entry(tag, version)?, version)))
    }

    /// Begins to store a file. Nothing is seen of it before [`Vault::commit`].
    pub fn begin(&self, name: &str, rng: &mut (impl RngCore + CryptoRng)) -> Result<FileWriter, VaultError> {
        self.check_open()?;
        self.tag(name)?;
        self.contents.create(name, ContentKey::make(rng))
    }

    /// Adds bytes to a file that was begun; at most [`CHUNK_LEN`] at a time keep the time to close short.
    pub fn write(&self, file: &mut FileWriter, bytes: &[u8]) -> Result<(), VaultError> {
        self.check_open()?;
        if file.size.saturating_add(bytes.len() as u64) > MAX_FILE {
            return Err(VaultError::TooLarge);
        }
        Ok(file.push(bytes)?)
    }

    /// Makes the file the one of its name; durable when this returns. An older one is removed.
    pub fn commit(
        &self,
        mut file: FileWriter,
        now: Timestamp,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<EntryInfo, VaultError> {
        self.check_open()?;
        file.complete(&self.contents)?;
        let (tag, content, stored_at) = (self.tag(&file.name)?, file.content.clone(), now.as_millisecond());
        let entry = Entry { name: file.name.clone(), size: file.size, content, stored_at };
        let changed = self.change(&tag, Some(&entry), rng);
        // After a failed write or sync the record may be there or not: its content stays until the next open knows.
        if matches!(changed, Ok(_) | Err(VaultError::Store(_))) {
            file.keep();
        }
        Ok(entry.info(changed?))
    }

    /// Writes or removes one record: record, bucket and root in one batch, synced, then the replaced content.
    fn change(
        &self,
        tag: &Tag,
        entry: Option<&Entry>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<u64, VaultError> {
        let mut current = self.current();
        let mut root = current.root.clone();
        let mut bucket = self.bucket(&root, tag[0])?;
        let old = bucket.version(tag).map(|version| self.entry(tag, version)).transpose()?;
        let files = current.files + usize::from(entry.is_some()) - usize::from(old.is_some());
        if files > MAX_FILES {
            return Err(VaultError::TooManyFiles);
        }
        reserve(&self.store, &mut current.budget, 3)?;
        root.generation += 1;
        let version = root.generation;
        root.buckets.insert(tag[0], version);
        bucket.set(tag, entry.map(|_| version));
        let mut batch = sled::Batch::default();
        match entry {
            Some(entry) => {
                let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
                ciborium::into_writer(entry, &mut *bytes).expect("a record in memory encodes into a vector");
                let sealed = self.keys.records.seal(&record_aad(tag, version), &bytes, rng);
                batch.insert(entry_key(tag), sealed);
            }
            None => batch.remove(entry_key(tag)),
        }
        let sealed = index::seal_bucket(&self.keys.index, (tag[0], version), &bucket, rng);
        batch.insert(index::bucket_key(tag[0]), sealed);
        batch.insert(index::root_key(), index::seal_root(&self.keys.index, &root, rng));
        self.store.apply(batch)?;
        (current.root, current.files) = (root, files);
        self.store.sync()?;
        old.map_or(Ok(()), |old| self.contents.remove(&old.content.id))?;
        Ok(version)
    }

    /// Begins to read a file.
    pub fn file(&self, name: &str) -> Result<FileReader, VaultError> {
        self.check_open()?;
        let (entry, _) = self.find(&self.tag(name)?)?.ok_or(VaultError::NotFound)?;
        self.contents.open(entry.content.clone(), entry.size)
    }

    /// The next chunk, verified; `None` after the last.
    pub fn read(&self, file: &mut FileReader) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        self.check_open()?;
        file.next_chunk()
    }

    /// Stores everything that `source` gives, at most [`MAX_FILE`] bytes.
    pub fn put(
        &self,
        name: &str,
        source: &mut dyn Read,
        now: Timestamp,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<EntryInfo, VaultError> {
        let mut file = self.begin(name, rng)?;
        let mut buffer = Zeroizing::new(vec![0; CHUNK_LEN]);
        loop {
            match source.read(&mut buffer)? {
                0 => return self.commit(file, now, rng),
                length => self.write(&mut file, &buffer[..length])?,
            }
        }
    }

    /// Writes a file to `sink`, chunk by verified chunk. After an error `sink` has a part of it.
    pub fn get(&self, name: &str, sink: &mut dyn Write) -> Result<u64, VaultError> {
        let mut file = self.file(name)?;
        while let Some(chunk) = self.read(&mut file)? {
            sink.write_all(&chunk)?;
        }
        sink.flush()?;
        Ok(file.size())
    }

    /// All files, by name.
    pub fn list(&self) -> Result<Vec<EntryInfo>, VaultError> {
        let current = self.current();
        let mut infos = Vec::new();
        for bucket in current.root.buckets.keys() {
            self.check_open()?;
            for (tag, version) in self.bucket(&current.root, *bucket)?.records() {
                infos.push(self.entry(&tag, version)?.info(version));
            }
        }
        infos.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(infos)
    }

    /// Removes a file.
    pub fn delete(&self, name: &str, rng: &mut (impl RngCore + CryptoRng)) -> Result<(), VaultError> {
        self.check_open()?;
        let tag = self.tag(name)?;
        self.find(&tag)?.ok_or(VaultError::NotFound)?;
        self.change(&tag, None, rng).map(drop)
    }

    /// Counts the files, and removes contents that a crash left behind. Where a record is damaged nothing is removed: what
    /// is whole can still be read.
    fn take_stock(&self) -> Result<(), VaultError> {
        let mut current = self.current();
        let mut records = Vec::new();
        for bucket in current.root.buckets.keys() {
            records.extend(self.bucket(&current.root, *bucket)?.records());
        }
        current.files = records.len();
        let ids = records.iter().map(|(tag, version)| Ok(self.entry(tag, *version)?.content.id));
        match ids.collect::<Result<Vec<FileId>, VaultError>>() {
            Ok(ids) => self.contents.keep_only(&ids),
            Err(VaultError::Damaged(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Keys {
    fn derive(key: &VaultKey, enrolment: EnrolmentId) -> Self {
        let (ikm, context) = ([key.expose().as_slice()], enrolment.as_bytes().as_slice());
        Self {
            names: Purpose::VaultNames.derive_mac_key(&ikm, context),
            records: Purpose::VaultRecords.derive_sealing_key(&ikm, context),
            index: Purpose::VaultIndex.derive_sealing_key(&ikm, context),
        }
    }
}

fn reserve(store: &Store, budget: &mut SealBudget, seals: u64) -> Result<(), VaultError> {
    let Some(reserved) = budget.spend(seals)? else { return Ok(()) };
    let mut batch = sled::Batch::default();
    batch.insert(BUDGET_KEY, &reserved.to_be_bytes());
    store.apply(batch)?;
    Ok(store.sync()?)
}

#[cfg(test)]
mod tests;
