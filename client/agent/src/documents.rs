//! Documents of the organisation: how they come into the vault, and how they are read there. What to ask for and what to remove
//! decides `client_core::sync`; this drives it over a connection ([`sync`]) and the vault ([`Desk`]).
//!
//! In the collection of documents of the vault stand
//!
//! | name | |
//! |---|---|
//! | `manifest` | the last manifest that came whole: CBOR `[version, entries]` |
//! | `content/<id>/<version>` | the contents; while they come, a write that was begun to be resumed |
//! | `whole/<id>/<version>` | that those contents have the hash that the manifest says; only then they are shown |
//! | `read/<id>/<version>` | of a notice: that it was read here |

mod desk;
mod pass;

use std::io::Write;
use std::sync::Arc;

use client_core::sync::{Edition, Progress};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ids::DocumentId;
use shared::wire::DocumentEntry;
use vault::{Collection, VaultError};

use crate::agent::Agent;
use crate::error::AgentError;
use crate::files::FileTransferError;

pub(crate) use desk::Desk;
pub(crate) use pass::sync;

/// How many documents there are to read and how many are there, and the same in bytes.
pub type DocumentsProgress = Progress;

/// How a document stands on this phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentState {
    /// It can be read.
    There {
        /// Since when, by the device's clock.
        since: Timestamp,
    },
    /// It is coming, or will be once the server can be reached.
    Coming {
        /// Bytes that are here.
        received: u64,
    },
    /// Its contents are not what the manifest says. It is tried again after the next unlock, or when it was replaced.
    Failed,
    /// It is larger than a vault keeps in one file.
    TooLarge,
}

/// A document that this account may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Which.
    pub id: DocumentId,
    /// Which of its versions, from 1.
    pub version: u32,
    /// Its title.
    pub title: String,
    /// Names of folders with `/` between them, empty at the top.
    pub folder: String,
    /// What it is (RFC 6838).
    pub media_type: String,
    /// Bytes of its contents.
    pub size: u64,
    /// 機密性, 1 to 3.
    pub level: u8,
    /// Of a notice (お知らせ): how it stands with reading.
    pub notice: Option<NoticeState>,
    /// How it stands here.
    pub state: DocumentState,
}

/// A notice, and whether it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeState {
    /// When it was published.
    pub published_at: Timestamp,
    /// It was read on this device.
    pub is_read: bool,
}

impl Document {
    fn new(entry: &DocumentEntry, state: DocumentState, is_read: bool) -> Self {
        let DocumentEntry { id, version, title, folder, media_type, size, level, notice, .. } = entry.clone();
        let notice = notice.map(|published_at| NoticeState { published_at, is_read });
        Self { id, version, title, folder, media_type, size, level, notice, state }
    }
}

impl Agent {
    /// The documents that this account may read as of the last manifest, in the order of folder, then title, there or not.
    /// Blocking.
    pub fn documents(&self) -> Result<Vec<Document>, AgentError> {
        let desk = self.desk()?;
        let (since, read) = self.with_vault(|vault| Ok((desk::since(vault)?, desk::read(vault)?)))?;
        Ok(desk.documents(&since, &read))
    }

    /// A notice was read, as it is now: a corrected one is unread again. Of anything else nothing is kept. Blocking.
    pub fn mark_read(&self, id: DocumentId) -> Result<(), AgentError> {
        let desk = self.desk()?;
        desk.notice(id).map_or(Ok(()), |edition| desk::keep_read(self, edition))
    }

    /// How far documents are. Blocking.
    pub fn documents_progress(&self) -> Result<DocumentsProgress, AgentError> {
        Ok(self.desk()?.progress())
    }

    /// Writes the contents of a document that is there to `sink`. After an error `sink` has a part of it; if the contents are
    /// damaged, they are fetched again. Blocking.
    pub fn document(&self, id: DocumentId, sink: &mut dyn Write) -> Result<u64, FileTransferError> {
        let desk = self.desk()?;
        let edition = desk.whole(id).ok_or(AgentError::Vault(VaultError::NotFound))?;
        let read = self.write_out(edition, sink);
        if let Err(FileTransferError::Agent(AgentError::Vault(VaultError::Damaged(damage)))) = &read {
            tracing::warn!(%damage, "a document is damaged and comes again");
            desk.lost(edition);
            self.look_for_documents();
        }
        read
    }

    fn write_out(&self, edition: Edition, sink: &mut dyn Write) -> Result<u64, FileTransferError> {
        let name = desk::content_name(edition);
        let mut file = self.with_vault(|vault| vault.file(Collection::Documents, &name))?;
        while let Some(chunk) = self.with_vault(|vault| vault.read(&mut file))? {
            sink.write_all(chunk)?;
        }
        sink.flush()?;
        Ok(file.size())
    }

    /// What is known of documents in this opening of the vault; read from it at the first time. Blocking.
    pub(crate) fn desk(&self) -> Result<Arc<Desk>, AgentError> {
        let opening = self.content.opening();
        let known = self.content.desk().clone();
        if let Some(desk) = known.filter(|desk| !desk.is_broken()) {
            // A vault that is closed shows nothing, known or not.
            self.with_vault(|_| Ok(()))?;
            return Ok(desk);
        }
        let loaded = Arc::new(Desk::load(self)?);
        let mut kept = self.content.desk();
        match kept.as_ref().filter(|desk| !desk.is_broken()) {
            Some(desk) => return Ok(Arc::clone(desk)),
            None if self.content.opening() == opening => *kept = Some(Arc::clone(&loaded)),
            // Closed meanwhile: what was loaded is of no use to the next opening.
            None => return Err(VaultError::Closed.into()),
        }
        Ok(loaded)
    }
}
