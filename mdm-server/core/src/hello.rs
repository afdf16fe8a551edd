//! Hello and renew: what the server learns from a device that calls, and what it has for it.

use jiff::{SignedDuration, Timestamp};
use shared::signed::Action;
use shared::wire::{EnrolmentStanding, Hello, RefusalReason};

use crate::account::Account;
use crate::audit::{Actor, AuditEvent, Happening, Subject};
use crate::change::{Changeset, Record, Stored};
use crate::command::CommandRecord;
use crate::device::{Device, DeviceState};
use crate::unlock;

#[cfg(test)]
mod tests;

/// How long a device certificate is valid.
pub const CERTIFICATE_FOR: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How long before its end a certificate is to be renewed.
pub const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// End of a certificate issued now.
pub fn certificate_until(now: Timestamp) -> Timestamp {
    now.saturating_add(CERTIFICATE_FOR).unwrap_or(Timestamp::MAX)
}

/// What a hello leads to.
#[derive(Debug)]
pub struct Greeting {
    /// To be committed before the answer leaves.
    pub changes: Changeset,
    /// Where the enrolment stands.
    pub standing: EnrolmentStanding,
    /// Signed commands that the device has not applied, in order.
    pub commands: Vec<Vec<u8>>,
    /// Whether the certificate is to be renewed now.
    pub renew: bool,
}

/// Answers a hello. `commands` are all of the enrolment, in order. A wiped enrolment has no greeting: it is answered with
/// the wipe.
pub fn greet(
    mut device: Stored<Device>,
    account: &Account,
    commands: &[CommandRecord],
    hello: &Hello,
    now: Timestamp,
) -> Result<Greeting, RefusalReason> {
    let standing = match unlock::standing(&device.value, account) {
        Ok(()) => EnrolmentStanding::Live,
        Err(RefusalReason::Blocked) => EnrolmentStanding::Blocked,
        Err(reason) => return Err(reason),
    };
    let pending = commands
        .iter()
        .filter(|command| command.action != Action::Wipe && Some(command.order) > hello.last_applied)
        .map(|command| command.signed.clone())
        .collect();
    let renew = device.value.certificate_until.duration_since(now) < RENEW_BEFORE;
    device.value.last_contact = Some(now);
    device.value.last_applied = device.value.last_applied.max(hello.last_applied);
    device.value.description.app_version.clone_from(&hello.app_version);
    let mut changes = Changeset::default();
    changes.update(device.version, Record::Device(device.value));
    Ok(Greeting { changes, standing, commands: pending, renew })
}

/// The device says which command it has applied; an earlier answer that comes late changes nothing.
pub fn applied(mut device: Stored<Device>, last_applied: shared::signed::Order, now: Timestamp) -> Changeset {
    device.value.last_contact = Some(now);
    device.value.last_applied =
        device.value.last_applied.max(Some(last_applied.min(device.value.last_command)));
    let mut changes = Changeset::default();
    changes.update(device.version, Record::Device(device.value));
    changes
}

/// Notes a new certificate for the registered key. A wiped device gets none: it needs none to be wiped.
pub fn renew(mut device: Stored<Device>, now: Timestamp) -> Result<Changeset, RefusalReason> {
    match device.value.state {
        DeviceState::Wiped(_) => return Err(RefusalReason::DeviceUnknown),
        DeviceState::Enrolling => return Err(RefusalReason::NotEnrolled),
        DeviceState::Live | DeviceState::Blocked => {}
    }
    device.value.certificate_until = certificate_until(now);
    let mut changes = Changeset::default();
    changes.note(
        AuditEvent::new(
            now,
            Actor::Device(device.value.enrolment),
            Happening::CertificateRenewed,
            Subject::device(&device.value),
        )
        .fact("until", device.value.certificate_until),
    );
    changes.update(device.version, Record::Device(device.value));
    Ok(changes)
}
