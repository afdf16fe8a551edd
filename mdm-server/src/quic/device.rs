//! Connections of registered devices: hello, unlock, receipt, renew from the device; commands to it.

use std::sync::{Arc, Mutex, PoisonError};

use mdm_core::change::Stored;
use mdm_core::command;
use mdm_core::device::Device;
use mdm_core::grant::ProvenGrant;
use mdm_core::hello;
use quinn::Connection;
use rustls::pki_types::CertificateDer;
use serde_bytes::ByteBuf;
use shared::cose::PublicKey;
use shared::crypto::hazmat::sha256;
use shared::ids::EnrolmentId;
use shared::wire::{
    CommandMessage, CommandResult, Hello, HelloReply, Kind, PinsTaken, ReceiptAck, ReceiptMessage,
    RefusalReason, Renewed, SecondDevice,
};
use tokio::sync::OwnedMutexGuard;

use super::exchange::{Exchange, ExchangeError};
use super::{close, content, grant, notes, pin, second, second_device, unlock};
use crate::quarantine;
use crate::service::Service;
use crate::tls::certificate_key;
use crate::use_cases::{Missing, UseCaseError, retry_on_conflict};

/// Whose connection it is: the enrolment whose registered key signed the handshake.
pub(super) struct Caller {
    pub(super) enrolment: EnrolmentId,
    pub(super) connection: Connection,
    /// The session grant that was proved over this connection. Whether it still holds is asked of the store each time.
    proven: Mutex<Option<ProvenGrant>>,
}

impl Caller {
    /// Waits for the enrolment's turn. Who was cut off meanwhile is not answered, so that a queue of them is short.
    pub(super) async fn turn(&self, service: &Service) -> Result<OwnedMutexGuard<()>, ExchangeError> {
        let held = service.lock(self.enrolment).await;
        match self.connection.close_reason() {
            None => Ok(held),
            Some(_) => Err(ExchangeError::Gone),
        }
    }

    /// What this connection has proved, be it worth anything or not.
    pub(super) fn proven(&self) -> Option<ProvenGrant> {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn mark(&self, proven: ProvenGrant) {
        *self.proven.lock().unwrap_or_else(PoisonError::into_inner) = Some(proven);
    }

    /// 32 bytes that this connection alone has (RFC 8446 section 7.5).
    pub(super) fn exporter(&self, label: &[u8]) -> Result<[u8; 32], ExchangeError> {
        exporter(&self.connection, label)
    }
}

/// 32 bytes that a connection alone has (RFC 8446 section 7.5).
pub(super) fn exporter(connection: &Connection, label: &[u8]) -> Result<[u8; 32], ExchangeError> {
    let mut exporter = [0; 32];
    let exported = connection.export_keying_material(&mut exporter, label, b"");
    exported.map(|()| exporter).map_err(|_| ExchangeError::Gone)
}

fn peer_key(connection: &Connection) -> Option<PublicKey> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    certificate_key(chain.first()?)
}

/// Serves a device until it goes away.
pub(super) async fn serve(service: Arc<Service>, connection: Connection) {
    let Some(key) = peer_key(&connection) else {
        connection.close(close::NO_CERTIFICATE, b"a device certificate is needed");
        return;
    };
    let enrolment = match service.store.device_by_key(&key).await {
        Ok(Some(device)) => device.value.enrolment,
        Ok(None) => return connection.close(close::UNKNOWN_DEVICE, b"this device key is not registered"),
        Err(error) => {
            tracing::error!(%error, "cannot look a device up");
            return connection.close(close::DONE, b"try again later");
        }
    };
    let caller = Arc::new(Caller { enrolment, connection: connection.clone(), proven: Mutex::default() });
    let registered = service.live.register(enrolment, &connection);
    let _place = registered.place;
    let mut commands = registered.commands;
    loop {
        tokio::select! {
            stream = connection.accept_bi() => {
                let Ok(stream) = stream else { break };
                let (service, caller) = (service.clone(), caller.clone());
                tokio::spawn(async move { answer(&service, &caller, Exchange::new(stream)).await });
            }
            Some(signed) = commands.recv() => {
                let (service, caller) = (service.clone(), caller.clone());
                tokio::spawn(async move { deliver(&service, &caller, signed).await });
            }
        }
    }
}

