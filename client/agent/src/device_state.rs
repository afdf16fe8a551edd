//! What the device keeps of its enrolment between two runs, in one small file that is replaced as a whole. No secrets.

use std::time::Duration;

use client_core::{Identity, Progress, StoredPinDelay};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ids::{EnrolmentId, RunId};
use shared::policy::Policy;
use shared::signed::JournalHead;
use shared::wire::{EnrolGrant, ServerKeys};
use vault::{FileError, Home, files};

const VERSION: u8 = 1;
const LIMIT: usize = 64 * 1024;

/// Why the enrolment cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadStateError {
    /// Its file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not a state of this version.
    #[error(
        "the enrolment's file is damaged or of another version: have this device wiped and enrol it again"
    )]
    Damaged,
}

/// The enrolment as the device knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeviceState {
    version: u8,
    /// `host:port` of the server.
    pub server: String,
    /// The enrolment.
    pub enrolment: EnrolmentId,
    /// X.509 certificate of the device key, DER.
    #[serde(with = "serde_bytes")]
    pub certificate: Vec<u8>,
    /// The server's keys.
    pub keys: ServerKeys,
    /// What is allowed.
    pub policy: Policy,
    /// The organisation's name.
    pub organisation: String,
    /// Whether the server has answered the upload of the PIN's record, or the vault was opened: slot and record belong together.
    /// Until then the enrolment can be repeated with the same code, and the vault has never held anything.
    pub confirmed: bool,
    /// What commands have changed.
    pub progress: Progress,
    /// How often the vault was opened by an unlock with the server.
    pub vault_epoch: u64,
    /// The newest checkpoint of the audit journal seen.
    pub checkpoint: Option<JournalHead>,
    /// The same as the server signed it, to be shown at each hello.
    #[serde(default)]
    pub signed_checkpoint: Option<serde_bytes::ByteBuf>,
    /// The last run of the app whose hello was answered.
    #[serde(default)]
    pub last_run: Option<RunId>,
    /// How many PINs were wrong in a row, and how long the next has to wait.
    #[serde(default)]
    pub pin_delay: Option<StoredPinDelay>,
    /// When the server was last heard, by the device's clock; milliseconds since 1970.
    last_contact: Option<i64>,
}

impl DeviceState {
    /// The state right after a grant.
    pub(crate) fn granted(server: &str, grant: EnrolGrant) -> Self {
        Self {
            version: VERSION,
            server: server.to_owned(),
            enrolment: grant.enrolment,
            certificate: grant.certificate,
            keys: grant.keys,
            policy: grant.policy,
            organisation: grant.organisation.chars().take(200).collect(),
            confirmed: false,
            progress: Progress::default(),
            vault_epoch: 0,
            checkpoint: None,
            signed_checkpoint: None,
            last_run: None,
            pin_delay: None,
            last_contact: None,
        }
    }

    /// The same enrolment, begun again: the server has seen these unlocks and this run, and would take a device that knows less
    /// for a copy.
    pub(crate) fn again_after(mut self, before: Option<&Self>) -> Self {
        if let Some(before) = before.filter(|before| before.enrolment == self.enrolment) {
            self.vault_epoch = before.vault_epoch;
            self.last_run = before.last_run;
        }
        self
    }

    /// Reads it; `None` before an enrolment.
    pub fn load(home: &Home) -> Result<Option<Self>, LoadStateError> {
        let Some(bytes) = files::read(&home.state(), LIMIT)? else { return Ok(None) };
        let state: Self = ciborium::from_reader(bytes.as_slice()).map_err(|_| LoadStateError::Damaged)?;
        if state.version == VERSION { Ok(Some(state)) } else { Err(LoadStateError::Damaged) }
    }

    /// Stores it durably.
    pub(crate) fn store(&self, home: &Home) -> Result<(), FileError> {
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes).expect("a state in memory encodes into a vector");
        files::replace(&home.state(), &bytes)
    }

    /// Whose device it is and which keys it believes.
    pub fn identity(&self) -> Identity {
        Identity {
            enrolment: self.enrolment,
            command_key: self.keys.command.clone(),
            lease_key: self.keys.lease.clone(),
        }
    }

    /// When the server was last heard.
    pub fn last_contact(&self) -> Option<Timestamp> {
        self.last_contact.and_then(|millis| Timestamp::from_millisecond(millis).ok())
    }

    pub(crate) fn heard(&mut self, now: Timestamp) {
        self.last_contact = Some(now.as_millisecond());
    }

    /// The server keys' pins as plain arrays.
    pub(crate) fn pins(&self) -> Vec<[u8; 32]> {
        self.keys.pins.iter().map(|pin| pin.into_array()).collect()
    }

    /// Names of policy keys that this version does not know; a bounded sample.
    pub(crate) fn not_enforced(&self) -> Vec<String> {
        let names = self.policy.unrecognised.keys();
        names.take(20).map(|name| name.chars().take(40).collect()).collect()
    }
}

/// How long the device waits for an answer: over a link of two seconds a lost packet costs twelve.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(15);
