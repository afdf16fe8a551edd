//! Devices in the directory, without unlock records and without what a device says between two events.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use mdm_core::device::{BlockedBy, Device, DeviceState, Wipe};
use shared::ids::{AccountId, EnrolmentId};
use shared::wire::KeyLevel;

use super::Snapshot;
use super::people::Person;
use super::search::{Found, Text};

/// One enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDevice {
    /// The key.
    pub enrolment: EnrolmentId,
    /// Whose.
    pub account: AccountId,
    /// Model, as the device says.
    pub model: String,
    /// Operating system and version, as the device says.
    pub platform: String,
    /// Where the device key lives.
    pub key_level: KeyLevel,
    /// Where it stands.
    pub state: DeviceState,
    /// When its key was registered.
    pub enrolled_at: Timestamp,
    /// Last verified unlock.
    pub last_unlock: Option<Timestamp>,
    /// Until when the vault may still be open; absent when nothing was granted or a receipt says that it is erased.
    pub still_open_until: Option<Timestamp>,
    /// A copy made during a durable lease could be opened with the PIN.
    pub copy_may_open: bool,
    /// When a copy of it, or an older state, has called.
    pub copy_suspected_at: Option<Timestamp>,
    /// What has it blocked by itself.
    pub blocked_by: Option<BlockedBy>,
}

impl From<Device> for KnownDevice {
    fn from(device: Device) -> Self {
        let still_open_until = device.still_open_until();
        let Device {
            enrolment,
            account,
            description,
            state,
            enrolled_at,
            last_unlock,
            copy_may_open,
            copy_suspected_at,
            blocked_by,
            ..
        } = device;
        Self {
            enrolment,
            account,
            model: description.model,
            platform: description.platform,
            key_level: description.key_level,
            state,
            enrolled_at,
            last_unlock,
            still_open_until,
            copy_may_open,
            copy_suspected_at,
            blocked_by,
        }
    }
}

/// Where a device stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Its PIN is not registered yet.
    Enrolling,
    /// Unlock is answered.
    Live,
    /// 利用停止.
    Blocked,
    /// 遠隔消去 is ordered, its receipt has not come.
    WipeUnconfirmed,
    /// 消去確認済.
    Erased,
}

impl Standing {
    /// In one word.
    pub fn of(state: &DeviceState) -> Self {
        match state {
            DeviceState::Enrolling => Self::Enrolling,
            DeviceState::Live => Self::Live,
            DeviceState::Blocked => Self::Blocked,
            DeviceState::Wiped(Wipe { receipt: None, .. }) => Self::WipeUnconfirmed,
            DeviceState::Wiped(_) => Self::Erased,
        }
    }
}

impl KnownDevice {
    /// Where it stands.
    pub fn standing(&self) -> Standing {
        Standing::of(&self.state)
    }
}

/// Which devices to list; by default all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceFilter {
    /// Only of people whom this means, as in [`super::Search`].
    pub text: String,
    /// Only where they stand so.
    pub standing: Option<Standing>,
    /// Only these.
    pub among: Option<BTreeSet<EnrolmentId>>,
}

/// A device and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct DeviceRow<'a> {
    /// The device.
    pub device: &'a KnownDevice,
    /// Whose it is.
    pub person: &'a Person,
}

impl Snapshot {
    /// One device.
    pub fn device(&self, enrolment: EnrolmentId) -> Option<DeviceRow<'_>> {
        let device = self.devices.get(&enrolment)?;
        Some(DeviceRow { device, person: self.people.get(&device.account)? })
    }

    /// `limit` devices behind the first `offset` that match, by owner, and how many match.
    pub fn devices(&self, filter: &DeviceFilter, offset: usize, limit: usize) -> Found<DeviceRow<'_>> {
        let text = Text::new(&filter.text);
        let mut found = Found { rows: Vec::new(), total: 0 };
        for person in &self.listed {
            let theirs = self.devices_of(person.account.id);
            let mut theirs = theirs
                .filter(|device| filter.standing.is_none_or(|standing| device.standing() == standing))
                .filter(|device| filter.among.as_ref().is_none_or(|among| among.contains(&device.enrolment)))
                .peekable();
            if theirs.peek().is_none() || !(text.folded.is_empty() || person.is_meant_by(&text)) {
                continue;
            }
            for device in theirs {
                if found.total >= offset && found.rows.len() < limit {
                    found.rows.push(DeviceRow { device, person });
                }
                found.total += 1;
            }
        }
        found
    }

    /// Devices that a crash may have left behind: wiped and not sealed, helped though their account has no seat or a held one, or
    /// blocked by the grace of a seat that is held no longer.
    pub fn devices_left_behind(&self) -> Vec<EnrolmentId> {
        let is_served = |account: &AccountId| self.people.get(account).map(|p| p.account.is_served());
        let left_behind = |device: &&Arc<KnownDevice>| match &device.state {
            DeviceState::Wiped(wipe) => wipe.sealed_at.is_none(),
            DeviceState::Live => is_served(&device.account) == Some(false),
            DeviceState::Blocked => {
                device.blocked_by == Some(BlockedBy::Grace)
                    && device.copy_suspected_at.is_none()
                    && is_served(&device.account) == Some(true)
            }
            DeviceState::Enrolling => false,
        };
        self.devices.values().filter(left_behind).map(|device| device.enrolment).collect()
    }

    /// The devices of an account, the oldest first.
    pub(super) fn devices_of(&self, account: AccountId) -> impl Iterator<Item = &Arc<KnownDevice>> {
        let theirs = self.devices_of.get(&account).map(Vec::as_slice).unwrap_or_default();
        theirs.iter().filter_map(|enrolment| self.devices.get(enrolment))
    }
}
