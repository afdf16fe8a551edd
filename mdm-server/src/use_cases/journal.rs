//! The audit journal for those who check it: pages of entries, and the signed checkpoint they are checked against.

mod export;
pub mod search;
#[cfg(test)]
mod tests;

pub use export::{Export, Form, note};

use mdm_core::audit::{Actor, AuditEvent, Entry, Happening, Subject};
use mdm_core::change::Changeset;
use shared::cose::{self, PublicKey, Signer as _};
use shared::signed::Checkpoint;

use super::UseCaseError;
use crate::service::{CheckpointError, Service};

/// A part of the journal. Reading it is itself noted, after what is read.
pub async fn entries(
    service: &Service,
    after: u64,
    limit: usize,
    actor: Actor,
) -> Result<Vec<Entry>, UseCaseError> {
    let entries = service.store.journal_entries(after, limit).await?;
    let mut changes = Changeset::default();
    changes.note(
        AuditEvent::new(service.clock.now(), actor, Happening::JournalExported, Subject::default())
            .fact("after", after)
            .fact("entries", entries.len()),
    );
    service.commit(changes).await?;
    Ok(entries)
}

/// A checkpoint and the key that signed it.
#[derive(Debug, Clone)]
pub struct SignedCheckpoint {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// COSE_Sign1.
    pub bytes: Vec<u8>,
    /// Whose signature it is.
    pub key: PublicKey,
}

/// The newest head, signed now.
pub async fn checkpoint(service: &Service) -> Result<SignedCheckpoint, UseCaseError> {
    let bytes = service.checkpoint().await.map_err(|error| match error {
        CheckpointError::Read(error) => UseCaseError::Read(error),
        CheckpointError::Sign(error) => UseCaseError::Sign(error),
    })?;
    let key = service.keyring.checkpoint.public_key().clone();
    // What was just signed is read back: a checkpoint that does not verify must not leave.
    let checkpoint = cose::verify(&bytes, b"", &key).map_err(|_| UseCaseError::Sign(cose::SignError))?;
    Ok(SignedCheckpoint { checkpoint, bytes, key })
}
