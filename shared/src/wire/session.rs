//! The exchanges of [`super::ALPN_DEVICE`]: hello, unlock, command, receipt, renew.

use std::fmt;

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond::required as millis;
use serde::{Deserialize, Serialize};

use super::frame::{Kind, Message};
use crate::ids::RunId;
use crate::policy::Policy;
use crate::signed::{JournalHead, Order, PinOrder};

/// Client → server, first on every connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the app.
    pub app_version: String,
    /// The last command this device has applied.
    pub last_applied: Option<Order>,
    /// How often the vault was opened by an unlock: two phones with one identity show by it.
    pub vault_epoch: u64,
    /// The newest checkpoint of the audit journal this device has seen.
    pub checkpoint: Option<JournalHead>,
    /// The same as it was signed ([`crate::signed::Checkpoint`]): a server that is shown one that is not in its journal
    /// knows that it has forgotten something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_checkpoint: Option<serde_bytes::ByteBuf>,
    /// Policy keys that this device does not know.
    #[serde(default)]
    pub not_enforced: Vec<String>,
    /// Which run of the app speaks: two that live at once, or grow from one, show that the device was copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// Which set of the server's pins is on this device's storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins: Option<PinOrder>,
}

/// One run of the app, from the opening of its folder to its end. A folder is open once at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Made at the start; nowhere but in memory until a hello of it was answered.
    pub id: RunId,
    /// The last run whose hello was answered, as the folder says at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<RunId>,
}

/// Server → client, on a stream that the server opens: whoever answers lives now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunProbe {}

/// Client → server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAnswer {
    /// The run that lives here.
    pub run: RunId,
}

/// Where an enrolment stands with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrolmentStanding {
    /// Unlock is answered.
    Live,
    /// Unlock is withheld, reversibly.
    Blocked,
}

/// Server → client. A wiped enrolment never gets one: it is answered with the wipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HelloReply {
    /// The server's clock, in milliseconds since 1970.
    #[serde(with = "millis")]
    pub server_time: Timestamp,
    /// Where the enrolment stands.
    pub standing: EnrolmentStanding,
    /// Signed commands ([`crate::signed::Command`]) above `last_applied`, in order.
    pub commands: Vec<serde_bytes::ByteBuf>,
    /// What is allowed.
    pub policy: Policy,
    /// The newest signed checkpoint ([`crate::signed::Checkpoint`]).
    pub checkpoint: Option<serde_bytes::ByteBuf>,
    /// Whether the certificate should be renewed now.
    pub renew: bool,
    /// Signed [`crate::signed::PinUpdate`]s, to be taken in order, if the device does not have the newest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pin_updates: Vec<serde_bytes::ByteBuf>,
}

/// Client → server: KE1 of OPAQUE.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlockStart {
    /// The serialized message.
    #[serde(with = "serde_bytes")]
    pub ke1: Vec<u8>,
    /// How often the vault was opened by an unlock before this one.
    pub vault_epoch: u64,
}

/// Server → client: KE2. One attempt was charged before it was sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlockChallenge {
    /// The serialized message.
    #[serde(with = "serde_bytes")]
    pub ke2: Vec<u8>,
    /// Attempts left if this one fails.
    pub attempts_left: u16,
}

/// Client → server: KE3.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlockFinish {
    /// The serialized message.
    #[serde(with = "serde_bytes")]
    pub ke3: Vec<u8>,
}

/// Server → client: KE3 was right, the attempts are given back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnlockGranted {
    /// A signed [`crate::signed::Lease`], where policy grants one.
    pub lease: Option<serde_bytes::ByteBuf>,
    /// What is allowed from now.
    pub policy: Policy,
    /// Until when the vault may be open, as the server has recorded it, in milliseconds since 1970.
    #[serde(with = "millis")]
    pub may_be_open_until: Timestamp,
}

/// Server → client: a signed [`crate::signed::Command`], on a stream that the server opens, or as the only answer that a
/// wiped enrolment gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandMessage {
    /// COSE_Sign1.
    #[serde(with = "serde_bytes")]
    pub command: Vec<u8>,
}

/// Client → server: a block or unblock was applied. A wipe is answered by a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandResult {
    /// The last command now applied.
    pub last_applied: Order,
}

/// Client → server: a signed [`crate::signed::Receipt`], the same bytes at every try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptMessage {
    /// COSE_Sign1.
    #[serde(with = "serde_bytes")]
    pub receipt: Vec<u8>,
}

/// Server → client: the receipt is stored durably.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptAck {
    /// SHA-256 of the receipt's bytes.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 32],
}

/// Client → server: asks for a new certificate for the registered device key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renew {}

/// Server → client: the new certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    /// X.509, DER.
    #[serde(with = "serde_bytes")]
    pub certificate: Vec<u8>,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        /// Why an exchange ends without what was asked. Travels as a number, so that a new reason breaks no old client.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(from = "u16", into = "u16")]
        pub enum RefusalReason {
            $($(#[$doc])* $name,)*
            /// A reason that this version does not know.
            Other(u16),
        }

        impl From<u16> for RefusalReason {
            fn from(number: u16) -> Self {
                match number { $($number => Self::$name,)* other => Self::Other(other) }
            }
        }

        impl From<RefusalReason> for u16 {
            fn from(reason: RefusalReason) -> Self {
                match reason { $(RefusalReason::$name => $number,)* RefusalReason::Other(other) => other }
            }
        }
    };
}

