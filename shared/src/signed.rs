//! What travels signed: commands, leases, receipts, checkpoints and pin updates. Their form is [`crate::cose`].

mod pins;

pub use pins::{MAX_PINS, PinOrder, PinUpdate, SigningKeys};

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond::required as millis;
use serde::{Deserialize, Serialize};

use crate::cose::Statement;
use crate::ids::CommandId;
use crate::policy::LeaseMode;

/// Where a command stands among those to one enrolment. The epoch rises when a server is restored from a backup, so
/// that counters issued after the restore stand above those it has forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Order {
    /// Rises with each restore of the server.
    pub epoch: u32,
    /// Rises with each command to the enrolment.
    pub counter: u32,
}

/// What a command demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Lock, and drop what would open the vault without the server. Reversible.
    Block,
    /// End a block.
    Unblock,
    /// Destroy all keys and data of the enrolment. Irreversible, idempotent, obeyed in any order.
    Wipe,
}

/// An order of the server, signed by the command key and bound to the enrolment id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Names the command in receipts and in the audit journal.
    pub id: CommandId,
    /// Its place among the commands to this enrolment.
    pub order: Order,
    /// What to do.
    pub action: Action,
    /// When it was issued, in milliseconds since 1970.
    #[serde(with = "millis")]
    pub issued_at: Timestamp,
}

impl Statement for Command {
    const TYP: &'static str = "tbk-command";
}

/// Permission to unlock without the server, signed by the lease key and bound to the enrolment id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Volatile or durable.
    pub mode: LeaseMode,
    /// When the unlock that granted it was verified.
    #[serde(with = "millis")]
    pub granted_at: Timestamp,
    /// How long from then, in seconds of the device's boot-time clock.
    pub seconds: u32,
}

impl Statement for Lease {
    const TYP: &'static str = "tbk-lease";
}

/// A step of the erase on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureStep {
    /// Device secret and key slots were overwritten and removed.
    KeysDestroyed,
    /// Loading each of them was tried again and failed.
    KeysGoneChecked,
    /// The vault, caches and temporary files were removed.
    DataRemoved,
}

impl ErasureStep {
    /// Every step.
    pub const ALL: [Self; 3] = [Self::KeysDestroyed, Self::KeysGoneChecked, Self::DataRemoved];
}

/// The device's word that it destroyed its keys and data, signed once by the device key and bound to the enrolment id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The wipe that was obeyed.
    pub command: CommandId,
    /// When, by the device's own clock.
    #[serde(with = "millis")]
    pub erased_at: Timestamp,
    /// What was done, in order.
    pub steps: Vec<ErasureStep>,
    /// The newest checkpoint of the audit journal the device had seen, countersigned by this receipt.
    pub checkpoint: Option<JournalHead>,
}

impl Statement for Receipt {
    const TYP: &'static str = "tbk-receipt";
}

/// A place in the audit journal: the sequence number of an event and the chain's hash after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalHead {
    /// Sequence number, from 1.
    pub sequence: u64,
    /// SHA-256 chain value.
    #[serde(with = "serde_bytes")]
    pub hash: [u8; 32],
}

/// The head of the audit journal at a time, signed by the checkpoint key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The head.
    pub head: JournalHead,
    /// When it was the head.
    #[serde(with = "millis")]
    pub at: Timestamp,
}

impl Statement for Checkpoint {
    const TYP: &'static str = "tbk-checkpoint";
}
