//! The exchange of [`super::ALPN_PINS`], by which a device finds its server again when it knows none of its keys any
//! more; and what a device says when it has taken an update.

use serde::{Deserialize, Serialize};

use super::frame::{Kind, Message};
use crate::signed::PinOrder;

/// Client → server: asks for what replaces the pins. It says nothing of who asks: the server is not known yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinsRequest {}

/// Server → client: signed [`crate::signed::PinUpdate`]s, to be taken in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinsAnswer {
    /// None while the pins are those of `init`; the newest of the recovery key, and the newest that the command key signed
    /// after it.
    pub updates: Vec<serde_bytes::ByteBuf>,
}

/// Client → server, on a connection of an enrolled device: an update is on the device's storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinsTaken {
    /// Which.
    pub order: PinOrder,
}

macro_rules! message {
    ($($name:ident),*) => { $(impl Message for $name { const KIND: Kind = Kind::$name; })* };
}
message!(PinsRequest, PinsAnswer, PinsTaken);
