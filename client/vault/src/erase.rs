//! What an erase does to the files of a home, step by step; each step can be done again. The order, and what allows an
//! erase at all, is [`client_core::erase`].

use std::fs;
use std::path::PathBuf;

use client_core::erase::Findings;
use shared::ids::CommandId;

use crate::files::{self, FileError, at};
use crate::home::Home;

/// Why the check that keys are gone did not pass.
#[derive(Debug, thiserror::Error)]
pub enum KeysRemain {
    /// This file can still be loaded.
    #[error("{} is still there", .0.display())]
    Loads(PathBuf),
    /// It cannot be told whether one is.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The files that hold, or help to derive, the vault key.
fn key_files(home: &Home) -> [PathBuf; 7] {
    [
        home.device_secret(),
        home.online_slot(),
        home.next_slot(),
        home.lease_secret(),
        home.offline_slot(),
        home.grant(),
        home.lease(),
    ]
}

/// What an interrupted erase for `command` has left.
pub fn findings(home: &Home, command: CommandId) -> Findings {
    Findings { receipt_stored: home.receipt().exists(), acked: acked(home) == Some(command) }
}

/// Overwrites, unlinks and syncs device secret and slots. All are tried; the first error is returned.
pub fn destroy_keys(home: &Home) -> Result<(), FileError> {
    key_files(home).iter().map(|path| files::destroy(path)).fold(Ok(()), Result::and)
}

/// Tries to load each of them.
pub fn check_keys_gone(home: &Home) -> Result<(), KeysRemain> {
    for path in key_files(home) {
        if files::read(&path, 1024 * 1024)?.is_some() {
            return Err(KeysRemain::Loads(path));
        }
    }
    Ok(())
}

/// Removes everything under the home but what the receipt needs: device key, state (which holds certificate and server), the
/// receipt, the intent. The app's socket stays until the app ends.
pub fn remove_data(home: &Home) -> Result<(), FileError> {
    let kept_in_root = [home.device_dir(), home.intent(), home.gone(), home.socket()];
    let kept_in_device = [home.device_key(), home.state(), home.receipt()];
    for (folder, kept) in [(home.root().to_owned(), &kept_in_root[..]), (home.device_dir(), &kept_in_device)]
    {
        if !folder.exists() {
            continue;
        }
        for entry in at("list", &folder, fs::read_dir(&folder))? {
            let path = at("list", &folder, entry)?.path();
            if !kept.contains(&path) {
                files::remove(&path)?;
            }
        }
        files::sync_dir(&folder)?;
    }
    Ok(())
}

/// Stores that the receipt of `command` was acknowledged. The file says that and nothing else.
pub fn store_acked(home: &Home, command: CommandId) -> Result<(), FileError> {
    files::replace(&home.gone(), format!("gone {command}\n").as_bytes())
}

/// The command whose erase was acknowledged, if one was.
pub fn acked(home: &Home) -> Option<CommandId> {
    let bytes = files::read(&home.gone(), 64).ok()??;
    std::str::from_utf8(&bytes).ok()?.strip_prefix("gone ")?.trim_end().parse().ok()
}

/// Destroys device key, state, certificate and receipt, and removes their folder.
pub fn delete_identity(home: &Home) -> Result<(), FileError> {
    for path in [home.device_key(), home.receipt()] {
        files::destroy(&path)?;
    }
    // A start in between must not take what is left of it for a damaged one.
    files::retire(&home.state())?;
    files::remove(&home.device_dir())?;
    files::sync_dir(home.root())
}

/// Makes room for a new enrolment: removes an empty vault that an interrupted one has left, and the note of an earlier
/// erase. Never called on a device whose enrolment is complete.
pub fn clear_for_enrolment(home: &Home) -> Result<(), FileError> {
    files::remove(&home.vault_dir())?;
    files::remove(&home.gone())?;
    files::sync_dir(home.root())
}

/// Removes the intent.
pub fn delete_intent(home: &Home) -> Result<(), FileError> {
    files::destroy(&home.intent())
}

#[cfg(test)]
mod tests;
