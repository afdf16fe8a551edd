//! The audit journal: what happened, as a SHA-256 hash chain over stored bytes that are never encoded again.
//!
//! An entry's bytes are the CBOR of [`Body`]: ids, facts and salted commitments. Personal values stand beside it in
//! [`PersonalValue`]s, so that they can be deleted while the chain still verifies.

mod chain;
mod long;
#[cfg(test)]
mod tests;

pub use chain::{ChainError, Entry, GENESIS, Verified, Walk, link, verify};
pub use long::Events;
pub(crate) use long::Happenings;

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use shared::crypto::hazmat::sha256;
use shared::ids::{AccountId, BatchId, CommandId, DocumentId, EnrolmentId, OperatorId};

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// An operator, by the API.
    Operator(OperatorId),
    /// A device, by its key.
    Device(EnrolmentId),
    /// Somebody who showed an activation code.
    Code,
    /// Somebody who showed the loss code of a letter.
    LossCode,
    /// Somebody at the sign-in page who did not prove who they are.
    Visitor,
    /// The server itself: the scheduler, `init`.
    Server,
}

/// What was done. The names are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it, and the format document lists them")]
pub enum Happening {
    ServerInitialised,
    ServerStarted,
    ApiRefused,
    BatchUploaded,
    BatchRefused,
    UndoPlanned,
    BatchApproved,
    BatchSelfApproved,
    SelfApprovalAcknowledged,
    BatchScheduled,
    BatchApplied,
    BatchHeld,
    BatchCancelled,
    BatchReplaced,
    BatchLinesDeleted,
    UploadForgotten,
    NumberDecided,
    ColumnsAssigned,
    ColumnsForgotten,
    SubstituteSet,
    SubstituteRemoved,
    AccountJoined,
    AccountChanged,
    AccountReturned,
    AccountLeft,
    AccountSignedIn,
    AccountClosed,
    PoolSet,
    SeatAssigned,
    SeatReclaimed,
    SeatNoticed,
    SeatHeld,
    SeatNoticeEnded,
    SeatRestored,
    AbsenceNoted,
    AbsenceRemoved,
    WaitingAdded,
    CodeIssued,
    CodesExported,
    CodeHandedOut,
    CodeMailed,
    CodeNotMailed,
    CodeMailCancelled,
    CodeTried,
    CodeDied,
    CodeExpired,
    DeviceRegistered,
    DeviceEnrolled,
    UnlockCharged,
    UnlockGranted,
    UnlockRefused,
    AttemptsExhausted,
    AttemptsReset,
    PinProven,
    UnlockRecordDestroyed,
    DeviceBlocked,
    DeviceUnblocked,
    DeviceWiped,
    DeviceSealed,
    DeviceErased,
    ReceiptAgain,
    CertificateRenewed,
    CopySuspected,
    JournalExported,
    BackupMade,
    PinsRotated,
    PinsRecovered,
    QuarantineEntered,
    QuarantineEnded,
    JournalFollowed,
    OperatorInvited,
    OperatorReady,
    OperatorChanged,
    OperatorDisabled,
    OperatorEnabled,
    DeputyNamed,
    DeputyEnded,
    TokenMade,
    TokenRevoked,
    SignedIn,
    SignInFailed,
    SignedOut,
    SecondFactorConfirmed,
    DocumentPublished,
    DocumentReplaced,
    DocumentUnpublished,
    DocumentOpened,
    NoteStored,
    NoteDeleted,
}

/// A value about a person, kept beside the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonalValue {
    /// What it is: `name`, `reason`.
    pub field: String,
    /// 16 random bytes, so that the commitment cannot be searched.
    #[serde(with = "serde_bytes")]
    pub salt: [u8; 16],
    /// The value.
    pub value: String,
}

impl PersonalValue {
    /// A value with a fresh salt.
    pub fn make(field: &str, value: &str, rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        Self { field: field.to_owned(), salt, value: value.to_owned() }
    }

    /// SHA-256 of salt ‖ field ‖ 0 ‖ value: what the chain holds.
    pub fn commitment(&self) -> [u8; 32] {
        sha256(&[&self.salt, self.field.as_bytes(), &[0], self.value.as_bytes()])
    }
}

/// Whom and what an event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The enrolment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<EnrolmentId>,
    /// The command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandId>,
    /// The batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
    /// The document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentId>,
}

impl Subject {
    /// About a device and whose it is.
    pub fn device(device: &crate::device::Device) -> Self {
        Self { account: Some(device.account), device: Some(device.enrolment), ..Self::default() }
    }

    /// About an account.
    pub fn account(account: AccountId) -> Self {
        Self { account: Some(account), ..Self::default() }
    }

    /// About a batch.
    pub fn batch(batch: BatchId) -> Self {
        Self { batch: Some(batch), ..Self::default() }
    }

    /// About a document.
    pub fn document(document: DocumentId) -> Self {
        Self { document: Some(document), ..Self::default() }
    }
}

/// An event before it has a place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub what: Happening,
    /// About what.
    pub subject: Subject,
    /// Impersonal details: counts, states, digests in hexadecimal. Pairs of name and text.
    pub facts: Vec<(String, String)>,
    /// Details about persons.
    pub personal: Vec<PersonalValue>,
}

impl AuditEvent {
    /// An event without details.
    pub fn new(at: Timestamp, actor: Actor, what: Happening, subject: Subject) -> Self {
        Self { at, actor, what, subject, facts: Vec::new(), personal: Vec::new() }
    }

    /// Adds an impersonal detail.
    pub fn fact(mut self, name: &str, value: impl ToString) -> Self {
        // Most have one at most, and there may be 300,000 events.
        self.facts.reserve_exact(1);
        self.facts.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a detail about a person.
    pub fn personal(mut self, value: PersonalValue) -> Self {
        self.personal.push(value);
        self
    }
}

/// What an entry's bytes hold, as CBOR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Place in the chain, from 1.
    pub sequence: u64,
    /// When, in milliseconds since 1970.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub what: Happening,
    /// About what.
    pub subject: Subject,
    /// Impersonal details.
    pub facts: Vec<(String, String)>,
    /// Field and commitment of each personal value.
    pub commitments: Vec<(String, serde_bytes::ByteArray<32>)>,
}
