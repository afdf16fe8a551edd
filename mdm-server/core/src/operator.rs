//! Who may use the API, and for what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ids::OperatorId;

/// What an operator may do. Each stands by itself: the API asks for the act, not for a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Owner,
    /// Batches, licenses, codes, devices.
    Operator,
    /// Looks up people and blocks devices.
    Helpdesk,
    /// Reads everything, changes nothing.
    Auditor,
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// See accounts, devices, licenses, batches.
    Read,
    /// Upload, apply; pools, reclamation, waiting list.
    Manage,
    /// See or reissue activation codes.
    Codes,
    /// Block and unblock devices.
    Block,
    /// Wipe devices.
    Wipe,
    /// Export the audit journal.
    Audit,
}

impl Role {
    /// Whether the role may do it.
    pub fn may(self, act: Act) -> bool {
        match self {
            Self::Owner => true,
            Self::Operator => act != Act::Audit,
            Self::Helpdesk => matches!(act, Act::Read | Act::Block),
            Self::Auditor => matches!(act, Act::Read | Act::Audit),
        }
    }
}

/// SHA-256 of an API token. Tokens have 256 random bits, so that a plain hash says nothing of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TokenHash(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// One operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// The key.
    pub id: OperatorId,
    /// As shown in the audit journal.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Their API token.
    pub token: TokenHash,
    /// Since when.
    pub created_at: Timestamp,
}
