//! The file that makes an erase survive a crash: pre-allocated at enrolment outside the vault, so that a full disk cannot
//! stop it, and overwritten in place with the signed wipe.
//!
//! `u32 length ‖ COSE_Sign1 ‖ zeros`, [`INTENT_LEN`] bytes. The signature, checked in `client-core`, tells a torn write.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use shared::cose;

use crate::files::{FileError, at, read, sync_dir};
use crate::home::Home;

/// Bytes of the file.
pub const INTENT_LEN: usize = 4096;
const PREFIX_LEN: usize = 4;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredIntent {
    /// There is no such file.
    Absent,
    /// Zeros: no wipe was begun.
    Empty,
    /// The bytes of a command, still to be verified.
    Written(Vec<u8>),
    /// Neither.
    Damaged,
}

/// Allocates the file, zero-filled and synced. A file that is there stays as it is.
pub fn preallocate(home: &Home) -> Result<(), FileError> {
    let path = home.intent();
    let create = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(&[0; INTENT_LEN])?;
        file.sync_all()
    };
    match create() {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        result => {
            at("allocate", &path, result)?;
            sync_dir(home.root())
        }
    }
}

/// Writes the signed command in place, and syncs it.
pub fn write(home: &Home, command: &[u8]) -> Result<(), FileError> {
    let path = home.intent();
    let mut bytes = [0; INTENT_LEN];
    let length = u32::try_from(command.len()).unwrap_or(u32::MAX).to_be_bytes();
    let room = command.len().min(INTENT_LEN - PREFIX_LEN);
    bytes[..PREFIX_LEN].copy_from_slice(&length);
    bytes[PREFIX_LEN..PREFIX_LEN + room].copy_from_slice(&command[..room]);
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        file.write_all(&bytes)?;
        file.sync_all()
    };
    at("write", &path, write())
}

/// Reads it.
pub fn load(home: &Home) -> Result<StoredIntent, FileError> {
    let Some(bytes) = read(&home.intent(), INTENT_LEN)? else { return Ok(StoredIntent::Absent) };
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(StoredIntent::Empty);
    }
    let command = bytes.split_first_chunk::<PREFIX_LEN>().and_then(|(prefix, rest)| {
        let length = usize::try_from(u32::from_be_bytes(*prefix)).ok()?;
        rest.get(..length).filter(|_| length <= cose::MAX_LEN)
    });
    Ok(command.map_or(StoredIntent::Damaged, |bytes| StoredIntent::Written(bytes.to_vec())))
}
