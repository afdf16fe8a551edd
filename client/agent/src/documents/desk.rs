//! What is known of documents while the vault is open: the machine, what it still wants done on the disk, and the download that
//! is being written. Gone with the vault. Not here: the network.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use client_core::sync::{Edition, Effect, MAX_SIZE, Manifest, Misbehaviour, Part, Progress, Sync, Ticket};
use jiff::Timestamp;
use shared::crypto::hazmat::Sha256;
use shared::ids::DocumentId;
use shared::wire::{DocumentEntry, DocumentRequest, ManifestRequest, ManifestVersion};
use vault::{Batch, CHUNK_LEN, Collection, FileWriter, Vault, VaultError};
use zeroize::Zeroize as _;

use super::{Document, DocumentState};
use crate::agent::{Agent, rng};
use crate::clock::moment;
use crate::error::AgentError;

const MANIFEST: &str = "manifest";
const CONTENT: &str = "content/";
const WHOLE: &str = "whole/";
const READ: &str = "read/";
/// Longest stored manifest that is read, in bytes: [`client_core::sync::MAX_ENTRIES`] of the longest entries have fewer.
const MAX_MANIFEST: u64 = 32 * 1024 * 1024;
/// Downloads that were begun and are gone on with; there is one, unless documents were replaced meanwhile.
const MAX_BEGUN: usize = 8;
/// Most removals of one commit; each is of four names.
const REMOVE_AT_ONCE: usize = 400;
/// Progress is told when there are so many bytes more.
const TELL_EVERY: u64 = 256 * 1024;

const DOCUMENTS: Collection = Collection::Documents;

fn named(prefix: &str, edition: Edition) -> String {
    format!("{prefix}{}/{}", edition.id, edition.version)
}

pub(super) fn content_name(edition: Edition) -> String {
    named(CONTENT, edition)
}

fn edition_of(name: &str, prefix: &str) -> Option<Edition> {
    let (id, version) = name.strip_prefix(prefix)?.split_once('/')?;
    Some(Edition { id: id.parse().ok()?, version: version.parse().ok()? })
}

/// Since when the documents that are whole are there.
pub(super) fn since(vault: &Vault) -> Result<BTreeMap<Edition, Timestamp>, VaultError> {
    let mut since = BTreeMap::new();
    vault.each(DOCUMENTS, WHOLE, |entry| {
        since.extend(edition_of(entry.name, WHOLE).map(|edition| (edition, entry.stored_at())));
    })?;
    Ok(since)
}

/// The notices that were read.
pub(super) fn read(vault: &Vault) -> Result<BTreeSet<Edition>, VaultError> {
    let mut read = BTreeSet::new();
    vault.each(DOCUMENTS, READ, |entry| read.extend(edition_of(entry.name, READ)))?;
    Ok(read)
}

/// Keeps that a notice was read, if it is not kept yet.
pub(super) fn keep_read(agent: &Agent, edition: Edition) -> Result<(), AgentError> {
    let name = named(READ, edition);
    agent.with_vault(|vault| {
        if vault.entry(DOCUMENTS, &name)?.is_none() {
            vault.put(DOCUMENTS, &name, &[], moment().now, &mut rng())?;
        }
        Ok(())
    })
}

/// What the machine wants next.
pub(super) enum Next {
    AskManifest(Ticket, ManifestRequest),
    AskDocument(Ticket, DocumentRequest),
    /// [`Desk::perform`].
    OnDisk,
    Nothing,
}

/// What is known while the vault is open.
pub(crate) struct Desk {
    state: Mutex<State>,
    /// Held by whoever does something on the disk, also when nobody waits for it any more.
    disk: Arc<tokio::sync::Mutex<()>>,
}

struct State {
    sync: Sync,
    todo: VecDeque<Effect>,
    writers: BTreeMap<Edition, FileWriter>,
    told: Progress,
    /// Something could not be done on the disk: what is known is read again.
    is_broken: bool,
}

