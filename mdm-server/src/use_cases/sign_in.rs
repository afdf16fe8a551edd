//! Signing in by name, password and code; confirming by another code. One answer for whatever was wrong, the same work
//! for a name that nobody has, limits on how often, and a line in the journal for both outcomes.
//!
//! Not here: sessions, which are the console's.

mod notes;
#[cfg(test)]
mod tests;
pub(crate) mod throttle;

use std::net::IpAddr;

use mdm_core::audit::PersonalValue;
use mdm_core::change::{Changeset, Stored};
use mdm_core::operator::sign_in::{self as rules, Failure};
use mdm_core::operator::{Operator, OperatorName, PasswordHash};
use mdm_store::CommitError;
use rand::rngs::OsRng;
use shared::ids::OperatorId;

use super::UseCaseError;
use super::operators::password::{Busy, Password, Passwords};
use super::operators::totp::Authenticator;
use crate::service::Service;
use notes::Notes;
use throttle::{Throttle, Tries, network};

/// Told to wait when too many passwords are being checked at once.
const BUSY_SECONDS: u64 = 5;
/// A sign-in that meets a change of its operator is tried again so often.
const CONFLICTS: usize = 8;

/// What the server remembers of sign-ins, in memory: who has tried how often.
#[derive(Default)]
pub(crate) struct SignIns {
    pub(super) passwords: Passwords,
    /// The same for those who come from where they have signed in before: strangers who keep the others busy do not keep
    /// these out.
    usual_passwords: Passwords,
    throttle: Throttle,
    /// Codes beside a right password.
    codes: Tries,
    /// Codes of second factors, in sessions. Apart from the others, so that a stolen session cannot keep its owner out.
    factors: Tries,
    notes: Notes,
}

/// Why somebody is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Name, password or code; which of them is not said.
    #[error("name, password or code is wrong, or the code was used already")]
    Wrong,
    /// Too many attempts.
    #[error("too many attempts: try again in {seconds} seconds")]
    Wait {
        /// How long.
        seconds: u64,
    },
    /// Something else.
    #[error(transparent)]
    Other(#[from] UseCaseError),
}

/// Why a second factor is not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// The code is not the one of now, or was used already; or the operator can no longer sign in.
    #[error("the code is wrong or was used already: wait for the next one")]
    Wrong,
    /// Too many attempts.
    #[error("too many wrong codes: try again in {seconds} seconds")]
    Wait {
        /// How long.
        seconds: u64,
    },
    /// Something else.
    #[error(transparent)]
    Other(#[from] UseCaseError),
}

/// Signs an operator in. A session that the caller opens for them ends when their `session_epoch` is no longer the one of
/// the answer.
pub async fn sign_in(
    service: &Service,
    name: &str,
    password: &str,
    totp: &str,
    source: IpAddr,
) -> Result<Operator, SignInError> {
    let name = OperatorName::new(name).ok();
    let folded = name.as_ref().map(OperatorName::folded);
    let attempt = Attempt::new(service, network(source), folded.as_deref());
    if let Err(seconds) = service.sign_ins.throttle.charge(attempt.source, folded.as_deref()) {
        attempt.note(None, Failure::TooMany);
        return Err(SignInError::Wait { seconds });
    }
    let found = match &name {
        Some(name) => service.store.operator_by_name(name).await.map_err(UseCaseError::from)?,
        None => None,
    };
    let id = found.as_ref().map(|stored| stored.value.id);
    match attempt.compare(found, password).await {
        Ok((id, compared)) => {
            let operator = attempt.spend(id, &compared, totp).await?;
            service.sign_ins.throttle.remember(attempt.source, operator.name.folded());
            Ok(operator)
        }
        Err(Compared::Wrong(failure)) => {
            attempt.note(id, failure);
            Err(SignInError::Wrong)
        }
        Err(Compared::Busy) => {
            attempt.note(id, Failure::TooMany);
            Err(SignInError::Wait { seconds: BUSY_SECONDS })
        }
    }
}

enum Compared {
    Wrong(Failure),
    Busy,
}

/// One attempt to sign in.
struct Attempt<'a> {
    service: &'a Service,
    source: IpAddr,
    passwords: &'a Passwords,
}

impl<'a> Attempt<'a> {
    fn new(service: &'a Service, source: IpAddr, folded: Option<&str>) -> Self {
        let sign_ins = &service.sign_ins;
        let is_usual = folded.is_some_and(|name| sign_ins.throttle.is_usual(source, name));
        let passwords = if is_usual { &sign_ins.usual_passwords } else { &sign_ins.passwords };
        Self { service, source, passwords }
    }

