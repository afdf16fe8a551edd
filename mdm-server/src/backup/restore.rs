//! Making a data folder of a backup. Everything is verified before anything is written; while it is written, a file in the
//! folder says so, and such a folder is not served. What comes out is in quarantine.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use mdm_core::quarantine::{Cause, Entering};
use mdm_store::sled;
use shared::crypto::Secret;

use super::file::{self, FileError, at};
use super::manifest::{Listed, Manifest, ManifestError};
use super::rows::{RowsError, RowsReader};
use super::sealed::{self, ArchiveError, KeyFile, Tombstones};
use super::{ROWS_FILE, UNFINISHED_FILE};
use crate::clock::Clock;
use crate::config::Config;
use crate::keyring::{Keyring, KeyringError, read_master_key};
use crate::quarantine::{self, OrderedAgain, replay};
use crate::server::{self, StartError};
use crate::use_cases::UseCaseError;

/// Which backup.
#[derive(Debug, Clone)]
pub struct Source {
    /// The folder of one backup.
    pub from: PathBuf,
    /// The key file's backup; `None` where none is left: then everybody enrols again.
    pub key_file: Option<PathBuf>,
    /// The newest tombstones: wipes that the backup is too old to know.
    pub tombstones: Option<PathBuf>,
}

/// What was restored.
#[derive(Debug, Clone)]
pub struct Restored {
    /// When the database's backup was made: everything later is forgotten.
    pub made_at: Timestamp,
    /// When the key file's was.
    pub key_file_made_at: Option<Timestamp>,
    /// The number of the last journal entry in it.
    pub journal_sequence: u64,
    /// What the tombstones brought.
    pub again: OrderedAgain,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is something already.
    #[error(
        "{0} is not empty: a backup is restored into an empty data folder only. Move what is there away (it may hold \
         newer journal entries) and repeat"
    )]
    NotEmpty(PathBuf),
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file of the backup is not what the manifest says.
    #[error("{0} of the backup is damaged or missing: use another backup")]
    Damaged(String),
    /// The key file or the tombstones.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The disk.
    #[error(transparent)]
    File(#[from] FileError),
    /// The master key, or the sealed secrets.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The rows.
    #[error("{ROWS_FILE} of the backup cannot be read: {0}")]
    Rows(#[from] RowsError),
    /// The database cannot be made.
    #[error(transparent)]
    Open(#[from] mdm_store::OpenError),
    /// What was restored does not open.
    #[error("what was restored does not open: {0}")]
    Start(#[from] StartError),
    /// The quarantine cannot be noted.
    #[error(transparent)]
    UseCase(#[from] UseCaseError),
}

/// Restores a backup into the data folder of `config`, which is empty or not there.
pub async fn restore(
    config: &Config,
    source: &Source,
    clock: Arc<dyn Clock>,
) -> Result<Restored, RestoreError> {
    require_empty(&config.data)?;
    let master = read_master_key(&config.secrets)?;
    let verified = verify(source, &master)?;
    let Verified { manifest, key_file, tombstones } = verified;

    file::make_folder(&config.data)?;
    let unfinished = config.data.join(UNFINISHED_FILE);
    file::write(&unfinished, source.from.as_os_str().as_encoded_bytes())?;
    file::sync_folder(&config.data)?;
    write_files(&source.from, &config.data, &manifest.files)?;
    write_database(&source.from, &config.data)?;
    if let Some(key_file) = &key_file {
        file::write(&server::key_file_path(&config.data), &key_file.bytes)?;
    }
    let again = quarantine(config, &manifest, tombstones, clock).await?;
    file::sync_folder(&config.data)?;
    fs::remove_file(&unfinished).map_err(at(&unfinished))?;
    file::sync_folder(&config.data)?;
    Ok(Restored {
        made_at: manifest.made_at,
        key_file_made_at: key_file.as_ref().map(|key_file| key_file.made_at),
        journal_sequence: manifest.journal_sequence,
        again,
    })
}

fn require_empty(data: &Path) -> Result<(), RestoreError> {
    let is_empty = match fs::read_dir(data) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if is_empty { Ok(()) } else { Err(RestoreError::NotEmpty(data.to_owned())) }
}

/// What may be written.
struct Verified {
    manifest: Manifest,
    key_file: Option<KeyFile>,
    tombstones: Option<Tombstones>,
}

fn verify(source: &Source, master: &Secret<32>) -> Result<Verified, RestoreError> {
    let manifest = Manifest::read(&source.from, master)?;
    // The sealed secrets open under this master key as well: said before anything is written.
    Keyring::open(&source.from, master)?;
    for listed in &manifest.files {
        let found = is_within(&listed.name).then(|| file::digest(&source.from.join(&listed.name)));
        match found {
            Some(Ok(found)) if found.bytes == listed.bytes && found.sha256 == listed.sha256 => {}
            _ => return Err(RestoreError::Damaged(listed.name.clone())),
        }
    }
    let key_file = source.key_file.as_deref().map(|path| sealed::read(path, master)).transpose()?;
    let tombstones = source.tombstones.as_deref().map(|path| sealed::read(path, master)).transpose()?;
    Ok(Verified { manifest, key_file, tombstones })
}

/// Whether a name stays within the folder.
fn is_within(name: &str) -> bool {
    Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)))
}

fn write_files(from: &Path, data: &Path, files: &[Listed]) -> Result<(), FileError> {
    let mut folders = std::collections::BTreeSet::new();
    for Listed { name, .. } in files.iter().filter(|listed| listed.name != ROWS_FILE) {
        let to = data.join(name);
        if let Some(parent) = to.parent() {
            file::make_folder(parent)?;
            folders.insert(parent.to_owned());
        }
        file::copy(&from.join(name), &to)?;
    }
    folders.iter().try_for_each(|folder| file::sync_folder(folder))
}

fn write_database(from: &Path, data: &Path) -> Result<(), RestoreError> {
    let path = from.join(ROWS_FILE);
    let rows = fs::File::open(&path).map_err(at(&path))?;
    let rows = RowsReader::new(BufReader::with_capacity(1 << 20, rows));
    sled::import(&server::database_path(data), sled::Options::default(), rows)??;
    Ok(())
}

/// Notes what is forgotten, and orders the wipes again that the tombstones know.
async fn quarantine(
    config: &Config,
    manifest: &Manifest,
    tombstones: Option<Tombstones>,
    clock: Arc<dyn Clock>,
) -> Result<OrderedAgain, RestoreError> {
    let service = server::open_unfinished(config.clone(), clock).await?;
    let known = manifest.head().ok_or_else(|| RestoreError::Damaged(super::MANIFEST_FILE.to_owned()))?;
    let entering = Entering { cause: Cause::Restored, known, known_until: manifest.made_at, seen: None };
    quarantine::enter(&service, entering).await?;
    let mut again = OrderedAgain::default();
    for tombstone in tombstones.iter().flat_map(|all| &all.tombstones) {
        replay::wipe_again(&service, tombstone, &mut again).await?;
    }
    Ok(again)
}
