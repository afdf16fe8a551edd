//! `mdm_server::quic::device`: hello, unlock, receipt, renew from the device; commands to it.

use std::rc::Rc;

use mdm_core::device::Device;
use mdm_core::{command, hello};
use serde_bytes::ByteBuf;
use shared::cose::{self, PublicKey};
use shared::crypto::hazmat::sha256;
use shared::ids::EnrolmentId;
use shared::signed::Checkpoint;
use shared::wire::{
    CommandMessage, CommandResult, DecodeError, Hello, HelloReply, Kind, ReceiptAck, ReceiptMessage,
    RefusalReason, Renewed,
};
use tokio::sync::OwnedMutexGuard;

use super::{EPOCH, Server, ServerError, second, unlock};
use crate::executor::{Owner, either, settle};
use crate::network::{Close, Connection, Exchange, ExchangeError};
use crate::sim::keyring;

/// Whose connection it is.
pub(super) struct Caller {
    pub(super) enrolment: EnrolmentId,
    pub(super) connection: Connection,
}

impl Caller {
    /// Waits for the enrolment's turn. Who was cut off meanwhile is not answered.
    pub(super) async fn turn(&self, server: &Server) -> Result<OwnedMutexGuard<()>, ServerError> {
        let held = server.lock(self.enrolment).await;
        match self.connection.close_reason() {
            None => Ok(held),
            Some(_) => Err(ExchangeError::Gone.into()),
        }
    }
}

/// Serves a device until it goes away.
pub(super) async fn serve(server: &Rc<Server>, connection: Connection, key: PublicKey) {
    let enrolment = match settle(server.sim.store.device_by_key(&key)) {
        Ok(Some(device)) => device.value.enrolment,
        _ => return connection.close(Close::UnknownDevice),
    };
    let caller = Rc::new(Caller { enrolment, connection: connection.clone() });
    let mut commands = server.register(enrolment, &connection);
    loop {
        match either(connection.accept(), commands.recv()).await {
            Ok(Ok(exchange)) => {
                let (server, caller) = (server.clone(), caller.clone());
                let executor = server.clone();
                executor
                    .sim
                    .executor
                    .spawn(Owner::Server, async move { answer(&server, &caller, exchange).await });
            }
            Err(Some(signed)) => {
                let (server, caller) = (server.clone(), caller.clone());
                let executor = server.clone();
                executor
                    .sim
                    .executor
                    .spawn(Owner::Server, async move { deliver(&server, &caller, signed).await });
            }
            Ok(Err(_)) | Err(None) => break,
        }
    }
    server.unregister(enrolment, &connection);
}

/// Sends a command on a stream of its own and notes that it was applied.
async fn deliver(server: &Server, caller: &Caller, command: Vec<u8>) {
    let mut exchange = caller.connection.open();
    server.sim.say("command: pushed", || format!("to {}", caller.enrolment));
    let result = async {
        server.answer(caller.enrolment, &exchange, &CommandMessage { command })?;
        let applied: CommandResult = exchange.receive().await?;
        note_applied(server, caller, applied).await
    };
    match result.await {
        Err(ServerError::Exchange(_)) | Ok(()) => {}
        Err(error) => server.sim.unexpected(|| format!("an applied command is not noted: {error}")),
    }
}

async fn note_applied(server: &Server, caller: &Caller, applied: CommandResult) -> Result<(), ServerError> {
    let _held = caller.turn(server).await?;
    server
        .retry_on_conflict(async || {
            let device = server.load(caller.enrolment).await?;
            if device.value.wipe().is_none() {
                server.commit(hello::applied(device, applied.last_applied, server.now())).await?;
            }
            Ok(())
        })
        .await
}

async fn answer(server: &Server, caller: &Caller, mut exchange: Exchange) {
    let result = dispatch(server, caller, &mut exchange).await;
    server.finish(&exchange, result);
}

