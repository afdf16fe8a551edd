//! Changes that happen together: all of them or none, durable when the commit returns, with one sync.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use crate::budget::Reservation;
use crate::content::{Completed, FileId, FileWriter};
use crate::error::{Damage, VaultError};
use crate::format::{
    Collection, INLINE_MAX, Kind, ROOT_KEY, SEALS_KEY, Space, Trailer, check_name, record_aad, record_key,
};
use crate::index::{self, Change, Index, Listed, Part, Root};
use crate::keys::Sealed;
use crate::mark::Marked;
use crate::name::Name;
use crate::records::{MAX_RECORDS, Vault, Writer};
use crate::store::StoreError;

/// Most changes of a batch: larger ones grow without measure in sled.
pub const MAX_BATCH: usize = 2_000;
/// Deltas are gathered into a new base when there are more, or when they have more bytes than it.
const MAX_DELTAS: usize = 1_024;
const MIN_DELTA_BYTES: usize = 64 * 1024;

/// What a record is to hold.
pub(crate) struct Value {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    pub(crate) size: u64,
    /// The file with the content; `bytes` is its key then.
    pub(crate) content: Option<FileId>,
}

/// One record written or removed.
pub(crate) struct Op {
    pub(crate) space: Space,
    pub(crate) name: Zeroizing<String>,
    pub(crate) value: Option<Value>,
}

/// What a batch does, in the order in which it was said.
enum Step {
    Op(Op),
    File(FileWriter),
}

/// Puts and removals for [`Vault::commit`]. Where one name comes more than once the last one counts.
#[derive(Default)]
pub struct Batch {
    steps: Vec<Step>,
    expected: Vec<Expected>,
}

/// What a record has to be for a batch to do anything: of this version, or not there.
type Expected = (Space, Zeroizing<String>, Option<u64>);

impl Batch {
    /// A batch without changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores `bytes`, at most [`INLINE_MAX`], under `name`.
    pub fn put(&mut self, collection: Collection, name: &str, bytes: &[u8]) -> Result<&mut Self, VaultError> {
        check_name(name)?;
        if bytes.len() > INLINE_MAX {
            return Err(VaultError::RecordTooLarge);
        }
        let (bytes, size) = (Zeroizing::new(bytes.to_vec()), bytes.len() as u64);
        self.push(Space::of(collection), name, Some(Value { bytes, size, content: None }));
        Ok(self)
    }

    /// Makes a file that was written the one of its name.
    pub fn put_file(&mut self, file: FileWriter) -> &mut Self {
        self.steps.push(Step::File(file));
        self
    }

    /// Removes what has this name, damaged or not. Nothing there is no error.
    pub fn delete(&mut self, collection: Collection, name: &str) -> Result<&mut Self, VaultError> {
        check_name(name)?;
        self.push(Space::of(collection), name, None);
        Ok(self)
    }

    /// Forgets a write that was begun to be resumed. None there is no error.
    pub fn abandon(&mut self, collection: Collection, name: &str) -> Result<&mut Self, VaultError> {
        check_name(name)?;
        self.push(Space::partial(collection), name, None);
        Ok(self)
    }

    /// Has the commit do nothing unless what has this name is of that version, or nothing is there (`None`): what was decided
    /// upon what was read is not done to what was written meanwhile.
    pub fn expect(
        &mut self,
        collection: Collection,
        name: &str,
        version: Option<u64>,
    ) -> Result<&mut Self, VaultError> {
        check_name(name)?;
        self.expected.push((Space::of(collection), Zeroizing::new(name.to_owned()), version));
        Ok(self)
    }

    fn push(&mut self, space: Space, name: &str, value: Option<Value>) {
        self.steps.push(Step::Op(Op { space, name: Zeroizing::new(name.to_owned()), value }));
    }

