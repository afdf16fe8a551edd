//! The open vault: records by collection and name, sealed, in an authenticated index. Changes are in `batch`, files in
//! `transfer`, what to do about damage in `salvage`.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};
use shared::ids::EnrolmentId;
use zeroize::Zeroizing;

use crate::batch::Batch;
use crate::budget::SealBudget;
use crate::content::Folder;
use crate::error::{Damage, VaultError};
use crate::format::{
    Collection, HEADER_KEY, Header, Kind, ROOT_KEY, SEALS_KEY, Space, record_aad, record_key, split_record,
};
use crate::home::Home;
use crate::index::{self, Brief, Index, Listed, Part, Root};
use crate::keys::{Keys, Sealed};
use crate::mark::{Mark, Marked};
use crate::name::Name;
use crate::slots::VaultKey;
use crate::store::{Store, StoreError};

/// Most records of a vault: its names are in memory while it is open.
pub const MAX_RECORDS: usize = 1 << 17;
/// Bytes of the version before a sealed record.
const VERSION_LEN: usize = 8;

/// A record in the vault.
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

/// A record in the vault, for as long as it is looked at: what [`EntryInfo`] says, without a copy of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// As it was given.
    pub name: &'a str,
    /// Bytes.
    pub size: u64,
    /// Rises with every change in the vault.
    pub version: u64,
    /// Milliseconds since 1970: not everybody who looks wants to know.
    stored_at: i64,
}

impl<'a> Entry<'a> {
    fn new(name: &'a Name, Brief { size, version, stored_at }: Brief) -> Self {
        Self { name, size, version, stored_at }
    }

    /// When it was stored, by the device's clock.
    pub fn stored_at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.stored_at).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl From<Entry<'_>> for EntryInfo {
    fn from(entry: Entry<'_>) -> Self {
        let Entry { name, size, version, .. } = entry;
        Self { name: name.to_owned(), size, version, stored_at: entry.stored_at() }
    }
}

/// What the next commit needs to know.
#[derive(Clone)]
pub(crate) struct Writer {
    pub(crate) root: Root,
    pub(crate) budget: SealBudget,
    /// Bytes of the sealed base.
    pub(crate) base_bytes: usize,
    /// Generation and number of pieces of each delta since.
    pub(crate) deltas: Vec<(u64, u32)>,
    pub(crate) delta_bytes: usize,
}

/// An open vault. Dropping it forgets its keys and names, and closes the store.
pub struct Vault {
    store: Store,
    contents: Folder,
    keys: Keys,
    header: Header,
    mark: Mark,
    /// No key epoch above it is read.
    key_epoch: AtomicU32,
    /// Changes with the store under its lock, so that who reads both under it sees them agree.
    index: RwLock<Index>,
    writer: Mutex<Writer>,
    closing: Arc<AtomicBool>,
}

/// The parts of a vault whose store is open and whose index is not.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) contents: Folder,
    pub(crate) keys: Keys,
    pub(crate) header: Header,
    pub(crate) mark: Mark,
}

/// How far the count of seals may be ahead of the root: a new epoch is on disk before the root that is sealed in it, and a salvage
/// leaves some out. Who can write the count can so waste epochs, and cannot bring them to their end at once.
pub(crate) const MAX_EPOCHS_AHEAD: u32 = 1 << 16;

impl Opened {
    pub(crate) fn open(home: &Home, key: &VaultKey, enrolment: EnrolmentId) -> Result<Self, VaultError> {
        let store = Store::open(&home.store_dir())?;
        let header = Header::parse(&store.get(HEADER_KEY)?.ok_or(Damage::Header)?)?;
        let (contents, keys) = (Folder::open(home)?, Keys::new(key, enrolment, header));
        let mark = Mark::open(home).map_err(StoreError::from)?;
        Ok(Self { store, contents, keys, header, mark })
    }

    pub(crate) fn budget(&self) -> Result<SealBudget, VaultError> {
        let bytes = self.store.get(SEALS_KEY)?.ok_or(Damage::Seals)?;
        Ok(SealBudget::parse(&bytes).ok_or(Damage::Seals)?)
    }

    /// Reads root, base and deltas.
    pub(crate) fn load(&self, budget: SealBudget) -> Result<(Index, Writer), VaultError> {
        let newest = budget.epoch;
        let sealed = self.store.get(ROOT_KEY)?.ok_or(Damage::Index)?;
        // In any epoch, since who can write the count of seals has not the keys of the one that the root is sealed in.
        let (root, epoch) = Root::open(&self.keys, self.header, &sealed)?;
        if newest.checked_sub(epoch).is_none_or(|ahead| ahead > MAX_EPOCHS_AHEAD) {
            return Err(Damage::Seals.into());
        }
        let mut writer = Writer { root, budget, base_bytes: 0, deltas: Vec::new(), delta_bytes: 0 };
        let mut index = Index::default();
        let (base, generation) = (writer.root.base, writer.root.generation);
        let pieces = self.part(newest, (Part::Base, base), &mut index, writer.root.pieces)?;
        writer.base_bytes = pieces.iter().map(|piece| piece.len()).sum();
        let mut chain = index::chain_base(pieces.iter().map(AsRef::as_ref));
        for delta in base.saturating_add(1)..=generation {
            let pieces = self.part(newest, (Part::Delta, delta), &mut index, u32::MAX)?;
            writer.delta_bytes += pieces.iter().map(|piece| piece.len()).sum::<usize>();
            chain = index::chain_delta(&chain, pieces.iter().map(AsRef::as_ref));
            writer.deltas.push((delta, u32::try_from(pieces.len()).unwrap_or(u32::MAX)));
        }
        // A root that was set back alone leaves a delta behind it.
        let beyond = self.store.get(&Part::Delta.key(generation.saturating_add(1), 0))?;
        if chain != writer.root.chain || beyond.is_some() {
            return Err(Damage::Index.into());
        }
        Ok((index, writer))
    }

