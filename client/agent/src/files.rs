//! Files in and out of the open vault, chunk by chunk: nobody who is slow holds up a block or a wipe. All of it blocks.

use std::io::{Read, Write};

use vault::{CHUNK_LEN, Collection, EntryInfo};
use zeroize::Zeroizing;

use crate::agent::{Agent, rng};
use crate::clock::moment;
use crate::error::AgentError;

/// Why a file was not stored or read.
#[derive(Debug, thiserror::Error)]
pub enum FileTransferError {
    /// The vault or the rules.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The file outside the vault.
    #[error("the file outside the vault could not be read or written: {0}")]
    Outside(#[from] std::io::Error),
}

impl Agent {
    /// Stores everything that `source` gives under `name`; durable when this returns.
    pub fn put(&self, name: &str, source: &mut dyn Read) -> Result<EntryInfo, FileTransferError> {
        let mut file = self.with_vault(|vault| vault.begin(Collection::Files, name, &mut rng()))?;
        let mut buffer = Zeroizing::new(vec![0; CHUNK_LEN]);
        loop {
            let length = source.read(&mut buffer)?;
            if length == 0 {
                let stored = self.with_vault(|vault| vault.commit_file(file, moment().now, &mut rng()))?;
                self.content.file_changed(name);
                return Ok(stored);
            }
            self.with_vault(|vault| vault.write(&mut file, &buffer[..length]))?;
        }
    }

    /// Writes the file `name` to `sink`. After an error `sink` has a part of it.
    pub fn get(&self, name: &str, sink: &mut dyn Write) -> Result<u64, FileTransferError> {
        let mut file = self.with_vault(|vault| vault.file(Collection::Files, name))?;
        while let Some(chunk) = self.with_vault(|vault| vault.read(&mut file))? {
            sink.write_all(chunk)?;
        }
        sink.flush()?;
        Ok(file.size())
    }

    /// All files, by name.
    pub fn list(&self) -> Result<Vec<EntryInfo>, AgentError> {
        self.with_vault(|vault| vault.list(Collection::Files))
    }

    /// Removes the file `name`.
    pub fn delete(&self, name: &str) -> Result<(), AgentError> {
        self.with_vault(|vault| vault.delete(Collection::Files, name, &mut rng()))?;
        self.content.file_changed(name);
        Ok(())
    }
}
