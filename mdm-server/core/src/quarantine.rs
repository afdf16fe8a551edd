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
use crate::operator::Operator;
use crate::operator::rules::{self, Acting};

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
    /// When the key file that serves now was copied; absent where it is of the age of the database.
    #[serde(default)]
    pub records_as_of: Option<Timestamp>,
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
    /// Which key file was restored.
    pub key_file: Option<RestoredKeyFile>,
}

/// A key file that was restored from a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoredKeyFile {
    /// When it was copied.
    pub made_at: Timestamp,
    /// It was older than backups of it are kept, and somebody restored it all the same.
    pub past_its_day: bool,
}

/// The state as it was loaded; version 0 if none is stored.
pub fn loaded(stored: Option<Stored<ServerState>>) -> Stored<ServerState> {
    stored.unwrap_or(Stored { version: Version(0), value: ServerState::default() })
}

/// Begins the quarantine: raises the epoch, so that commands issued from now on stand above those that are forgotten and no
/// session grant made before holds, and ends what operators could act by without signing in, since it may have been revoked in
/// the time that is forgotten.
///
/// `state` is what was judged: whoever was slower than another beginning meets a conflict and judges again. A quarantine that
/// stands already (a backup of a server that was in one) is not forgotten: the older of both times counts.
pub fn enter(
    mut state: Stored<ServerState>,
    operators: &[Stored<Operator>],
    entering: Entering,
    now: Timestamp,
) -> Changeset {
    let Entering { cause, mut known, mut known_until, mut seen, key_file } = entering;
    if let Some(before) = state.value.quarantine.take() {
        if before.known.sequence < known.sequence {
            (known, known_until) = (before.known, before.known_until);
        }
        seen = [seen, before.seen].into_iter().flatten().max_by_key(|seen| seen.at);
    }
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
    if let Some(key_file) = &key_file {
        event = event.fact("key-file", key_file.made_at);
        if key_file.past_its_day {
            event = event.fact("key-file-past-its-day", true);
        }
    }
    let records_as_of = key_file.map(|key_file| key_file.made_at);
    let quarantine = Quarantine { since: now, cause, known, known_until, seen, records_as_of };
    state.value.quarantine = Some(quarantine);
    let mut changes = Changeset::default();
    changes.note(event);
    changes.update(state.version, Record::Server(state.value));
    changes.extend(rules::hold(operators, why, Acting { actor: Actor::Server, now }));
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
///
/// A beginning of a quarantine that follows from it must be committed on this very `state` ([`enter`]).
pub fn judge(checkpoint: &Checkpoint, ours: Option<[u8; 32]>, state: &Stored<ServerState>) -> Verdict {
    let accounted = state.value.accounted_until.is_some_and(|until| checkpoint.at <= until);
    if ours == Some(checkpoint.head.hash) || accounted {
        return Verdict::Known;
    }
    let Stored { version, mut value } = state.clone();
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
    /// A journal that was kept elsewhere, verified to its checkpoint.
    Journal {
        /// When the checkpoint was signed.
        until: Timestamp,
        /// Whoever loads it says that nothing was ordered after it.
        nothing_since: bool,
    },
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
    /// No device has shown anything yet, and nobody says that the journal is the newest.
    #[error(
        "the journal ends at {until}, and no device has said hello yet that could show whether anything was ordered after it: \
         start the server and load it again when phones have called, or load it with --nothing-since if nothing was, or have an \
         owner confirm in the console what was ordered after {until}"
    )]
    NobodyHeard {
        /// When its checkpoint was signed.
        until: Timestamp,
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
        Account::Journal { until, nothing_since } => {
            match quarantine.seen {
                Some(seen) if seen.at > until => {
                    return Err(LeaveError::JournalTooOld { until, seen: seen.at });
                }
                None if !nothing_since => return Err(LeaveError::NobodyHeard { until }),
                _ => {}
            }
            (Actor::Server, if nothing_since { "journal-and-word" } else { "journal" }, until)
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

/// Notes that a journal was followed though it does not end the quarantine: nothing is forgotten up to its checkpoint. It is not
/// accounted for before [`leave`]: what a device shows of it is what bears the journal out. `None` if that was noted already.
pub fn followed(mut state: Stored<ServerState>, until: Timestamp, now: Timestamp) -> Option<Changeset> {
    let quarantine = state.value.quarantine.as_mut().filter(|quarantine| quarantine.known_until < until)?;
    quarantine.known_until = until;
    let mut changes = Changeset::default();
    changes.note(
        AuditEvent::new(now, Actor::Server, Happening::JournalFollowed, Subject::default())
            .fact("known-until", until),
    );
    changes.update(state.version, Record::Server(state.value));
    Some(changes)
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
