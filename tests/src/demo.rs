//! The demo: each step is done by the programs that a buyer would run, and what it says is read from their answers.

mod doors;
mod narrator;
mod story;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::world::World;
use narrator::Narrator;

/// What follows the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing: everything ends.
    Exit,
    /// The server runs on until Ctrl+C.
    Serve,
    /// The same, and the app is started against it.
    Client,
}

/// Tells the story in `folder`, which is emptied first.
///
/// # Errors
/// When a step does not go as it should, with what the program said.
pub fn tell(folder: &Path, then: Then) -> Result<()> {
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

    let owner = std::sync::Arc::new(world.owner()?);
    narrator.say(format_args!("the first owner, {}, sets a password and an authenticator", owner.name));

    story::april(&narrator, &world)?;
    let phones = story::three_phones(&narrator, &world)?;
    story::lost_phone(&narrator, &world, &phones)?;
    story::unused_seat(&narrator, &world)?;
    story::audit(&narrator, &world)?;
    narrator.say("done");
    match then {
        Then::Exit => world.stop(),
        Then::Serve => doors::leave_open(&world, &owner, None),
        Then::Client => doors::leave_open(&world, &owner, Some(doors::App::start(&world)?)),
    }
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
