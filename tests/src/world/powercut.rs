//! Power cuts: a recorded run is cut off at any point, and the folder is built as a disk may hold it then.
//!
//! A [`Recording`] is what the shim saw: every change under a folder in order, with its bytes, and every sync. [`Disk`]
//! replays it up to a point and tells what is promised from what is not: a file's bytes and size last once the file was
//! synced (fsync, fdatasync), its name once the folder was. Whatever else was written may be there, or not, or in parts:
//! [`Disk::cut`] chooses by a seed, per sector of 512 bytes and per name. Left out: sync_file_range, which promises neither
//! size nor the disk's own cache, is no sync; permissions and times are not modelled; nothing is written by mmap.

mod disk;
mod record;
mod tree;

pub use disk::{Disk, Loss};
pub use record::{Change, Recording};
pub use tree::Tree;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::Site;
use super::shim::{Mode, Shim};

/// Records what programs do to one folder, one after the other or at once.
pub struct Recorder {
    shim: Shim,
    start: Tree,
    /// What of the folder is looked at; nothing named is all of it.
    parts: Vec<PathBuf>,
}

impl Recorder {
    /// For a folder as it is now, none of whose programs is running.
    ///
    /// # Errors
    /// When it cannot be read, or the shim cannot be made.
    pub fn new(site: &Site, folder: &Path) -> Result<Self> {
        Self::of_parts(site, folder, &[])
    }

    /// For some folders in a folder, in one order: where what one program does depends on what another has done.
    ///
    /// # Errors
    /// As [`Recorder::new`].
    pub fn of_parts(site: &Site, folder: &Path, parts: &[&Path]) -> Result<Self> {
        let shim = Shim::over(site, folder, Mode::Record)?;
        shim.arm()?;
        let parts: Vec<PathBuf> = parts.iter().map(|part| part.to_path_buf()).collect();
        let start = Tree::read(shim.folder())?.only(&parts);
        Ok(Self { shim, start, parts })
    }

    /// The shim, to start a server with.
    pub fn shim(&self) -> &Shim {
        &self.shim
    }

    /// Has a program recorded.
    pub fn prepare<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.envs(self.shim.variables()).env("LD_PRELOAD", self.shim.library())
    }

    /// How many changes and syncs there were up to now: of what is acknowledged now, all are among them.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn now(&self) -> Result<usize> {
        Ok(record::parse(&self.shim.record()?, self.shim.folder())?.len())
    }

    /// Everything, once the programs have ended. The record is compared with the folder: a change that went past the shim
    /// would be a hole in whatever is shown by it.
    ///
    /// # Errors
    /// When the record cannot be read or is not complete.
    pub fn finish(self) -> Result<Recording> {
        let changes = record::parse(&self.shim.record()?, self.shim.folder())?;
        let recording = Recording { start: self.start, changes };
        let whole = recording.disk(recording.changes.len()).kept();
        whole.only(&self.parts).same_as(&Tree::read(self.shim.folder())?.only(&self.parts))?;
        Ok(recording)
    }
}

#[cfg(test)]
mod tests;
