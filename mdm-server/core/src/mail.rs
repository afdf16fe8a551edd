//! Mail with activation codes: what waits to be sent, when it is tried again, and when it is given up. Nothing secret lies here:
//! the code and the address are looked up when a mail is sent. ADR 25.

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use serde::{Deserialize, Serialize};
use shared::ids::{AccountId, BatchId, MailId};

use crate::audit::{Actor, AuditEvent, Happening, Subject};
use crate::change::{Changeset, Record, Stored};
use crate::code::{CodeIndex, CodeRecord, CodeState};

#[cfg(test)]
mod tests;

/// How long after the first failure a mail is tried again; doubled after each further one.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// The longest pause between two tries, without what chance adds.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// How long after it was due a mail is tried.
pub const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// What a mail brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailKind {
    /// An activation code.
    ActivationCode,
}

/// Why a mail was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The account has no mail address any more.
    NoAddress,
    /// What stands as the mail address is none.
    BadAddress,
    /// The code was used, replaced or has expired, or the account has left.
    CodeGone,
    /// The mail server refused it for good.
    Refused,
    /// The mail server could not take it for a day.
    GivenUp,
}

impl Failure {
    /// The name in the journal and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoAddress => "no_address",
            Self::BadAddress => "bad_address",
            Self::CodeGone => "code_gone",
            Self::Refused => "refused",
            Self::GivenUp => "given_up",
        }
    }
}

/// Why a mail waits for another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// The mail server could not be reached, or fell silent.
    NoConnection,
    /// It offers no TLS, or shows a certificate that is not trusted.
    NoTls,
    /// It refused the sign-in, or asks for one in a way that is not known.
    SignIn,
    /// It said later (4xx).
    Later,
}

impl Obstacle {
    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoConnection => "no_connection",
            Self::NoTls => "no_tls",
            Self::SignIn => "sign_in",
            Self::Later => "later",
        }
    }
}

/// Where a mail stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// Waits to be sent.
    Queued {
        /// When it is tried next.
        not_before: Timestamp,
        /// How often it was tried.
        tries: u32,
        /// Why the last try was in vain.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        obstacle: Option<Obstacle>,
    },
    /// The mail server has taken it.
    Sent {
        /// When.
        at: Timestamp,
    },
    /// It is not tried again by itself.
    Failed {
        /// When.
        at: Timestamp,
        /// Why.
        why: Failure,
    },
    /// Called off while it waited.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

/// One mail to one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailItem {
    /// The key: which code it brings. A code has one mail, however often it is asked for.
    pub code: CodeIndex,
    /// Names the mail itself, so that one which came twice is recognised.
    pub id: MailId,
    /// What it brings.
    pub kind: MailKind,
    /// To whom.
    pub account: AccountId,
    /// By which batch's page it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
    /// Where it stands.
    pub state: MailState,
    /// Since when it is due: when it was asked for, or from when the code works.
    pub due_since: Timestamp,
}

impl MailItem {
    /// When it is tried next, if it waits.
    pub fn due(&self) -> Option<Timestamp> {
        match self.state {
            MailState::Queued { not_before, .. } => Some(not_before),
            MailState::Sent { .. } | MailState::Failed { .. } | MailState::Cancelled { .. } => None,
        }
    }

    fn subject(&self) -> Subject {
        Subject { account: Some(self.account), batch: self.batch, ..Subject::default() }
    }
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// The mail server has taken it.
    Sent,
    /// It makes no sense to try again.
    Failed(Failure),
    /// Perhaps later.
    Later(Obstacle),
}

/// Whether a mail may still bring this code.
pub fn can_bring(code: &CodeRecord, now: Timestamp) -> bool {
    code.state == CodeState::Open && code.asked_by.is_none() && code.expires_at > now
}

/// Asks for a mail with a code. One that waits or was sent stays as it is; one that failed or was called off is
/// tried again.
pub fn queue(
    code: &CodeRecord,
    earlier: Option<Stored<MailItem>>,
    batch: Option<BatchId>,
    id: MailId,
    now: Timestamp,
) -> Option<Changeset> {
    // Not before the code works: that is when its batch is in force.
    let due_since = code.valid_from.max(now);
    let state = MailState::Queued { not_before: due_since, tries: 0, obstacle: None };
    let mut changes = Changeset::default();
    match earlier {
        None => changes.insert(Record::Mail(MailItem {
            code: code.index,
            id,
            kind: MailKind::ActivationCode,
            account: code.account,
            batch,
            state,
            due_since,
        })),
        Some(Stored { version, value })
            if matches!(value.state, MailState::Failed { .. } | MailState::Cancelled { .. }) =>
        {
            changes.update(version, Record::Mail(MailItem { batch, state, due_since, ..value }));
        }
        Some(_) => return None,
    }
    Some(changes)
}

/// Calls off a mail that waits. `None` if it does not.
pub fn cancel(item: Stored<MailItem>, actor: Actor, now: Timestamp) -> Option<Changeset> {
    let Stored { version, value: mut item } = item;
    item.due()?;
    let event = AuditEvent::new(now, actor, Happening::CodeMailCancelled, item.subject());
    let mut changes = Changeset::default();
    changes.note(event.fact("mail", item.id));
    item.state = MailState::Cancelled { at: now };
    changes.update(version, Record::Mail(item));
    Some(changes)
}

/// What becomes of a mail after a try. `None` if it does not wait.
pub fn tried(item: Stored<MailItem>, how: Tried, now: Timestamp, rng: &mut impl Rng) -> Option<Changeset> {
    let Stored { version, value: mut item } = item;
    let tries = match item.state {
        MailState::Queued { tries, .. } => tries,
        // It was called off while it was on its way, and has left.
        MailState::Cancelled { .. } if how == Tried::Sent => 0,
        _ => return None,
    };
    let how = match how {
        Tried::Later(_) if is_given_up(&item, now) => Tried::Failed(Failure::GivenUp),
        how => how,
    };
    let event = |what| AuditEvent::new(now, Actor::Server, what, item.subject()).fact("mail", item.id);
    let mut changes = Changeset::default();
    item.state = match how {
        Tried::Sent => {
            changes.note(event(Happening::CodeMailed));
            MailState::Sent { at: now }
        }
        Tried::Failed(why) => {
            changes.note(event(Happening::CodeNotMailed).fact("why", why.name()));
            MailState::Failed { at: now, why }
        }
        // That it is tried once more is for the log: the journal is durable, and a mail server may be down for a day.
        Tried::Later(obstacle) => {
            let next = now.saturating_add(pause(tries, rng)).unwrap_or(Timestamp::MAX);
            MailState::Queued { not_before: next, tries: tries.saturating_add(1), obstacle: Some(obstacle) }
        }
    };
    changes.update(version, Record::Mail(item));
    Some(changes)
}

fn is_given_up(item: &MailItem, now: Timestamp) -> bool {
    now.duration_since(item.due_since) >= GIVEN_UP_AFTER
}

/// Until the next try, and up to a quarter more by chance: a mail server that comes back is not met by all at once.
fn pause(tries: u32, rng: &mut impl Rng) -> SignedDuration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << tries.min(10));
    let whole = doubled.min(LONGEST_PAUSE);
    whole.saturating_add(SignedDuration::from_millis(rng.gen_range(0..=whole.as_secs() * 250)))
}
