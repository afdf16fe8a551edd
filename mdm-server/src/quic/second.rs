//! A second live connection of one device: two runs of the app that both answer now are two copies of it. ADR 15.
//!
//! Nothing here depends on how fast anybody is. A folder is open in one process at a time, and a run's hello is sent after the
//! process before it has ended: whoever answers a probe that was sent after that hello had come lives beside it.

use std::time::Duration;

use mdm_core::hello::is_overtaken;
use mdm_core::run::{self, CopySign};
use quinn::Connection;
use shared::ids::RunId;
use shared::wire::{Hello, Kind, RunAnswer, RunProbe};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::close;
use super::device::{Caller, load};
use super::exchange::{Exchange, ExchangeError};
use crate::service::Service;
use crate::use_cases::devices;

/// How long a probe is waited for: a long round trip. Who is slower counts as gone, and is cut off.
const PROBE_WITHIN: Duration = Duration::from_secs(8);

/// Whether this run of the app answers on this connection; an app that has said none, if anything does.
async fn answers(connection: &Connection, run: Option<RunId>) -> bool {
    let asked = async {
        let mut exchange = Exchange::new(connection.open_bi().await.map_err(|_| ExchangeError::Gone)?);
        exchange.send(&RunProbe {}).await?;
        let frame = exchange.frame().await?;
        Ok::<_, ExchangeError>(match (frame.kind(), run) {
            (Kind::RunAnswer, Some(run)) => frame.decode::<RunAnswer>()?.run == run,
            // Older than runs, it does not know the question either: that somebody says so is enough.
            (Kind::RunAnswer | Kind::Unsupported, None) => true,
            _ => false,
        })
    };
    matches!(timeout(PROBE_WITHIN, asked).await, Ok(Ok(true)))
}

/// Before a hello is answered, without its enrolment's turn: a run that does not follow has to show that it lives, and whether it
/// had to. A hello that was on its way for long, from a process that is dead, is left without an answer and changes nothing.
pub(super) async fn lives_if_forked(
    service: &Service,
    caller: &Caller,
    hello: &Hello,
) -> Result<bool, ExchangeError> {
    let device = load(service, caller.enrolment).await?.value;
    if device.wipe().is_some() || !run::is_new_fork(&device, hello.run, service.epoch()) {
        return Ok(false);
    }
    match answers(&caller.connection, hello.run.map(|run| run.id)).await {
        true => Ok(true),
        false => Err(ExchangeError::Gone),
    }
}

/// Blocks the device if a hello, or what it says of its vault, shows that there is a copy of it. For who holds its turn, after
/// [`lives_if_forked`]. One that came to be a fork only since then, by the hello of a later run, has shown nothing: it is left
/// without an answer, and whoever lives asks again.
pub(super) async fn block_if_copied(
    service: &Service,
    caller: &Caller,
    hello: &Hello,
    lives: bool,
) -> Result<(), ExchangeError> {
    let device = load(service, caller.enrolment).await?.value;
    if !is_overtaken(&device, hello.vault_epoch, service.clock.now()) {
        devices::block_behind(service, caller.enrolment, hello.vault_epoch).await?;
    }
    if run::is_new_fork(&device, hello.run, service.epoch()) {
        if !lives {
            return Err(ExchangeError::Gone);
        }
        devices::block_copy(service, caller.enrolment, CopySign::Forked, hello.vault_epoch).await?;
    }
    Ok(())
}

/// After a hello was answered: if another run of the app is connected, both are probed. Both answer: the device is blocked. Who
/// does not answer is gone, and its connection is closed.
pub(super) async fn watch(service: &Service, caller: &Caller, hello: &Hello) -> Result<(), ExchangeError> {
    let Some(run) = hello.run else { return Ok(()) };
    let mut others = service.live.greeted(caller.enrolment, &caller.connection, run.id);
    if others.is_empty() {
        return Ok(());
    }
    others.push((caller.connection.clone(), run.id));
    let mut probes = JoinSet::new();
    for (connection, run) in others {
        probes.spawn(async move { (answers(&connection, Some(run)).await, run, connection) });
    }
    let mut alive: Vec<RunId> = Vec::new();
    while let Some(probed) = probes.join_next().await {
        // A probe of ours that panicked says nothing of the device.
        let Ok((answered, run, connection)) = probed else { continue };
        match answered {
            true if !alive.contains(&run) => alive.push(run),
            true => {}
            false => connection.close(close::REPLACED, b"another run of the app has taken over"),
        }
    }
    if alive.len() > 1 {
        let _held = service.lock_for_command(caller.enrolment).await;
        devices::block_copy(service, caller.enrolment, CopySign::BothLive, hello.vault_epoch).await?;
    }
    Ok(())
}
