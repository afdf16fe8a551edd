//! What is allowed on a device: the part of the policy that the phone enforces, as it travels and is stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// When a vault may be opened without the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseMode {
    /// Never.
    None,
    /// While the process that was granted the lease still runs: its secret is in memory only.
    Volatile,
    /// Also after a restart. Whoever copies the device's storage during the lease and knows the PIN can open the copy
    /// unless the device secret is bound to hardware.
    Durable,
}

/// Limits and lengths for one device. Durations are in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Fewest characters of a PIN.
    pub pin_min_length: u16,
    /// When the vault may be opened without the server.
    pub lease_mode: LeaseMode,
    /// How long a lease runs from the unlock that granted it.
    pub lease_seconds: u32,
    /// How long an open vault stays open after the last contact with the server while no lease runs.
    pub max_open_seconds: u32,
    /// Keys that this version does not know. The device reports their names as not enforced.
    #[serde(flatten)]
    pub unrecognised: BTreeMap<String, ciborium::Value>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            pin_min_length: 6,
            lease_mode: LeaseMode::Volatile,
            lease_seconds: 8 * 60 * 60,
            max_open_seconds: 15 * 60,
            unrecognised: BTreeMap::new(),
        }
    }
}
