//! The manifest of a backup: what is in it and what is not, by hash, under a MAC of the master key.

use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::crypto::{MacKey, Purpose, Secret};
use shared::signed::JournalHead;

use super::file::{self, FileError};
use super::{MANIFEST_FILE, MANIFEST_MAC_FILE};

/// What this version writes.
const FORMAT: u32 = 1;
/// No manifest is longer: some hundred thousand documents.
const LIMIT: u64 = 64 * 1024 * 1024;

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its path in the backup, with `/` between the parts.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// What is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of this file and of what it lists.
    pub format: u32,
    /// The version of the server that made it.
    pub version: String,
    /// Whose data it is.
    pub organisation: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// The number of the last journal entry in it.
    pub journal_sequence: u64,
    /// The chain value after that entry, hexadecimal.
    pub journal_hash: String,
    /// The signed checkpoint of it, COSE_Sign1 in base64.
    pub checkpoint: String,
    /// Its files.
    pub files: Vec<Listed>,
    /// What is needed beside it, for people.
    pub not_in_it: Vec<String>,
}

/// Why a manifest is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The disk; also where there is none.
    #[error("{0}: is this the folder of one backup, with its {MANIFEST_FILE}?")]
    File(#[from] FileError),
    /// The MAC does not fit.
    #[error(
        "{0} does not verify: the backup was made under another master key (of another organisation or server), or it was \
         changed"
    )]
    Mac(PathBuf),
    /// It verifies and is not understood.
    #[error("{0} was written by a newer version: install that version")]
    Newer(PathBuf),
}

impl Manifest {
    /// The parts that are the same in each.
    pub(super) fn new(organisation: &str, made_at: Timestamp, head: &JournalHead, checkpoint: &[u8]) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            organisation: organisation.to_owned(),
            made_at,
            journal_sequence: head.sequence,
            journal_hash: HEXLOWER.encode(&head.hash),
            checkpoint: BASE64.encode(checkpoint),
            files: Vec::new(),
            not_in_it: [
                "the master key (secrets folder or systemd credential)",
                "the offline keys that init made (spare TLS key, recovery key)",
                "the configuration file",
                "the key file and the tombstones, which have backups of their own",
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    }

    /// Where the journal in it ends.
    pub fn head(&self) -> Option<JournalHead> {
        let hash = HEXLOWER.decode(self.journal_hash.as_bytes()).ok()?.try_into().ok()?;
        Some(JournalHead { sequence: self.journal_sequence, hash })
    }

    /// Writes manifest and MAC into a backup.
    pub(super) fn write(&self, folder: &Path, master: &Secret<32>) -> Result<(), FileError> {
        let bytes = serde_json::to_vec_pretty(self).expect("a manifest encodes as JSON");
        let tag = HEXLOWER.encode(&mac_key(master).tag(&[&bytes]));
        file::write(&folder.join(MANIFEST_FILE), &bytes)?;
        file::write(&folder.join(MANIFEST_MAC_FILE), tag.as_bytes())
    }

    /// Reads the manifest of a backup. Nothing in it is looked at before its MAC verifies.
    pub fn read(folder: &Path, master: &Secret<32>) -> Result<Self, ManifestError> {
        let path = folder.join(MANIFEST_FILE);
        let bytes = file::read(&path, LIMIT)?;
        let tag = file::read(&folder.join(MANIFEST_MAC_FILE), 1024)?;
        let tag = HEXLOWER.decode(tag.trim_ascii()).unwrap_or_default();
        if !mac_key(master).verify(&[&bytes], &tag) {
            return Err(ManifestError::Mac(path));
        }
        let manifest: Self =
            serde_json::from_slice(&bytes).map_err(|_| ManifestError::Newer(path.clone()))?;
        if manifest.format != FORMAT || manifest.head().is_none() {
            return Err(ManifestError::Newer(path));
        }
        Ok(manifest)
    }
}

fn mac_key(master: &Secret<32>) -> MacKey {
    Purpose::BackupManifest.derive_mac_key(&[master.expose()], b"")
}
