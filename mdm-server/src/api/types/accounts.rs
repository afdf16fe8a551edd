//! Accounts as the API shows them.

use jiff::Timestamp;
use jiff::civil::Date;
use mdm_core::account::{AccountState, Department};
use serde::{Deserialize, Serialize};
use shared::ids::AccountId;

use super::DeviceView;

/// Which accounts to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountQuery {
    /// Beginning of a staff number, with or without zeros in front, or a part of a name or its kana; blanks, width and
    /// hiragana or katakana do not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Only of this source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Most rows, 1 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// One account in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// The key.
    pub id: AccountId,
    /// 名簿区分.
    pub source: String,
    /// 職員番号.
    pub staff_number: String,
    /// 氏名.
    pub name: String,
    /// フリガナ.
    pub kana: Option<String>,
    /// 職名.
    pub title: Option<String>,
    /// 所属, the main post first.
    pub departments: Vec<Department>,
    /// Where the account stands.
    pub state: AccountState,
    /// 利用希望.
    pub wishes_seat: bool,
    /// Since when the account holds a seat, if it does.
    pub seat_since: Option<Timestamp>,
    /// First successful online unlock.
    pub signed_in_at: Option<Timestamp>,
    /// When a code was last issued.
    pub code_issued_at: Option<Timestamp>,
    /// 旧番号: whose the staff number is now, if it is another person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_passed_to: Option<AccountId>,
}

/// One account with all that a helpdesk call asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDetail {
    /// As in a list.
    #[serde(flatten)]
    pub account: AccountView,
    /// メールアドレス.
    pub mail: Option<String>,
    /// 任用区分.
    pub employment: Option<String>,
    /// 任期満了日.
    pub term_ends: Option<Date>,
    /// The last day of a temporary account, which ends by itself after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporary_until: Option<Date>,
    /// 休職・育休, by their first day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absences: Vec<AbsenceView>,
    /// Since when the account is in its state.
    pub state_since: Timestamp,
    /// When the account was made.
    pub created_at: Timestamp,
    /// Since when the account waits for a seat, if it does.
    pub waiting_since: Option<Timestamp>,
    /// Its activation codes without the codes themselves, the oldest first.
    pub codes: Vec<CodeStanding>,
    /// Its devices, the oldest first.
    pub devices: Vec<DeviceView>,
}

/// 休職・育休: days that do not count as unused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbsenceView {
    /// The first day.
    pub from: Date,
    /// The last one; absent while it is not known. Noting the same first day again sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

/// An absence that was noted by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveAbsenceRequest {
    /// Its first day.
    pub from: Date,
}

/// Where an activation code stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the states of mdm_core::code::CodeState")]
pub enum CodeWord {
    Open,
    Bound,
    Used,
    Dead,
    Expired,
    Replaced,
}

/// An activation code without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeStanding {
    /// Where it stands.
    pub state: CodeWord,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// From when it can be used.
    pub valid_from: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// How often it was tried without becoming used.
    pub tries: u32,
}
