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

/// Which way text may cross the app's edge by the clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClipboardMode {
    /// Nothing is copied or pasted, not even inside the app.
    Blocked,
    /// Copy and paste inside the app only.
    #[default]
    Inside,
    /// As inside, and text of other apps may be pasted in. Nothing is ever copied out.
    InsideIn,
    /// A mode that this version does not know. A device treats it as [`ClipboardMode::Blocked`].
    #[serde(other)]
    Unknown,
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
    /// Which way text may be copied.
    #[serde(default)]
    pub clipboard: ClipboardMode,
    /// How long the next PIN has to wait after the third wrong one in a row; doubled after each further one. 0: not at all.
    #[serde(default = "wrong_pin_delay")]
    pub wrong_pin_delay_seconds: u32,
    /// Keys that this version does not know. The device reports their names as not enforced.
    #[serde(flatten)]
    pub unrecognised: BTreeMap<String, ciborium::Value>,
}

fn wrong_pin_delay() -> u32 {
    30
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            pin_min_length: 6,
            lease_mode: LeaseMode::Volatile,
            lease_seconds: 8 * 60 * 60,
            max_open_seconds: 15 * 60,
            clipboard: ClipboardMode::Inside,
            wrong_pin_delay_seconds: wrong_pin_delay(),
            unrecognised: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_clipboard(mode: Option<&str>) -> Policy {
        let mut bytes = Vec::new();
        ciborium::into_writer(&Policy::default(), &mut bytes).unwrap();
        let ciborium::Value::Map(mut entries) = ciborium::from_reader(bytes.as_slice()).unwrap() else {
            panic!("a policy is a map")
        };
        entries.retain(|(key, _)| key.as_text() != Some("clipboard"));
        entries.extend(mode.map(|mode| ("clipboard".into(), mode.into())));
        ciborium::Value::Map(entries).deserialized().unwrap()
    }

    #[test]
    fn a_policy_from_before_the_clipboard_key_keeps_text_inside_and_an_unknown_mode_does_not_fail() {
        assert_eq!(with_clipboard(None).clipboard, ClipboardMode::Inside);
        assert_eq!(with_clipboard(Some("inside_in")).clipboard, ClipboardMode::InsideIn);
        assert_eq!(with_clipboard(Some("blocked")).clipboard, ClipboardMode::Blocked);
        assert_eq!(with_clipboard(Some("inside_and_out")).clipboard, ClipboardMode::Unknown);
    }
}
