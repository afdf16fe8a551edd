//! 予告・猶予・取り消し: seats of which notice was given, step by step, and their devices.

use jiff::civil::Date;
use mdm_core::account::Account;
use mdm_core::audit::Actor;
use mdm_core::change::Stored;
use mdm_core::command::is_blocked_only_by;
use mdm_core::device::{BlockedBy, Device, DeviceState};
use mdm_core::license::NoticeReason;
use mdm_core::seats;
use rand::rngs::OsRng;
use shared::ids::AccountId;

use super::super::accounts::{self, Who};
use super::super::devices::{self, Order};
use super::super::load::{holdings, last_unlocks, load_accounts};
use super::super::{UseCaseError, retry_on_conflict};
use super::series::days_of_use;
use super::{acting, block_all, commit};
use crate::directory;
use crate::service::Service;

#[cfg(test)]
mod tests;

/// Takes every seat of which notice was given one step further if its days were lived: those that have a sample of use. Not in
/// quarantine: who has signed in meanwhile may be forgotten.
pub(crate) async fn advance(service: &Service) -> Result<(), UseCaseError> {
    if directory::current(service).await?.noticed().is_empty() {
        return Ok(());
    }
    // A batch that is applied just now moves seats as well: the next pass looks again.
    let Some(_held) = service.undos.try_lock() else { return Ok(()) };
    let (change, stepped) = retry_on_conflict(|| async {
        let directory = directory::current(service).await?;
        let noticed = directory.noticed();
        let first = noticed.iter().map(|(_, notice)| notice.held_on.unwrap_or(notice.given_on)).min();
        let noticed: Vec<AccountId> = noticed.into_iter().map(|(person, _)| person.account.id).collect();
        let samples = days_of_use(service, first).await?;
        let lived: Vec<Date> = samples.into_iter().map(|sample| sample.value.day).collect();
        // The directory says whom to load; the rule looks at what the store says of them.
        let mut holders = load_accounts(service, noticed).await?;
        let sleeps =
            |account: &Account| account.notice().is_some_and(|notice| notice.why == NoticeReason::Dormant);
        let sleepers = holders.iter().filter(|stored| sleeps(&stored.value)).map(|stored| stored.value.id);
        let unlocks = last_unlocks(service, sleepers.collect()).await?;
        holders.retain(|Stored { value, .. }| {
            seats::due(value, unlocks.get(&value.id).copied(), &lived, service.clock.now())
        });
        let stepped: Vec<AccountId> = holders.iter().map(|stored| stored.value.id).collect();
        if stepped.is_empty() {
            return Ok((seats::SeatChange::default(), stepped));
        }
        let holdings = holdings(service, holders, &stepped).await?;
        let change = seats::advance(holdings, &lived, acting(service, Actor::Server), &mut OsRng)?;
        Ok((commit(service, change).await?, stepped))
    })
    .await?;
    block_all(service, &change.block, "seat reclaimed", Actor::Server).await;
    for account in stepped {
        settle_devices(service, account, Actor::Server).await;
    }
    Ok(())
}

/// 取り消し: the seat is not taken back. What its grace has blocked is unblocked.
pub async fn restore(service: &Service, who: &Who, actor: Actor) -> Result<Account, UseCaseError> {
    service.outside_quarantine()?;
    let id = accounts::find(service, who).await?.value.id;
    retry_on_conflict(|| async {
        let account = accounts::find(service, &Who::Id(id)).await?;
        let holdings = holdings(service, vec![account], &[]).await?;
        commit(service, seats::restore(holdings, id, acting(service, actor))?).await
    })
    .await?;
    settle_devices(service, id, actor).await;
    Ok(accounts::find(service, &Who::Id(id)).await?.value)
}

/// Blocks the devices of an account whose seat is held, and unblocks what grace has blocked of one that is served again. What fails
/// is logged and tried again by the scheduler; until then the server refuses help as the seat says.
pub(crate) async fn settle_devices(service: &Service, account: AccountId, actor: Actor) {
    let settled = async {
        let account = service.store.account(account).await?;
        let Some(Stored { value: account, .. }) = account else { return Ok(()) };
        for device in service.store.devices_of_account(account.id).await? {
            settle_device(service, &account, &device.value, actor).await?;
        }
        Ok::<(), UseCaseError>(())
    };
    match settled.await {
        Ok(()) => {}
        Err(UseCaseError::Refused(why)) => {
            tracing::info!(%account, %why, "a device was not as it was expected")
        }
        Err(error) => {
            tracing::error!(%account, %error, "a device does not follow its seat yet, will be tried again")
        }
    }
}

/// The same for one device.
pub(crate) async fn settle_device(
    service: &Service,
    account: &Account,
    device: &Device,
    actor: Actor,
) -> Result<(), UseCaseError> {
    let is_held = account.may_work() && account.seat.is_some_and(|seat| seat.is_held());
    if is_held && device.state == DeviceState::Live {
        let order = Order { actor, reason: "the seat is held before it is reclaimed" };
        devices::block_by(service, device.enrolment, BlockedBy::Grace, order).await?;
    }
    if account.is_served() && is_blocked_only_by(device, BlockedBy::Grace) {
        let order = Order { actor, reason: "the seat is not reclaimed" };
        devices::unblock_by(service, device.enrolment, BlockedBy::Grace, order).await?;
    }
    Ok(())
}
