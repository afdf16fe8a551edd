//! The change of a PIN: a login with the old one, a registration, a login with the new one, on one stream. Both logins and the
//! registration use the messages of unlock and enrolment.

use serde::{Deserialize, Serialize};

use super::frame::{Kind, Message};

/// Client → server: KE1 of a login with the PIN that holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinChange {
    /// The serialized message.
    #[serde(with = "serde_bytes")]
    pub ke1: Vec<u8>,
    /// How often the vault was opened by an unlock.
    pub vault_epoch: u64,
}

/// Client → server: KE1 of a login with the new PIN, whose registration precedes it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinProof {
    /// The serialized message.
    #[serde(with = "serde_bytes")]
    pub ke1: Vec<u8>,
    /// How often the vault was opened by an unlock.
    pub vault_epoch: u64,
}

/// Server → client: the new PIN holds, durably, and the old one no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinChanged {}

macro_rules! message {
    ($($name:ident),*) => { $(impl Message for $name { const KIND: Kind = Kind::$name; })* };
}
message!(PinChange, PinProof, PinChanged);
