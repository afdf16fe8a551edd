//! The session grant on the wire: proved once on each connection that is to carry content, and ended by the client.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond::required as millis;
use serde::{Deserialize, Serialize};

use super::frame::{Kind, Message};

/// Client → server: that it holds the grant of the last unlock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantProof {
    /// [`crate::grant::GrantKey::tag`] over [`super::EXPORTER_LABEL_GRANT`].
    #[serde(with = "serde_bytes")]
    pub tag: [u8; 32],
}

/// Server → client: this connection may carry content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantAccepted {
    /// Until when, unless the grant ends before, in milliseconds since 1970.
    #[serde(with = "millis")]
    pub until: Timestamp,
}

/// Client → server: the vault is closed and no lease runs, so nobody needs the grant any more. Heard only on a connection
/// that has proved it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantEnd {
    /// Of the proof, so that it ends no newer grant.
    #[serde(with = "serde_bytes")]
    pub tag: [u8; 32],
}

/// Server → client: the grant has ended, durably.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantEnded {}

macro_rules! message {
    ($($name:ident),*) => { $(impl Message for $name { const KIND: Kind = Kind::$name; })* };
}
message!(GrantProof, GrantAccepted, GrantEnd, GrantEnded);