/// Sends a command on a stream of its own and notes that it was applied.
async fn deliver(service: &Service, caller: &Caller, command: Vec<u8>) {
    let Ok(stream) = caller.connection.open_bi().await else { return };
    let mut exchange = Exchange::new(stream);
    let result = async {
        exchange.send(&CommandMessage { command }).await?;
        let applied: CommandResult = exchange.receive().await?;
        note_applied(service, caller, applied).await
    };
    // A wipe is answered by a receipt on another stream, and a device that went away asks again at its next hello.
    if let Err(ExchangeError::Server(error)) = result.await {
        tracing::error!(%error, "cannot note an applied command");
    }
}

/// In the enrolment's turn, as whatever a device can have written: a flood of these does not get before a wipe. Each is a commit,
/// so that they are counted.
async fn note_applied(
    service: &Service,
    caller: &Caller,
    applied: CommandResult,
) -> Result<(), ExchangeError> {
    let _held = caller.turn(service).await?;
    service.reports.admit(caller.enrolment)?;
    retry_on_conflict(|| async {
        if let Some(device) = service.store.device(caller.enrolment).await?
            && device.value.wipe().is_none()
        {
            service.commit(hello::applied(device, applied.last_applied, service.clock.now())).await?;
        }
        Ok(())
    })
    .await
    .map_err(ExchangeError::from)
}

async fn note_pins(service: &Service, caller: &Caller, taken: PinsTaken) -> Result<(), ExchangeError> {
    let _held = caller.turn(service).await?;
    service.reports.admit(caller.enrolment)?;
    retry_on_conflict(|| async {
        if let Some(device) = service.store.device(caller.enrolment).await?
            && device.value.wipe().is_none()
        {
            service.commit(hello::pins_taken(device, taken.order, service.clock.now())).await?;
        }
        Ok(())
    })
    .await
    .map_err(ExchangeError::from)
}

async fn answer(service: &Service, caller: &Caller, mut exchange: Exchange) {
    let result = dispatch(service, caller, &mut exchange).await;
    exchange.finish(result).await;
}

async fn dispatch(service: &Service, caller: &Caller, exchange: &mut Exchange) -> Result<(), ExchangeError> {
    let frame = exchange.frame().await?;
    if !matches!(frame.kind(), Kind::Hello | Kind::Receipt | Kind::CommandResult | Kind::PinsTaken) {
        in_service(service)?;
    }
    match frame.kind() {
        Kind::Hello => greet(service, caller, frame.decode()?, exchange).await,
        Kind::UnlockStart => unlock::run(service, caller, frame.decode()?, exchange).await,
        Kind::Receipt => receipt(service, caller, frame.decode()?, exchange).await,
        Kind::Renew => renew(service, caller, exchange).await,
        Kind::GrantProof => grant::prove(service, caller, frame.decode()?, exchange).await,
        Kind::PinChange => pin::change(service, caller, frame.decode()?, exchange).await,
        Kind::GrantEnd => grant::end(service, caller, frame.decode()?, exchange).await,
        Kind::ManifestRequest => content::manifest(service, caller, frame.decode()?, exchange).await,
        Kind::DocumentRequest => content::document(service, caller, frame.decode()?, exchange).await,
        Kind::NotesRequest => notes::changes(service, caller, frame.decode()?, exchange).await,
        Kind::NoteOffer => notes::offer(service, caller, frame.decode()?, exchange).await,
        Kind::NoteRequest => notes::contents(service, caller, frame.decode()?, exchange).await,
        Kind::CommandResult => note_applied(service, caller, frame.decode()?).await,
        Kind::SecondDevice => {
            let SecondDevice {} = frame.decode()?;
            second_device::give(service, caller, exchange).await
        }
        Kind::PinsTaken => note_pins(service, caller, frame.decode()?).await,
        other => Err(shared::wire::DecodeError::Unexpected(other).into()),
    }
}

/// What a server in quarantine does not do: everything but hello, commands and receipts.
pub(super) fn in_service(service: &Service) -> Result<(), RefusalReason> {
    service.outside_quarantine().map_err(|_| RefusalReason::Quarantine)
}

pub(super) async fn load(service: &Service, enrolment: EnrolmentId) -> Result<Stored<Device>, ExchangeError> {
    service.store.device(enrolment).await?.ok_or(RefusalReason::DeviceUnknown.into())
}

/// The only answer that a wiped enrolment ever gets.
pub(super) async fn answer_wipe(
    service: &Service,
    device: &Device,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    exchange.send(&CommandMessage { command: wipe_of(service, device).await? }).await
}

