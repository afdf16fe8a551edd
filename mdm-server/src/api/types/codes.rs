//! Activation codes as the API hands them out.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ids::{AccountId, BatchId};

/// How exported codes are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// An array of [`CodeRow`].
    #[default]
    Json,
    /// RFC 4180 in UTF-8 with a byte order mark, for spreadsheets.
    Csv,
}

/// How to export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportQuery {
    /// How the codes are written.
    #[serde(default)]
    pub format: ExportFormat,
}

/// A usable code and whom it enrols. It opens an account: not for logs, hence without `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRow {
    /// Whom it enrols.
    pub account: AccountId,
    /// 名簿区分.
    pub source: String,
    /// 職員番号.
    pub staff_number: String,
    /// 氏名.
    pub name: String,
    /// フリガナ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kana: Option<String>,
    /// 所属 of the main post.
    pub department: String,
    /// 氏名 with what stands for private-use characters: to be printed.
    #[serde(default)]
    pub printed_name: String,
    /// フリガナ likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub printed_kana: Option<String>,
    /// 所属 likewise.
    #[serde(default)]
    pub printed_department: String,
    /// The code as printed.
    pub code: String,
    /// From when it can be used.
    pub valid_from: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// What the QR code of a letter says.
    #[serde(default)]
    pub link: String,
    /// 紛失連絡コード, which a letter has beside the code; absent where none was printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_code: Option<String>,
}

/// How many letters a page has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayoutWord {
    /// One.
    #[default]
    One,
    /// Ten, to be cut apart.
    Ten,
}

/// What letters are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LanguageWord {
    /// Japanese.
    #[default]
    Ja,
    /// English.
    En,
}

/// Which letters, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LettersQuery {
    /// How many a page has.
    #[serde(default)]
    pub layout: LayoutWord,
    /// What they are written in.
    #[serde(default)]
    pub language: LanguageWord,
    /// Only people of this batch.
    #[serde(default)]
    pub batch: Option<BatchId>,
    /// Prints something else for characters that the font lacks, and lists whom it concerns.
    #[serde(default)]
    pub substitutes: bool,
}

/// A code in place of an earlier one. Like [`CodeRow`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reissued {
    /// The new code; earlier ones of the account are dead.
    pub code: CodeRow,
}
