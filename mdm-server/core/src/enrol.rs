//! Enrolment: what a try of a code costs, which device key it binds, and when the device is live.
//!
//! The proofs themselves (code over the exporter, device key over the exporter) are checked by the shell, which owns the
//! connection; it calls [`register`] only with both in hand.

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};
use shared::cose::PublicKey;
use shared::ids::EnrolmentId;
use shared::wire::{DeviceDescription, RefusalReason};

use crate::account::Account;
use crate::audit::{Actor, AuditEvent, Happening, Subject};
use crate::change::{Changeset, Record, Stored};
use crate::code::{CodeRecord, CodeState, MAX_TRIES};
use crate::device::{Device, DeviceState};
use crate::run::Runs;

#[cfg(test)]
mod tests;

/// What showing a code leads to. Either way the changes are committed before the answer leaves.
#[derive(Debug)]
pub enum Charge {
    /// The code may go on; one try is charged.
    Admitted(Changeset),
    /// It may not.
    Refused(RefusalReason, Changeset),
}

/// Charges one try to a code, before anything is proved: a try that ends in silence counts as well.
pub fn charge(mut code: Stored<CodeRecord>, now: Timestamp) -> Charge {
    let mut changes = Changeset::default();
    let subject = Subject::account(code.value.account);
    let reason = match code.value.state {
        CodeState::Used(_) | CodeState::Replaced => Some(RefusalReason::CodeUsed),
        CodeState::Dead => Some(RefusalReason::CodeDead),
        CodeState::Expired => Some(RefusalReason::CodeExpired),
        CodeState::Open | CodeState::Bound(_) if now >= code.value.expires_at => {
            Some(RefusalReason::CodeExpired)
        }
        CodeState::Open | CodeState::Bound(_) if now < code.value.valid_from => {
            Some(RefusalReason::CodeNotYetValid)
        }
        CodeState::Open | CodeState::Bound(_) => None,
    };
    if let Some(reason) = reason {
        changes.note(
            AuditEvent::new(now, Actor::Code, Happening::CodeTried, subject)
                .fact("refused", format!("{reason:?}")),
        );
        return Charge::Refused(reason, changes);
    }
    if code.value.tries >= MAX_TRIES {
        code.value.end(CodeState::Dead);
        changes.note(
            AuditEvent::new(now, Actor::Code, Happening::CodeDied, subject).fact("tries", code.value.tries),
        );
        changes.update(code.version, Record::Code(code.value));
        return Charge::Refused(RefusalReason::CodeDead, changes);
    }
    code.value.tries += 1;
    changes.note(
        AuditEvent::new(now, Actor::Code, Happening::CodeTried, subject).fact("tries", code.value.tries),
    );
    changes.update(code.version, Record::Code(code.value));
    Charge::Admitted(changes)
}

/// What [`register`] looks at.
#[derive(Debug)]
pub struct Registration {
    /// The code, whose possession both sides proved.
    pub code: Stored<CodeRecord>,
    /// Its account.
    pub account: Account,
    /// All devices of the account.
    pub devices: Vec<Stored<Device>>,
    /// Devices that an account may have at a time.
    pub limit: usize,
    /// Whether the device key is registered already, to anyone.
    pub key_is_known: bool,
    /// The device key, whose possession the device proved.
    pub key: PublicKey,
    /// What the device says of itself.
    pub description: DeviceDescription,
    /// End of the certificate that the device will be given.
    pub certificate_until: Timestamp,
}

/// A device key that a code is bound to.
#[derive(Debug)]
pub struct Registered {
    /// To be committed before the grant leaves.
    pub changes: Changeset,
    /// The device.
    pub enrolment: EnrolmentId,
}