    /// Compares the password, or does the same work for nothing.
    async fn compare(
        &self,
        found: Option<Stored<Operator>>,
        password: &str,
    ) -> Result<(OperatorId, PasswordHash), Compared> {
        let kept = found.as_ref().and_then(|stored| stored.value.credentials());
        let kept = kept.map(|credentials| credentials.password.clone());
        // What is too long to be anybody's password is compared as an empty one, which is nobody's either.
        let typed = Password::read(password).unwrap_or_default();
        let right = self.passwords.verify(typed, kept.clone()).await;
        match (found, kept, right) {
            (_, _, Err(Busy)) => Err(Compared::Busy),
            (None, ..) => Err(Compared::Wrong(Failure::Name)),
            (Some(_), None, _) => Err(Compared::Wrong(Failure::NotReady)),
            (Some(_), Some(_), Ok(false)) => Err(Compared::Wrong(Failure::Password)),
            (Some(stored), Some(kept), Ok(true)) => Ok((stored.value.id, kept)),
        }
    }

    /// The password was right: looks at the code and spends it. Who knows a password and guesses at codes hears *wrong*
    /// from all that go beyond the limit, the right one included: *wait* would tell them that the password is right.
    async fn spend(
        &self,
        id: OperatorId,
        compared: &PasswordHash,
        totp: &str,
    ) -> Result<Operator, SignInError> {
        let codes = &self.service.sign_ins.codes;
        if codes.charge(id).is_err() {
            self.note(Some(id), Failure::TooMany);
            return Err(SignInError::Wrong);
        }
        let source = PersonalValue::make("source", &self.source.to_string(), &mut OsRng);
        let now = self.service.clock.now();
        let spent = spend(self.service, id, totp, |stored, step| {
            rules::signed_in(stored, compared, step, source.clone(), now)
        });
        match spent.await {
            Ok(Some(operator)) => {
                codes.refund(id);
                Ok(operator)
            }
            Ok(None) => {
                self.note(Some(id), Failure::Code);
                Err(SignInError::Wrong)
            }
            Err(error) => {
                codes.refund(id);
                Err(error.into())
            }
        }
    }

    fn note(&self, operator: Option<OperatorId>, failure: Failure) {
        let source = PersonalValue::make("source", &self.source.to_string(), &mut OsRng);
        let event = rules::failed(operator, failure, Some(source), self.service.clock.now());
        self.service.sign_ins.notes.note(self.service, failure, event);
    }
}

/// Confirms by a code of their authenticator that it is still the operator of a session who acts: a fresh second factor.
/// The code is spent.
pub async fn confirm(service: &Service, operator: OperatorId, totp: &str) -> Result<(), ConfirmError> {
    let factors = &service.sign_ins.factors;
    let now = service.clock.now();
    if let Err(seconds) = factors.charge(operator) {
        let event = rules::failed(Some(operator), Failure::SecondFactor, None, now).fact("waits", true);
        service.sign_ins.notes.note(service, Failure::TooMany, event);
        return Err(ConfirmError::Wait { seconds });
    }
    match spend(service, operator, totp, |stored, step| rules::confirmed(stored, step, now)).await {
        Ok(Some(_)) => {
            factors.refund(operator);
            Ok(())
        }
        Ok(None) => {
            let event = rules::failed(Some(operator), Failure::SecondFactor, None, now);
            service.sign_ins.notes.note(service, Failure::SecondFactor, event);
            Err(ConfirmError::Wrong)
        }
        Err(error) => {
            factors.refund(operator);
            Err(error.into())
        }
    }
}

/// Notes that an operator ended their session.
pub async fn sign_out(service: &Service, operator: OperatorId) -> Result<(), UseCaseError> {
    let mut changes = Changeset::default();
    changes.note(rules::signed_out(operator, service.clock.now()));
    service.commit(changes).await?;
    Ok(())
}

/// Notes how many failed attempts were not listed, if the journal may take another line about them.
pub(crate) fn note_unlisted(service: &Service) {
    service.sign_ins.notes.note_unlisted(service);
}

/// Finds the step of a code and spends it by `rule`; `None` if the code does not count.
async fn spend(
    service: &Service,
    id: OperatorId,
    totp: &str,
    rule: impl Fn(Stored<Operator>, u64) -> Result<Changeset, rules::NotAccepted>,
) -> Result<Option<Operator>, UseCaseError> {
    for _ in 0..CONFLICTS {
        let Some(stored) = service.store.operator(id).await? else { return Ok(None) };
        let operator = stored.value.clone();
        let Some(credentials) = operator.credentials() else { return Ok(None) };
        let (keyring, organisation) = (&service.keyring, &service.config.organisation);
        let authenticator =
            Authenticator::open(keyring, organisation, (id, &operator.name), &credentials.totp_secret)?;
        let Some(step) = authenticator.step_of(totp, service.clock.now()) else { return Ok(None) };
        let changes = match rule(stored, step) {
            Ok(changes) => changes,
            Err(why) => {
                tracing::debug!(%id, %why, "a right code is not accepted");
                return Ok(None);
            }
        };
        match service.commit(changes).await {
            Ok(_) => return Ok(Some(operator)),
            // The same code at the same moment, or an owner changed something: look again.
            Err(CommitError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
