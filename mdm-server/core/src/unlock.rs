//! Unlock: what is promised before KE2 leaves, and what a verified KE3 brings. Attempts are counted in the key file,
//! not here; the shell charges one, durably, between [`admit`] and KE2.

use jiff::{SignedDuration, Timestamp};
use rand::{CryptoRng, RngCore};
use shared::opaque::VerifiedLogin;
use shared::policy::{LeaseMode, Policy};
use shared::signed::Lease;
use shared::wire::{KeyLevel, RefusalReason};

use crate::account::{Account, AccountState};
use crate::audit::{Actor, AuditEvent, Happening, PersonalValue, Subject};
use crate::change::{Changeset, Record, Stored};
use crate::code::{CodeRecord, CodeState};
use crate::command::{self, CommandError};
use crate::device::{Device, DeviceState};
use crate::grant::GrantSeal;

#[cfg(test)]
pub(crate) mod tests;

fn after(now: Timestamp, seconds: u32) -> Timestamp {
    now.saturating_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

/// Whether the enrolment may be helped now.
pub fn standing(device: &Device, account: &Account) -> Result<(), RefusalReason> {
    match device.state {
        DeviceState::Wiped(_) => Err(RefusalReason::DeviceUnknown),
        DeviceState::Enrolling => Err(RefusalReason::NotEnrolled),
        DeviceState::Blocked => Err(RefusalReason::Blocked),
        DeviceState::Live if !account.is_served() => Err(RefusalReason::Blocked),
        DeviceState::Live => Ok(()),
    }
}

/// What must be durable before KE2 leaves: whoever holds KE2 and the PIN can open the vault until `max_open` has passed.
pub fn admit(
    mut device: Stored<Device>,
    account: &Account,
    policy: &Policy,
    now: Timestamp,
) -> Result<Changeset, RefusalReason> {
    standing(&device.value, account)?;
    let open_until = after(now, policy.max_open_seconds);
    device.value.may_be_open_until = device.value.may_be_open_until.max(Some(open_until));
    device.value.last_contact = Some(now);
    let mut changes = Changeset::default();
    changes.note(AuditEvent::new(
        now,
        Actor::Device(device.value.enrolment),
        Happening::UnlockCharged,
        Subject::device(&device.value),
    ));
    changes.update(device.version, Record::Device(device.value));
    Ok(changes)
}

/// What a verified unlock brings.
#[derive(Debug)]
pub struct Granted {
    /// To be committed before the answer leaves.
    pub changes: Changeset,
    /// To be signed and sent, where policy grants one.
    pub lease: Option<Lease>,
    /// Until when the vault may be open, as recorded.
    pub may_be_open_until: Timestamp,
}

/// What [`grant`] looks at.
#[derive(Debug)]
pub struct Unlocking {
    /// The device.
    pub device: Stored<Device>,
    /// Its account.
    pub account: Stored<Account>,
    /// The codes of the account.
    pub codes: Vec<Stored<CodeRecord>>,
    /// How often the vault had been opened before, as the device says.
    pub vault_epoch: u64,
    /// The server's epoch: a grant holds in no other.
    pub server_epoch: u32,
}

/// KE3 was right: the session grant of this login replaces the one before. The first time, the account becomes active
/// and the code that enrolled the device is used up.
///
/// Refused if the enrolment was blocked or wiped since [`admit`].
pub fn grant(
    verified: &VerifiedLogin,
    unlocking: Unlocking,
    policy: &Policy,
    seal: &GrantSeal,
    now: Timestamp,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Granted, RefusalReason> {
    let Unlocking { mut device, account, codes, vault_epoch, server_epoch } = unlocking;
    if verified.enrolment() != device.value.enrolment {
        return Err(RefusalReason::ProofFailed);
    }
    standing(&device.value, &account.value)?;
    let lease = match policy.lease_mode {
        LeaseMode::None => None,
        mode => Some(Lease { mode, granted_at: now, seconds: policy.lease_seconds }),
    };
    let lease_end = lease.as_ref().map(|lease| after(now, lease.seconds));
    let open_until = after(now, policy.max_open_seconds).max(lease_end.unwrap_or(Timestamp::MIN));
    let may_be_open_until = device.value.may_be_open_until.unwrap_or(Timestamp::MIN).max(open_until);

    let enrolment = device.value.enrolment;
    device.value.may_be_open_until = Some(may_be_open_until);
    device.value.copy_may_open |=
        policy.lease_mode == LeaseMode::Durable && device.value.description.key_level == KeyLevel::Software;
    device.value.grant = Some(seal.make(verified.grant_key(), enrolment, server_epoch, now..open_until, rng));
    device.value.last_unlock = Some(now);
    device.value.last_contact = Some(now);
    device.value.vault_epoch = device.value.vault_epoch.max(vault_epoch.saturating_add(1));
    let mut changes = Changeset::default();
    changes.note(
        AuditEvent::new(
            now,
            Actor::Device(enrolment),
            Happening::UnlockGranted,
            Subject::device(&device.value),
        )
        .fact("may-be-open-until", may_be_open_until),
    );
    changes.update(device.version, Record::Device(device.value));
    for mut code in codes {
        if code.value.state == CodeState::Bound(enrolment) {
            code.value.end(CodeState::Used(enrolment));
            changes.update(code.version, Record::Code(code.value));
        }
    }
    sign_in(account, now, &mut changes);
    Ok(Granted { changes, lease, may_be_open_until })
}

fn sign_in(mut account: Stored<Account>, now: Timestamp, changes: &mut Changeset) {
    if account.value.state == AccountState::Active {
        return;
    }
    let subject = Subject::account(account.value.id);
    account.value.state = AccountState::Active;
    account.value.state_since = now;
    account.value.signed_in_at.get_or_insert(now);
    changes.note(AuditEvent::new(now, Actor::Server, Happening::AccountSignedIn, subject));
    changes.update(account.version, Record::Account(account.value));
}

/// Notes an unlock that was withheld or failed. Nothing else changes: the attempt stays charged.
pub fn refused(device: &Device, reason: RefusalReason, now: Timestamp) -> Changeset {
    let what = match reason {
        RefusalReason::AttemptsExhausted => Happening::AttemptsExhausted,
        _ => Happening::UnlockRefused,
    };
    let mut changes = Changeset::default();
    changes.note(
        AuditEvent::new(now, Actor::Device(device.enrolment), what, Subject::device(device))
            .fact("reason", format!("{reason:?}")),
    );
    changes
}

/// Whether a login that was begun when the device stood at `pin_changes` may still end: no PIN took the place of another since.
pub fn is_of_this_pin(device: &Device, pin_changes: u32) -> bool {
    device.pin_changes == pin_changes
}

/// A login with the new PIN was verified: committed before it takes the place of the old one, so that no PIN changes unheard.
/// Logins with the old one that are on their way end with it. `mark` says which record it is ([`shared::opaque::record_mark`]),
/// so that a key file from before it is known as such.
pub fn pin_proven(mut device: Stored<Device>, mark: &[u8; 32], now: Timestamp) -> Changeset {
    let mut changes = Changeset::default();
    let actor = Actor::Device(device.value.enrolment);
    changes.note(
        AuditEvent::new(now, actor, Happening::PinProven, Subject::device(&device.value))
            .fact("record", data_encoding::HEXLOWER.encode(mark)),
    );
    device.value.pin_changes = device.value.pin_changes.wrapping_add(1);
    changes.update(device.version, Record::Device(device.value));
    changes
}

/// The unlock record of a device was destroyed because it is of no use, or of harm, after a restore. `why` is a word of the
/// journal.
pub fn record_destroyed(device: Subject, why: &str, now: Timestamp) -> AuditEvent {
    AuditEvent::new(now, Actor::Server, Happening::UnlockRecordDestroyed, device).fact("why", why)
}

/// Somebody gives a device all its attempts back. Committed before they are.
pub fn attempts_reset(
    device: &Device,
    actor: Actor,
    reason: &str,
    now: Timestamp,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Changeset, CommandError> {
    match device.state {
        DeviceState::Wiped(_) => return Err(CommandError::AlreadyWiped),
        DeviceState::Enrolling => return Err(CommandError::Enrolling),
        DeviceState::Live | DeviceState::Blocked => {}
    }
    let reason = command::checked_reason(reason)?;
    let mut changes = Changeset::default();
    changes.note(
        AuditEvent::new(now, actor, Happening::AttemptsReset, Subject::device(device))
            .personal(PersonalValue::make("reason", reason, rng)),
    );
    Ok(changes)
}
