//! Activation codes by mail, as the API speaks of them. Addresses are not among it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ids::AccountId;

/// Who is to get a mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailRequest {
    /// Only these people of the batch; everybody if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staff_numbers: Option<Vec<String>>,
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailQueued {
    /// Mails that wait now and did not before.
    pub queued: usize,
    /// People whose mail waits or was sent already.
    pub already: usize,
    /// People without a mail address.
    pub no_address: usize,
}

/// What came of calling it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailCancelled {
    /// Mails that waited and will not be sent.
    pub cancelled: usize,
}

/// Where somebody's mail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailWord {
    /// Nobody has asked for one.
    NotAsked,
    /// There is no address.
    NoAddress,
    /// It waits.
    Queued,
    /// The mail server has taken it.
    Sent,
    /// It is not tried again by itself.
    Failed,
    /// Called off while it waited.
    Cancelled,
}

/// One person's mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailView {
    /// Whose.
    pub account: AccountId,
    /// 職員番号.
    pub staff_number: String,
    /// 氏名.
    pub name: String,
    /// Where it stands.
    pub state: MailWord,
    /// When it was sent, failed or was called off, or is tried next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// How often it was tried in vain, while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries: Option<u32>,
    /// Why it failed: `no_address`, `bad_address`, `code_gone`, `refused` or `given_up`. While it waits, why the last try was in
    /// vain: `no_connection`, `no_tls`, `sign_in` or `later`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Mail of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailResults {
    /// How many wait.
    pub queued: usize,
    /// How many were sent.
    pub sent: usize,
    /// How many failed.
    pub failed: usize,
    /// How many people have no address.
    pub no_address: usize,
    /// By staff number.
    pub items: Vec<MailView>,
}
