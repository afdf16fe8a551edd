//! The demo: each step is done by the programs that a buyer would run, and what it says is read from their answers.

mod narrator;
mod story;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use tokio::signal::unix::{SignalKind, signal};

use crate::world::World;
use narrator::Narrator;

/// Tells the story in `folder`, which is emptied first. Unless `exit`, the server runs on until Ctrl+C.
///
/// # Errors
/// When a step does not go as it should, with what the program said.
pub fn tell(folder: &Path, exit: bool) -> Result<()> {
    let narrator = Narrator::begin();
    narrator.say("a server of its own, in a fresh folder");
    empty(folder)?;
    let mut world = World::prepared_in(folder)?;
    world.start()?;
    narrator.detail(format_args!(
        "devices reach it at UDP {}, admins at https://{}",
        world.quic(),
        world.https()
    ));

    story::april(&narrator, &world)?;
    let phones = story::three_phones(&narrator, &world)?;
    story::lost_phone(&narrator, &world, &phones)?;
    story::unused_seat(&narrator, &world)?;
    story::audit(&narrator, &world)?;
    narrator.say("done");
    if exit {
        return world.stop();
    }
    leave_running(&world)
}

/// Removes an earlier story, and nothing that is not one.
fn empty(folder: &Path) -> Result<()> {
    if !folder.exists() || folder.read_dir()?.next().is_none() {
        return Ok(());
    }
    let is_story = folder.join("mdm-server.toml").is_file() && folder.join("phones").is_dir();
    ensure!(is_story, "{} is not empty and not from an earlier demo: name another folder", folder.display());
    std::fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))
}

fn leave_running(world: &World) -> Result<()> {
    println!();
    println!("The server is running. To talk to it, in another terminal:");
    println!("  export MDM_SERVER=https://{}", world.https());
    println!("  export MDM_TOKEN={}", world.token_file().display());
    println!("  export MDM_CA={}", world.ca().display());
    println!("  {} devices list", crate::world::binary("mdmctl")?.display());
    println!("Ctrl+C ends it.");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(asked_to_end()).context("cannot wait for Ctrl+C")
}

/// Ctrl+C or SIGTERM. Either way the world ends in an orderly way, and its server with it.
async fn asked_to_end() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
