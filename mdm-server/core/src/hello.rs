//! Hello and renew: what the server learns from a device that calls, and what it has for it.

use jiff::{SignedDuration, Timestamp};
use shared::signed::{Action, Order, PinOrder};
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
    /// The newest signed command, if the device has not applied it. Those before it are overtaken by it.
    pub commands: Vec<Vec<u8>>,
    /// Whether the certificate is to be renewed now.
    pub renew: bool,
}

/// Answers a hello. `commands` are all of the enrolment, in order, `epoch` the server's. A wiped enrolment has no greeting: it is
/// answered with the wipe. Whoever knows of a [fork](crate::run::is_new_fork) has dealt with it before.
pub fn greet(
    mut device: Stored<Device>,
    account: &Account,
    commands: &[CommandRecord],
    hello: &Hello,
    epoch: u32,
    now: Timestamp,
) -> Result<Greeting, RefusalReason> {
    let standing = match unlock::standing(&device.value, account) {
        Ok(()) => EnrolmentStanding::Live,
        Err(RefusalReason::Blocked) => EnrolmentStanding::Blocked,
        Err(reason) => return Err(reason),
    };
    let newest = commands.iter().rfind(|command| command.action != Action::Wipe);
    let pending = newest
        .filter(|command| Some(command.order) > hello.last_applied)
        .map(|command| command.signed.clone())
        .into_iter()
        .collect();
    let renew = is_due(&device.value, now);
    if let Ok(runs) = device.value.runs.follow(hello.run, epoch) {
        device.value.runs = runs;
    }
    device.value.last_contact = Some(now);
    device.value.last_applied = advanced(&device.value, hello.last_applied);
    device.value.pins = hello.pins;
    device.value.description.app_version = bounded(&hello.app_version);
    let mut changes = Changeset::default();
    changes.update(device.version, Record::Device(device.value));
    Ok(Greeting { changes, standing, commands: pending, renew })
}

/// Time in which a hello may arrive that was sent before the last unlock.
const OVERTAKEN: SignedDuration = SignedDuration::from_mins(2);

/// Whether a device that says how often its vault was opened is an older copy of it, or a second one. It counts before it
/// proves its PIN, so that one that lost power is ahead of what is recorded, and never behind.
pub fn is_behind(device: &Device, vault_epoch: u64) -> bool {
    vault_epoch < device.vault_epoch
}

/// Whether a hello that is [behind](is_behind) may have been sent before the last unlock and arrived after it.
pub fn is_overtaken(device: &Device, vault_epoch: u64, now: Timestamp) -> bool {
    vault_epoch.checked_add(1) == Some(device.vault_epoch)
        && device.last_unlock.is_some_and(|last| now.duration_since(last) < OVERTAKEN)
}

/// What a device says it has applied: never less than it said before, never more than was issued.
fn advanced(device: &Device, said: Option<Order>) -> Option<Order> {
    device.last_applied.max(said.map(|order| order.min(device.last_command)))
}

/// What a device says of itself is shown to people: no control characters, nothing endless.
pub fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// The device says which command it has applied; an earlier answer that comes late changes nothing.
pub fn applied(mut device: Stored<Device>, last_applied: Order, now: Timestamp) -> Changeset {
    device.value.last_contact = Some(now);
    device.value.last_applied = advanced(&device.value, Some(last_applied));
    let mut changes = Changeset::default();
    changes.update(device.version, Record::Device(device.value));
    changes
}

/// The device says that a set of the server's pins is on its storage.
pub fn pins_taken(mut device: Stored<Device>, order: PinOrder, now: Timestamp) -> Changeset {
    device.value.last_contact = Some(now);
    device.value.pins = Some(order);
    let mut changes = Changeset::default();
    changes.update(device.version, Record::Device(device.value));
    changes
}

fn is_due(device: &Device, now: Timestamp) -> bool {
    device.certificate_until.duration_since(now) < RENEW_BEFORE
}

/// Notes a new certificate for the registered key, once it is due. A wiped device gets none: it needs none to be wiped.
pub fn renew(mut device: Stored<Device>, now: Timestamp) -> Result<Changeset, RefusalReason> {
    match device.value.state {
        DeviceState::Wiped(_) => return Err(RefusalReason::DeviceUnknown),
        DeviceState::Enrolling => return Err(RefusalReason::NotEnrolled),
        DeviceState::Live | DeviceState::Blocked if !is_due(&device.value, now) => {
            return Err(RefusalReason::TooManyTries);
        }
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