/// Binds the code to the device key: a new enrolment, or the same one again if its answer was lost.
pub fn register(
    registration: Registration,
    now: Timestamp,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Registered, RefusalReason> {
    let Registration { code, account, .. } = &registration;
    if !account.is_served() || code.value.account != account.id {
        return Err(RefusalReason::CodeUsed);
    }
    if code.value.asked_by.is_some_and(|asker| !is_live(&registration.devices, asker)) {
        return Err(RefusalReason::CodeUsed);
    }
    match code.value.state {
        CodeState::Open => begin(registration, now, rng),
        CodeState::Bound(enrolment) => resume(registration, enrolment, now),
        _ => Err(RefusalReason::CodeUsed),
    }
}

/// Whether the device that asked for a code for another one may still do so: neither blocked nor wiped since.
fn is_live(devices: &[Stored<Device>], asker: EnrolmentId) -> bool {
    devices.iter().any(|device| device.value.enrolment == asker && device.value.state == DeviceState::Live)
}

fn begin(
    registration: Registration,
    now: Timestamp,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Registered, RefusalReason> {
    if registration.key_is_known {
        return rebind(registration, now);
    }
    another_device_may_be_had(&registration.devices, registration.limit)?;
    let enrolment = EnrolmentId::make(now, rng);
    let device = Device {
        enrolment,
        account: registration.account.id,
        key: registration.key,
        description: registration.description,
        state: DeviceState::Enrolling,
        enrolled_at: now,
        last_contact: Some(now),
        last_unlock: None,
        vault_epoch: 0,
        pin_changes: 0,
        copy_suspected_at: None,
        copy_sign: None,
        blocked_by: None,
        runs: Runs::default(),
        may_be_open_until: None,
        copy_may_open: false,
        grant: None,
        certificate_until: registration.certificate_until,
        last_command: shared::signed::Order::default(),
        last_applied: None,
        pins: None,
    };
    let mut code = registration.code;
    code.value.state = CodeState::Bound(enrolment);
    let mut changes = Changeset::default();
    changes.note(
        AuditEvent::new(now, Actor::Code, Happening::DeviceRegistered, Subject::device(&device))
            .fact("key-level", format!("{:?}", device.description.key_level)),
    );
    changes.insert(Record::Device(device));
    changes.update(code.version, Record::Code(code.value));
    Ok(Registered { changes, enrolment })
}

/// Whether an account with these devices may have one more.
pub(crate) fn another_device_may_be_had(
    devices: &[Stored<Device>],
    limit: usize,
) -> Result<(), RefusalReason> {
    let in_use =
        |device: &&Stored<Device>| matches!(device.value.state, DeviceState::Live | DeviceState::Blocked);
    let used = devices.iter().filter(in_use).count();
    if used < limit { Ok(()) } else { Err(RefusalReason::DeviceLimit) }
}

/// A new code for a phone whose enrolment broke off before it had a PIN: the code takes over that enrolment.
fn rebind(registration: Registration, now: Timestamp) -> Result<Registered, RefusalReason> {
    let broken_off = registration
        .devices
        .iter()
        .map(|device| &device.value)
        .find(|device| device.key == registration.key && device.state == DeviceState::Enrolling);
    let enrolment = broken_off.ok_or(RefusalReason::CodeBound)?.enrolment;
    another_device_may_be_had(&registration.devices, registration.limit)?;
    let mut code = registration.code.clone();
    code.value.state = CodeState::Bound(enrolment);
    let subject =
        Subject { account: Some(code.value.account), device: Some(enrolment), ..Subject::default() };
    let mut registered = resume(registration, enrolment, now)?;
    registered.changes.note(
        AuditEvent::new(now, Actor::Code, Happening::DeviceRegistered, subject)
            .fact("again", "with another code"),
    );
    registered.changes.update(code.version, Record::Code(code.value));
    Ok(registered)
}

fn resume(
    registration: Registration,
    enrolment: EnrolmentId,
    now: Timestamp,
) -> Result<Registered, RefusalReason> {
    let mut device = registration
        .devices
        .into_iter()
        .find(|device| device.value.enrolment == enrolment)
        .ok_or(RefusalReason::CodeBound)?;
    if device.value.key != registration.key || !may_register_pin(&device.value) {
        return Err(RefusalReason::CodeBound);
    }
    device.value.certificate_until = registration.certificate_until;
    device.value.last_contact = Some(now);
    let mut changes = Changeset::default();
    changes.update(device.version, Record::Device(device.value));
    Ok(Registered { changes, enrolment })
}

/// A PIN may be registered by the code until the first unlock.
fn may_register_pin(device: &Device) -> bool {
    matches!(device.state, DeviceState::Enrolling | DeviceState::Live) && device.last_unlock.is_none()
}

/// The PIN's record is stored: the device is live. The code stays bound, for a repeat after a lost answer, until the
/// first unlock ends it.
pub fn complete(
    mut device: Stored<Device>,
    code: Stored<CodeRecord>,
    now: Timestamp,
) -> Result<Changeset, RefusalReason> {
    let enrolment = device.value.enrolment;
    if code.value.state != CodeState::Bound(enrolment) || !may_register_pin(&device.value) {
        return Err(RefusalReason::CodeUsed);
    }
    let mut changes = Changeset::default();
    changes.note(AuditEvent::new(
        now,
        Actor::Device(enrolment),
        Happening::DeviceEnrolled,
        Subject::device(&device.value),
    ));
    device.value.state = DeviceState::Live;
    // The folder may have been made anew since its last try: whichever run comes first is the first.
    device.value.runs = Runs::default();
    device.value.pin_changes = device.value.pin_changes.wrapping_add(1);
    changes.update(device.version, Record::Device(device.value));
    // Unchanged: whoever ends the code at this moment goes before or after, not beside.
    changes.update(code.version, Record::Code(code.value));
    Ok(changes)
}
