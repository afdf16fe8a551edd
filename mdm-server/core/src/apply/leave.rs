//! After a leave: nothing is lost for 14 days, then devices are wiped and the account closes.

use jiff::{SignedDuration, Timestamp};
use shared::ids::EnrolmentId;

use crate::account::{Account, AccountState};
use crate::audit::{Actor, AuditEvent, Happening, Subject};
use crate::change::{Changeset, Record, Stored};
use crate::device::Device;

/// How long a leave can be undone by a return without loss.
pub const UNDO_WINDOW: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Why an account stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    /// It did not leave, or less than [`UNDO_WINDOW`] ago.
    #[error("the account did not leave 14 days ago or earlier")]
    NotDue,
    /// A closed account has no live enrolment.
    #[error("the account's device {0} is not wiped")]
    DeviceLeft(EnrolmentId),
}

/// Devices to be wiped because their account left [`UNDO_WINDOW`] ago; `None` while it did not. With none left the
/// account is ready to [`close`].
pub fn due_for_wipe<'a>(
    account: &Account,
    devices: impl IntoIterator<Item = &'a Device>,
    now: Timestamp,
) -> Option<Vec<EnrolmentId>> {
    if account.state != AccountState::Suspended || now.duration_since(account.state_since) < UNDO_WINDOW {
        return None;
    }
    let theirs = devices.into_iter().filter(|device| device.account == account.id && device.wipe().is_none());
    Some(theirs.map(|device| device.enrolment).collect())
}

/// Closes an account whose devices are all wiped.
pub fn close<'a>(
    mut account: Stored<Account>,
    devices: impl IntoIterator<Item = &'a Device>,
    now: Timestamp,
) -> Result<Changeset, CloseError> {
    let left = due_for_wipe(&account.value, devices, now).ok_or(CloseError::NotDue)?;
    if let Some(device) = left.first() {
        return Err(CloseError::DeviceLeft(*device));
    }
    account.value.state = AccountState::Closed;
    account.value.state_since = now;
    let subject = Subject::account(account.value.id);
    let mut changes = Changeset::default();
    changes.note(AuditEvent::new(now, Actor::Server, Happening::AccountClosed, subject));
    changes.update(account.version, Record::Account(account.value));
    Ok(changes)
}
