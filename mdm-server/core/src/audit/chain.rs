//! Linking and verifying. A chain value is SHA-256 of `"tbk-audit/1" ‖ previous value ‖ entry bytes`.

use serde::{Deserialize, Serialize};
use shared::crypto::hazmat::sha256;
use shared::signed::JournalHead;

use super::{AuditEvent, Body, PersonalValue};

/// The head of an empty journal.
pub const GENESIS: JournalHead = JournalHead { sequence: 0, hash: [0; 32] };

/// An event in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Place, from 1.
    pub sequence: u64,
    /// CBOR of [`Body`]: what is hashed, byte for byte.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
    /// The chain value after this entry.
    #[serde(with = "serde_bytes")]
    pub hash: [u8; 32],
    /// The values that the commitments in `bytes` stand for; may have been deleted.
    pub personal: Vec<PersonalValue>,
}

impl Entry {
    /// What the bytes say.
    pub fn body(&self) -> Result<Body, ChainError> {
        ciborium::from_reader(self.bytes.as_slice()).map_err(|_| ChainError::Undecodable(self.sequence))
    }

    /// The head of a journal that ends here.
    pub fn head(&self) -> JournalHead {
        JournalHead { sequence: self.sequence, hash: self.hash }
    }
}

/// Where a journal breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// An entry is missing or out of place.
    #[error("entry {found} stands where entry {expected} should")]
    Sequence {
        /// The place in the chain.
        expected: u64,
        /// What stands there.
        found: u64,
    },
    /// The bytes are not an entry.
    #[error("entry {0} does not decode")]
    Undecodable(u64),
    /// The bytes are not those that were chained.
    #[error("entry {0} was changed: its chain value does not fit")]
    Changed(u64),
    /// A personal value is not the one committed to.
    #[error("entry {0} has a personal value that does not fit its commitment")]
    Personal(u64),
    /// The anchor is not in this chain.
    #[error("the journal does not contain the anchor at entry {0}")]
    Anchor(u64),
}

fn chain_value(previous: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    sha256(&[b"tbk-audit/1", previous, bytes])
}

/// Gives an event its place after `head`.
pub fn link(head: &JournalHead, event: &AuditEvent) -> Entry {
    let sequence = head.sequence + 1;
    let commitments = event.personal.iter().map(|p| (p.field.clone(), p.commitment().into())).collect();
    let body = Body {
        sequence,
        at: event.at,
        actor: event.actor,
        what: event.what,
        subject: event.subject.clone(),
        facts: event.facts.clone(),
        commitments,
    };
    let mut bytes = Vec::new();
    ciborium::into_writer(&body, &mut bytes).expect("an event in memory encodes into a vector");
    let hash = chain_value(&head.hash, &bytes);
    Entry { sequence, bytes, hash, personal: event.personal.clone() }
}

/// What a walk over the journal found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The last entry.
    pub head: JournalHead,
    /// How many personal values are no longer there.
    pub personal_deleted: u64,
}

/// A walk over a journal from its first entry, one entry at a time: for journals that do not fit into memory.
#[derive(Debug, Clone)]
pub struct Walk(Verified);

impl Walk {
    /// Before the first entry.
    pub fn begin() -> Self {
        Self(Verified { head: GENESIS, personal_deleted: 0 })
    }

    /// Verifies the next entry. After an error the walk stands where it stood.
    pub fn step(&mut self, entry: &Entry) -> Result<(), ChainError> {
        let expected = self.0.head.sequence + 1;
        self.0.personal_deleted += verify_entry(entry, expected, &self.0.head.hash)?;
        self.0.head = entry.head();
        Ok(())
    }

    /// What was found so far.
    pub fn verified(&self) -> &Verified {
        &self.0
    }
}

/// Walks a whole journal. Without `anchor` the result says only that the journal agrees with itself: whoever can write
/// all of it can also compute it anew.
pub fn verify<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    anchor: Option<&JournalHead>,
) -> Result<Verified, ChainError> {
    let mut walk = Walk::begin();
    let mut anchored = anchor.is_none_or(|anchor| *anchor == GENESIS);
    for entry in entries {
        walk.step(entry)?;
        anchored |= anchor == Some(&walk.0.head);
    }
    match anchor {
        Some(anchor) if !anchored => Err(ChainError::Anchor(anchor.sequence)),
        _ => Ok(walk.0),
    }
}

fn verify_entry(entry: &Entry, expected: u64, previous: &[u8; 32]) -> Result<u64, ChainError> {
    let body = entry.body()?;
    if entry.sequence != expected || body.sequence != expected {
        return Err(ChainError::Sequence { expected, found: entry.sequence });
    }
    if chain_value(previous, &entry.bytes) != entry.hash {
        return Err(ChainError::Changed(expected));
    }
    for value in &entry.personal {
        let committed = (value.field.clone(), value.commitment().into());
        if !body.commitments.contains(&committed) {
            return Err(ChainError::Personal(expected));
        }
    }
    Ok(body.commitments.len().saturating_sub(entry.personal.len()) as u64)
}
