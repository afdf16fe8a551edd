//! What columns are said to be, as the API shows it and is told of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A header of which something is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnView {
    /// 名簿区分: whose files have it.
    pub source: String,
    /// The header, at most its first 40 characters.
    pub header: String,
    /// What it is: `staff-number`, `name` and so on, or `ignored`.
    pub is: String,
    /// When that was said.
    pub said_at: Timestamp,
}

/// What headers of a source are from the next file on. Those that are not named stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnsRequest {
    /// Whose files.
    pub source: String,
    /// Header and what it is, or `null` to forget it.
    pub columns: BTreeMap<String, Option<String>>,
}

/// A column of a batch's file of which somebody has said what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedView {
    /// The header.
    pub header: String,
    /// What it was read as.
    pub is: String,
    /// What its header says, where that is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
    /// When it was said for an earlier file; absent if it came with this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembered_since: Option<Timestamp>,
}
