//! Codes apart from seats changing hands: another one for the same seat, and the end of old ones.

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};

use super::Acting;
use super::steps::notice_ended;
use crate::account::Account;
use crate::audit::{Actor, AuditEvent, Happening, Subject};
use crate::change::{Changeset, Record, Stored};
use crate::code::{CodeRecord, CodeState};

/// Why no other code is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReissueError {
    /// A code turns a seat into an enrolled device.
    #[error("the account has no seat, and a code without one enrols nobody: ask for a seat first")]
    NoSeat,
    /// A code of a held seat would enrol nobody.
    #[error("the seat is held before it is reclaimed: restore it first")]
    Held,
    /// The account is suspended or closed.
    #[error("the account is suspended or closed: it gets no code")]
    AccountMayNotWork,
}

/// Issues another code and ends those issued before.
pub fn reissue(
    mut account: Stored<Account>,
    codes: Vec<Stored<CodeRecord>>,
    acting: Acting<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Changeset, ReissueError> {
    if !account.value.may_work() {
        return Err(ReissueError::AccountMayNotWork);
    }
    let Some(seat) = &mut account.value.seat else { return Err(ReissueError::NoSeat) };
    if seat.is_held() {
        return Err(ReissueError::Held);
    }
    let mut changes = Changeset::default();
    if seat.notice.take().is_some() {
        changes.note(notice_ended(account.value.id, "code-issued", acting));
    }
    for mut code in codes {
        if code.value.account == account.value.id && code.value.is_usable() {
            code.value.end(CodeState::Replaced);
            changes.update(code.version, Record::Code(code.value));
        }
    }
    let code = issue(&mut account.value, acting, rng);
    let subject = Subject::account(account.value.id);
    let event = AuditEvent::new(acting.now, acting.actor, Happening::CodeIssued, subject);
    changes.note(event.fact(EXPIRES_AT, code.expires_at));
    changes.insert(Record::Code(code));
    changes.update(account.version, Record::Account(account.value));
    Ok(changes)
}

/// What the journal says of a fresh code.
pub(super) const EXPIRES_AT: &str = "expires-at";

/// A fresh code, valid from now.
pub(super) fn issue(
    account: &mut Account,
    acting: Acting<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> CodeRecord {
    let code = acting.keys.issue(account.id, acting.now, acting.now, rng);
    account.code_issued_at = Some(acting.now);
    code
}

/// Ends codes past their last day and forgets their text.
pub fn expire(codes: impl IntoIterator<Item = Stored<CodeRecord>>, now: Timestamp) -> Changeset {
    let mut changes = Changeset::default();
    for mut code in codes {
        if code.value.is_usable() && code.value.expires_at <= now {
            code.value.end(CodeState::Expired);
            let subject = Subject::account(code.value.account);
            changes.note(AuditEvent::new(now, Actor::Server, Happening::CodeExpired, subject));
            changes.update(code.version, Record::Code(code.value));
        }
    }
    changes
}
