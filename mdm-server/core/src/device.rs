//! Devices: one enrolment each, known by its public key.

mod blocked;

pub use blocked::BlockedBy;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::cose::PublicKey;
use shared::ids::{AccountId, CommandId, EnrolmentId};
use shared::signed::{Order, PinOrder};
use shared::wire::DeviceDescription;

use crate::grant::SessionGrant;
use crate::run::{CopySign, Runs};

/// Where an enrolment stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// Its key is registered, its PIN not yet.
    Enrolling,
    /// Unlock is answered.
    Live,
    /// 利用停止: unlock is withheld, reversibly.
    Blocked,
    /// Tombstone: answered for ever with the wipe and nothing else.
    Wiped(Wipe),
}

/// What is known of a wipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wipe {
    /// The command.
    pub command: CommandId,
    /// When it was committed.
    pub ordered_at: Timestamp,
    /// 鍵破棄済: when the server's part of the key was destroyed.
    pub sealed_at: Option<Timestamp>,
    /// 消去確認済: the first verified receipt.
    pub receipt: Option<StoredReceipt>,
    /// How many further receipts came with other bytes: a possible copy of the device.
    pub further_receipts: u32,
}

/// A verified receipt, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReceipt {
    /// COSE_Sign1.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
    /// When it arrived.
    pub received_at: Timestamp,
    /// When the device says it erased, by its own clock.
    pub erased_at: Timestamp,
}

/// One enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The key.
    pub enrolment: EnrolmentId,
    /// Whose.
    pub account: AccountId,
    /// The device key. It is the device; certificates only carry it.
    pub key: PublicKey,
    /// What the device says of itself.
    pub description: DeviceDescription,
    /// Where it stands.
    pub state: DeviceState,
    /// When its key was registered.
    pub enrolled_at: Timestamp,
    /// Last hello.
    pub last_contact: Option<Timestamp>,
    /// Last verified unlock.
    pub last_unlock: Option<Timestamp>,
    /// How often the vault had been opened, at the last unlock.
    pub vault_epoch: u64,
    /// How often a PIN took the place of another: a login that was begun before counts no more.
    #[serde(default)]
    pub pin_changes: u32,
    /// When it first showed that there are two of it: an older copy, or a second one, has called.
    #[serde(default)]
    pub copy_suspected_at: Option<Timestamp>,
    /// By what.
    #[serde(default)]
    pub copy_sign: Option<CopySign>,
    /// What has it blocked by itself. Absent if it is not blocked, or if anybody wants it blocked for another reason.
    #[serde(default)]
    pub blocked_by: Option<BlockedBy>,
    /// Which runs of the app have called.
    #[serde(default)]
    pub runs: Runs,
    /// Until when the vault may be open by what the server has granted. Nothing was granted if absent.
    pub may_be_open_until: Option<Timestamp>,
    /// A durable lease was granted to a key that no hardware binds: a copy of the device made during it can be opened
    /// later with the PIN, whatever the server destroys.
    #[serde(default)]
    pub copy_may_open: bool,
    /// What content needs beside the certificate; absent before the first unlock and after its end.
    #[serde(default)]
    pub grant: Option<SessionGrant>,
    /// End of the certificate last issued.
    pub certificate_until: Timestamp,
    /// The order of the newest command.
    pub last_command: Order,
    /// The order of the last command the device said it applied.
    pub last_applied: Option<Order>,
    /// Which set of the server's pins the device said it has.
    #[serde(default)]
    pub pins: Option<PinOrder>,
}

impl Device {
    /// Until when the vault may still be open: what was granted, unless a receipt says that it is erased.
    pub fn still_open_until(&self) -> Option<Timestamp> {
        let is_erased = self.wipe().is_some_and(|wipe| wipe.receipt.is_some());
        self.may_be_open_until.filter(|_| !is_erased)
    }

    /// The wipe, if there is one.
    pub fn wipe(&self) -> Option<&Wipe> {
        match &self.state {
            DeviceState::Wiped(wipe) => Some(wipe),
            _ => None,
        }
    }
}
