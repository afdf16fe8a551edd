//! Block, unblock, wipe; sealing; receipts.

use mdm_core::audit::Actor;
use mdm_core::change::Stored;
use mdm_core::command::{self, Instruction, Issued};
use mdm_core::device::{BlockedBy, Device};
use mdm_core::hello;
use mdm_core::quarantine::replay::Tombstone;
use mdm_core::run::CopySign;
use mdm_core::unlock;
use rand::rngs::OsRng;
use shared::ids::EnrolmentId;

use super::{Missing, UseCaseError, retry_on_conflict};
use crate::service::Service;

/// Who asks, and why.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// Who.
    pub actor: Actor,
    /// Why, in their words.
    pub reason: &'a str,
}

impl<'a> Order<'a> {
    fn instruction(self, service: &Service) -> Instruction<'a> {
        Instruction {
            actor: self.actor,
            reason: self.reason,
            now: service.clock.now(),
            epoch: service.epoch(),
        }
    }
}

async fn load(service: &Service, enrolment: EnrolmentId) -> Result<Stored<Device>, UseCaseError> {
    let device = service.store.device(enrolment).await?;
    Ok(device.ok_or(Missing::Device(enrolment))?)
}

/// The device as it stands.
pub async fn show(service: &Service, enrolment: EnrolmentId) -> Result<Device, UseCaseError> {
    Ok(load(service, enrolment).await?.value)
}

/// 利用停止. From the commit on, the server withholds its help; a connected device is told at once.
pub async fn block(
    service: &Service,
    enrolment: EnrolmentId,
    order: Order<'_>,
) -> Result<Device, UseCaseError> {
    withhold(service, enrolment, None, order).await
}

/// The same because of a batch or a seat in its grace: [`unblock_by`] takes it back.
pub(crate) async fn block_by(
    service: &Service,
    enrolment: EnrolmentId,
    by: BlockedBy,
    order: Order<'_>,
) -> Result<Device, UseCaseError> {
    withhold(service, enrolment, Some(by), order).await
}

async fn withhold(
    service: &Service,
    enrolment: EnrolmentId,
    by: Option<BlockedBy>,
    order: Order<'_>,
) -> Result<Device, UseCaseError> {
    let _held = service.lock_for_command(enrolment).await;
    let signed = retry_on_conflict(|| async {
        let device = load(service, enrolment).await?;
        let codes = service.store.codes_of_account(device.value.account).await?;
        let (instruction, key) = (order.instruction(service), &service.keyring.command);
        let issued = match by {
            None => command::block(device, codes, &instruction, key, &mut OsRng)?,
            Some(by) => command::block_by(device, codes, by, &instruction, key, &mut OsRng)?,
        };
        commit(service, issued).await
    })
    .await?;
    service.live.push(enrolment, &signed);
    show(service, enrolment).await
}

/// 停止解除 of a device that this has blocked and nobody else, now that it is taken back. Says whether it was one.
pub(crate) async fn unblock_by(
    service: &Service,
    enrolment: EnrolmentId,
    by: BlockedBy,
    order: Order<'_>,
) -> Result<bool, UseCaseError> {
    service.outside_quarantine()?;
    let _held = service.lock_for_command(enrolment).await;
    let signed = retry_on_conflict(|| async {
        let device = load(service, enrolment).await?;
        let account = service.store.account(device.value.account).await?;
        // Grace would only block it again while the seat is held.
        let may_work = account.is_some_and(|account| match by {
            BlockedBy::Batch(_) => account.value.may_work(),
            BlockedBy::Grace => account.value.is_served(),
        });
        let (instruction, key) = (order.instruction(service), &service.keyring.command);
        match command::unblock_by(device, by, may_work, &instruction, key, &mut OsRng)? {
            Some(issued) => commit(service, issued).await.map(Some),
            None => Ok(None),
        }
    })
    .await?;
    if let Some(signed) = &signed {
        service.live.push(enrolment, signed);
    }
    Ok(signed.is_some())
}

/// 停止解除.
pub async fn unblock(
    service: &Service,
    enrolment: EnrolmentId,
    order: Order<'_>,
) -> Result<Device, UseCaseError> {
    service.outside_quarantine()?;
    let _held = service.lock_for_command(enrolment).await;
    let is_suspected = load(service, enrolment).await?.value.copy_suspected_at.is_some();
    let signed = retry_on_conflict(|| async {
        let device = load(service, enrolment).await?;
        let account = service.store.account(device.value.account).await?;
        let may_work = account.is_some_and(|account| account.value.may_work());
        let instruction = order.instruction(service);
        let issued = command::unblock(device, may_work, &instruction, &service.keyring.command, &mut OsRng)?;
        commit(service, issued).await
    })
    .await?;
    if is_suspected {
        // Copies are compared when they say hello, and two that stay connected would not: their hellos bring the command.
        service.live.cut_off(enrolment);
    } else {
        service.live.push(enrolment, &signed);
    }
    show(service, enrolment).await
}

