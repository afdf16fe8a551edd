//! The session grant over connections: proved, ended, and asked for before any content.

use mdm_core::account::Account;
use mdm_core::change::Stored;
use mdm_core::device::Device;
use mdm_core::grant::{self, ContentAccess, Moment};
use shared::wire::{EXPORTER_LABEL_GRANT, GrantAccepted, GrantEnd, GrantEnded, GrantProof, RefusalReason};

use super::device::{Caller, in_service, wipe_of};
use super::exchange::{Exchange, ExchangeError};
use crate::service::Service;
use crate::use_cases::{UseCaseError, retry_on_conflict};

impl Caller {
    /// Whether this connection may carry content now: enrolment and account may be helped, and the grant that this
    /// connection has proved is still the one that holds. An exchange that goes on asks again on its way: a block, a
    /// newer unlock or the end of the grant stops it there. The error answers a wiped enrolment with its wipe.
    pub(super) async fn content(&self, service: &Service) -> Result<ContentAccess, ExchangeError> {
        in_service(service)?;
        let (device, account) = self.standing(service).await?;
        let proven = self.proven();
        Ok(grant::content(&device.value, &account, proven.as_ref(), moment(service))?)
    }

    /// Device and account as stored now, unless the device is wiped.
    async fn standing(&self, service: &Service) -> Result<(Stored<Device>, Account), ExchangeError> {
        let device = service.store.device(self.enrolment).await?.ok_or(RefusalReason::DeviceUnknown)?;
        if device.value.wipe().is_some() {
            return Err(ExchangeError::Wiped(wipe_of(service, &device.value).await?));
        }
        let account = service.store.account(device.value.account).await?;
        Ok((device, account.ok_or(RefusalReason::DeviceUnknown)?.value))
    }
}

fn moment(service: &Service) -> Moment {
    Moment { now: service.clock.now(), server_epoch: service.epoch() }
}

/// Marks the connection, if the proof is one of the grant that holds.
pub(super) async fn prove(
    service: &Service,
    caller: &Caller,
    proof: GrantProof,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    let _held = caller.turn(service).await?;
    let exporter = caller.exporter(EXPORTER_LABEL_GRANT)?;
    let (device, account) = caller.standing(service).await?;
    let seal = &service.keyring.grants;
    let proven = grant::prove(seal, &device.value, &account, &exporter, &proof.tag, moment(service))?;
    let until = proven.until();
    caller.mark(proven);
    exchange.send(&GrantAccepted { until }).await
}

/// Ends the grant that this connection has proved.
pub(super) async fn end(
    service: &Service,
    caller: &Caller,
    ended: GrantEnd,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    let _held = caller.turn(service).await?;
    let proven = caller.proven().filter(|proven| *proven.tag() == ended.tag).ok_or(RefusalReason::NoGrant)?;
    retry_on_conflict(|| async {
        let device = service.store.device(caller.enrolment).await?;
        if let Some(changes) = device.and_then(|device| grant::end(device, &proven)) {
            service.commit(changes).await?;
        }
        Ok::<_, UseCaseError>(())
    })
    .await?;
    exchange.send(&GrantEnded {}).await
}
