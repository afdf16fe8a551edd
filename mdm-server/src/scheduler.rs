//! What happens by itself: batches take effect at their time, codes expire, leavers are wiped and closed, and what a crash left undone is done.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mdm_core::account::Account;
use mdm_core::apply;
use mdm_core::audit::Actor;
use mdm_core::change::Stored;
use mdm_core::device::{BlockedBy, Device, DeviceState};
use mdm_core::seats;
use shared::ids::{AccountId, EnrolmentId};
use tokio::sync::watch;

use crate::directory;
use crate::service::Service;
use crate::use_cases::batches::undo;
use crate::use_cases::devices::{self, Order};
use crate::use_cases::{UseCaseError, batches, licenses, retry_on_conflict, sign_in};

#[cfg(test)]
mod tests;

/// Time between two passes.
const EVERY: Duration = Duration::from_secs(30);
/// Codes that expire in one commit.
const CODES_AT_ONCE: usize = 400;

/// Runs a pass now, every 30 seconds, and at the time of each batch, until `shutdown` says true or its sender is gone.
pub async fn run(service: Arc<Service>, mut shutdown: watch::Receiver<bool>) {
    loop {
        tick(&service).await;
        tokio::select! {
            () = pause(&service) => {}
            // A sender that is gone says as much as true.
            _ = shutdown.wait_for(|ends| *ends) => return,
        }
    }
}

/// Until the next pass, or the time of the next batch if that comes first. The clock is asked again after it, so that one that
/// was set in between costs no more than a pass.
async fn pause(service: &Service) {
    let next_pass = tokio::time::Instant::now() + EVERY;
    loop {
        let wake = match batches::release::next_due(service).await {
            Ok(Some(due)) => next_pass.min(tokio::time::Instant::now() + until(due, service.clock.now())),
            Ok(None) => next_pass,
            Err(error) => {
                report("look for the next batch", Err(error));
                next_pass
            }
        };
        tokio::select! {
            () = tokio::time::sleep_until(wake) => return,
            () = service.rescheduled.notified() => {}
        }
    }
}

/// How long from now until then, rounded up: who wakes a moment too early finds nothing to do.
fn until(due: Timestamp, now: Timestamp) -> Duration {
    let millis = due.duration_since(now).as_millis().clamp(0, 60_000);
    Duration::from_millis(u64::try_from(millis).unwrap_or(0) + 1)
}

/// One pass. What fails is logged, does not stop the rest, and is tried again by the next pass.
pub async fn tick(service: &Arc<Service>) {
    // Who came back after a backup was made is forgotten while a server is in quarantine; so are plans that took effect.
    if service.quarantine().is_none() {
        report("apply batches", batches::release::apply_due(service).await);
    }
    if service.quarantine().is_none() {
        // The sample first: by it the day counts as lived.
        report("count the seats of the day", licenses::series::sample_today(service).await);
        report("end temporary accounts", licenses::end_temporary(service).await);
        report("take noticed seats a step further", licenses::steps::advance(service).await);
    }
    report("expire codes", expire_codes(service).await);
    report("look after devices", look_after_devices(service).await);
    // A wipe cannot be taken back, and who came back after a backup was made is forgotten while a server is in quarantine.
    if service.quarantine().is_none() {
        report("close accounts that left", close_leavers(service).await);
        report("open what was undone", undo::open_left_behind(service).await);
        report("delete lines of plans", batches::release::delete_lines(service).await);
    }
    report("forget old uploads", batches::rejected::forget_old(service).await);
    sign_in::note_unlisted(service);
}

fn report(job: &str, result: Result<(), UseCaseError>) {
    if let Err(error) = result {
        tracing::error!(job, %error, "a job failed and will be tried again");
    }
}

/// Codes past their last day forget their text. They come the first to expire first: read on until one is still good.
async fn expire_codes(service: &Service) -> Result<(), UseCaseError> {
    loop {
        let expired = retry_on_conflict(|| async {
            let now = service.clock.now();
            let mut page = service.store.usable_codes(None, CODES_AT_ONCE).await?;
            page.retain(|code| code.value.expires_at <= now);
            let expired = page.len();
            if expired > 0 {
                service.commit(seats::expire(page, now)).await?;
            }
            Ok(expired)
        })
        .await?;
        if expired < CODES_AT_ONCE {
            return Ok(());
        }
    }
}

