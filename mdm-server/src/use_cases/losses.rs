//! 紛失連絡: who types the loss code of a letter has its account's devices blocked, without being known and without being told
//! anything of the account.

use std::net::IpAddr;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use mdm_core::audit::Actor;
use mdm_core::command::CommandError;
use mdm_core::device::DeviceState;
use mdm_core::loss::LossCode;

use super::devices::{self, Order};
use super::sign_in::throttle::{n, network};
use super::{Refusal, UseCaseError};
use crate::service::Service;

/// From one network: somebody who mistypes a few times.
const OF_SOURCE: Quota = Quota::per_minute(n(5)).allow_burst(n(10));
/// Networks counted before those that are fresh again are forgotten.
const KEYS: usize = 10_000;
/// In the device's record and the journal.
const REASON: &str = "紛失連絡コードによる連絡 (reported by the loss code of the letter)";

/// What somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// A device was blocked by it.
    Blocked,
    /// None was. Why is not said: a code that is none, one that was replaced, nothing left to block.
    Nothing,
    /// Nothing was blocked, and too often before.
    Wait,
}

/// Who has reported how often; in memory.
pub(crate) struct Reports {
    sources: DefaultKeyedRateLimiter<IpAddr>,
}

impl Default for Reports {
    fn default() -> Self {
        Self { sources: RateLimiter::keyed(OF_SOURCE) }
    }
}

impl Reports {
    fn charge(&self, source: IpAddr) -> bool {
        if self.sources.len() > KEYS {
            self.sources.retain_recent();
        }
        self.sources.check_key(&network(source)).is_ok()
    }
}

/// Blocks the devices of the account whose last letter has this code. What blocks nothing counts as a try: a code that is good is
/// never told to wait, however many others are mistyped behind the same address.
pub(crate) async fn report(service: &Service, typed: &str, source: IpAddr) -> Result<Told, UseCaseError> {
    if block(service, typed).await? {
        return Ok(Told::Blocked);
    }
    Ok(if service.reports_of_loss.charge(source) { Told::Nothing } else { Told::Wait })
}

/// Whether a device was blocked by the code. It is looked up by a keyed hash: how long that takes says nothing of codes. A device
/// that cannot be blocked keeps no other from it.
async fn block(service: &Service, typed: &str) -> Result<bool, UseCaseError> {
    let Ok(code) = LossCode::parse(typed) else { return Ok(false) };
    let index = service.keyring.losses.index(&code);
    let Some(record) = service.store.loss(index).await? else { return Ok(false) };
    let (mut blocked, mut failed) = (false, None);
    for device in service.store.devices_of_account(record.value.account).await? {
        // One that a batch has blocked is blocked once more: an undo of the batch is not to open a lost phone.
        if !matches!(device.value.state, DeviceState::Live | DeviceState::Blocked) {
            continue;
        }
        let order = Order { actor: Actor::LossCode, reason: REASON };
        match devices::block(service, device.value.enrolment, order).await {
            Ok(_) => blocked = true,
            // Blocked by somebody already, or wiped meanwhile.
            Err(UseCaseError::Refused(Refusal::Command(
                CommandError::AlreadyBlocked | CommandError::AlreadyWiped,
            ))) => {}
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(blocked), Err)
}

#[cfg(test)]
mod tests;
