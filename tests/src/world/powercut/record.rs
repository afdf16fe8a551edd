//! The shim's record, read: `tests/shim/writes.c` says what its bytes are.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::disk::Disk;
use super::tree::Tree;

/// One call that changed or synced something. Paths are relative to the folder.
#[derive(Debug, Clone)]
pub enum Change {
    /// A file was made.
    Make {
        /// Where.
        path: PathBuf,
        /// Its inode.
        inode: u64,
    },
    /// A folder was made.
    MakeFolder {
        /// Where.
        path: PathBuf,
        /// Its inode.
        inode: u64,
    },
    /// Bytes were written.
    Write {
        /// Into what.
        inode: u64,
        /// From where on.
        place: u64,
        /// Which.
        bytes: Vec<u8>,
    },
    /// A file was cut off or grew by zeros.
    Resize {
        /// Which.
        inode: u64,
        /// To how many bytes.
        size: u64,
    },
    /// A file or a folder was synced.
    Sync {
        /// Which.
        inode: u64,
    },
    /// Everything was.
    SyncAll,
    /// A name was moved.
    Rename {
        /// From here.
        from: PathBuf,
        /// To here, whatever was there.
        to: PathBuf,
    },
    /// A second name was made.
    Link {
        /// Of this.
        from: PathBuf,
        /// Here.
        to: PathBuf,
    },
    /// A name of a file was removed.
    Remove {
        /// Which.
        path: PathBuf,
    },
    /// A folder was removed.
    RemoveFolder {
        /// Which.
        path: PathBuf,
    },
}

/// What a folder held, and what was then done to it.
#[derive(Debug, Clone)]
pub struct Recording {
    pub(super) start: Tree,
    /// In order.
    pub changes: Vec<Change>,
}

impl Recording {
    /// The disk after this many changes.
    pub fn disk(&self, changes: usize) -> Disk {
        let mut disk = Disk::new(&self.start);
        self.changes[..changes].iter().for_each(|change| disk.apply(change));
        disk
    }

    /// The same without any sync: what a program would risk that does none.
    pub fn without_syncs(&self) -> Self {
        let is_sync = |change: &Change| matches!(change, Change::Sync { .. } | Change::SyncAll);
        let changes = self.changes.iter().filter(|change| !is_sync(change)).cloned().collect();
        Self { start: self.start.clone(), changes }
    }

    /// The same disk, if no sync had done anything.
    pub fn disk_without_syncs(&self, changes: usize) -> Disk {
        let start =
            Self { start: self.start.clone(), changes: self.changes[..changes].to_vec() }.without_syncs();
        start.disk(start.changes.len())
    }

    /// The number of changes up to and with the first sync of this file after it was changed last; `None` if there was none.
    pub fn synced(&self, path: impl AsRef<Path>) -> Option<usize> {
        let mut inode = self.start.entries.get(path.as_ref()).map(|(inode, _)| *inode);
        let mut changed = false;
        for (at, change) in self.changes.iter().enumerate() {
            match change {
                Change::Make { path: made, inode: new } if made == path.as_ref() => inode = Some(*new),
                Change::Write { inode: written, .. } if Some(*written) == inode => changed = true,
                Change::Sync { inode: synced } if Some(*synced) == inode && changed => return Some(at + 1),
                _ => {}
            }
        }
        None
    }
}

/// Bytes of an entry before its paths.
const HEAD: usize = 37;

pub(super) fn parse(record: &[u8], folder: &Path) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    let mut left = record;
    while let Some((head, rest)) = left.split_first_chunk::<HEAD>() {
        let length = |at: usize| u32::from_le_bytes(fixed(&head[at..at + 4])) as usize;
        let (path, other) = (length(21), length(25));
        let bytes = usize::try_from(u64::from_le_bytes(fixed(&head[29..37])))?;
        // The last entry of a process that was killed may be cut off.
        let Some((body, next)) = rest.split_at_checked(path + other + bytes) else { break };
        let relative = |bytes: &[u8]| {
            let path = Path::new(OsStr::from_bytes(bytes));
            path.strip_prefix(folder).map(Path::to_owned).with_context(|| path.display().to_string())
        };
        let (first, second) = (&body[..path], &body[path..path + other]);
        let inode = u64::from_le_bytes(fixed(&head[1..9]));
        let number = u64::from_le_bytes(fixed(&head[9..17]));
        changes.push(match head[0] {
            b'C' => Change::Make { path: relative(first)?, inode },
            b'M' => Change::MakeFolder { path: relative(first)?, inode },
            b'W' => Change::Write { inode, place: number, bytes: body[path + other..].to_vec() },
            b'T' => Change::Resize { inode, size: number },
            b'S' => Change::Sync { inode },
            b'A' => Change::SyncAll,
            b'R' => Change::Rename { from: relative(first)?, to: relative(second)? },
            b'L' => Change::Link { from: relative(first)?, to: relative(second)? },
            b'U' => Change::Remove { path: relative(first)? },
            b'D' => Change::RemoveFolder { path: relative(first)? },
            kind => bail!("a change that is not modelled: {:?} of {first:?}", char::from(kind)),
        });
        left = next;
    }
    Ok(changes)
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the caller slices that many")
}
