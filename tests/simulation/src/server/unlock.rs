//! `mdm_server::quic::unlock`: what a thief could gain from an answer is paid for, durably, before the answer leaves.

use mdm_core::account::Account;
use mdm_core::change::Stored;
use mdm_core::device::Device;
use mdm_core::unlock::{self, Unlocking};
use mdm_store::Charge;
use shared::cose;
use shared::ids::EnrolmentId;
use shared::opaque::PendingLogin;
use shared::wire::{RefusalReason, UnlockChallenge, UnlockFinish, UnlockGranted, UnlockStart};

use super::device::{Caller, answer_wipe};
use super::{Server, ServerError};
use crate::executor::settle;
use crate::fault::Fault;
use crate::network::Exchange;
use crate::sim::keyring;

/// KE1 to the end.
pub(super) async fn run(
    server: &Server,
    caller: &Caller,
    start: UnlockStart,
    exchange: &mut Exchange,
) -> Result<(), ServerError> {
    let Some(pending) = challenge(server, caller, &start, exchange).await? else { return Ok(()) };
    let finish: UnlockFinish = exchange.receive().await?;
    let login = pending.finish(&finish.ke3);

    let _held = caller.turn(server).await?;
    let device = server.load(caller.enrolment).await?;
    if device.value.wipe().is_some() {
        return answer_wipe(server, &device.value, exchange);
    }
    let Ok(verified) = login else {
        let reason = RefusalReason::PinWrong;
        server.commit(unlock::refused(&device.value, reason, server.now())).await?;
        return Err(reason.into());
    };
    let policy = server.policy.clone();
    let granted = server
        .retry_on_conflict(async || {
            let unlocking = load_unlocking(server, caller.enrolment, start.vault_epoch).await?;
            let rng = &mut server.sim.crypto.clone();
            let mut granted =
                unlock::grant(&verified, unlocking, &policy, &keyring().grants, server.now(), rng)?;
            server.commit(std::mem::take(&mut granted.changes)).await?;
            Ok(granted)
        })
        .await?;
    settle(server.sim.unlock_records.credit(caller.enrolment, &verified))?;
    server.sim.watch.attempts_are_back(caller.enrolment);
    server.sim.say("unlock: granted", || format!("{}", caller.enrolment));
    server.sim.executor.pause().await;
    let lease = granted.lease.as_ref().map(|lease| {
        cose::sign(lease, caller.enrolment.as_bytes(), &keyring().lease).expect("a lease in memory is signed")
    });
    let message = UnlockGranted {
        lease: lease.map(serde_bytes::ByteBuf::from),
        policy,
        may_be_open_until: granted.may_be_open_until,
    };
    server.answer_granted(caller.enrolment, exchange, &message)
}

/// KE1 to KE2: records how long the vault may be open by it, charges one attempt, and only then answers.
async fn challenge(
    server: &Server,
    caller: &Caller,
    start: &UnlockStart,
    exchange: &mut Exchange,
) -> Result<Option<PendingLogin>, ServerError> {
    let _held = caller.turn(server).await?;
    let (sim, enrolment) = (&server.sim, caller.enrolment);
    let device = server.load(enrolment).await?;
    if device.value.wipe().is_some() {
        answer_wipe(server, &device.value, exchange)?;
        return Ok(None);
    }
    let attempts = settle(sim.unlock_records.attempts(enrolment))?;
    if attempts.is_none_or(|attempts| attempts.left() == 0) {
        sim.log.count("unlock: attempts exhausted");
        return Err(RefusalReason::AttemptsExhausted.into());
    }
    if !sim.has(Fault::AnswerBeforeRecorded) {
        admit(server, enrolment).await?;
    }
    let charge = settle(sim.unlock_records.charge(enrolment))?;
    let Charge::Charged(mut charged) = charge else { return Err(RefusalReason::AttemptsExhausted.into()) };
    if sim.has(Fault::AttemptNotCharged) || sim.has(Fault::AnswerBeforeCharge) {
        give_back(server, enrolment, &mut charged).await?;
    }
    sim.executor.pause().await;
    if charged.attempts_left == 0 {
        let changes = unlock::refused(&device.value, RefusalReason::AttemptsExhausted, server.now());
        server.commit(changes).await?;
    }
    let (pending, ke2) = keyring()
        .opaque
        .login(&charged.record, &charged.credential, enrolment, &start.ke1, &mut sim.crypto.clone())
        .map_err(|_| RefusalReason::Malformed)?;
    let message = UnlockChallenge { ke2, attempts_left: charged.attempts_left };
    server.answer(enrolment, exchange, &message)?;
    if sim.has(Fault::AnswerBeforeCharge) {
        settle(sim.unlock_records.charge(enrolment))?;
    }
    Ok(Some(pending))
}

async fn admit(server: &Server, enrolment: EnrolmentId) -> Result<(), ServerError> {
    server
        .retry_on_conflict(async || {
            let (device, account) = load_with_account(server, enrolment).await?;
            let changes = unlock::admit(device, &account.value, &server.policy, server.now())?;
            server.commit(changes).await?;
            Ok(())
        })
        .await
}

/// A planted mistake: the record stands as if nothing had been charged. Only a fresh registration can do that from here.
async fn give_back(
    server: &Server,
    enrolment: EnrolmentId,
    charged: &mut mdm_store::Charged,
) -> Result<(), ServerError> {
    let records = &server.sim.unlock_records;
    let record = shared::opaque::Record::from_bytes(*charged.record.expose());
    let credential = shared::opaque::CredentialId::from_bytes(*charged.credential.expose());
    settle(records.destroy(enrolment))?;
    settle(records.put(enrolment, credential, record, server.sim.settings.attempts))?;
    charged.attempts_left = server.sim.settings.attempts;
    Ok(())
}

async fn load_with_account(
    server: &Server,
    enrolment: EnrolmentId,
) -> Result<(Stored<Device>, Stored<Account>), ServerError> {
    let device = server.load(enrolment).await?;
    let account = settle(server.sim.store.account(device.value.account))?;
    Ok((device, account.ok_or(RefusalReason::DeviceUnknown)?))
}

async fn load_unlocking(
    server: &Server,
    enrolment: EnrolmentId,
    vault_epoch: u64,
) -> Result<Unlocking, ServerError> {
    let (device, account) = load_with_account(server, enrolment).await?;
    let codes = settle(server.sim.store.codes_of_account(account.value.id))?;
    Ok(Unlocking { device, account, codes, vault_epoch, server_epoch: 0 })
}
