//! The enrolment exchange. The order is the security: a try is charged before anything is proved, the server proves the
//! code before the client says more, and no answer leaves before what it promises is durable.

use mdm_core::change::Stored;
use mdm_core::code::CodeRecord;
use mdm_core::device::Device;
use mdm_core::enrol::{self, Charge, Registration};
use mdm_core::hello;
use quinn::Connection;
use rand::rngs::OsRng;
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::opaque::{OpaqueError, record_from_upload};
use shared::wire::{
    DeviceDescription, EXPORTER_LABEL_ENROL, EnrolDone, EnrolGrant, EnrolProof, EnrolRegister, EnrolStart,
    PinRequest, PinResponse, PinUpload, Prover, RefusalReason,
};
use tokio::time::timeout;

use super::device::{exporter, in_service};
use super::exchange::{Exchange, ExchangeError};
use super::limits::Limits;
use super::{PATIENCE, close};
use crate::service::Service;
use crate::use_cases::{UseCaseError, retry_on_conflict};

/// Serves one enrolment on a connection.
pub(super) async fn serve(service: &Service, limits: &Limits, connection: Connection) {
    if !limits.admits_enrolment(connection.remote_address().ip()) {
        connection.close(close::TOO_MANY, b"too many enrolments from this address");
        return;
    }
    let Ok(Ok(stream)) = timeout(PATIENCE, connection.accept_bi()).await else { return };
    let mut exchange = Exchange::new(stream);
    let result = run(service, &connection, &mut exchange).await;
    exchange.finish(result).await;
    connection.close(close::DONE, b"");
}

async fn run(
    service: &Service,
    connection: &Connection,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    in_service(service)?;
    let exporter = exporter(connection, EXPORTER_LABEL_ENROL)?;
    let start: EnrolStart = exchange.receive().await?;
    let index = service.keyring.codes.index(&start.lookup);
    let code = charge(service, index).await?;
    prove(service, &code, &exporter, &start, exchange).await?;

    let register: EnrolRegister = exchange.receive().await?;
    if !register.device_key.verify(&EnrolRegister::proof_message(&exporter), &register.device_key_proof) {
        return Err(RefusalReason::ProofFailed.into());
    }
    let enrolment = register_key(service, index, &register).await?;
    exchange.send(&grant(service, enrolment, &register)?).await?;
    register_pin(service, index, enrolment, exchange).await
}

async fn load_code(
    service: &Service,
    index: mdm_core::code::CodeIndex,
) -> Result<Stored<CodeRecord>, ExchangeError> {
    service.store.code(index).await?.ok_or(RefusalReason::CodeUnknown.into())
}

/// Charges one try, durably, and gives the code as it was.
async fn charge(service: &Service, index: mdm_core::code::CodeIndex) -> Result<CodeRecord, ExchangeError> {
    let charged = retry_on_conflict(|| async {
        let Some(code) = service.store.code(index).await? else { return Ok(Err(RefusalReason::CodeUnknown)) };
        let record = code.value.clone();
        match enrol::charge(code, service.clock.now()) {
            Charge::Admitted(changes) => {
                service.commit(changes).await?;
                Ok(Ok(record))
            }
            Charge::Refused(reason, changes) => {
                service.commit(changes).await?;
                Ok(Err(reason))
            }
        }
    })
    .await?;
    Ok(charged?)
}

/// Checks the client's proof and gives the server's.
async fn prove(
    service: &Service,
    code: &CodeRecord,
    exporter: &[u8; 32],
    start: &EnrolStart,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    let key = service.keyring.codes.open(code).map_err(|_| RefusalReason::CodeUsed)?.proof_key();
    if !Prover::Client.verify(&key, exporter, &start.proof) {
        return Err(RefusalReason::ProofFailed.into());
    }
    exchange.send(&EnrolProof { proof: Prover::Server.tag(&key, exporter) }).await
}