/// What a crash between a commit and its consequences left: wiped but not sealed, without a seat but not blocked, blocked by the
/// grace of a seat that was restored.
async fn look_after_devices(service: &Service) -> Result<(), UseCaseError> {
    for enrolment in directory::current(service).await?.devices_left_behind() {
        report("look after a device", look_after(service, enrolment).await);
    }
    Ok(())
}

async fn look_after(service: &Service, enrolment: EnrolmentId) -> Result<(), UseCaseError> {
    let Some(Stored { value: device, .. }) = service.store.device(enrolment).await? else { return Ok(()) };
    match &device.state {
        DeviceState::Wiped(wipe) if wipe.sealed_at.is_none() => {
            devices::seal(service, device.enrolment).await
        }
        DeviceState::Live => {
            // A batch that is applied just now blocks and unblocks by itself: the next pass looks again.
            let Some(_held) = service.undos.try_lock() else { return Ok(()) };
            let account = service.store.account(device.account).await?;
            let Some(Stored { value: account, .. }) = account.filter(|account| !account.value.is_served())
            else {
                return Ok(());
            };
            if account.may_work() && account.seat.is_some() {
                return licenses::steps::settle_device(service, &account, &device, Actor::Server).await;
            }
            let order = Order { actor: Actor::Server, reason: "the account has left or has no seat" };
            match undo::blocking_batch(service, &device).await? {
                Some(batch) => {
                    devices::block_by(service, device.enrolment, BlockedBy::Batch(batch), order).await
                }
                None => devices::block(service, device.enrolment, order).await,
            }
            .map(drop)
        }
        // What is forgotten in a quarantine may be that somebody has lost it.
        DeviceState::Blocked if service.quarantine().is_none() => {
            let Some(account) = service.store.account(device.account).await? else { return Ok(()) };
            licenses::steps::settle_device(service, &account.value, &device, Actor::Server).await
        }
        DeviceState::Wiped(_) | DeviceState::Blocked | DeviceState::Enrolling => Ok(()),
    }
}

/// Who left 14 days ago: devices are wiped, then the account closes.
async fn close_leavers(service: &Service) -> Result<(), UseCaseError> {
    for account in directory::current(service).await?.due_for_wipe(service.clock.now()) {
        report("close an account that left", close(service, account).await);
    }
    Ok(())
}

async fn close(service: &Service, account: AccountId) -> Result<(), UseCaseError> {
    // Held, so that no undo brings them back between here and the wipe.
    let Some(_held) = service.undos.try_lock() else { return Ok(()) };
    // Loaded: a wipe cannot be taken back, and they may have returned in between.
    let Some(Stored { value: account, .. }) = service.store.account(account).await? else { return Ok(()) };
    let theirs = devices_of(service, &account).await?;
    let Some(due) = apply::due_for_wipe(&account, &theirs, service.clock.now()) else { return Ok(()) };
    for enrolment in due {
        let order = Order { actor: Actor::Server, reason: "14 days have passed since the account left" };
        devices::wipe(service, enrolment, order).await?;
    }
    retry_on_conflict(|| async {
        let Some(account) = service.store.account(account.id).await? else { return Ok(()) };
        let theirs = devices_of(service, &account.value).await?;
        // Somebody came back, or enrolled, in between: the next pass looks again.
        if let Ok(changes) = apply::close(account, &theirs, service.clock.now()) {
            service.commit(changes).await?;
        }
        Ok(())
    })
    .await
}

async fn devices_of(service: &Service, account: &Account) -> Result<Vec<Device>, UseCaseError> {
    let devices: Vec<Stored<Device>> = service.store.devices_of_account(account.id).await?;
    Ok(devices.into_iter().map(|stored| stored.value).collect())
}
