//! `phone run`: stays connected, and serves the other commands over the socket, until it is erased or stopped.

use anyhow::Context;
use client_agent::RunEnd;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::observer::Printer;
use super::{Start, control, open_alone};

pub(super) fn run(runtime: &Runtime, start: &Start) -> anyhow::Result<()> {
    let agent = open_alone(start, Printer::to_stdout)?;
    let (runtime_handle, memory) = (runtime.handle().clone(), start.memory.clone());
    let served = control::Served { agent: agent.clone(), runtime: runtime_handle, memory };
    let server =
        control::Server::start(&start.home, served).context("cannot open the socket for commands")?;
    let end = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            end = agent.run() => end.map(Some).map_err(anyhow::Error::from),
            _ = terminate.recv() => Ok(None),
            _ = tokio::signal::ctrl_c() => Ok(None),
        }
    });
    drop(server);
    agent.lock();
    match end? {
        None | Some(RunEnd::Erased) => Ok(()),
    }
}
