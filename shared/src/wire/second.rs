//! An activation code for another device of the same account: content, asked for by an unlocked device.

use std::fmt;

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond::required as millis;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::frame::{Kind, Message};

/// Client → server: asks for a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondDevice {}

/// Server → client: a code that enrols another device, or the same again while it can still be used.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondDeviceCode {
    /// As printed on a letter.
    pub code: String,
    /// Until when it can be used, in milliseconds since 1970.
    #[serde(with = "millis")]
    pub expires_at: Timestamp,
}

impl fmt::Debug for SecondDeviceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondDeviceCode").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Drop for SecondDeviceCode {
    fn drop(&mut self) {
        self.code.zeroize();
    }
}

macro_rules! message {
    ($($name:ident),*) => { $(impl Message for $name { const KIND: Kind = Kind::$name; })* };
}
message!(SecondDevice, SecondDeviceCode);