reasons! {
    /// A message that does not decode or was not expected here.
    Malformed = 1;
    /// The server cannot do it now; try again later.
    Unavailable = 2;
    /// Too many tries from here; try again later.
    TooManyTries = 3;
    /// No activation code with this lookup id.
    CodeUnknown = 10;
    /// The activation code is not valid yet.
    CodeNotYetValid = 11;
    /// The activation code is past its last day.
    CodeExpired = 12;
    /// The activation code was used, replaced or withdrawn.
    CodeUsed = 13;
    /// The activation code was tried too often.
    CodeDead = 14;
    /// The activation code belongs to another device key by now.
    CodeBound = 15;
    /// A proof did not verify.
    ProofFailed = 16;
    /// The account has as many devices as it may have.
    DeviceLimit = 17;
    /// Another activation code of the account can still be used.
    CodeOutstanding = 18;
    /// The device key of this connection is not registered.
    DeviceUnknown = 20;
    /// The enrolment is not complete.
    NotEnrolled = 21;
    /// The enrolment is blocked, or the account suspended or closed.
    Blocked = 22;
    /// No attempts are left.
    AttemptsExhausted = 23;
    /// The PIN was wrong.
    PinWrong = 24;
    /// The server was restored, or has forgotten something otherwise, and does not help until its operators have accounted
    /// for it.
    Quarantine = 25;
    /// The server has no unlock record of this device any more: it was restored without it, or with one from before the PIN
    /// was changed. The device can only be enrolled again.
    RecordGone = 26;
    /// The connection has proved no session grant, or the grant has ended.
    NoGrant = 30;
    /// The note is larger than a note may be.
    NoteTooLarge = 40;
    /// The account has as many notes, or bytes of them, as it may have; or the server's disk is full.
    NotesFull = 41;
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Malformed => "the message was not understood",
            Self::Unavailable => "the server cannot do this now; try again later",
            Self::TooManyTries => "too many tries; wait some minutes and try again",
            Self::CodeUnknown => "no such activation code; compare it with the letter",
            Self::CodeNotYetValid => "the activation code is not valid yet; see the date on the letter",
            Self::CodeExpired => "the activation code has expired; ask for a new one",
            Self::CodeUsed => "the activation code was already used or replaced; ask for a new one",
            Self::CodeDead => "the activation code was tried too often; ask for a new one",
            Self::CodeBound => "the activation code was already used on another device; ask for a new one",
            Self::DeviceLimit => {
                "this person already has a device; ask for the old one to be wiped, then for a new code"
            }
            Self::CodeOutstanding => {
                "another activation code of this person can still be used: enrol the other device with that one"
            }
            Self::ProofFailed => "the proof did not verify",
            Self::DeviceUnknown => "this device is not registered",
            Self::NotEnrolled => "the enrolment of this device is not complete; enrol again",
            Self::Blocked => "this device is blocked; ask the helpdesk",
            Self::AttemptsExhausted => "no attempts are left; ask the helpdesk",
            Self::RecordGone => {
                "the server can no longer open this device; ask for a new code and enrol it again"
            }
            Self::PinWrong => "the PIN is wrong",
            Self::Quarantine => {
                "the server was restored from a backup and opens no vault until its operators have confirmed which devices \
                 were wiped meanwhile; nothing on this device is lost; ask the helpdesk"
            }
            Self::NoGrant => "the session has ended; unlock again",
            Self::NoteTooLarge => {
                "this note is larger than the server takes; it stays on this device, unsent; make it smaller"
            }
            Self::NotesFull => {
                "the server has no more room for this person's notes; it stays on this device, unsent; delete others, or ask \
                 the administrator"
            }
            Self::Other(number) => return write!(f, "refused for reason {number}"),
        };
        f.write_str(text)
    }
}

/// Either side: why the exchange ends here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Why.
    pub reason: RefusalReason,
    /// After how many seconds it is worth another try, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl From<RefusalReason> for Refused {
    fn from(reason: RefusalReason) -> Self {
        Self { reason, retry_after: None }
    }
}

/// Either side: the kind was not known; the stream lives on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsupported {
    /// The kind's number.
    pub kind: u16,
}

macro_rules! message {
    ($($name:ident as $kind:ident),*) => { $(impl Message for $name { const KIND: Kind = Kind::$kind; })* };
}
message!(
    Hello as Hello,
    HelloReply as HelloReply,
    RunProbe as RunProbe,
    RunAnswer as RunAnswer,
    UnlockStart as UnlockStart,
    UnlockChallenge as UnlockChallenge,
    UnlockFinish as UnlockFinish,
    UnlockGranted as UnlockGranted,
    CommandMessage as Command,
    CommandResult as CommandResult,
    ReceiptMessage as Receipt,
    ReceiptAck as ReceiptAck,
    Renew as Renew,
    Renewed as Renewed,
    Refused as Refused,
    Unsupported as Unsupported
);
