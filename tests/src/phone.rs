//! The headless phone: command line, what each command does, and the socket by which commands reach a running one.
//!
//! Rules, files and network are the product's own crates; here is only what an app's face would be.

mod attempt;
mod buffered;
mod cli;
pub mod control;
mod memory;
mod observer;
mod oneshot;
mod print;
mod running;

pub use cli::{Act, Cli, PhoneCommand};

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use client_agent::confine::{Plan, confine};
use client_agent::{Agent, Confinement, OpenError, Platform};
use vault::{Home, HomeError};

use memory::Memory;
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
    // What lies outside the home is opened before nothing there can be opened any more.
    let source = match &cli.command {
        PhoneCommand::Put { file, .. } => Some(open_source(file)?),
        PhoneCommand::Enrol(_) => home.create().map(|()| None)?,
        _ => None,
    };
    // Before this process loses the right to.
    let memory = cli.scannable.then(Memory::open).transpose()?.map(Arc::new);
    client_agent::keep_memory_private().context("the memory of this process cannot be kept from others")?;
    let start = Start { home, confinement: confine_this(&cli)?, source, memory };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match cli.command {
        PhoneCommand::Enrol(arguments) => runtime.block_on(oneshot::enrol(&start, arguments)),
        PhoneCommand::Run => running::run(&runtime, &start),
        PhoneCommand::Sync => runtime.block_on(oneshot::sync(&start)),
        PhoneCommand::EraseState { json } => {
            print::erase_state(&client_agent::erase_report(&start.home), json)
        }
        PhoneCommand::Try { act } => attempt::attempt(&act),
        other => match reach(&start)? {
            Reached::Running(mut running) => running.ask(other, start.source),
            Reached::Opened(agent) => runtime.block_on(oneshot::command(&agent, other, start.source)),
        },
    }
}

/// What a command begins with.
struct Start {
    home: Home,
    confinement: Confinement,
    /// The file to store, outside the home.
    source: Option<File>,
    /// The memory of this process, where a test wants to search it.
    memory: Option<Arc<Memory>>,
}

/// Confines the process, unless it is the control of a test. There are no threads yet.
fn confine_this(cli: &Cli) -> anyhow::Result<Confinement> {
    if cli.unconfined {
        return Ok(Confinement::default());
    }
    let home = Home::new(std::path::absolute(&cli.home)?);
    Ok(confine(&Plan::new(&home)))
}

/// Who answers a command.
enum Reached {
    /// The process that runs in this home.
    Running(control::Client),
    /// Nobody else: this process has the home.
    Opened(Arc<Agent>),
}

fn reach(start: &Start) -> anyhow::Result<Reached> {
    let deadline = Instant::now() + BUSY_WAIT;
    loop {
        if let Some(client) = control::Client::connect(&start.home) {
            return Ok(Reached::Running(client));
        }
        match open(start, Printer::to_stderr()) {
            Ok(agent) => return Ok(Reached::Opened(agent)),
            Err(OpenError::Home(HomeError::InUse(_))) if Instant::now() < deadline => {
                std::thread::sleep(BUSY_POLL);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn open(start: &Start, printer: Printer) -> Result<Arc<Agent>, OpenError> {
    let model = std::env::var(MODEL_VARIABLE).unwrap_or_else(|_| MODEL.to_owned());
    let home = &start.home;
    let platform = Platform::software(home, &model, env!("CARGO_PKG_VERSION"));
    let agent = Agent::open(home.clone(), platform.confined(start.confinement.clone()), Arc::new(printer))?;
    // This process holds the home now: a socket is what a phone that lost power has left.
    control::remove_socket(home);
    Ok(agent)
}

/// Opens the home, waiting for another one-shot command to end; a phone that runs in it is an error.
fn open_alone(start: &Start, printer: fn() -> Printer) -> anyhow::Result<Arc<Agent>> {
    let deadline = Instant::now() + BUSY_WAIT;
    loop {
        match open(start, printer()) {
            Err(OpenError::Home(HomeError::InUse(_)))
                if Instant::now() < deadline && control::Client::connect(&start.home).is_none() =>
            {
                std::thread::sleep(BUSY_POLL);
            }
            opened => return Ok(opened?),
        }
    }
}

fn open_source(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("cannot read {}", path.display()))
}
