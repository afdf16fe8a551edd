//! The statement that replaces the keys by which a device knows its server.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond::required as millis;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::cose::{PublicKey, Statement};

/// Most pins in a set. Two are in use: the current key and the spare.
pub const MAX_PINS: usize = 8;

/// Where a set of pins stands among those of one server. Ordered by epoch, then by counter.
///
/// The command key counts within an epoch, the recovery key alone begins another: whoever stole the command key gets
/// ahead of no recovery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PinOrder {
    /// Rises with each update that the recovery key signs.
    pub epoch: u64,
    /// Rises with each update that the command key signs.
    pub counter: u64,
}

impl PinOrder {
    /// Whether it is that of the set that `init` made.
    pub fn is_first(&self) -> bool {
        *self == Self::default()
    }
}

/// Keys in the place of those that signed for the server before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeys {
    /// Signs commands.
    pub command: PublicKey,
    /// Signs leases.
    pub lease: PublicKey,
    /// Signs checkpoints of the audit journal.
    pub checkpoint: PublicKey,
}

/// Another set of pins, signed by the command key or by the recovery key, and bound to the server: the SHA-256 of the
/// SubjectPublicKeyInfo of its recovery key, which never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinUpdate {
    /// Its place among the updates of this server.
    pub order: PinOrder,
    /// When it was signed, in milliseconds since 1970.
    #[serde(with = "millis")]
    pub issued_at: Timestamp,
    /// SHA-256 of the SubjectPublicKeyInfo of every TLS key the server may use from now: 1 to [`MAX_PINS`].
    pub pins: Vec<ByteArray<32>>,
    /// What signs from now; only in an update that the recovery key signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<SigningKeys>,
}

impl Statement for PinUpdate {
    const TYP: &'static str = "tbk-pin-update";
}
