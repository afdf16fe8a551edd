//! The change of a PIN. The old one is proved, the new one registered beside it and proved, and one write of the key file's
//! page puts it in the place of the old: at no time do both open the vault, or neither.
//!
//! It is content: the connection must have proved the session grant, and every step asks for it again.

use mdm_core::unlock;
use rand::rngs::OsRng;
use shared::crypto::Secret;
use shared::opaque::{CredentialId, VerifiedLogin, record_from_upload, record_mark};
use shared::wire::{
    PinChange, PinChanged, PinProof, PinRequest, PinResponse, PinUpload, RefusalReason, UnlockFinish,
    UnlockStart,
};
use tokio::sync::OwnedMutexGuard;

use super::device::{Caller, load};
use super::exchange::{Exchange, ExchangeError};
use super::unlock::{At, Challenged, challenge};
use crate::service::Service;
use crate::use_cases::{UseCaseError, retry_on_conflict};

/// From KE1 of the old PIN to the end.
pub(super) async fn change(
    service: &Service,
    caller: &Caller,
    start: PinChange,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    caller.content(service).await?;
    let login = UnlockStart { ke1: start.ke1, vault_epoch: start.vault_epoch };
    let Some(old) = challenge(service, caller, At::Current, &login, exchange).await? else {
        return Ok(());
    };
    {
        let Proved { _held, login, .. } = verify(service, caller, old, exchange).await?;
        service.unlock_records.credit(caller.enrolment, &login).await?;
    }
    register(service, caller, exchange).await?;

    let proof: PinProof = exchange.receive().await?;
    let login = UnlockStart { ke1: proof.ke1, vault_epoch: proof.vault_epoch };
    let Some(new) = challenge(service, caller, At::Pending, &login, exchange).await? else {
        return Ok(());
    };
    let Proved { _held, login, credential } = verify(service, caller, new, exchange).await?;
    let mark = record_mark(&credential);
    retry_on_conflict(|| async {
        if let Some(device) = service.store.device(caller.enrolment).await? {
            service.commit(unlock::pin_proven(device, &mark, service.clock.now())).await?;
        }
        Ok::<_, UseCaseError>(())
    })
    .await?;
    service.unlock_records.promote(caller.enrolment, &login, credential).await?;
    exchange.send(&PinChanged {}).await
}

/// A login that was verified, and the enrolment's turn in which it was.
struct Proved {
    _held: OwnedMutexGuard<()>,
    login: VerifiedLogin,
    /// Names the record that it was made with.
    credential: CredentialId,
}

/// KE3 of one of the two logins. Another change of the PIN ends both.
async fn verify(
    service: &Service,
    caller: &Caller,
    challenged: Challenged,
    exchange: &mut Exchange,
) -> Result<Proved, ExchangeError> {
    let finish: UnlockFinish = exchange.receive().await?;
    let login = challenged.login.finish(&finish.ke3);
    let held = caller.turn(service).await?;
    caller.content(service).await?;
    let device = load(service, caller.enrolment).await?;
    let of_this_pin = unlock::is_of_this_pin(&device.value, challenged.pin_changes);
    match login.ok().filter(|_| of_this_pin) {
        Some(login) => Ok(Proved { _held: held, login, credential: challenged.credential }),
        None => {
            let reason = RefusalReason::PinWrong;
            service.commit(unlock::refused(&device.value, reason, service.clock.now())).await?;
            Err(reason.into())
        }
    }
}

/// The registration of the new PIN, whose record waits beside the old one.
async fn register(service: &Service, caller: &Caller, exchange: &mut Exchange) -> Result<(), ExchangeError> {
    let malformed = |_| RefusalReason::Malformed;
    let request: PinRequest = exchange.receive().await?;
    let credential = Secret::make(&mut OsRng);
    let response =
        service.keyring.opaque.registration_response(&request.request, &credential).map_err(malformed)?;
    {
        let _held = caller.turn(service).await?;
        caller.content(service).await?;
        // The device overwrites the slot of an earlier try after this answer: no login of that try counts from here on.
        service.unlock_records.drop_pending(caller.enrolment).await?;
        exchange.send(&PinResponse { response }).await?;
    }
    let upload: PinUpload = exchange.receive().await?;
    let record = record_from_upload(&upload.upload).map_err(malformed)?;
    let _held = caller.turn(service).await?;
    caller.content(service).await?;
    Ok(service.unlock_records.put_pending(caller.enrolment, credential, record).await?)
}
