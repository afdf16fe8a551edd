//! The server itself as the API shows it.

use jiff::Timestamp;
use mdm_core::quarantine::{Cause, Quarantine};
use serde::{Deserialize, Serialize};
use shared::ids::EnrolmentId;

/// Where the server stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerView {
    /// Its version.
    pub version: String,
    /// Set while it is in quarantine.
    pub quarantine: Option<QuarantineView>,
}

/// Why the server opens no vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineView {
    /// Since when.
    pub since: Timestamp,
    /// The device that has seen a journal entry that is not here; absent where a backup was restored.
    pub shown_by: Option<EnrolmentId>,
    /// Up to when nothing is forgotten.
    pub known_until: Timestamp,
    /// When the newest entry was signed that a device has seen and that is not here.
    pub seen_at: Option<Timestamp>,
    /// What to do, in words.
    pub way_out: String,
}

impl From<Quarantine> for QuarantineView {
    fn from(quarantine: Quarantine) -> Self {
        let shown_by = match quarantine.cause {
            Cause::Restored => None,
            Cause::Checkpoint(enrolment) => Some(enrolment),
        };
        Self {
            since: quarantine.since,
            shown_by,
            known_until: quarantine.known_until,
            seen_at: quarantine.seen.map(|seen| seen.at),
            way_out: "run `mdm-server quarantine load` with the newest exported journal on the server's machine, or have an owner \
                      confirm on the console's page /quarantine what was ordered since then"
                .to_owned(),
        }
    }
}
