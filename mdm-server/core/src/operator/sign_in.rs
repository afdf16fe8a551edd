//! Signing in and confirming: a code is accepted once, and what happened is noted. Comparing passwords and computing codes
//! are the shell's.

use jiff::Timestamp;
use shared::ids::OperatorId;

use super::{Operator, PasswordHash, SignIn};
use crate::audit::{Actor, AuditEvent, Happening, PersonalValue, Subject};
use crate::change::{Changeset, Record, Stored};

/// Why a code that was computed rightly is not accepted. Not for the person at the page: they hear one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// Disabled or invited anew, perhaps since the password was compared.
    #[error("the operator cannot sign in")]
    NotReady,
    /// The password is another one since it was compared.
    #[error("the password was changed in between")]
    PasswordChanged,
    /// A code of this step or of a later one was accepted before (RFC 6238 section 5.2).
    #[error("the code was used already")]
    CodeSpent,
}

/// What a failed attempt got wrong, for the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No operator of that name.
    Name,
    /// The operator is disabled or not ready.
    NotReady,
    /// The password.
    Password,
    /// The code, or it was used already.
    Code,
    /// Not looked at: too many attempts.
    TooMany,
    /// The code of a second factor, in a session.
    SecondFactor,
}

impl Failure {
    fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::NotReady => "not-ready",
            Self::Password => "password",
            Self::Code => "code",
            Self::TooMany => "too-many",
            Self::SecondFactor => "second-factor",
        }
    }
}

/// Password and code were right: the code is spent, the sign-in noted. `source` is where from.
pub fn signed_in(
    stored: Stored<Operator>,
    compared: &PasswordHash,
    step: u64,
    source: PersonalValue,
    now: Timestamp,
) -> Result<Changeset, NotAccepted> {
    let same = stored.value.credentials().ok_or(NotAccepted::NotReady)?.password == *compared;
    if !same {
        return Err(NotAccepted::PasswordChanged);
    }
    let event = |id| AuditEvent::new(now, Actor::Operator(id), Happening::SignedIn, Subject::default());
    spend(stored, step, |id| event(id).personal(source))
}

/// The code of a second factor was right.
pub fn confirmed(stored: Stored<Operator>, step: u64, now: Timestamp) -> Result<Changeset, NotAccepted> {
    spend(stored, step, |id| {
        AuditEvent::new(now, Actor::Operator(id), Happening::SecondFactorConfirmed, Subject::default())
    })
}

fn spend(
    stored: Stored<Operator>,
    step: u64,
    event: impl FnOnce(OperatorId) -> AuditEvent,
) -> Result<Changeset, NotAccepted> {
    let Stored { version, value: mut operator } = stored;
    if !operator.is_enabled() {
        return Err(NotAccepted::NotReady);
    }
    let SignIn::Ready(credentials) = &mut operator.sign_in else { return Err(NotAccepted::NotReady) };
    if step <= credentials.last_step {
        return Err(NotAccepted::CodeSpent);
    }
    credentials.last_step = step;
    let mut changes = Changeset::default();
    changes.note(event(operator.id));
    changes.update(version, Record::Operator(operator));
    Ok(changes)
}

/// An attempt that failed. The name that was typed is not kept: people type passwords there.
pub fn failed(
    operator: Option<OperatorId>,
    failure: Failure,
    source: Option<PersonalValue>,
    now: Timestamp,
) -> AuditEvent {
    // In a session it is known whose, and the second factor was asked of them.
    let actor = match (failure, operator) {
        (Failure::SecondFactor, Some(id)) => Actor::Operator(id),
        _ => Actor::Visitor,
    };
    let mut event = AuditEvent::new(now, actor, Happening::SignInFailed, Subject::default())
        .fact("wrong", failure.name());
    if let Some(id) = operator {
        event = event.fact("operator", id);
    }
    match source {
        Some(source) => event.personal(source),
        None => event,
    }
}

/// Attempts that failed and were not noted one by one.
pub fn failed_unlisted(attempts: u64, now: Timestamp) -> AuditEvent {
    AuditEvent::new(now, Actor::Server, Happening::SignInFailed, Subject::default())
        .fact("attempts_not_listed", attempts)
}

/// A session was ended by its operator.
pub fn signed_out(operator: OperatorId, now: Timestamp) -> AuditEvent {
    AuditEvent::new(now, Actor::Operator(operator), Happening::SignedOut, Subject::default())
}
