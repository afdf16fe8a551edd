//! 外字の代替文字 as the API shows them and is told of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What stands for a private-use character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubstituteView {
    /// 名簿区分: whose character it is.
    pub source: String,
    /// The character, like `U+E000`.
    pub code_point: String,
    /// What is shown and printed for it.
    pub substitute: String,
}

/// What is to stand for which characters of a source. Those that are not named stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubstitutesRequest {
    /// Whose characters.
    pub source: String,
    /// Code point (`U+E000`) and 1 to 4 characters, or `null` to take the entry away.
    pub substitutes: BTreeMap<String, Option<String>>,
}
