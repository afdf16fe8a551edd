//! Quarantine: what a server that has forgotten something may still do, and the way out. Here: when it is entered and left,
//! the epoch of commands, and how wipes that were forgotten are ordered again. Not here: backups ([`replay`] reads what a
//! newer journal says), and who is refused meanwhile: the shell asks [`ServerState::is_quarantined`].
//!
//! A restored server no longer knows what it ordered after the backup: a wiped device would be helped again. So it opens
//! nobody's vault until somebody accounts for that time, by the journal that was kept elsewhere or by their word.

pub mod replay;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ids::EnrolmentId;
use shared::signed::{Checkpoint, JournalHead};

use crate::audit::{Actor, AuditEvent, Happening, Subject};
use crate::change::{Changeset, Record, Stored, Version};
use crate::code::{CodeRecord, CodeState};

/// What the server knows of itself. A new server has none stored: [`ServerState::default`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerState {
    /// The epoch of commands issued now; see [`shared::signed::Order`].
    pub epoch: u32,
    /// Set while something may have been forgotten.
    pub quarantine: Option<Quarantine>,
    /// What another line of this journal (the one that a restore cut off) held up to here is accounted for: a checkpoint of
    /// it that a device shows later says nothing new.
    pub accounted_until: Option<Timestamp>,
}

impl ServerState {
    /// Whether only hello, commands and receipts are answered.
    pub fn is_quarantined(&self) -> bool {
        self.quarantine.is_some()
    }
}

/// Why and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub cause: Cause,
    /// The last place of the journal that the server had before it forgot something.
    pub known: JournalHead,
    /// Up to when nothing is forgotten: the time of the backup, or of the last entry.
    pub known_until: Timestamp,
    /// The newest checkpoint that a device has shown and that is not in this journal.
    pub seen: Option<Seen>,
}

/// What showed that something is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A backup was restored.
    Restored,
    /// This device had seen a checkpoint that is not in the journal: the data folder is an older copy, or a second server
    /// writes on.
    Checkpoint(EnrolmentId),
}

/// A checkpoint that is not in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Which place.
    pub head: JournalHead,
    /// When it was signed.
    pub at: Timestamp,
}

impl From<&Checkpoint> for Seen {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self { head: checkpoint.head.clone(), at: checkpoint.at }
    }
}

/// What is to be noted at the beginning.
#[derive(Debug, Clone)]
pub struct Entering {
    /// Why.
    pub cause: Cause,
    /// See [`Quarantine::known`].
    pub known: JournalHead,
    /// See [`Quarantine::known_until`].
    pub known_until: Timestamp,
    /// See [`Quarantine::seen`].
    pub seen: Option<Seen>,
}

/// The state as it was loaded; version 0 if none is stored.
pub fn loaded(stored: Option<Stored<ServerState>>) -> Stored<ServerState> {
    stored.unwrap_or(Stored { version: Version(0), value: ServerState::default() })
}

/// Begins the quarantine and raises the epoch, so that commands issued from now on stand above those that are forgotten.
pub fn enter(mut state: Stored<ServerState>, entering: Entering, now: Timestamp) -> Changeset {
    let Entering { cause, known, known_until, seen } = entering;
    state.value.epoch = next_epoch(state.value.epoch, now);
    let (why, actor, subject) = match cause {
        Cause::Restored => ("restored", Actor::Server, Subject::default()),
        Cause::Checkpoint(enrolment) => {
            let subject = Subject { device: Some(enrolment), ..Subject::default() };
            ("checkpoint", Actor::Device(enrolment), subject)
        }
    };
    let mut event = AuditEvent::new(now, actor, Happening::QuarantineEntered, subject)
        .fact("why", why)
        .fact("known", said(&known))
        .fact("known-until", known_until)
        .fact("epoch", state.value.epoch);
    if let Some(seen) = &seen {
        event = event.fact("seen", said(&seen.head));
    }
    state.value.quarantine = Some(Quarantine { since: now, cause, known, known_until, seen });
    let mut changes = Changeset::default();
    changes.note(event);
    changes.update(state.version, Record::Server(state.value));
    changes
}

/// Rises also where the same backup is restored twice, since the number is the time: what was issued between the two is
/// forgotten as well.
fn next_epoch(epoch: u32, now: Timestamp) -> u32 {
    u32::try_from(now.as_second()).unwrap_or(0).max(epoch.saturating_add(1))
}

