//! What of notes is done in the vault. All of it blocks, and all of it is done one at a time. Not here: the connection.

use std::collections::BTreeMap;

use client_core::outbox::{Cursor, FOLDER, Local, NoteName, Outbox, Record, Step};
use shared::crypto::hazmat::Sha256;
use shared::ids::NoteId;
use shared::wire::NoteEntry;
use vault::{Batch, Entry, FileReader, FileWriter, MAX_BATCH, Vault, VaultError};
use zeroize::Zeroizing;

use super::{FILES, NotesProgress, RECORDS, record_name, unless_changed};
use crate::agent::{Agent, rng};
use crate::clock::moment;
use crate::error::AgentError;

const CURSOR: &str = "cursor";

/// Contents that are coming.
struct Coming {
    entry: NoteEntry,
    writer: FileWriter,
    hash: Sha256,
}

/// What is known while the vault is open.
pub(crate) struct Desk {
    machine: Outbox,
    coming: Option<Coming>,
    locals: Vec<Local>,
    /// The vault's epoch at the last look: nothing changes without another.
    looked_at: Option<u64>,
    told: Option<NotesProgress>,
    /// Files were put, replaced or removed since it was told.
    is_changed: bool,
    /// Edits that became conflict copies in this opening of the vault.
    moved: BTreeMap<NoteId, Moved>,
}

/// What was stored under another id, as it was.
#[derive(Clone, Copy)]
pub(super) struct Moved {
    from: NoteId,
    /// Which version of that.
    opened: u64,
    /// The conflict copy.
    pub(super) to: NoteId,
    /// Its version.
    pub(super) version: u64,
}

pub(super) fn record_of_copy(of: NoteId) -> Record {
    Record { copy_of: Some(of), ..Record::default() }
}

fn local(entry: Entry<'_>) -> Option<Local> {
    let name = NoteName::parse(entry.name)?;
    Some(Local { name, version: entry.version, size: entry.size })
}

pub(super) fn to_cbor(value: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("a record in memory encodes into a vector");
    bytes
}

