//! The unlock exchange. What a thief could gain from an answer is paid for, durably, before the answer leaves.

use mdm_core::account::Account;
use mdm_core::change::Stored;
use mdm_core::device::{Device, DeviceState};
use mdm_core::unlock::{self, Unlocking};
use mdm_store::Charge;
use rand::rngs::OsRng;
use shared::cose;
use shared::ids::EnrolmentId;
use shared::opaque::{CredentialId, PendingLogin};
use shared::wire::{RefusalReason, UnlockChallenge, UnlockFinish, UnlockGranted, UnlockStart};

use super::device::{Caller, answer_wipe, in_service, load};
use super::exchange::{Exchange, ExchangeError};
use crate::service::Service;
use crate::use_cases::{UseCaseError, devices, retry_on_conflict};

/// KE1 to the end.
pub(super) async fn run(
    service: &Service,
    caller: &Caller,
    start: UnlockStart,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    let Some(challenged) = challenge(service, caller, At::Current, &start, exchange).await? else {
        return Ok(());
    };
    let finish: UnlockFinish = exchange.receive().await?;
    let login = challenged.login.finish(&finish.ke3);

    let _held = caller.turn(service).await?;
    in_service(service)?;
    let device = load(service, caller.enrolment).await?;
    if device.value.wipe().is_some() {
        return answer_wipe(service, &device.value, exchange).await;
    }
    let of_this_pin = unlock::is_of_this_pin(&device.value, challenged.pin_changes);
    let Some(verified) = login.ok().filter(|_| of_this_pin) else {
        let reason = RefusalReason::PinWrong;
        service.commit(unlock::refused(&device.value, reason, service.clock.now())).await?;
        return Err(reason.into());
    };
    let policy = service.config.policy(device.value.description.key_level);
    let granted = retry_on_conflict(|| async {
        let unlocking = match load_unlocking(service, caller.enrolment, start.vault_epoch).await? {
            Ok(unlocking) => unlocking,
            Err(reason) => return Ok(Err(reason)),
        };
        let now = service.clock.now();
        match unlock::grant(&verified, unlocking, &policy, &service.keyring.grants, now, &mut OsRng) {
            Ok(mut granted) => {
                service.commit(std::mem::take(&mut granted.changes)).await?;
                Ok(Ok(granted))
            }
            Err(reason) => Ok(Err(reason)),
        }
    })
    .await??;
    service.unlock_records.credit(caller.enrolment, &verified).await?;
    let lease = match &granted.lease {
        Some(lease) => {
            let signed = cose::sign(lease, caller.enrolment.as_bytes(), &service.keyring.lease);
            Some(signed.map_err(UseCaseError::from)?.into())
        }
        None => None,
    };
    exchange.send(&UnlockGranted { lease, policy, may_be_open_until: granted.may_be_open_until }).await
}

/// Which record a login is made with.
#[derive(Clone, Copy)]
pub(super) enum At {
    /// The one that opens the vault.
    Current,
    /// The one of a new PIN.
    Pending,
}

/// KE2 was sent.
pub(super) struct Challenged {
    pub(super) login: PendingLogin,
    /// Names the record that it was made with.
    pub(super) credential: CredentialId,
    /// The device's count of PINs then.
    pub(super) pin_changes: u32,
}

/// KE1 to KE2: records how long the vault may be open by it, charges one attempt, and only then answers.
pub(super) async fn challenge(
    service: &Service,
    caller: &Caller,
    at: At,
    start: &UnlockStart,
    exchange: &mut Exchange,
) -> Result<Option<Challenged>, ExchangeError> {
    let _held = caller.turn(service).await?;
    in_service(service)?;
    let enrolment = caller.enrolment;
    let device = load(service, enrolment).await?;
    if device.value.wipe().is_some() {
        answer_wipe(service, &device.value, exchange).await?;
        return Ok(None);
    }
    if devices::block_behind(service, enrolment, start.vault_epoch).await? {
        return Err(RefusalReason::Blocked.into());
    }
    match service.unlock_records.attempts(enrolment).await? {
        None if device.value.state == DeviceState::Enrolling => return Err(RefusalReason::NotEnrolled.into()),
        None => return Err(RefusalReason::RecordGone.into()),
        Some(attempts) if attempts.left() == 0 => return Err(RefusalReason::AttemptsExhausted.into()),
        Some(_) => {}
    }
    service.logins.admit(enrolment)?;
    let policy = service.config.policy(device.value.description.key_level);
    retry_on_conflict(|| async {
        let (device, account) = match load_with_account(service, enrolment).await? {
            Ok(loaded) => loaded,
            Err(reason) => return Ok(Err(reason)),
        };
        match unlock::admit(device, &account.value, &policy, service.clock.now()) {
            Ok(changes) => Ok(Ok(service.commit(changes).await?)),
            Err(reason) => Ok(Err(reason)),
        }
    })
    .await??;
    let charge = match at {
        At::Current => service.unlock_records.charge(enrolment),
        At::Pending => service.unlock_records.charge_pending(enrolment),
    };
    let charged = match charge.await? {
        Charge::Charged(charged) => charged,
        Charge::Exhausted | Charge::Missing => return Err(RefusalReason::AttemptsExhausted.into()),
    };
    if charged.attempts_left == 0 {
        // Noted once, with the last attempt, so that a thief who goes on trying cannot fill the journal.
        let changes = unlock::refused(&device.value, RefusalReason::AttemptsExhausted, service.clock.now());
        service.commit(changes).await?;
    }
    let (login, ke2) = service
        .keyring
        .opaque
        .login(&charged.record, &charged.credential, enrolment, &start.ke1, &mut OsRng)
        .map_err(|_| RefusalReason::Malformed)?;
    // A hello of another device may have begun a quarantine since.
    in_service(service)?;
    exchange.send(&UnlockChallenge { ke2, attempts_left: charged.attempts_left }).await?;
    let pin_changes = device.value.pin_changes;
    Ok(Some(Challenged { login, credential: charged.credential, pin_changes }))
}

type Loaded<T> = Result<Result<T, RefusalReason>, UseCaseError>;

async fn load_with_account(
    service: &Service,
    enrolment: EnrolmentId,
) -> Loaded<(Stored<Device>, Stored<Account>)> {
    let Some(device) = service.store.device(enrolment).await? else {
        return Ok(Err(RefusalReason::DeviceUnknown));
    };
    match service.store.account(device.value.account).await? {
        Some(account) => Ok(Ok((device, account))),
        None => Ok(Err(RefusalReason::DeviceUnknown)),
    }
}

async fn load_unlocking(service: &Service, enrolment: EnrolmentId, vault_epoch: u64) -> Loaded<Unlocking> {
    let (device, account) = match load_with_account(service, enrolment).await? {
        Ok(loaded) => loaded,
        Err(reason) => return Ok(Err(reason)),
    };
    let codes = service.store.codes_of_account(account.value.id).await?;
    Ok(Ok(Unlocking { device, account, codes, vault_epoch, server_epoch: service.epoch() }))
}