/// The signed wipe of a wiped enrolment.
pub(super) async fn wipe_of(service: &Service, device: &Device) -> Result<Vec<u8>, ExchangeError> {
    let wipe = device.wipe().ok_or(RefusalReason::DeviceUnknown)?;
    let record = service
        .store
        .command(wipe.command)
        .await?
        .ok_or_else(|| UseCaseError::from(Missing::Command(wipe.command)))?;
    Ok(command::as_signed_now(&record.value, &service.keyring.command).map_err(UseCaseError::from)?)
}

async fn greet(
    service: &Service,
    caller: &Caller,
    hello: Hello,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    if let Some(signed) = &hello.signed_checkpoint {
        quarantine::shown(service, caller.enrolment, signed).await?;
    }
    let lives = second::lives_if_forked(service, caller, &hello).await?;
    let held = caller.turn(service).await?;
    let device = load(service, caller.enrolment).await?;
    if device.value.wipe().is_some() {
        return answer_wipe(service, &device.value, exchange).await;
    }
    // Only now: a wipe is answered however often it is asked for.
    service.calls.admit(caller.enrolment)?;
    second::block_if_copied(service, caller, &hello, lives).await?;
    let policy = service.config.policy(device.value.description.key_level);
    let greeting = retry_on_conflict(|| async {
        let Some(device) = service.store.device(caller.enrolment).await? else {
            return Ok(Err(RefusalReason::DeviceUnknown));
        };
        let Some(account) = service.store.account(device.value.account).await? else {
            return Ok(Err(RefusalReason::DeviceUnknown));
        };
        let mut commands: Vec<_> =
            service.store.commands_of(caller.enrolment).await?.into_iter().map(|c| c.value).collect();
        for command in &mut commands {
            command.signed = command::as_signed_now(command, &service.keyring.command)?;
        }
        let now = service.clock.now();
        match hello::greet(device, &account.value, &commands, &hello, service.epoch(), now) {
            Ok(mut greeting) => {
                service.commit(std::mem::take(&mut greeting.changes)).await?;
                Ok(Ok(greeting))
            }
            Err(reason) => Ok(Err(reason)),
        }
    })
    .await??;
    let checkpoint = service.checkpoint().await.map_err(|error| {
        tracing::error!(%error, "cannot sign a checkpoint");
        RefusalReason::Unavailable
    })?;
    let reply = HelloReply {
        server_time: service.clock.now(),
        standing: greeting.standing,
        commands: greeting.commands.into_iter().map(ByteBuf::from).collect(),
        policy,
        checkpoint: Some(ByteBuf::from(checkpoint)),
        renew: greeting.renew,
        pin_updates: newer_pins(service, &hello),
    };
    exchange.send(&reply).await?;
    drop(held);
    second::watch(service, caller, &hello).await
}

/// What leads a device from the set of pins that it says it has to the newest.
fn newer_pins(service: &Service, hello: &Hello) -> Vec<ByteBuf> {
    if hello.pins == Some(service.keyring.pin_order()) { Vec::new() } else { service.keyring.pin_updates() }
}

async fn receipt(
    service: &Service,
    caller: &Caller,
    message: ReceiptMessage,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    let _held = caller.turn(service).await?;
    let stored = retry_on_conflict(|| async {
        let Some(device) = service.store.device(caller.enrolment).await? else {
            return Ok(Err(RefusalReason::DeviceUnknown));
        };
        match command::receipt(device, &message.receipt, service.clock.now()) {
            Ok(Some(changes)) => service.commit(changes).await.map(|_| Ok(())).map_err(UseCaseError::from),
            Ok(None) => Ok(Ok(())),
            Err(error) => {
                tracing::warn!(enrolment = %caller.enrolment, %error, "a receipt was refused");
                Ok(Err(RefusalReason::ProofFailed))
            }
        }
    })
    .await?;
    stored?;
    exchange.send(&ReceiptAck { digest: sha256(&[&message.receipt]) }).await
}

async fn renew(service: &Service, caller: &Caller, exchange: &mut Exchange) -> Result<(), ExchangeError> {
    let _held = caller.turn(service).await?;
    let device = load(service, caller.enrolment).await?;
    if device.value.wipe().is_some() {
        return answer_wipe(service, &device.value, exchange).await;
    }
    let now = service.clock.now();
    let until = hello::certificate_until(now);
    let certificate =
        service.ca.issue_device(&device.value.key, caller.enrolment, now, until).map_err(|error| {
            tracing::error!(%error, "cannot issue a device certificate");
            RefusalReason::Unavailable
        })?;
    service.commit(hello::renew(device, now)?).await?;
    exchange.send(&Renewed { certificate }).await
}
