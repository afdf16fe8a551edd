//! The headless phone: command line, what each command does, and the socket by which commands reach a running one.
//!
//! Rules, files and network are the product's own crates; here is only what an app's face would be.

mod cli;
pub mod control;
mod observer;
mod oneshot;
mod print;
mod running;

pub use cli::{Cli, PhoneCommand};

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use client_agent::{Agent, OpenError, Platform};
use vault::{Home, HomeError};

use observer::Printer;

const MODEL: &str = "phone (headless)";
/// Another model, for pictures.
const MODEL_VARIABLE: &str = "TBK_MODEL";
/// How long a command waits for another one-shot command to end.
const BUSY_WAIT: Duration = Duration::from_secs(20);
const BUSY_POLL: Duration = Duration::from_millis(50);

/// Does what the command line says.
pub fn main(cli: Cli) -> anyhow::Result<()> {
    let home = Home::new(std::path::absolute(&cli.home)?);
    if !home.root().is_dir() && !matches!(cli.command, PhoneCommand::Enrol(_)) {
        bail!("there is no phone in {}: enrol one first", home.root().display());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match cli.command {
        PhoneCommand::Enrol(arguments) => runtime.block_on(oneshot::enrol(home, arguments)),
        PhoneCommand::Run => running::run(&runtime, home),
        PhoneCommand::Sync => runtime.block_on(oneshot::sync(home)),
        PhoneCommand::EraseState { json } => print::erase_state(&client_agent::erase_report(&home), json),
        other => match reach(&home)? {
            Reached::Running(mut running) => running.ask(other),
            Reached::Opened(agent) => runtime.block_on(oneshot::command(&agent, other)),
        },
    }
}

/// Who answers a command.
enum Reached {
    /// The process that runs in this home.
    Running(control::Client),
    /// Nobody else: this process has the home.
    Opened(Arc<Agent>),
}

fn reach(home: &Home) -> anyhow::Result<Reached> {
    let deadline = Instant::now() + BUSY_WAIT;
    loop {
        if let Some(client) = control::Client::connect(home) {
            return Ok(Reached::Running(client));
        }
        match open(home, Printer::to_stderr()) {
            Ok(agent) => return Ok(Reached::Opened(agent)),
            Err(OpenError::Home(HomeError::InUse(_))) if Instant::now() < deadline => {
                std::thread::sleep(BUSY_POLL);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn open(home: &Home, printer: Printer) -> Result<Arc<Agent>, OpenError> {
    let model = std::env::var(MODEL_VARIABLE).unwrap_or_else(|_| MODEL.to_owned());
    let platform = Platform::software(home, &model, env!("CARGO_PKG_VERSION"));
    let agent = Agent::open(home.clone(), platform, Arc::new(printer))?;
    // This process holds the home now: a socket is what a phone that lost power has left.
    control::remove_socket(home);
    Ok(agent)
}

/// Opens the home, waiting for another one-shot command to end; a phone that runs in it is an error.
fn open_alone(home: &Home, printer: fn() -> Printer) -> anyhow::Result<Arc<Agent>> {
    let deadline = Instant::now() + BUSY_WAIT;
    loop {
        match open(home, printer()) {
            Err(OpenError::Home(HomeError::InUse(_)))
                if Instant::now() < deadline && control::Client::connect(home).is_none() =>
            {
                std::thread::sleep(BUSY_POLL);
            }
            opened => return Ok(opened?),
        }
    }
}

fn open_source(path: &Path) -> anyhow::Result<std::fs::File> {
    std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))
}
