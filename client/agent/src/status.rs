//! How a phone stands, for people and programs: true to what is on disk and in memory, without secrets.

use client_core::{EraseStep, Next, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ids::{CommandId, EnrolmentId};
use shared::policy::LeaseMode;
use vault::intent::{self, StoredIntent};
use vault::{Home, erase};

use crate::agent::Agent;
use crate::clock::moment;
use crate::confine::Confinement;

/// A lease that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseStatus {
    /// Volatile or durable.
    pub mode: LeaseMode,
    /// When it ends.
    pub ends_at: Timestamp,
}

/// A wipe that is being obeyed, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WipeStatus {
    /// The command.
    pub command: CommandId,
    /// What comes next; `None` when nothing does.
    pub next: Option<EraseStep>,
    /// Whether the server has the receipt.
    pub acknowledged: bool,
}

/// How the phone stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Where the session stands.
    pub state: State,
    /// The enrolment.
    pub enrolment: Option<EnrolmentId>,
    /// The organisation's name.
    pub organisation: Option<String>,
    /// `host:port` of the server.
    pub server: Option<String>,
    /// Whether a connection is up.
    pub connected: bool,
    /// Whether the server blocks this device.
    pub blocked: bool,
    /// The lease that runs.
    pub lease: Option<LeaseStatus>,
    /// When the open vault closes by itself.
    pub open_until: Option<Timestamp>,
    /// PINs that were wrong in a row.
    pub wrong_pins: u8,
    /// When the next one may be tried, if it has to wait.
    pub unlock_after: Option<Timestamp>,
    /// How often the vault was opened with the server.
    pub vault_epoch: u64,
    /// When the server was last heard.
    pub last_contact: Option<Timestamp>,
    /// A wipe.
    pub wipe: Option<WipeStatus>,
    /// How far the process has confined itself.
    pub confinement: Confinement,
}

impl Agent {
    /// How the phone stands now.
    pub fn status(&self) -> Status {
        self.tick();
        let at = moment();
        let connected = self.connection().is_some();
        let inner = self.inner();
        let erasing = inner.erase.as_ref();
        let device = erasing.map(|erase| &erase.device).or(inner.device.as_ref());
        let lease = inner.session.lease(at.boot);
        let wipe = erasing.map(|erase| WipeStatus {
            command: erase.erasure.command(),
            next: match erase.erasure.next() {
                Next::Do(step) | Next::Retry(step) => Some(step),
                Next::Finished => None,
            },
            acknowledged: erase::acked(&self.home) == Some(erase.erasure.command()),
        });
        let gone = || erase::acked(&self.home).filter(|_| inner.session.state() == State::Gone);
        Status {
            state: inner.session.state(),
            enrolment: device.map(|device| device.enrolment),
            organisation: device.map(|device| device.organisation.clone()),
            server: device.map(|device| device.server.clone()),
            connected,
            blocked: inner.session.progress().blocked,
            lease: lease.map(|lease| LeaseStatus { mode: lease.mode(), ends_at: lease.ends_at(at) }),
            open_until: inner.session.open_until_at(at),
            wrong_pins: inner.session.pin_delay().wrong(),
            unlock_after: inner
                .session
                .pin_delay()
                .left(at.boot)
                .and_then(|left| at.now.checked_add(left).ok()),
            vault_epoch: device.map_or(0, |device| device.vault_epoch),
            last_contact: device.and_then(|device| device.last_contact()),
            wipe: wipe
                .or_else(|| gone().map(|command| WipeStatus { command, next: None, acknowledged: true })),
            confinement: self.platform.confinement.clone(),
        }
    }
}

/// What of an erase is done, read from the files alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseReport {
    /// The intent holds a command: an erase was begun and not ended.
    pub intent_written: bool,
    /// Device secret and slots are gone.
    pub keys_gone: bool,
    /// Vault, caches and logs are gone.
    pub data_removed: bool,
    /// A signed receipt is stored.
    pub receipt_stored: bool,
    /// The server has acknowledged it.
    pub acknowledged: bool,
    /// Device key and certificate are gone.
    pub identity_deleted: bool,
    /// Nothing is left but the note that the erase was acknowledged.
    pub finished: bool,
}

/// Looks at a home without opening it, so that also the state between two steps can be seen.
pub fn erase_report(home: &Home) -> EraseReport {
    let intent_written =
        matches!(intent::load(home), Ok(StoredIntent::Written(_) | StoredIntent::Damaged) | Err(_));
    let acknowledged = erase::acked(home).is_some();
    let identity_deleted = !home.device_key().exists() && !home.state().exists();
    EraseReport {
        intent_written,
        keys_gone: erase::check_keys_gone(home).is_ok(),
        data_removed: !home.vault_dir().exists(),
        receipt_stored: home.receipt().exists(),
        acknowledged,
        identity_deleted,
        finished: acknowledged && identity_deleted && !home.intent().exists(),
    }
}