/// A record that is damaged counts as none: what the server has is compared anew, and nothing is lost by it.
fn read<T: serde::de::DeserializeOwned>(vault: &Vault, name: &str) -> Result<Option<T>, VaultError> {
    match vault.get(RECORDS, name) {
        Ok(bytes) => Ok(ciborium::from_reader(bytes.as_slice()).ok()),
        Err(VaultError::NotFound | VaultError::Damaged(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Desk {
    /// Reads what the vault has.
    pub(super) fn load(agent: &Agent) -> Result<Self, AgentError> {
        let names = agent.with_vault(|vault| vault.list(RECORDS))?;
        let cursor: Option<Cursor> = agent.with_vault(|vault| read(vault, CURSOR))?;
        let mut records: Vec<(NoteId, Record)> = Vec::new();
        for info in names {
            let Ok(id) = info.name.parse() else { continue };
            let record = agent.with_vault(|vault| read(vault, &info.name))?;
            records.extend(record.map(|record| (id, record)));
        }
        let machine = Outbox::resume(cursor, records);
        Ok(Self {
            machine,
            coming: None,
            locals: Vec::new(),
            looked_at: None,
            told: None,
            is_changed: false,
            moved: BTreeMap::new(),
        })
    }

    /// What is in the vault now.
    pub(super) fn look(&mut self, agent: &Agent) -> Result<(), AgentError> {
        let epoch = agent.with_vault(|vault| Ok(vault.epoch()))?;
        if self.looked_at != Some(epoch) {
            let mut locals = Vec::new();
            agent.with_vault(|vault| vault.each(FILES, FOLDER, |entry| locals.extend(local(entry))))?;
            self.locals = locals;
            self.machine.look(self.locals.iter().copied());
            self.looked_at = Some(epoch);
        }
        Ok(())
    }

    pub(super) fn machine(&self) -> &Outbox {
        &self.machine
    }

    pub(super) fn machine_mut(&mut self) -> &mut Outbox {
        &mut self.machine
    }

    pub(super) fn locals(&self) -> &[Local] {
        &self.locals
    }

    /// What a version of a note has become, if it was moved.
    pub(super) fn moved(&self, from: NoteId, opened: Option<u64>) -> Option<Moved> {
        self.moved.values().find(|moved| moved.from == from && Some(moved.opened) == opened).copied()
    }

    /// The version of another note that this version of a note holds.
    pub(super) fn moved_from(&self, id: NoteId, version: u64) -> Option<u64> {
        self.moved.get(&id).filter(|moved| moved.version == version).map(|moved| moved.opened)
    }

    /// A conflict copy was stored.
    pub(super) fn made_copy(&mut self, of: NoteId, copy: NoteId) {
        self.machine.made_copy(of, copy);
    }

    /// How many there are, if that is another number than was told last, or others of them.
    pub(super) fn news(&mut self) -> Option<NotesProgress> {
        let counts = Some(self.machine.counts());
        if !std::mem::take(&mut self.is_changed) && self.told == counts {
            return None;
        }
        self.told = counts;
        counts
    }

    /// Reads whatever is not known to be what the server has.
    pub(super) fn hash_all(&mut self, agent: &Agent) -> Result<(), AgentError> {
        for local in self.machine.unhashed() {
            self.hash(agent, local)?;
        }
        Ok(())
    }

    /// Does a step that needs no connection; gives one that does.
    pub(super) fn perform(&mut self, agent: &Agent, step: Step) -> Result<Option<Step>, AgentError> {
        match step {
            Step::Hash(local) => self.hash(agent, local)?,
            Step::Keep(records, cursor) => self.keep(agent, &records, cursor)?,
            Step::Remove(local, record) => self.remove(agent, local, record)?,
            Step::Copy(local, record) => self.copy(agent, local, record)?,
            step @ (Step::Ask(_) | Step::Offer(..) | Step::Fetch { .. } | Step::Idle) => {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }

    /// One that cannot be read is set aside: others are not to wait for it.
    fn hash(&mut self, agent: &Agent, local: Local) -> Result<(), AgentError> {
        match self.try_hash(agent, local) {
            Err(error) if is_unreadable(&error) => {
                tracing::warn!(note = %local.name.id, %error, "a note or photo cannot be read, and is not sent");
                self.machine.unreadable(local);
                Ok(())
            }
            done => done,
        }
    }

    fn try_hash(&mut self, agent: &Agent, local: Local) -> Result<(), AgentError> {
        let Some(mut file) = open(agent, local)? else { return Ok(()) };
        let mut hash = Sha256::default();
        while let Some(chunk) = agent.with_vault(|vault| vault.read(&mut file))? {
            hash.update(chunk);
        }
        self.machine.hashed(local, hash.finish());
        Ok(())
    }

    fn keep(
        &mut self,
        agent: &Agent,
        records: &[(NoteId, Record)],
        cursor: Option<Cursor>,
    ) -> Result<(), AgentError> {
        // The cursor last: what it stands for has to be there before it.
        for part in records.chunks(MAX_BATCH) {
            let mut batch = Batch::new();
            for (id, record) in part {
                batch.put(RECORDS, &record_name(*id), &to_cbor(record))?;
            }
            commit(agent, batch)?;
        }
        if let Some(cursor) = cursor {
            let mut batch = Batch::new();
            batch.put(RECORDS, CURSOR, &to_cbor(&cursor))?;
            commit(agent, batch)?;
        }
        self.machine.kept(records, cursor);
        Ok(())
    }

    fn remove(&mut self, agent: &Agent, local: Local, record: Record) -> Result<(), AgentError> {
        let name = local.name.to_string();
        let mut batch = Batch::new();
        batch.expect(FILES, &name, Some(local.version))?.delete(FILES, &name)?;
        batch.put(RECORDS, &record_name(local.name.id), &to_cbor(&record))?;
        if unless_changed(commit(agent, batch))?.is_some() {
            self.machine.settled(local.name.id, record, None);
            self.is_changed = true;
        }
        Ok(())
    }

    fn copy(&mut self, agent: &Agent, local: Local, record: Record) -> Result<(), AgentError> {
        match self.try_copy(agent, local, record) {
            Err(error @ AgentError::Vault(VaultError::Damaged(_))) => {
                tracing::warn!(note = %local.name.id, %error, "a note or photo cannot be read, and is not copied");
                self.machine.unreadable(local);
                Ok(())
            }
            done => done,
        }
    }

    fn try_copy(&mut self, agent: &Agent, local: Local, record: Record) -> Result<(), AgentError> {
        let Some(mut file) = open(agent, local)? else { return Ok(()) };
        let id = NoteId::make(moment().now, &mut rng());
        let (name, copy) = (local.name.to_string(), NoteName { id, ..local.name }.to_string());
        let mut writer = agent.with_vault(|vault| vault.begin(FILES, &copy, &mut rng()))?;
        while let Some(chunk) = agent.with_vault(|vault| vault.read(&mut file))? {
            agent.with_vault(|vault| vault.write(&mut writer, chunk))?;
        }
        let mut batch = Batch::new();
        batch.expect(FILES, &name, Some(local.version))?.put_file(writer);
        batch.put(RECORDS, &record_name(id), &to_cbor(&record_of_copy(local.name.id)))?;
        batch.put(RECORDS, &record_name(local.name.id), &to_cbor(&record))?;
        if let Some(version) = unless_changed(commit(agent, batch))? {
            let moved = Moved { from: local.name.id, opened: local.version, to: id, version };
            self.moved.insert(id, moved);
            self.machine.copied(local.name.id, record, id);
            self.is_changed = true;
        }
        Ok(())
    }

    /// How many bytes of these contents are there, beginning if there are none.
    pub(super) fn coming(
        &mut self,
        agent: &Agent,
        entry: &NoteEntry,
        name: NoteName,
    ) -> Result<u64, AgentError> {
        if self.coming.as_ref().is_none_or(|coming| coming.entry != *entry) {
            let writer = agent.with_vault(|vault| vault.begin(FILES, &name.to_string(), &mut rng()))?;
            self.coming = Some(Coming { entry: entry.clone(), writer, hash: Sha256::default() });
        }
        Ok(self.coming.as_ref().map_or(0, |coming| coming.writer.position()))
    }

    /// Bytes came. `false` if they are not those that follow.
    pub(super) fn take(
        &mut self,
        agent: &Agent,
        entry: &NoteEntry,
        (offset, bytes): (u64, &[u8]),
    ) -> Result<bool, AgentError> {
        let size = entry.contents.as_ref().map_or(0, |contents| contents.size);
        let Some(coming) = self.coming.as_mut().filter(|coming| coming.entry == *entry) else {
            return Ok(false);
        };
        let after = offset.saturating_add(bytes.len() as u64);
        if offset != coming.writer.position() || after > size || (bytes.is_empty() && size > 0) {
            return Ok(false);
        }
        agent.with_vault(|vault| vault.write(&mut coming.writer, bytes))?;
        coming.hash.update(bytes);
        Ok(true)
    }

    /// All bytes came: they take the place of the version that they were fetched for.
    pub(super) fn arrived(
        &mut self,
        agent: &Agent,
        entry: &NoteEntry,
        (name, over, record): (NoteName, Option<u64>, Record),
    ) -> Result<(), AgentError> {
        let Some(coming) = self.coming.take().filter(|coming| coming.entry == *entry) else { return Ok(()) };
        if Some(coming.hash.finish()) != entry.hash() {
            tracing::warn!(note = %entry.id, "the server sent other contents than it had said");
            self.machine.unusable(entry);
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.expect(FILES, &name.to_string(), over)?.put_file(coming.writer);
        batch.put(RECORDS, &record_name(entry.id), &to_cbor(&record))?;
        if let Some(version) = unless_changed(commit(agent, batch))? {
            self.machine.settled(entry.id, record, Some(version));
            self.is_changed = true;
        }
        Ok(())
    }

    /// What came is of no use.
    pub(super) fn forget_coming(&mut self) {
        self.coming = None;
    }
}

pub(super) fn commit(agent: &Agent, batch: Batch) -> Result<u64, AgentError> {
    agent.with_vault(|vault| vault.commit(batch, moment().now, &mut rng()))
}

/// Whether it is what is read that fails, and not the vault.
pub(super) fn is_unreadable(error: &AgentError) -> bool {
    matches!(error, AgentError::Vault(VaultError::Damaged(_) | VaultError::Io(_)))
}

/// A file, if it is of that version.
pub(super) fn open(agent: &Agent, local: Local) -> Result<Option<FileReader>, AgentError> {
    let name = local.name.to_string();
    let opened = unless_changed(agent.with_vault(|vault| vault.file(FILES, &name)))?;
    // Versions only rise: what is of this one now was of it when it was opened.
    let listed = agent.with_vault(|vault| vault.entry(FILES, &name))?;
    Ok(opened.filter(|_| listed.is_some_and(|listed| listed.version == local.version)))
}

/// The next bytes of a file, at most a chunk of the vault.
pub(super) fn next(agent: &Agent, file: &mut FileReader) -> Result<Option<Zeroizing<Vec<u8>>>, AgentError> {
    agent.with_vault(|vault| Ok(vault.read(file)?.map(|chunk| Zeroizing::new(chunk.to_vec()))))
}
