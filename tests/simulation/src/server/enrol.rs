//! `mdm_server::quic::enrol`: a try is charged before anything is proved, the server proves the code before the client
//! says more, and no answer leaves before what it promises is durable.

use mdm_core::change::Stored;
use mdm_core::code::{CodeIndex, CodeRecord};
use mdm_core::device::Device;
use mdm_core::enrol::{self, Charge, Registration};
use mdm_core::hello;
use shared::cose::Signer;
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::opaque::{OpaqueError, record_from_upload};
use shared::wire::{
    EnrolDone, EnrolGrant, EnrolProof, EnrolRegister, EnrolStart, PinRequest, PinResponse, PinUpload, Prover,
    RefusalReason, ServerKeys,
};

use super::{Server, ServerError};
use crate::executor::settle;
use crate::fault::Fault;
use crate::network::{Close, Connection, Exchange};
use crate::sim::keyring;

/// Serves one enrolment on a connection.
pub(super) async fn serve(server: &Server, connection: Connection) {
    let Ok(mut exchange) = connection.accept().await else { return };
    let result = run(server, &connection, &mut exchange).await;
    server.finish(&exchange, result);
    server.sim.executor.sleep(std::time::Duration::from_secs(5)).await;
    connection.close(Close::Done);
}

async fn run(server: &Server, connection: &Connection, exchange: &mut Exchange) -> Result<(), ServerError> {
    let exporter = connection.exporter();
    let start: EnrolStart = exchange.receive().await?;
    let index = keyring().codes.index(&start.lookup);
    let code = charge(server, index).await?;
    prove(&code, &exporter, &start, exchange)?;

    let register: EnrolRegister = exchange.receive().await?;
    if !register.device_key.verify(&EnrolRegister::proof_message(&exporter), &register.device_key_proof) {
        return Err(RefusalReason::ProofFailed.into());
    }
    let enrolment = register_key(server, index, &register).await?;
    server.answer(enrolment, exchange, &grant(server, enrolment))?;
    register_pin(server, index, enrolment, exchange).await
}

fn load_code(server: &Server, index: CodeIndex) -> Result<Stored<CodeRecord>, ServerError> {
    settle(server.sim.store.code(index))?.ok_or(RefusalReason::CodeUnknown.into())
}

/// Charges one try, durably, and gives the code as it was.
async fn charge(server: &Server, index: CodeIndex) -> Result<CodeRecord, ServerError> {
    server
        .retry_on_conflict(async || {
            let code = load_code(server, index)?;
            let record = code.value.clone();
            match enrol::charge(code, server.now()) {
                Charge::Admitted(changes) => {
                    server.commit(changes).await?;
                    Ok(record)
                }
                Charge::Refused(reason, changes) => {
                    server.commit(changes).await?;
                    Err(reason.into())
                }
            }
        })
        .await
}

/// Checks the client's proof and gives the server's.
fn prove(
    code: &CodeRecord,
    exporter: &[u8; 32],
    start: &EnrolStart,
    exchange: &Exchange,
) -> Result<(), ServerError> {
    let key = keyring().codes.open(code).map_err(|_| RefusalReason::CodeUsed)?.proof_key();
    if !Prover::Client.verify(&key, exporter, &start.proof) {
        return Err(RefusalReason::ProofFailed.into());
    }
    Ok(exchange.send(&EnrolProof { proof: Prover::Server.tag(&key, exporter) })?)
}

async fn register_key(
    server: &Server,
    index: CodeIndex,
    register: &EnrolRegister,
) -> Result<EnrolmentId, ServerError> {
    server
        .retry_on_conflict(async || {
            let code = load_code(server, index)?;
            let account =
                settle(server.sim.store.account(code.value.account))?.ok_or(RefusalReason::CodeUsed)?;
            let now = server.now();
            let registration = Registration {
                devices: settle(server.sim.store.devices_of_account(account.value.id))?,
                limit: 1,
                key_is_known: settle(server.sim.store.device_by_key(&register.device_key))?.is_some(),
                code,
                account: account.value,
                key: register.device_key.clone(),
                description: register.device.clone(),
                certificate_until: hello::certificate_until(now),
            };
            let registered = enrol::register(registration, now, &mut server.sim.crypto.clone())?;
            server.commit(registered.changes).await?;
            Ok(registered.enrolment)
        })
        .await
}

fn grant(server: &Server, enrolment: EnrolmentId) -> EnrolGrant {
    let keys = keyring();
    EnrolGrant {
        enrolment,
        certificate: Vec::new(),
        keys: ServerKeys {
            pins: Vec::new(),
            command: keys.command.public_key().clone(),
            lease: keys.lease.public_key().clone(),
            checkpoint: keys.checkpoint.public_key().clone(),
            recovery: keys.recovery.public_key().clone(),
            order: shared::signed::PinOrder::default(),
        },
        policy: server.policy.clone(),
        organisation: "玉手県".to_owned(),
        server_time: server.now(),
    }
}

/// The PIN registration. Between the record and the commit that makes the device live, nobody else works on the enrolment.
async fn register_pin(
    server: &Server,
    index: CodeIndex,
    enrolment: EnrolmentId,
    exchange: &mut Exchange,
) -> Result<(), ServerError> {
    let malformed = |_: OpaqueError| RefusalReason::Malformed;
    let request: PinRequest = exchange.receive().await?;
    let credential = Secret::make(&mut server.sim.crypto.clone());
    let response =
        keyring().opaque.registration_response(&request.request, &credential).map_err(malformed)?;
    // Wiped or ended since it was granted: no help any more, though nothing could be made of this one.
    let (device, code) = load_bound(server, index, enrolment).await?;
    enrol::complete(device, code, server.now())?;
    server.answer(enrolment, exchange, &PinResponse { response })?;
    let upload: PinUpload = exchange.receive().await?;
    let record = record_from_upload(&upload.upload).map_err(malformed)?;

    let held = server.lock(enrolment).await;
    let (device, code) = load_bound(server, index, enrolment).await?;
    enrol::complete(device, code, server.now())?;
    let limit = match server.sim.has(Fault::LimitNotKept) {
        true => server.sim.settings.attempts.saturating_mul(3),
        false => server.sim.settings.attempts,
    };
    settle(server.sim.unlock_records.put(enrolment, credential, record, limit))?;
    server.sim.watch.attempts_are_back(enrolment);
    server.sim.executor.pause().await;
    server
        .retry_on_conflict(async || {
            let (device, code) = load_bound(server, index, enrolment).await?;
            server.commit(enrol::complete(device, code, server.now())?).await?;
            Ok(())
        })
        .await?;
    drop(held);
    server.sim.say("enrol: done", || format!("{enrolment}"));
    server.answer(enrolment, exchange, &EnrolDone {})
}

async fn load_bound(
    server: &Server,
    index: CodeIndex,
    enrolment: EnrolmentId,
) -> Result<(Stored<Device>, Stored<CodeRecord>), ServerError> {
    let device = server.load(enrolment).await?;
    Ok((device, load_code(server, index)?))
}