    /// Changes in it.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Vault {
    /// Does all of `batch` or, after an error, nothing; durable when this returns. Gives the vault epoch, which rises with
    /// every commit. After [`crate::StoreError`] it may be done or not, and nothing more is written until the vault was
    /// opened again.
    pub fn commit(
        &self,
        batch: Batch,
        now: Timestamp,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<u64, VaultError> {
        self.check_open()?;
        if batch.len() > MAX_BATCH {
            return Err(VaultError::BatchTooLarge);
        }
        let Batch { steps, expected } = batch;
        let (mut ops, mut files) = (Vec::with_capacity(steps.len()), Vec::new());
        for step in steps {
            match step {
                Step::Op(op) => ops.push(op),
                Step::File(mut file) => {
                    ops.extend(self.complete(&mut file)?);
                    files.push(file);
                }
            }
        }
        let done = self.apply_if(&expected, ops, now, rng);
        // After a failed write or sync the records may be there or not: contents stay until the next open knows. Of a disk that
        // was found full before the write nothing is there.
        let is_known_absent = matches!(done, Err(VaultError::Store(StoreError::Full(_))));
        if matches!(done, Ok(_) | Err(VaultError::Store(_))) && !is_known_absent {
            files.iter_mut().for_each(FileWriter::keep);
        }
        done
    }

    /// Completes a file's content. What is put in place of it: its record, and its resumable write, which ends.
    fn complete(&self, file: &mut FileWriter) -> Result<Vec<Op>, VaultError> {
        let (space, name) = (Space::of(file.collection), file.name.clone());
        let value = match file.complete(self.contents())? {
            Completed::Inline(bytes) => Value { bytes, size: file.size, content: None },
            Completed::File(id) => {
                Value { bytes: file.content.record.to_bytes(), size: file.size, content: Some(id) }
            }
        };
        let mut ops = vec![Op { space, name: name.clone(), value: Some(value) }];
        if file.resumable {
            ops.push(Op { space: Space::partial(file.collection), name, value: None });
        }
        Ok(ops)
    }

    /// Records, delta and root in one batch of the store, synced; then contents that nothing points to any more go.
    pub(crate) fn apply(
        &self,
        ops: Vec<Op>,
        now: Timestamp,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<u64, VaultError> {
        self.apply_if(&[], ops, now, rng)
    }

    fn apply_if(
        &self,
        expected: &[Expected],
        ops: Vec<Op>,
        now: Timestamp,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<u64, VaultError> {
        // Whoever writes holds this, so that what is found now is still so when it is written over.
        let mut writer = self.writer();
        let is_as_expected = {
            let index = self.index();
            let version = |space, name: &str| index.find(space, name).map(|listed| listed.version);
            expected.iter().all(|(space, name, expected)| version(*space, name) == *expected)
        };
        if !is_as_expected {
            return Err(VaultError::Changed);
        }
        let (ops, replaced) = self.settle(ops)?;
        if ops.is_empty() {
            self.remove_contents(&replaced)?;
            return Ok(writer.root.generation);
        }
        let bytes = ops.iter().filter_map(|op| op.value.as_ref()).map(|value| value.bytes.len() as u64).sum();
        self.store().check_writable(bytes, ops.iter().any(|op| op.value.is_some()))?;
        let compacts = writer.wants_new_base();
        let mut next = Commit::begin(self, &mut writer, ops.len(), compacts)?;
        let changes = next.seal_records(ops, now, rng);
        next.seal_index(&changes, rng);
        let generation = self.finish(&mut writer, next, changes)?;
        self.remove_contents(&replaced)?;
        Ok(generation)
    }

    fn remove_contents(&self, ids: &[FileId]) -> Result<(), VaultError> {
        ids.iter().try_for_each(|id| self.contents().remove(id))
    }

    /// A commit that changes nothing but how the index is written.
    pub(crate) fn rewrite_index(&self, rng: &mut (impl RngCore + CryptoRng)) -> Result<(), VaultError> {
        let mut writer = self.writer();
        self.store().check_writable(0, false)?;
        let mut next = Commit::begin(self, &mut writer, 0, true)?;
        next.seal_index(&[], rng);
        self.finish(&mut writer, next, Vec::new()).map(drop)
    }

    fn finish(&self, writer: &mut Writer, next: Commit<'_>, changes: Vec<Change>) -> Result<u64, VaultError> {
        let Commit { batch, state, .. } = next;
        {
            let mut index = self.index_mut();
            self.store().apply(batch)?;
            changes.into_iter().for_each(|change| put_into(&mut index, change));
        }
        *writer = state;
        self.store().sync()?;
        let (generation, key_epoch) = (writer.root.generation, writer.budget.epoch);
        self.set_mark(Marked { generation, key_epoch })?;
        Ok(generation)
    }

    /// Drops what is overtaken by a later change of the same name and removals of what is not there; judges the limit.
    /// Gives also the contents that nothing points to afterwards.
    fn settle(&self, ops: Vec<Op>) -> Result<(Vec<Op>, Vec<FileId>), VaultError> {
        let index = self.index();
        let mut seen = HashSet::new();
        let last: Vec<bool> = {
            let named = ops.iter().rev().map(|op| seen.insert((op.space, op.name.as_str())));
            named.collect::<Vec<_>>().into_iter().rev().collect()
        };
        drop(seen);
        let (mut count, mut replaced, mut settled) = (index.count(), Vec::new(), Vec::new());
        let mut kept = HashSet::new();
        for (op, last) in ops.into_iter().zip(last) {
            let old = index.find(op.space, &op.name);
            if !last {
                replaced.extend(op.value.and_then(|value| value.content));
                continue;
            }
            replaced.extend(old.and_then(|old| old.content));
            match &op.value {
                Some(value) => {
                    count += usize::from(old.is_none());
                    kept.extend(value.content);
                }
                None if old.is_none() => continue,
                None => count -= 1,
            }
            settled.push(op);
        }
        if count > MAX_RECORDS && count > index.count() {
            return Err(VaultError::Full);
        }
        // A resumed write hands its content over from one record to another.
        replaced.retain(|id| !kept.contains(id));
        Ok((settled, replaced))
    }
}

impl Writer {
    /// Whether the deltas have become many or long enough to be gathered.
    fn wants_new_base(&self) -> bool {
        self.deltas.len() >= MAX_DELTAS || self.delta_bytes > self.base_bytes.max(MIN_DELTA_BYTES)
    }
}

fn put_into(index: &mut Index, change: Change) {
    match change {
        Change::Put(listed) => index.put(listed),
        Change::Remove(space, name) => index.remove(space, &name),
    }
}

/// A commit being made: what goes into the store, and how the writer stands after it.
struct Commit<'a> {
    vault: &'a Vault,
    batch: sled::Batch,
    state: Writer,
    /// The base is written anew.
    compacts: bool,
}

impl<'a> Commit<'a> {
    /// Spends the seals for `ops` changes, durably where needed.
    fn begin(vault: &'a Vault, writer: &mut Writer, ops: usize, compacts: bool) -> Result<Self, VaultError> {
        // A piece is never cut below one entry, so there are at most as many pieces as entries.
        let entries = if compacts { vault.index().count() + ops } else { ops };
        let seals = ops + entries + 1;
        let mut batch = sled::Batch::default();
        let reservation = writer.budget.spend(seals as u64).ok_or(Damage::Spent)?;
        if reservation != Reservation::None {
            batch.insert(SEALS_KEY, &writer.budget.to_bytes());
        }
        if reservation == Reservation::Before {
            vault.store().apply(std::mem::take(&mut batch))?;
            vault.store().sync()?;
            vault.set_key_epoch(writer.budget.epoch);
        }
        let mut state = writer.clone();
        state.root.generation += 1;
        Ok(Self { vault, batch, state, compacts })
    }

    fn epoch(&self) -> u32 {
        self.state.budget.epoch
    }

    fn seal_records(
        &mut self,
        ops: Vec<Op>,
        now: Timestamp,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Vec<Change> {
        let (version, stored_at) = (self.state.root.generation, now.as_millisecond());
        let keys = self.vault.keys();
        let (mut changes, mut sealed) = (Vec::with_capacity(ops.len()), Vec::new());
        for Op { space, name, value } in ops {
            let tag = keys.tag(space, &name);
            let Some(Value { bytes, size, content }) = value else {
                self.batch.remove(&record_key(space, &tag));
                changes.push(Change::Remove(space, name));
                continue;
            };
            let kind = if content.is_some() { Kind::File } else { Kind::Inline };
            let end = Trailer { name: &name, stored_at, kind }.end();
            sealed.clear();
            sealed.extend_from_slice(&version.to_be_bytes());
            let key = (Sealed::Records(space), self.state.budget.epoch);
            let plain: [&[u8]; 3] = [&bytes, name.as_bytes(), &end];
            keys.seal_onto(&mut sealed, key, &record_aad(&tag, version), &plain, rng);
            let seal = *sealed.last_chunk().expect("a tag is what is sealed last");
            self.batch.insert(&record_key(space, &tag), sealed.as_slice());
            let name = Name::new(&name);
            let listed = Listed { space, name, tag, version, size, stored_at, content, seal };
            changes.push(Change::Put(Arc::new(listed)));
        }
        changes
    }

    fn seal_index(&mut self, changes: &[Change], rng: &mut (impl RngCore + CryptoRng)) {
        if self.compacts {
            let merged = self.merged(changes);
            self.remove_parts();
            self.seal_base(&merged, rng);
        } else {
            let generation = self.state.root.generation;
            let sealed = self.seal_part(Part::Delta, changes, rng);
            let state = &mut self.state;
            state.root.chain = index::chain_delta(&state.root.chain, sealed.iter().map(Vec::as_slice));
            state.delta_bytes += sealed.iter().map(Vec::len).sum::<usize>();
            state.deltas.push((generation, count(&sealed)));
        }
        let root = self.state.root.seal(self.vault.keys(), (self.vault.header(), self.epoch()), rng);
        self.batch.insert(ROOT_KEY, root);
    }

    fn seal_base(&mut self, all: &[Change], rng: &mut (impl RngCore + CryptoRng)) {
        let sealed = self.seal_part(Part::Base, all, rng);
        let state = &mut self.state;
        state.root = Root {
            generation: state.root.generation,
            base: state.root.generation,
            pieces: count(&sealed),
            chain: index::chain_base(sealed.iter().map(Vec::as_slice)),
        };
        state.base_bytes = sealed.iter().map(Vec::len).sum();
    }

    fn seal_part(
        &mut self,
        part: Part,
        changes: &[Change],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Vec<Vec<u8>> {
        let (generation, epoch) = (self.state.root.generation, self.epoch());
        let pieces = index::pieces(changes);
        let mut sealed = Vec::with_capacity(pieces.len());
        for (number, changes) in (0..).zip(&pieces) {
            let key = part.key(generation, number);
            let more = sealed.len() + 1 < pieces.len();
            let piece = index::seal_piece(self.vault.keys(), epoch, &key, (more, changes), rng);
            self.batch.insert(&key, piece.as_slice());
            sealed.push(piece);
        }
        sealed
    }

    /// All entries as they are after `changes`.
    fn merged(&self, changes: &[Change]) -> Vec<Change> {
        let index = self.vault.index();
        let changed: HashSet<_> = changes.iter().map(Change::place).collect();
        let kept = index.all().filter(|listed| !changed.contains(&(listed.space, &*listed.name)));
        let kept = kept.map(|listed| Change::Put(Arc::clone(listed)));
        let put = changes.iter().filter_map(|change| match change {
            Change::Put(listed) => Some(Change::Put(Arc::clone(listed))),
            Change::Remove(..) => None,
        });
        kept.chain(put).collect()
    }

    /// Base and deltas so far go.
    fn remove_parts(&mut self) {
        let state = &mut self.state;
        for piece in 0..state.root.pieces {
            self.batch.remove(&Part::Base.key(state.root.base, piece));
        }
        for (generation, pieces) in state.deltas.drain(..) {
            for piece in 0..pieces {
                self.batch.remove(&Part::Delta.key(generation, piece));
            }
        }
        state.delta_bytes = 0;
    }
}

fn count(pieces: &[Vec<u8>]) -> u32 {
    u32::try_from(pieces.len()).expect("an index has less than 2^32 pieces")
}

#[cfg(test)]
mod tests;
