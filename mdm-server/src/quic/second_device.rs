//! A code for another device of the same account: content, given in the enrolment's turn.

use mdm_core::second_device::{self, Asked, Given};
use rand::rngs::OsRng;
use shared::wire::{RefusalReason, SecondDeviceCode};

use super::device::Caller;
use super::exchange::{Exchange, ExchangeError};
use crate::service::Service;
use crate::use_cases::retry_on_conflict;

/// Gives a code, durable and in the journal before it leaves.
pub(super) async fn give(
    service: &Service,
    caller: &Caller,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    let _held = caller.turn(service).await?;
    let access = caller.content(service).await?;
    let code = retry_on_conflict(|| async {
        let Some(account) = service.store.account(access.account()).await? else {
            return Ok(Err(RefusalReason::DeviceUnknown));
        };
        let asked = Asked {
            access,
            devices: service.store.devices_of_account(account.value.id).await?,
            codes: service.store.codes_of_account(account.value.id).await?,
            account: account.value,
            limit: usize::from(service.config.devices.per_account),
        };
        match second_device::give(asked, &service.keyring.codes, service.clock.now(), &mut OsRng) {
            Ok(Given { changes, code }) if changes.writes.is_empty() => Ok(Ok(code)),
            Ok(Given { changes, code }) => {
                service.commit(changes).await.map(|_| Ok(code)).map_err(Into::into)
            }
            Err(reason) => Ok(Err(reason)),
        }
    })
    .await??;
    let text = service.keyring.codes.open(&code).map_err(|_| RefusalReason::CodeUsed)?.to_text();
    exchange.send(&SecondDeviceCode { code: text.to_string(), expires_at: code.expires_at }).await
}
