//! What a person does to a note: it is bound to the version that was opened, so that nothing that came meanwhile is overwritten
//! unseen. All of it blocks.

use client_core::outbox::NoteName;
use shared::ids::NoteId;
use vault::{Batch, VaultError};
use zeroize::Zeroizing;

use super::desk::{Desk, Moved, commit, is_unreadable, record_of_copy, to_cbor};
use super::{FILES, RECORDS, record_name};
use crate::agent::{Agent, rng};
use crate::clock::moment;
use crate::error::AgentError;
use crate::files::FileTransferError;

/// Where an edit was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedNote {
    /// The note that was edited; another one if that had changed meanwhile, and the edit was kept as a conflict copy.
    pub id: NoteId,
    /// The version to bind the next edit to.
    pub version: u64,
}

fn file(id: NoteId) -> String {
    NoteName { parent: None, id }.to_string()
}

/// `None` if the note was of another version.
fn unless_changed<T>(done: Result<T, AgentError>) -> Result<Option<T>, AgentError> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(AgentError::Vault(VaultError::Changed)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Agent {
    /// A note of at most `limit` bytes and its version, to bind an edit to. A longer one is an error of the kind
    /// [`std::io::ErrorKind::FileTooLarge`].
    pub fn note(&self, id: NoteId, limit: usize) -> Result<(u64, Zeroizing<Vec<u8>>), FileTransferError> {
        let name = file(id);
        loop {
            let version = self.with_vault(|vault| vault.entry(FILES, &name))?.map(|entry| entry.version);
            let mut file = self.with_vault(|vault| vault.file(FILES, &name))?;
            // Replaced between the two looks: it is read anew.
            if self.with_vault(|vault| vault.entry(FILES, &name))?.map(|entry| entry.version) != version {
                continue;
            }
            if file.size() > limit as u64 {
                return Err(std::io::Error::from(std::io::ErrorKind::FileTooLarge).into());
            }
            let mut bytes = Zeroizing::new(Vec::with_capacity(file.size() as usize));
            while let Some(chunk) = self.with_vault(|vault| vault.read(&mut file))? {
                bytes.extend_from_slice(chunk);
            }
            return Ok((version.ok_or(AgentError::Vault(VaultError::NotFound))?, bytes));
        }
    }

    /// Stores what a note is to hold, if it is still of the version that was opened (`None`: a new one). If it has changed
    /// meanwhile, what was typed is kept as a note of its own; if it was deleted, it is there again.
    pub fn save_note(&self, id: NoteId, opened: Option<u64>, bytes: &[u8]) -> Result<SavedNote, AgentError> {
        let saved = match self.store_note(id, opened, bytes)? {
            Some(saved) => saved,
            None => self.with_notes(|desk| self.keep_beside(desk, (id, opened), bytes))?,
        };
        self.content.file_changed(&file(saved.id));
        Ok(saved)
    }

    fn store_note(
        &self,
        id: NoteId,
        over: Option<u64>,
        bytes: &[u8],
    ) -> Result<Option<SavedNote>, AgentError> {
        let name = file(id);
        let mut batch = Batch::new();
        batch.expect(FILES, &name, over)?.put_file(self.written(&name, bytes)?);
        let stored = unless_changed(commit(self, batch))?;
        Ok(stored.map(|version| SavedNote { id, version }))
    }

    /// The note is of another version than the one that was opened.
    fn keep_beside(
        &self,
        desk: &mut Desk,
        (id, opened): (NoteId, Option<u64>),
        bytes: &[u8],
    ) -> Result<SavedNote, AgentError> {
        // What was opened has become a conflict copy by itself: there the person writes on.
        if let Some(Moved { to, version, .. }) = desk.moved(id, opened)
            && let Some(saved) = self.store_note(to, Some(version), bytes)?
        {
            return Ok(saved);
        }
        // What is there is what was typed: an answer was lost, or another device has typed the same.
        match self.note(id, bytes.len()) {
            Ok((version, there)) if *there == bytes => return Ok(SavedNote { id, version }),
            Ok(_) | Err(FileTransferError::Outside(_)) => {}
            Err(FileTransferError::Agent(error)) if is_unreadable(&error) => {}
            Err(FileTransferError::Agent(AgentError::Vault(VaultError::NotFound))) => {}
            Err(FileTransferError::Agent(error)) => return Err(error),
        }
        let is_deleted = self.with_vault(|vault| vault.entry(FILES, &file(id)))?.is_none();
        if is_deleted && let Some(saved) = self.store_note(id, None, bytes)? {
            return Ok(saved);
        }
        let copy = NoteId::make(moment().now, &mut rng());
        let name = file(copy);
        let mut batch = Batch::new();
        batch.expect(FILES, &name, None)?.put_file(self.written(&name, bytes)?);
        batch.put(RECORDS, &record_name(copy), &to_cbor(&record_of_copy(id)))?;
        let version = commit(self, batch)?;
        desk.made_copy(id, copy);
        Ok(SavedNote { id: copy, version })
    }

    fn written(&self, name: &str, bytes: &[u8]) -> Result<vault::FileWriter, AgentError> {
        let mut writer = self.with_vault(|vault| vault.begin(FILES, name, &mut rng()))?;
        for chunk in bytes.chunks(vault::CHUNK_LEN) {
            self.with_vault(|vault| vault.write(&mut writer, chunk))?;
        }
        Ok(writer)
    }

    /// Removes a note, if it is still of the version that was opened; says whether it is gone. What has changed meanwhile stays.
    pub fn delete_note(&self, id: NoteId, opened: u64) -> Result<bool, AgentError> {
        let name = file(id);
        let mut batch = Batch::new();
        batch.expect(FILES, &name, Some(opened))?.delete(FILES, &name)?;
        if unless_changed(commit(self, batch))?.is_none() {
            return Ok(self.with_vault(|vault| vault.entry(FILES, &name))?.is_none());
        }
        self.content.file_changed(&name);
        Ok(true)
    }
}
