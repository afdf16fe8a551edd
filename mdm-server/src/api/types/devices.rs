//! Devices as the API shows them: only what is true, in words that say no more.

use jiff::Timestamp;
use mdm_core::run::CopySign;
use serde::{Deserialize, Serialize};
use shared::ids::{AccountId, CommandId, EnrolmentId};
use shared::wire::KeyLevel;

/// Which devices to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceQuery {
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Most rows, 1 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Where an enrolment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceWord {
    /// Its key is registered, its PIN not yet.
    Enrolling,
    /// Unlock is answered.
    Live,
    /// 利用停止: unlock is withheld, reversibly.
    Blocked,
    /// 遠隔消去 is in force; how far it is, [`WipeView`] says.
    Wiped,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    /// The enrolment.
    pub id: EnrolmentId,
    /// Whose.
    pub account: AccountId,
    /// 職員番号 of the account.
    pub staff_number: Option<String>,
    /// 氏名 of the account.
    pub name: Option<String>,
    /// Where it stands.
    pub state: DeviceWord,
    /// Model, as the device says.
    pub model: String,
    /// Operating system, as the device says.
    pub platform: String,
    /// Version of the app, as the device says.
    pub app_version: String,
    /// Where the device key lives, as the device says.
    pub key_level: KeyLevel,
    /// When its key was registered.
    pub enrolled_at: Timestamp,
    /// Last hello.
    pub last_contact: Option<Timestamp>,
    /// Last verified unlock.
    pub last_unlock: Option<Timestamp>,
    /// Whether it is connected now.
    pub connected: bool,
    /// Until when the vault may be open by what the server has granted; absent if nothing was granted.
    pub may_be_open_until: Option<Timestamp>,
    /// Wrong PINs left before the server withholds its help; absent if there is no unlock record (no PIN yet, or
    /// destroyed).
    pub attempts_left: Option<u16>,
    /// What shows that there may be a copy of it, if anything does; both are blocked then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<CopyView>,
    /// How far a wipe is, if one was ordered.
    pub wipe: Option<WipeView>,
    /// What can be said of it now, in one breath: for blocked and wiped devices.
    pub statement: Option<StatementView>,
}

/// Why a copy of a device is suspected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyView {
    /// Since when.
    pub suspected_at: Timestamp,
    /// By what.
    pub sign: CopySign,
}

/// How far a wipe is. What is absent has not happened, or is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WipeView {
    /// The signed command.
    pub command: CommandId,
    /// When it was committed: from then on the server answers the device with nothing else.
    pub ordered_at: Timestamp,
    /// 鍵破棄済: when the server had destroyed its part of the key.
    pub sealed_at: Option<Timestamp>,
    /// 消去確認済: when the device says it erased, by its own clock.
    pub erased_at: Option<Timestamp>,
    /// When that receipt arrived.
    pub receipt_received_at: Option<Timestamp>,
    /// SHA-256 of the receipt, as in the audit journal.
    pub receipt_sha256: Option<String>,
    /// How many further receipts came with other bytes: a possible copy of the device.
    pub further_receipts: u32,
}

/// A sentence in two languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementView {
    /// Japanese.
    pub ja: String,
    /// English.
    pub en: String,
}

/// Block, unblock or wipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// Why, in words for the audit journal.
    pub reason: String,
}
