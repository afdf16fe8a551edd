//! Reading devices.

use mdm_core::change::Stored;
use mdm_core::device::Device;
use shared::cose::PublicKey;
use shared::ids::{AccountId, EnrolmentId};

use super::Read;

/// Devices, ordered by enrolment: by the time they were enrolled. Wiped ones stay for ever.
pub trait Devices: Send + Sync {
    /// The device of an enrolment.
    fn device(&self, enrolment: EnrolmentId) -> Read<'_, Option<Stored<Device>>>;

    /// The device with this public key; there is at most one.
    fn device_by_key(&self, key: &PublicKey) -> Read<'_, Option<Stored<Device>>>;

    /// All devices of an account, the oldest first.
    fn devices_of_account(&self, account: AccountId) -> Read<'_, Vec<Stored<Device>>>;

    /// A page of all devices.
    fn devices(&self, after: Option<EnrolmentId>, limit: usize) -> Read<'_, Vec<Stored<Device>>>;
}
