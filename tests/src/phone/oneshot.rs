//! Commands without a running phone: open the home, connect, do one thing, close.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, bail};
use client_agent::{Agent, EnrolRequest, Link, UnlockError, Unlocked, WayBack};
use client_core::State;
use data_encoding::HEXLOWER_PERMISSIVE as HEX;
use shared::activation_code::ActivationCode;
use shared::enrolment_link::EnrolmentLink;
use shared::policy::LeaseMode;
use zeroize::Zeroizing;

use super::cli::EnrolArguments;
use super::observer::Printer;
use super::{PhoneCommand, Start, open_alone, print};

fn parse_pin_hex(text: &String) -> anyhow::Result<[u8; 32]> {
    let bytes = HEX.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.context("--pins takes a SHA-256 as 64 hexadecimal digits")
}

/// What was scanned or typed.
fn letter(arguments: &EnrolArguments) -> anyhow::Result<EnrolmentLink> {
    if let Some(link) = &arguments.scanned {
        return Ok(EnrolmentLink::parse(link)?);
    }
    let code = arguments.code.as_deref().context("--code or --scanned")?;
    let server = arguments.server.clone().context("--server")?;
    let pins = arguments.pins.iter().map(parse_pin_hex).collect::<anyhow::Result<_>>()?;
    Ok(EnrolmentLink { code: ActivationCode::parse(code)?, server, pins })
}

/// `phone enrol`.
pub(super) async fn enrol(start: &Start, arguments: EnrolArguments) -> anyhow::Result<()> {
    let letter = letter(&arguments)?;
    let pin = arguments.pin.read()?;
    let agent = open_alone(start, Printer::to_stderr)?;
    let EnrolmentLink { code, server, pins } = letter;
    let enrolled = agent.enrol(EnrolRequest { code, server, pin, pins }).await?;
    println!("enrolled {} at {}", enrolled.enrolment, enrolled.organisation);
    Ok(())
}

/// `phone sync`.
pub(super) async fn sync(start: &Start) -> anyhow::Result<()> {
    let agent = open_alone(start, Printer::to_stdout)?;
    if agent.state() == State::Gone {
        return Ok(());
    }
    let link = agent.connect().await?;
    let greeted = agent.greet(&link).await;
    agent.close(link).await;
    Ok(greeted?)
}

async fn finish(agent: &Arc<Agent>, link: Option<Link>) {
    agent.lock();
    if let Some(link) = link {
        agent.close(link).await;
    }
}

/// The commands that a running phone would answer.
pub(super) async fn command(
    agent: &Arc<Agent>,
    command: PhoneCommand,
    source: Option<File>,
) -> anyhow::Result<()> {
    match command {
        PhoneCommand::Status { json } => print::status(&agent.status(), json),
        PhoneCommand::Lock => {
            agent.lock();
            Ok(())
        }
        PhoneCommand::Unlock { pin } => {
            let (link, unlocked) = agent.connect_and_unlock(pin.read()?).await.map_err(with_way_back)?;
            let how = match unlocked {
                Unlocked::Online => "with the server",
                Unlocked::Offline => "within the lease",
            };
            println!("the vault opened {how}");
            if agent.lease_mode() == LeaseMode::Volatile {
                println!("its lease ends with this process: use `phone run` to keep it");
            }
            finish(agent, link).await;
            Ok(())
        }
        PhoneCommand::ChangePin { pin, new_pin } => {
            let (old, new) = (pin.read()?, Zeroizing::new(new_pin));
            let (link, _) = agent.connect_and_unlock(old.clone()).await?;
            let changed = agent.change_pin(old, new).await;
            finish(agent, link).await;
            changed?;
            println!("the new PIN holds");
            Ok(())
        }
        PhoneCommand::Check { pin } => {
            unlocked(agent, pin.read()?, |agent| {
                print::lost(&agent.check()?);
                Ok(())
            })
            .await
        }
        PhoneCommand::Repair { pin } => mend(agent, pin.read()?, WayBack::Repair).await,
        PhoneCommand::StartOver { pin, .. } => mend(agent, pin.read()?, WayBack::StartOver).await,
        PhoneCommand::SecondDevice { pin } => {
            let (link, _) = agent.connect_and_unlock(pin.read()?).await?;
            let invitation = agent.second_device().await;
            finish(agent, link).await;
            println!("{}", print::invitation(&invitation?));
            Ok(())
        }
        PhoneCommand::Put { name, pin, .. } => {
            let mut source = source.context("a file to store")?;
            unlocked(agent, pin.read()?, move |agent| {
                let info = agent.put(&name, &mut source)?;
                println!("stored {} bytes", info.size);
                Ok(())
            })
            .await
        }
        PhoneCommand::Get { name, pin } => {
            unlocked(agent, pin.read()?, move |agent| {
                let mut out = std::io::stdout().lock();
                agent.get(&name, &mut out)?;
                Ok(out.flush()?)
            })
            .await
        }
        PhoneCommand::Rm { name, pin } => {
            unlocked(agent, pin.read()?, move |agent| Ok(agent.delete(&name)?)).await
        }
        PhoneCommand::Ls { pin } => {
            unlocked(agent, pin.read()?, |agent| {
                agent.list()?.iter().for_each(|info| println!("{}", print::entry(info)));
                Ok(())
            })
            .await
        }
        PhoneCommand::Documents { json, pin } => {
            unlocked(agent, pin.read()?, move |agent| print::documents(&agent.documents()?, json)).await
        }
        PhoneCommand::Notes { json, pin } => {
            unlocked(agent, pin.read()?, move |agent| print::notes(&agent.notes()?, json)).await
        }
        PhoneCommand::Document { id, pin } => {
            unlocked(agent, pin.read()?, move |agent| {
                let mut out = std::io::stdout().lock();
                agent.document(id, &mut out)?;
                Ok(out.flush()?)
            })
            .await
        }
        PhoneCommand::Enrol(_)
        | PhoneCommand::Run
        | PhoneCommand::Sync
        | PhoneCommand::Try { .. }
        | PhoneCommand::Panic
        | PhoneCommand::Scan { .. }
        | PhoneCommand::EraseState { .. } => {
            bail!("this command is not one for an open home")
        }
    }
}

/// Connects, unlocks a damaged vault, says what became of it, and locks again.
async fn mend(agent: &Arc<Agent>, pin: Zeroizing<String>, way: WayBack) -> anyhow::Result<()> {
    let mending = agent.mend(way);
    let outcome = agent.connect_and_unlock(pin).await;
    let mended = mending.end();
    let (link, _) = outcome.map_err(with_way_back)?;
    print::mended(&mended.context("a vault that was opened")?);
    finish(agent, link).await;
    Ok(())
}

/// Says by which command a damaged vault is mended.
fn with_way_back(error: UnlockError) -> anyhow::Error {
    let way = WayBack::from_unlock(&error);
    let error = anyhow::Error::from(error);
    match way {
        Some(WayBack::Repair) => error.context("`phone repair` keeps what is whole"),
        Some(WayBack::StartOver) => error.context("only `phone start-over` is left"),
        None => error,
    }
}

/// Connects, unlocks, does the work off the async threads, and locks again.
async fn unlocked(
    agent: &Arc<Agent>,
    pin: Zeroizing<String>,
    work: impl FnOnce(&Agent) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<()> {
    let (link, _) = agent.connect_and_unlock(pin).await.map_err(with_way_back)?;
    let worker = Arc::clone(agent);
    let outcome = tokio::task::spawn_blocking(move || work(&worker)).await?;
    finish(agent, link).await;
    outcome
}
