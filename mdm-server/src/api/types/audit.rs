//! The audit journal as the API and exported files carry it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One entry. `bytes` is what the chain hashes; it is never encoded again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryView {
    /// Place, from 1.
    pub sequence: u64,
    /// CBOR of `mdm_core::audit::Body`, base64.
    pub bytes: String,
    /// The chain value after this entry, hexadecimal.
    pub hash: String,
    /// The values that the commitments in `bytes` stand for, as far as they are kept.
    pub personal: Vec<PersonalView>,
}

/// A value about a person beside the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonalView {
    /// What it is: `name`, `reason`.
    pub field: String,
    /// 16 bytes, hexadecimal.
    pub salt: String,
    /// The value.
    pub value: String,
}

/// The head of the journal, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointView {
    /// The newest entry.
    pub sequence: u64,
    /// The chain value after it, hexadecimal.
    pub hash: String,
    /// When it was the newest.
    pub at: Timestamp,
    /// COSE_Sign1 of `shared::signed::Checkpoint`, base64.
    pub checkpoint: String,
    /// SubjectPublicKeyInfo of the key that signed it, base64. Whoever verifies compares its fingerprint with one that
    /// came another way.
    pub key: String,
}
