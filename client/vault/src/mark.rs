//! The mark: which commit was on the disk last, noted outside the vault's folder.
//!
//! sled takes a file that ends early for one torn by a crash, and opens what is left; and a whole folder that somebody has set
//! back to an older copy is authentic in itself. A vault that knows fewer commits than the mark has lost some.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use crate::files::{self, FileError, at};
use crate::home::Home;

const HALF: usize = 12;

/// What a mark says. Zeros where nothing is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marked {
    /// Generation of a commit that was on disk.
    pub(crate) generation: u64,
    /// The key epoch it was sealed in.
    pub(crate) key_epoch: u32,
}

impl Marked {
    /// `generation (8) ‖ key epoch (4)`, big-endian, and the same with all bits turned.
    pub(crate) fn to_bytes(self) -> [u8; 2 * HALF] {
        let mut bytes = [0; 2 * HALF];
        bytes[..8].copy_from_slice(&self.generation.to_be_bytes());
        bytes[8..HALF].copy_from_slice(&self.key_epoch.to_be_bytes());
        for at in 0..HALF {
            bytes[HALF + at] = !bytes[at];
        }
        bytes
    }

    /// What is torn or was never written says nothing: it is written without a sync.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (said, turned) = bytes.split_at_checked(HALF)?;
        let agrees = turned.len() == HALF && said.iter().zip(turned).all(|(said, turned)| *said == !turned);
        let (generation, key_epoch) = said.split_first_chunk::<8>()?;
        let key_epoch = u32::from_be_bytes(key_epoch.try_into().ok()?);
        agrees.then(|| Self { generation: u64::from_be_bytes(*generation), key_epoch })
    }
}

/// The open file.
pub(crate) struct Mark {
    file: File,
    path: PathBuf,
}

impl Mark {
    /// Opens or makes it.
    pub(crate) fn open(home: &Home) -> Result<Self, FileError> {
        let (path, folder) = (home.mark(), home.device_dir());
        if !folder.is_dir() {
            files::create_dir(&folder)?;
        }
        let is_new = !path.exists();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = at("open", &path, options.open(&path))?;
        if is_new {
            files::sync_dir(&folder)?;
        }
        Ok(Self { file, path })
    }

    /// What it says.
    pub(crate) fn read(&self) -> Marked {
        let mut bytes = [0; 2 * HALF];
        let read = self.file.read_exact_at(&mut bytes, 0).ok();
        read.and_then(|()| Marked::parse(&bytes)).unwrap_or_default()
    }

    /// Notes what is on disk. Not synced: a power cut that takes the note takes nothing else.
    pub(crate) fn set(&self, marked: Marked) -> Result<(), FileError> {
        at("write", &self.path, self.file.write_all_at(&marked.to_bytes(), 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_says_what_was_set_and_a_torn_one_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let mark = Mark::open(&home).unwrap();
        assert_eq!(mark.read(), Marked::default());
        let marked = Marked { generation: u64::MAX - 1, key_epoch: 7 };
        mark.set(marked).unwrap();
        assert_eq!(Mark::open(&home).unwrap().read(), marked);
        let whole = std::fs::read(home.mark()).unwrap();
        for at in 0..whole.len() {
            let mut torn = whole.clone();
            torn[at] ^= 1;
            std::fs::write(home.mark(), torn).unwrap();
            assert_eq!(mark.read(), Marked::default(), "byte {at}");
        }
        std::fs::write(home.mark(), &whole[..20]).unwrap();
        assert_eq!(mark.read(), Marked::default());
    }
}