async fn register_key(
    service: &Service,
    index: mdm_core::code::CodeIndex,
    register: &EnrolRegister,
) -> Result<EnrolmentId, ExchangeError> {
    let registered = retry_on_conflict(|| async {
        let Some(code) = service.store.code(index).await? else { return Ok(Err(RefusalReason::CodeUnknown)) };
        let Some(account) = service.store.account(code.value.account).await? else {
            return Ok(Err(RefusalReason::CodeUsed));
        };
        let now = service.clock.now();
        let registration = Registration {
            devices: service.store.devices_of_account(account.value.id).await?,
            limit: usize::from(service.config.devices.per_account),
            key_is_known: service.store.device_by_key(&register.device_key).await?.is_some(),
            code,
            account: account.value,
            key: register.device_key.clone(),
            description: bounded(&register.device),
            certificate_until: hello::certificate_until(now),
        };
        match enrol::register(registration, now, &mut OsRng) {
            Ok(registered) => {
                service.commit(registered.changes).await?;
                Ok(Ok(registered.enrolment))
            }
            Err(reason) => Ok(Err(reason)),
        }
    })
    .await?;
    Ok(registered?)
}

fn bounded(device: &DeviceDescription) -> DeviceDescription {
    DeviceDescription {
        model: hello::bounded(&device.model),
        platform: hello::bounded(&device.platform),
        app_version: hello::bounded(&device.app_version),
        key_level: device.key_level,
    }
}

fn grant(
    service: &Service,
    enrolment: EnrolmentId,
    register: &EnrolRegister,
) -> Result<EnrolGrant, ExchangeError> {
    let now = service.clock.now();
    let unavailable = |what: &str, cause: &dyn std::fmt::Display| {
        tracing::error!(%cause, "{what}");
        ExchangeError::Refused(RefusalReason::Unavailable)
    };
    let certificate = service
        .ca
        .issue_device(&register.device_key, enrolment, now, hello::certificate_until(now))
        .map_err(|cause| unavailable("cannot issue a device certificate", &cause))?;
    let keys =
        service.keyring.server_keys().map_err(|cause| unavailable("cannot read the keyring", &cause))?;
    Ok(EnrolGrant {
        enrolment,
        certificate,
        keys,
        policy: service.config.policy(register.device.key_level),
        organisation: service.config.organisation.clone(),
        server_time: now,
    })
}

/// The PIN registration. Between the record in the key file and the commit that makes the device live, nobody else works
/// on the enrolment; a crash there leaves an enrolling device with a record that unlocks nothing.
async fn register_pin(
    service: &Service,
    index: mdm_core::code::CodeIndex,
    enrolment: EnrolmentId,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    let malformed = |_: OpaqueError| RefusalReason::Malformed;
    let request: PinRequest = exchange.receive().await?;
    let credential = Secret::make(&mut OsRng);
    let response =
        service.keyring.opaque.registration_response(&request.request, &credential).map_err(malformed)?;
    // Wiped or ended since it was granted: no help any more, though nothing could be made of this one.
    let (device, code) = load_bound(service, index, enrolment).await?;
    enrol::complete(device, code, service.clock.now())?;
    exchange.send(&PinResponse { response }).await?;
    let upload: PinUpload = exchange.receive().await?;
    let record = record_from_upload(&upload.upload).map_err(malformed)?;

    let held = service.lock(enrolment).await;
    let (device, code) = load_bound(service, index, enrolment).await?;
    enrol::complete(device, code, service.clock.now())?;
    let attempts = service.config.devices.unlock_attempts;
    service.unlock_records.put(enrolment, credential, record, attempts).await?;
    let completed = retry_on_conflict(|| async {
        let (device, code) = match load_bound(service, index, enrolment).await {
            Ok(loaded) => loaded,
            Err(ExchangeError::Server(error)) => return Err(error),
            Err(_) => return Ok(Err(RefusalReason::CodeUsed)),
        };
        match enrol::complete(device, code, service.clock.now()) {
            Ok(changes) => service.commit(changes).await.map(|_| Ok(())).map_err(UseCaseError::from),
            Err(reason) => Ok(Err(reason)),
        }
    })
    .await?;
    completed?;
    drop(held);
    exchange.send(&EnrolDone {}).await
}

async fn load_bound(
    service: &Service,
    index: mdm_core::code::CodeIndex,
    enrolment: EnrolmentId,
) -> Result<(Stored<Device>, Stored<CodeRecord>), ExchangeError> {
    let device = service.store.device(enrolment).await?.ok_or(RefusalReason::DeviceUnknown)?;
    Ok((device, load_code(service, index).await?))
}
