//! `mdm_server::quic::second`: a second live connection of one device.

use mdm_core::command::{self, Instruction};
use mdm_core::run::{self, CopySign};
use shared::ids::RunId;
use shared::wire::{Hello, RunAnswer, RunProbe};

use super::device::Caller;
use super::{EPOCH, Server, ServerError};
use crate::executor::settle;
use crate::network::{Close, Connection, ExchangeError};
use crate::sim::keyring;

/// Whether this run of the app answers on this connection.
async fn answers(server: &Server, connection: &Connection, run: RunId) -> bool {
    server.sim.log.count("hello: run probed");
    let mut exchange = connection.open();
    if exchange.send(&RunProbe {}).is_err() {
        return false;
    }
    exchange.receive::<RunAnswer>().await.is_ok_and(|answer| answer.run == run)
}

/// Before a hello is answered: a run that does not follow has to show that it lives.
pub(super) async fn lives_if_forked(
    server: &Server,
    caller: &Caller,
    hello: &Hello,
) -> Result<bool, ServerError> {
    let device = server.load(caller.enrolment).await?.value;
    let forked = device.wipe().is_none() && run::is_new_fork(&device, hello.run, EPOCH);
    let (Some(run), true) = (hello.run, forked) else {
        return Ok(forked);
    };
    match answers(server, &caller.connection, run.id).await {
        true => Ok(true),
        false => Err(ExchangeError::Gone.into()),
    }
}

/// Blocks the device if a hello shows that there is a copy of it.
pub(super) async fn block_if_copied(
    server: &Server,
    caller: &Caller,
    hello: &Hello,
    lives: bool,
) -> Result<(), ServerError> {
    let device = server.load(caller.enrolment).await?.value;
    match run::is_new_fork(&device, hello.run, EPOCH) {
        true if !lives => Err(ExchangeError::Gone.into()),
        true => block_copy(server, caller, CopySign::Forked).await,
        false => Ok(()),
    }
}

/// After a hello was answered: other runs of the app that are connected are probed.
pub(super) async fn watch(server: &Server, caller: &Caller, hello: &Hello) -> Result<(), ServerError> {
    let Some(run) = hello.run else { return Ok(()) };
    let mut others = server.greeted(caller.enrolment, &caller.connection, run.id);
    if others.is_empty() {
        return Ok(());
    }
    others.push((caller.connection.clone(), run.id));
    let mut alive: Vec<RunId> = Vec::new();
    for (connection, run) in others {
        match answers(server, &connection, run).await {
            true if !alive.contains(&run) => alive.push(run),
            true => {}
            false => connection.close(Close::Replaced),
        }
    }
    if alive.len() > 1 {
        let _held = server.lock(caller.enrolment).await;
        block_copy(server, caller, CopySign::BothLive).await?;
    }
    Ok(())
}

async fn block_copy(server: &Server, caller: &Caller, sign: CopySign) -> Result<(), ServerError> {
    server
        .retry_on_conflict(async || {
            let device = server.load(caller.enrolment).await?;
            let codes = settle(server.sim.store.codes_of_account(device.value.account))?;
            let instruction = Instruction {
                actor: mdm_core::audit::Actor::Server,
                reason: "a copy of the device may exist",
                now: server.now(),
                epoch: EPOCH,
            };
            let (key, rng) = (&keyring().command, &mut server.sim.crypto.clone());
            let issued = command::suspect_copy(device, codes, sign, 0, &instruction, key, rng);
            if let Some(issued) = issued.map_err(|error| ServerError::Rule(error.to_string()))? {
                server.commit(issued.changes).await?;
                server.push(caller.enrolment, &issued.signed);
            }
            Ok(())
        })
        .await
}