impl Desk {
    /// Reads what the vault has. Blocking.
    pub(super) fn load(agent: &Agent) -> Result<Self, AgentError> {
        let manifest = load_manifest(agent)?;
        let parts = agent.with_vault(load_parts)?;
        let sync = Sync::resume(manifest, parts);
        let state = State {
            told: sync.progress(),
            sync,
            todo: VecDeque::new(),
            writers: BTreeMap::new(),
            is_broken: false,
        };
        Ok(Self { state: Mutex::new(state), disk: Arc::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the machine, and keeps what it wants done.
    pub(super) fn tell<E>(&self, tell: impl FnOnce(&mut Sync) -> Result<Vec<Effect>, E>) -> Result<(), E> {
        let mut state = self.state();
        let effects = tell(&mut state.sync)?;
        state.todo.extend(effects);
        Ok(())
    }

    /// Asks the machine.
    pub(super) fn ask<T>(&self, ask: impl FnOnce(&Sync) -> T) -> T {
        ask(&self.state().sync)
    }

    /// What is to be done next.
    pub(super) fn next(&self) -> Next {
        let mut state = self.state();
        let next = match state.todo.front() {
            None => return Next::Nothing,
            Some(Effect::AskManifest(ticket, request)) => Next::AskManifest(*ticket, request.clone()),
            Some(Effect::AskDocument(ticket, request)) => Next::AskDocument(*ticket, request.clone()),
            Some(_) => return Next::OnDisk,
        };
        state.todo.pop_front();
        next
    }

    pub(super) fn is_broken(&self) -> bool {
        self.state().is_broken
    }

    pub(super) fn progress(&self) -> Progress {
        self.state().sync.progress()
    }

    /// Everything that the manifest lists.
    pub(super) fn documents(
        &self,
        since: &BTreeMap<Edition, Timestamp>,
        read: &BTreeSet<Edition>,
    ) -> Vec<Document> {
        let state = self.state();
        let entries = state.sync.manifest().into_iter().flat_map(|manifest| &manifest.entries);
        let document = |entry| {
            let is_read = read.contains(&Edition::of(entry));
            Document::new(entry, state.standing(entry, since), is_read)
        };
        entries.map(document).collect()
    }

    /// The newest edition of a notice.
    pub(super) fn notice(&self, id: DocumentId) -> Option<Edition> {
        let state = self.state();
        let entries = &state.sync.manifest()?.entries;
        entries.iter().find(|entry| entry.id == id && entry.notice.is_some()).map(Edition::of)
    }

    /// The edition of a document that can be read.
    pub(super) fn whole(&self, id: DocumentId) -> Option<Edition> {
        let state = self.state();
        let entry = state.sync.manifest()?.entries.iter().find(|entry| entry.id == id)?;
        let edition = Edition::of(entry);
        state.sync.part(edition).verified.then_some(edition)
    }

    /// An edition was found damaged.
    pub(super) fn lost(&self, edition: Edition) {
        let mut state = self.state();
        let effects = state.sync.lost(edition);
        state.todo.extend(effects);
    }

    /// Tells how far it is, if that is worth telling.
    pub(super) fn show(&self, agent: &Agent) {
        let progress = {
            let mut state = self.state();
            let (now, told) = (state.sync.progress(), state.told);
            let same = Progress { bytes_there: told.bytes_there, ..now } == told;
            if same && now.bytes_there.abs_diff(told.bytes_there) < TELL_EVERY {
                return;
            }
            state.told = now;
            now
        };
        agent.observer.documents(progress);
    }

    /// Does something on the disk, to its end, even if nobody waits for it any more: one thing at a time.
    pub(super) async fn on_disk(
        self: &Arc<Self>,
        agent: &Arc<Agent>,
        act: impl FnOnce(&Self, &Agent) -> Result<(), AgentError> + Send + 'static,
    ) -> Result<(), AgentError> {
        let held = Arc::clone(&self.disk).lock_owned().await;
        let desk = Arc::clone(self);
        agent
            .blocking(move |agent| {
                let _held = held;
                let done = act(&desk, agent);
                desk.state().is_broken |= done.is_err();
                done
            })
            .await?
    }

    /// Before a connection is used: what was begun earlier is opened, so that it is known where it stands. What was left of
    /// questions on an earlier connection is dropped.
    pub(super) fn take_up(&self, agent: &Agent) -> Result<(), AgentError> {
        let begun: Vec<(Edition, DocumentEntry)> = {
            let mut state = self.state();
            state.todo.retain(|effect| !matches!(effect, Effect::AskManifest(..) | Effect::AskDocument(..)));
            let State { sync, writers, .. } = &*state;
            let is_begun = |edition: Edition, part: Part| {
                let entry = sync.entry(edition).filter(|entry| part.bytes < entry.size)?;
                (!part.verified && !writers.contains_key(&edition)).then(|| (edition, entry.clone()))
            };
            sync.parts().filter_map(|(edition, part)| is_begun(edition, part)).collect()
        };
        for (number, (edition, entry)) in begun.into_iter().enumerate() {
            let name = content_name(edition);
            let writer = match number < MAX_BEGUN {
                true => agent.with_vault(|vault| {
                    vault.resume(DOCUMENTS, &name, &entry.hash, moment().now, &mut rng())
                })?,
                false => None,
            };
            let mut state = self.state();
            state.sync.stands_at(edition, writer.as_ref().map_or(0, FileWriter::position));
            state.writers.extend(writer.map(|writer| (edition, writer)));
        }
        Ok(())
    }

    /// Does the next thing that the machine wants done on the disk.
    pub(super) fn perform(&self, agent: &Agent) -> Result<(), AgentError> {
        let Some(effect) = self.state().todo.pop_front() else { return Ok(()) };
        match effect {
            Effect::Keep(manifest) => keep(agent, &manifest),
            Effect::Write { edition, offset, mut bytes } => {
                let written = self.write(agent, edition, offset, &bytes);
                bytes.zeroize();
                written
            }
            Effect::Verify { edition, hash } => self.verify(agent, edition, hash),
            Effect::Remove(edition) => self.remove(agent, edition),
            Effect::AskManifest(..) | Effect::AskDocument(..) => Ok(()),
        }
    }

    fn write(&self, agent: &Agent, edition: Edition, offset: u64, bytes: &[u8]) -> Result<(), AgentError> {
        let (entry, begun) = {
            let mut state = self.state();
            // Removed since it was asked for.
            let Some(entry) = state.sync.entry(edition).cloned() else { return Ok(()) };
            (entry, state.writers.remove(&edition))
        };
        let begin = |vault: &Vault| {
            vault.begin_resumable(DOCUMENTS, &content_name(edition), &entry.hash, moment().now, &mut rng())
        };
        let mut writer = match begun {
            Some(writer) => writer,
            None => agent.with_vault(begin)?,
        };
        if writer.position() != offset {
            return Err(Misbehaviour::Chunk.into());
        }
        agent.with_vault(|vault| vault.write(&mut writer, bytes))?;
        let upto = writer.position();
        if upto == entry.size {
            agent.with_vault(|vault| vault.commit_file(writer, moment().now, &mut rng()))?;
        } else {
            self.state().writers.insert(edition, writer);
        }
        let mut state = self.state();
        let effects = state.sync.written(edition, upto);
        state.todo.extend(effects);
        Ok(())
    }

    /// Reads what the vault has, not what came: what is shown later is what was verified.
    fn verify(&self, agent: &Agent, edition: Edition, hash: [u8; 32]) -> Result<(), AgentError> {
        let is_right = match content_hash(agent, edition) {
            // Also one that the disk does not give: it comes again.
            Err(AgentError::Vault(VaultError::Damaged(_) | VaultError::NotFound | VaultError::Io(_))) => {
                false
            }
            found => found? == hash,
        };
        if is_right {
            let name = named(WHOLE, edition);
            agent.with_vault(|vault| vault.put(DOCUMENTS, &name, &[], moment().now, &mut rng()))?;
        } else {
            tracing::warn!(document = %edition.id, "a document is not what its hash says, and is not kept");
        }
        let mut state = self.state();
        let effects = state.sync.verified(edition, is_right);
        state.todo.extend(effects);
        Ok(())
    }

    /// With those that are to be removed next.
    fn remove(&self, agent: &Agent, first: Edition) -> Result<(), AgentError> {
        let mut editions = vec![first];
        {
            let mut state = self.state();
            while let (Some(Effect::Remove(edition)), true) =
                (state.todo.front(), editions.len() < REMOVE_AT_ONCE)
            {
                editions.push(*edition);
                state.todo.pop_front();
            }
            editions.iter().for_each(|edition| drop(state.writers.remove(edition)));
        }
        agent.with_vault(|vault| {
            let mut batch = Batch::new();
            for edition in &editions {
                let content = content_name(*edition);
                batch.delete(DOCUMENTS, &named(WHOLE, *edition))?;
                batch.delete(DOCUMENTS, &named(READ, *edition))?;
                batch.delete(DOCUMENTS, &content)?.abandon(DOCUMENTS, &content)?;
            }
            vault.commit(batch, moment().now, &mut rng()).map(drop)
        })
    }
}

impl State {
    fn standing(&self, entry: &DocumentEntry, since: &BTreeMap<Edition, Timestamp>) -> DocumentState {
        let edition = Edition::of(entry);
        let part = self.sync.part(edition);
        match since.get(&edition).filter(|_| part.verified) {
            Some(since) => DocumentState::There { since: *since },
            None if entry.size > MAX_SIZE => DocumentState::TooLarge,
            None if self.sync.is_wrong(edition) => DocumentState::Failed,
            None => DocumentState::Coming { received: part.bytes.min(entry.size) },
        }
    }
}

fn load_parts(vault: &Vault) -> Result<BTreeMap<Edition, Part>, VaultError> {
    let mut parts = BTreeMap::new();
    for (name, bytes) in vault.begun_files(DOCUMENTS)? {
        parts.extend(edition_of(&name, CONTENT).map(|edition| (edition, Part { bytes, verified: false })));
    }
    vault.each(DOCUMENTS, CONTENT, |entry| {
        let part = Part { bytes: entry.size, verified: false };
        parts.extend(edition_of(entry.name, CONTENT).map(|edition| (edition, part)));
    })?;
    for edition in since(vault)?.into_keys() {
        // The contents may have been lost to damage since: then they come again.
        parts.entry(edition).and_modify(|part| part.verified = true);
    }
    Ok(parts)
}

/// One that cannot be read is none: the server has it.
fn load_manifest(agent: &Agent) -> Result<Option<Manifest>, AgentError> {
    let bytes = match read_manifest(agent) {
        Err(AgentError::Vault(VaultError::NotFound | VaultError::Damaged(_))) => return Ok(None),
        read => read?,
    };
    let decoded = ciborium::from_reader::<(ManifestVersion, Vec<DocumentEntry>), _>(bytes.as_slice());
    let manifest = decoded.ok().map(|(version, entries)| Manifest { version, entries });
    Ok(manifest.filter(|manifest| ManifestVersion::of(&manifest.entries) == manifest.version))
}

fn read_manifest(agent: &Agent) -> Result<zeroize::Zeroizing<Vec<u8>>, AgentError> {
    let mut file = agent.with_vault(|vault| vault.file(DOCUMENTS, MANIFEST))?;
    if file.size() > MAX_MANIFEST {
        return Err(VaultError::NotFound.into());
    }
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(file.size() as usize));
    while let Some(chunk) = agent.with_vault(|vault| vault.read(&mut file))? {
        bytes.extend_from_slice(chunk);
    }
    Ok(bytes)
}

fn keep(agent: &Agent, manifest: &Manifest) -> Result<(), AgentError> {
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    ciborium::into_writer(&(manifest.version, &manifest.entries), &mut *bytes)
        .expect("a manifest in memory encodes into a vector");
    let mut file = agent.with_vault(|vault| vault.begin(DOCUMENTS, MANIFEST, &mut rng()))?;
    for chunk in bytes.chunks(CHUNK_LEN) {
        agent.with_vault(|vault| vault.write(&mut file, chunk))?;
    }
    agent.with_vault(|vault| vault.commit_file(file, moment().now, &mut rng()).map(drop))
}

fn content_hash(agent: &Agent, edition: Edition) -> Result<[u8; 32], AgentError> {
    let name = content_name(edition);
    let mut file = agent.with_vault(|vault| vault.file(DOCUMENTS, &name))?;
    let mut hash = Sha256::default();
    while let Some(chunk) = agent.with_vault(|vault| vault.read(&mut file))? {
        hash.update(chunk);
    }
    Ok(hash.finish())
}