    /// Reads the pieces of one part until one says that it is the last, at most `limit`.
    fn part(
        &self,
        newest: u32,
        (part, generation): (Part, u64),
        index: &mut Index,
        limit: u32,
    ) -> Result<Vec<sled::IVec>, VaultError> {
        let mut pieces = Vec::new();
        for piece in 0..limit {
            let key = part.key(generation, piece);
            let sealed = self.store.get(&key)?.ok_or(Damage::Index)?;
            let more = index::open_piece(&self.keys, newest, &key, &sealed, index)?;
            pieces.push(sealed);
            if !more {
                break;
            }
        }
        Ok(pieces)
    }

    pub(crate) fn with(self, index: Index, writer: Writer) -> Vault {
        let Self { store, contents, keys, header, mark } = self;
        let key_epoch = AtomicU32::new(writer.budget.epoch);
        let (index, writer) = (RwLock::new(index), Mutex::new(writer));
        Vault { store, contents, keys, header, mark, key_epoch, index, writer, closing: Arc::default() }
    }
}

impl Vault {
    /// Makes an empty vault in `home`, where none is. What an interrupted call has left is gone on with.
    pub fn create(
        home: &Home,
        key: &VaultKey,
        enrolment: EnrolmentId,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Self, VaultError> {
        let store = Store::open(&home.store_dir())?;
        if store.get(ROOT_KEY)?.is_some() {
            return Err(VaultError::Exists);
        }
        store.check_writable(0, true)?;
        let (header, contents) = (Header::make(rng), Folder::open(home)?);
        let mark = Mark::open(home).map_err(StoreError::from)?;
        let keys = Keys::new(key, enrolment, header);
        let mut budget = SealBudget::new(1);
        budget.spend(1);
        let mut batch = sled::Batch::default();
        batch.insert(HEADER_KEY, &header.to_bytes());
        batch.insert(SEALS_KEY, &budget.to_bytes());
        store.apply(batch)?;
        store.sync()?;
        // Above a vault that was here before: an older copy of that one is found.
        let generation = next_generation(mark.read().generation);
        let root =
            Root { generation, base: generation, pieces: 0, chain: index::chain_base(std::iter::empty()) };
        let mut batch = sled::Batch::default();
        batch.insert(ROOT_KEY, root.seal(&keys, (header, budget.epoch), rng));
        store.apply(batch)?;
        store.sync()?;
        mark.set(Marked { generation, key_epoch: budget.epoch }).map_err(StoreError::from)?;
        let writer = Writer { root, budget, base_bytes: 0, deltas: Vec::new(), delta_bytes: 0 };
        Ok(Opened { store, contents, keys, header, mark }.with(Index::default(), writer))
    }

    /// Opens the vault of `home`. Asks for nothing but the key.
    pub fn open(home: &Home, key: &VaultKey, enrolment: EnrolmentId) -> Result<Self, VaultError> {
        let opened = Opened::open(home, key, enrolment)?;
        let (index, writer) = opened.load(opened.budget()?)?;
        let (has, acknowledged) = (writer.root.generation, opened.mark.read().generation);
        if has < acknowledged {
            return Err(Damage::LostCommits { has, acknowledged }.into());
        }
        opened.contents.keep_only(index.contents())?;
        Ok(opened.with(index, writer))
    }

    /// Once set, every call ends with [`VaultError::Closed`] after at most one chunk.
    pub fn closing(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.closing)
    }

    /// Rises with every commit.
    pub fn epoch(&self) -> u64 {
        self.writer().root.generation
    }

