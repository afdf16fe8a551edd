//! An activation code that somebody's unlocked device asks for, for another device of the same account.

#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use rand::{CryptoRng, RngCore};
use shared::wire::RefusalReason;

use crate::account::Account;
use crate::audit::{Actor, AuditEvent, Happening, Subject};
use crate::change::{Changeset, Record, Stored};
use crate::code::{CodeKeys, CodeRecord, CodeState};
use crate::device::Device;
use crate::enrol::another_device_may_be_had;
use crate::grant::ContentAccess;

/// How long such a code is valid: both devices are at hand.
pub const VALID_FOR: SignedDuration = SignedDuration::from_mins(10);

/// Who asks, and what they have.
#[derive(Debug)]
pub struct Asked {
    /// That the device which asks holds the session grant.
    pub access: ContentAccess,
    /// Its account.
    pub account: Account,
    /// All devices of the account.
    pub devices: Vec<Stored<Device>>,
    /// All codes of the account.
    pub codes: Vec<Stored<CodeRecord>>,
    /// Devices that an account may have.
    pub limit: usize,
}

/// The code, and what has to be committed before it is given out.
#[derive(Debug)]
pub struct Given {
    /// Nothing, if it was given before.
    pub changes: Changeset,
    /// The code.
    pub code: CodeRecord,
}

/// Gives a code. One at a time is outstanding for an account; the device that has it is given the same again.
pub fn give(
    asked: Asked,
    keys: &CodeKeys,
    now: Timestamp,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Given, RefusalReason> {
    let Asked { access, account, devices, codes, limit } = asked;
    if account.id != access.account() || !account.is_served() {
        return Err(RefusalReason::Blocked);
    }
    another_device_may_be_had(&devices, limit)?;
    let asker = Some(access.enrolment());
    let outstanding = codes.into_iter().map(|code| code.value);
    let mut outstanding = outstanding.filter(|code| code.is_usable() && code.expires_at > now);
    match outstanding.next() {
        Some(code) if code.asked_by == asker && code.state == CodeState::Open => {
            return Ok(Given { changes: Changeset::default(), code });
        }
        Some(_) => return Err(RefusalReason::CodeOutstanding),
        None => {}
    }
    let mut code = keys.issue(account.id, now, now, rng);
    code.expires_at = now.saturating_add(VALID_FOR).unwrap_or(Timestamp::MAX);
    code.asked_by = asker;
    let subject = Subject { device: asker, ..Subject::account(account.id) };
    let mut changes = Changeset::default();
    changes.note(
        AuditEvent::new(now, Actor::Device(access.enrolment()), Happening::CodeIssued, subject)
            .fact("for", "another-device")
            .fact("expires-at", code.expires_at),
    );
    changes.insert(Record::Code(code.clone()));
    Ok(Given { changes, code })
}