async fn dispatch(server: &Server, caller: &Caller, exchange: &mut Exchange) -> Result<(), ServerError> {
    let frame = exchange.frame().await?;
    let decode = ExchangeError::from;
    match frame.kind() {
        Kind::Hello => greet(server, caller, frame.decode().map_err(decode)?, exchange).await,
        Kind::UnlockStart => unlock::run(server, caller, frame.decode().map_err(decode)?, exchange).await,
        Kind::Receipt => receipt(server, caller, frame.decode().map_err(decode)?, exchange).await,
        Kind::Renew => renew(server, caller, exchange).await,
        Kind::CommandResult => note_applied(server, caller, frame.decode().map_err(decode)?).await,
        other => Err(decode(DecodeError::Unexpected(other)).into()),
    }
}

/// The only answer that a wiped enrolment ever gets.
pub(super) fn answer_wipe(server: &Server, device: &Device, exchange: &Exchange) -> Result<(), ServerError> {
    let wipe = device.wipe().ok_or(RefusalReason::DeviceUnknown)?;
    let record = settle(server.sim.store.command(wipe.command))?;
    let record = record.ok_or_else(|| ServerError::Rule("the wipe is not stored".to_owned()))?;
    server.answer(device.enrolment, exchange, &CommandMessage { command: record.value.signed })
}

async fn greet(
    server: &Server,
    caller: &Caller,
    hello: Hello,
    exchange: &Exchange,
) -> Result<(), ServerError> {
    let lives = second::lives_if_forked(server, caller, &hello).await?;
    let held = caller.turn(server).await?;
    let device = server.load(caller.enrolment).await?;
    if device.value.wipe().is_some() {
        return answer_wipe(server, &device.value, exchange);
    }
    second::block_if_copied(server, caller, &hello, lives).await?;
    let greeting = server
        .retry_on_conflict(async || {
            let device = server.load(caller.enrolment).await?;
            let account = settle(server.sim.store.account(device.value.account))?;
            let account = account.ok_or(RefusalReason::DeviceUnknown)?;
            let commands = settle(server.sim.store.commands_of(caller.enrolment))?;
            let commands: Vec<_> = commands.into_iter().map(|stored| stored.value).collect();
            let mut greeting = hello::greet(device, &account.value, &commands, &hello, EPOCH, server.now())?;
            server.commit(std::mem::take(&mut greeting.changes)).await?;
            Ok(greeting)
        })
        .await?;
    server.sim.executor.pause().await;
    let head = settle(server.sim.store.journal_head())?;
    let checkpoint = Checkpoint { head, at: server.now() };
    let checkpoint =
        cose::sign(&checkpoint, b"", &keyring().checkpoint).expect("a checkpoint in memory is signed");
    let reply = HelloReply {
        server_time: server.now(),
        standing: greeting.standing,
        commands: greeting.commands.into_iter().map(ByteBuf::from).collect(),
        policy: server.policy.clone(),
        checkpoint: Some(ByteBuf::from(checkpoint)),
        renew: greeting.renew,
        pin_updates: Vec::new(),
    };
    server.answer(caller.enrolment, exchange, &reply)?;
    drop(held);
    second::watch(server, caller, &hello).await
}

async fn receipt(
    server: &Server,
    caller: &Caller,
    message: ReceiptMessage,
    exchange: &Exchange,
) -> Result<(), ServerError> {
    let _held = caller.turn(server).await?;
    server
        .retry_on_conflict(async || {
            let device = server.load(caller.enrolment).await?;
            match command::receipt(device, &message.receipt, server.now()) {
                Ok(Some(changes)) => {
                    server.commit(changes).await?;
                    server.sim.say("wipe: receipt stored", || format!("{}", caller.enrolment));
                }
                Ok(None) => server.sim.log.count("wipe: receipt again"),
                Err(error) => {
                    server.sim.say("wipe: receipt refused", || error.to_string());
                    return Err(RefusalReason::ProofFailed.into());
                }
            }
            Ok(())
        })
        .await?;
    server.answer(caller.enrolment, exchange, &ReceiptAck { digest: sha256(&[&message.receipt]) })
}

async fn renew(server: &Server, caller: &Caller, exchange: &Exchange) -> Result<(), ServerError> {
    let _held = caller.turn(server).await?;
    let device = server.load(caller.enrolment).await?;
    if device.value.wipe().is_some() {
        return answer_wipe(server, &device.value, exchange);
    }
    server.commit(hello::renew(device, server.now())?).await?;
    server.sim.log.count("hello: certificate renewed");
    server.answer(caller.enrolment, exchange, &Renewed { certificate: Vec::new() })
}