    /// The bytes of a record of at most [`crate::INLINE_MAX`] bytes.
    pub fn get(&self, collection: Collection, name: &str) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.check_open()?;
        let index = self.index();
        let (listed, stored) = self.find(&index, Space::of(collection), name)?;
        if listed.content.is_some() {
            return Err(VaultError::IsFile);
        }
        self.open_record(listed, &stored)
    }

    /// Stores a record of at most [`crate::INLINE_MAX`] bytes; durable when this returns.
    pub fn put(
        &self,
        collection: Collection,
        name: &str,
        bytes: &[u8],
        now: Timestamp,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<u64, VaultError> {
        let mut batch = Batch::new();
        batch.put(collection, name, bytes)?;
        self.commit(batch, now, rng)
    }

    /// Removes what has this name, damaged or not; durable when this returns.
    pub fn delete(
        &self,
        collection: Collection,
        name: &str,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(), VaultError> {
        self.entry(collection, name)?.ok_or(VaultError::NotFound)?;
        let mut batch = Batch::new();
        batch.delete(collection, name)?;
        self.commit(batch, Timestamp::UNIX_EPOCH, rng).map(drop)
    }

    /// What the index says of a record.
    pub fn entry(&self, collection: Collection, name: &str) -> Result<Option<EntryInfo>, VaultError> {
        self.check_open()?;
        let index = self.index();
        let found = index.find(Space::of(collection), name);
        Ok(found.map(|listed| Entry::new(&listed.name, listed.brief()).into()))
    }

    /// All records of a collection, in the order of their names' bytes.
    pub fn list(&self, collection: Collection) -> Result<Vec<EntryInfo>, VaultError> {
        self.list_prefix(collection, "")
    }

    /// The records whose names begin with `prefix`, in the order of their names' bytes.
    pub fn list_prefix(&self, collection: Collection, prefix: &str) -> Result<Vec<EntryInfo>, VaultError> {
        // Room for all at once where all are asked for.
        let room = if prefix.is_empty() { self.index().count_of(Space::of(collection)) } else { 0 };
        let mut entries = Vec::with_capacity(room);
        self.each(collection, prefix, |entry| entries.push(entry.into()))?;
        Ok(entries)
    }

    /// Shows the same to `look`, one after the other and without copies. Nothing changes meanwhile: `look` must not call the vault.
    pub fn each(
        &self,
        collection: Collection,
        prefix: &str,
        mut look: impl FnMut(Entry<'_>),
    ) -> Result<(), VaultError> {
        self.check_open()?;
        self.index()
            .list(Space::of(collection), prefix)
            .for_each(|(name, brief)| look(Entry::new(name, *brief)));
        Ok(())
    }

    /// What the index says of a record, and what the store has.
    pub(crate) fn lookup(&self, space: Space, name: &str) -> Result<(Arc<Listed>, sled::IVec), VaultError> {
        let index = self.index();
        let (listed, stored) = self.find(&index, space, name)?;
        Ok((Arc::clone(listed), stored))
    }

    fn find<'a>(
        &self,
        index: &'a Index,
        space: Space,
        name: &str,
    ) -> Result<(&'a Arc<Listed>, sled::IVec), VaultError> {
        let listed = index.find(space, name).ok_or(VaultError::NotFound)?;
        let stored = self.store.get(&record_key(space, &listed.tag))?.ok_or(Damage::MissingRecord)?;
        Ok((listed, stored))
    }

    /// The value of a record, verified against the index.
    pub(crate) fn open_record(
        &self,
        listed: &Listed,
        stored: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let newest = self.key_epoch.load(Ordering::Acquire);
        let (version, mut bytes) = open_sealed_record(&self.keys, newest, listed.space, &listed.tag, stored)?;
        if version != listed.version || !stored.ends_with(&listed.seal) {
            return Err(Damage::Version.into());
        }
        let (value, trailer) = split_record(&bytes).ok_or(Damage::Record)?;
        let kind = if listed.content.is_some() { Kind::File } else { Kind::Inline };
        if trailer.name.as_bytes() != listed.name.as_bytes() || trailer.kind != kind {
            return Err(Damage::Record.into());
        }
        let length = value.len();
        bytes.truncate(length);
        Ok(bytes)
    }

    pub(crate) fn check_open(&self) -> Result<(), VaultError> {
        if self.closing.load(Ordering::Acquire) { Err(VaultError::Closed) } else { Ok(()) }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn contents(&self) -> &Folder {
        &self.contents
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(crate) fn header(&self) -> Header {
        self.header
    }

    /// Notes what is on disk.
    pub(crate) fn set_mark(&self, marked: Marked) -> Result<(), VaultError> {
        Ok(self.mark.set(marked).map_err(StoreError::from)?)
    }

    pub(crate) fn set_key_epoch(&self, epoch: u32) {
        self.key_epoch.store(epoch, Ordering::Release);
    }

    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The generation after `marked`. Half of what the number can be: who has changed the mark cannot make it run over.
pub(crate) fn next_generation(marked: u64) -> u64 {
    marked.min(u64::MAX / 2) + 1
}

/// Version and plaintext of a stored record: `version (8) ‖ key epoch (4) ‖ nonce ‖ ciphertext ‖ tag`.
pub(crate) fn open_sealed_record(
    keys: &Keys,
    newest: u32,
    space: Space,
    tag: &crate::format::Tag,
    stored: &[u8],
) -> Result<(u64, Zeroizing<Vec<u8>>), Damage> {
    let (version, sealed) = stored.split_first_chunk::<VERSION_LEN>().ok_or(Damage::Record)?;
    let version = u64::from_be_bytes(*version);
    let aad = record_aad(tag, version);
    let bytes = keys.open((Sealed::Records(space), newest), &aad, sealed).ok_or(Damage::Record)?;
    Ok((version, bytes))
}

#[cfg(test)]
mod tests;