/// Gives a device all its unlock attempts back. Beside a verified PIN nothing else does; the journal says who did and why. It
/// opens nothing: whoever tries needs the PIN as before.
pub async fn reset_attempts(
    service: &Service,
    enrolment: EnrolmentId,
    order: Order<'_>,
) -> Result<Device, UseCaseError> {
    service.outside_quarantine()?;
    let _held = service.lock_for_command(enrolment).await;
    let device = load(service, enrolment).await?.value;
    let changes =
        unlock::attempts_reset(&device, order.actor, order.reason, service.clock.now(), &mut OsRng)?;
    service.commit(changes).await?;
    let failed = |cause| UseCaseError::UnlockRecords { done: "", cause };
    service.unlock_records.reset(enrolment).await.map_err(failed)?;
    Ok(device)
}

/// 遠隔消去: tombstone and command in one commit, then the key file's page destroyed, then 鍵破棄済 noted. A failure after
/// the commit leaves the wipe in force and is said; the sealing is tried again by [`seal`].
pub async fn wipe(
    service: &Service,
    enrolment: EnrolmentId,
    order: Order<'_>,
) -> Result<Device, UseCaseError> {
    let _held = service.lock_for_wipe(enrolment).await;
    let signed = retry_on_conflict(|| async {
        let device = load(service, enrolment).await?;
        let codes = service.store.codes_of_account(device.value.account).await?;
        let instruction = order.instruction(service);
        let issued = command::wipe(device, codes, &instruction, &service.keyring.command, &mut OsRng)?;
        commit(service, issued).await
    })
    .await?;
    service.live.push(enrolment, &signed);
    destroy(service, enrolment).await?;
    show(service, enrolment).await
}

/// Blocks a device if what it says of its vault shows that there is a copy of it; says whether it does. For who holds its
/// lock.
pub(crate) async fn block_behind(
    service: &Service,
    enrolment: EnrolmentId,
    vault_epoch: u64,
) -> Result<bool, UseCaseError> {
    let device = load(service, enrolment).await?;
    let is_behind = hello::is_behind(&device.value, vault_epoch);
    if is_behind {
        block_copy(service, enrolment, CopySign::Behind, vault_epoch).await?;
    }
    Ok(is_behind)
}

/// Blocks a device of which there is a copy, unless that has been done. For who holds its lock.
pub(crate) async fn block_copy(
    service: &Service,
    enrolment: EnrolmentId,
    sign: CopySign,
    vault_epoch: u64,
) -> Result<(), UseCaseError> {
    let order = Order { actor: Actor::Server, reason: "a copy of the device may exist" };
    let signed = retry_on_conflict(|| async {
        let device = load(service, enrolment).await?;
        let codes = service.store.codes_of_account(device.value.account).await?;
        let (instruction, key) = (order.instruction(service), &service.keyring.command);
        match command::suspect_copy(device, codes, sign, vault_epoch, &instruction, key, &mut OsRng)? {
            Some(issued) => commit(service, issued).await,
            None => Ok(Vec::new()),
        }
    })
    .await?;
    if !signed.is_empty() {
        tracing::warn!(%enrolment, sign = sign.as_str(), "there may be a copy of a device: it is blocked");
        service.live.push(enrolment, &signed);
    }
    Ok(())
}

/// Orders a wipe again that a restored server has forgotten: the same command. The page goes first, and also where the database
/// does not know the device: the key file may be newer than it.
pub(crate) async fn wipe_again(service: &Service, tombstone: &Tombstone) -> Result<(), UseCaseError> {
    let enrolment = tombstone.enrolment;
    let _held = service.lock_for_wipe(enrolment).await;
    let failed = |cause| UseCaseError::UnlockRecords { done: "", cause };
    service.unlock_records.destroy(enrolment).await.map_err(failed)?;
    retry_on_conflict(|| async {
        let device = load(service, enrolment).await?;
        let codes = service.store.codes_of_account(device.value.account).await?;
        let order = Order { actor: Actor::Server, reason: "wiped before the server was restored" };
        let instruction = order.instruction(service);
        let key = &service.keyring.command;
        let issued = command::wipe_again(device, codes, tombstone, &instruction, key, &mut OsRng)?;
        commit(service, issued).await
    })
    .await?;
    destroy(service, enrolment).await
}

async fn commit(service: &Service, issued: Issued) -> Result<Vec<u8>, UseCaseError> {
    service.commit(issued.changes).await?;
    Ok(issued.signed)
}

/// Destroys the server's part of a wiped enrolment's key and notes it. Idempotent.
pub async fn seal(service: &Service, enrolment: EnrolmentId) -> Result<(), UseCaseError> {
    let _held = service.lock_for_command(enrolment).await;
    if load(service, enrolment).await?.value.wipe().is_none() {
        return Ok(());
    }
    destroy(service, enrolment).await
}

async fn destroy(service: &Service, enrolment: EnrolmentId) -> Result<(), UseCaseError> {
    service.unlock_records.destroy(enrolment).await.map_err(|cause| UseCaseError::UnlockRecords {
        done: "the wipe is in force and the server answers this device with nothing else, but its part of the key \
               could not be destroyed yet: ",
        cause,
    })?;
    retry_on_conflict(|| async {
        if let Some(changes) = command::sealed(load(service, enrolment).await?, service.clock.now()) {
            service.commit(changes).await?;
        }
        Ok(())
    })
    .await
}