fn said(head: &JournalHead) -> String {
    format!("{}:{}", head.sequence, data_encoding::HEXLOWER.encode(&head.hash))
}

/// What a checkpoint that a device shows says of this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is in the journal, or what it is of is accounted for.
    Known,
    /// It is not, and the server is quarantined already; a newer one than was seen is to be noted.
    Noted(Option<Changeset>),
    /// It is not: the server has forgotten something.
    Forgotten(Seen),
}

/// Judges a checkpoint *whose signature by this server's checkpoint key was verified*: an invented one must not come here.
/// `ours` is the journal's chain value at its sequence number, if the journal goes that far.
pub fn judge(checkpoint: &Checkpoint, ours: Option<[u8; 32]>, state: Stored<ServerState>) -> Verdict {
    let accounted = state.value.accounted_until.is_some_and(|until| checkpoint.at <= until);
    if ours == Some(checkpoint.head.hash) || accounted {
        return Verdict::Known;
    }
    let Stored { version, mut value } = state;
    let Some(quarantine) = &mut value.quarantine else { return Verdict::Forgotten(checkpoint.into()) };
    if quarantine.seen.as_ref().is_some_and(|seen| seen.at >= checkpoint.at) {
        return Verdict::Noted(None);
    }
    quarantine.seen = Some(checkpoint.into());
    let mut changes = Changeset::default();
    changes.update(version, Record::Server(value));
    Verdict::Noted(Some(changes))
}

/// Who or what accounts for what is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// A journal that was kept elsewhere, verified to its checkpoint, which was signed then.
    Journal(Timestamp),
    /// An operator, who says which devices were wiped meanwhile.
    Operator(Actor),
}

/// Why the quarantine goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeaveError {
    /// There is none.
    #[error("the server is not in quarantine: nothing is to be confirmed")]
    NotQuarantined,
    /// A device has seen more than the journal holds.
    #[error(
        "the journal ends at {until}, but a device has seen a later checkpoint, of {seen}: load a newer journal, or have \
         an owner confirm in the console which devices were wiped"
    )]
    JournalTooOld {
        /// When its checkpoint was signed.
        until: Timestamp,
        /// When the one that the device has seen was.
        seen: Timestamp,
    },
}

/// Ends the quarantine. Everything that is known to be forgotten (wipes, blocks) has to be ordered again before, and the
/// attempts of all unlock records bounded.
pub fn leave(
    mut state: Stored<ServerState>,
    by: Account,
    wiped: usize,
    now: Timestamp,
) -> Result<Changeset, LeaveError> {
    let quarantine = state.value.quarantine.take().ok_or(LeaveError::NotQuarantined)?;
    let (actor, how, until) = match by {
        Account::Journal(until) => {
            if let Some(seen) = quarantine.seen.filter(|seen| seen.at > until) {
                return Err(LeaveError::JournalTooOld { until, seen: seen.at });
            }
            (Actor::Server, "journal", until)
        }
        // Whatever was signed before the quarantine began is what they speak of.
        Account::Operator(actor) => (actor, "confirmed", quarantine.since),
    };
    state.value.accounted_until = state.value.accounted_until.max(Some(until));
    let mut changes = Changeset::default();
    changes.note(
        AuditEvent::new(now, actor, Happening::QuarantineEnded, Subject::default())
            .fact("how", how)
            .fact("wiped", wiped)
            .fact("accounted-until", until),
    );
    changes.update(state.version, Record::Server(state.value));
    Ok(changes)
}

/// Ends codes that are still usable: they come from a backup, and which of them were used or replaced after it is forgotten.
pub fn end_codes(codes: impl IntoIterator<Item = Stored<CodeRecord>>, now: Timestamp) -> Changeset {
    let mut changes = Changeset::default();
    for mut code in codes.into_iter().filter(|code| code.value.is_usable()) {
        code.value.end(CodeState::Expired);
        let subject = Subject::account(code.value.account);
        changes.note(
            AuditEvent::new(now, Actor::Server, Happening::CodeExpired, subject).fact("why", "quarantine"),
        );
        changes.update(code.version, Record::Code(code.value));
    }
    changes
}
