//! Making a data folder of a backup. Everything is verified before anything is written, and what is written is verified once
//! more as it is read for it, so that nothing else gets in meanwhile. While it is written, a file in the folder says so, and such
//! a folder is not served. What comes out is in quarantine.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mdm_core::quarantine::{Cause, Entering, RestoredKeyFile};
use mdm_store::sled;
use shared::crypto::Secret;

use super::file::{self, Digest, FileError, HashedReader, at};
use super::manifest::{Listed, Manifest, ManifestError};
use super::rows::{RowsError, RowsReader};
use super::sealed::{self, ArchiveError, KeyFile, Tombstones};
use super::tombstones::{self, KeepError};
use super::{ROWS_FILE, TOMBSTONES, UNFINISHED_FILE};
use crate::clock::Clock;
use crate::config::Config;
use crate::keyring::{Keyring, KeyringError, read_master_key};
use crate::quarantine::replay::LoadError;
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
    /// Restore a key file that is older than backups of it are kept, and note that in the journal.
    pub old_key_file: bool,
    /// Wipes that the backup is too old to know.
    pub tombstones: Which,
}

/// Which tombstones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// This archive.
    Archive(PathBuf),
    /// The newest in the folder that `mdm-server backup` writes them to, beside the backup.
    Newest,
    /// There are none any more.
    None,
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
    /// Where the tombstones are from.
    pub tombstones: Option<PathBuf>,
    /// What the tombstones brought, and records that a newer PIN has made useless.
    pub again: OrderedAgain,
    /// Some owner can sign in.
    pub owner_signs_in: bool,
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
    /// The key file should not be there any more.
    #[error(
        "the backup of the key file is of {made_at}, and was to be kept for {keep_hours} hours: a key that a wipe destroyed since \
         then is still in it. Take a newer one, or restore --without-key-file (everybody enrols again). If there is no other way, \
         --old-key-file restores it; the journal says so"
    )]
    KeyFileTooOld {
        /// When it was made.
        made_at: Timestamp,
        /// How long such backups were kept then.
        keep_hours: u32,
    },
    /// Nobody knows what was wiped.
    #[error(
        "there are no tombstones in {0}: name the newest with --tombstones. If none are left, restore --without-tombstones; what \
         was wiped since the backup must then be known from elsewhere"
    )]
    NoTombstones(PathBuf),
    /// The tombstones cannot be kept in the data folder.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// The restored journal cannot be followed.
    #[error(transparent)]
    Journal(#[from] LoadError),
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
    let verified = verify(source, &master, clock.now())?;
    write(config, source, verified, clock).await
}

/// Writes what was verified.
pub(super) async fn write(
    config: &Config,
    source: &Source,
    verified: Verified,
    clock: Arc<dyn Clock>,
) -> Result<Restored, RestoreError> {
    file::make_folder(&config.data)?;
    let unfinished = config.data.join(UNFINISHED_FILE);
    file::write(&unfinished, source.from.as_os_str().as_encoded_bytes())?;
    file::sync_folder(&config.data)?;
    write_files(&source.from, &config.data, &verified.manifest.files)?;
    write_database(&source.from, &config.data, &verified.manifest.files)?;
    if let Some(key_file) = &verified.key_file {
        file::write(&server::key_file_path(&config.data), &key_file.bytes)?;
    }
    let (again, owner_signs_in) = quarantine(config, &verified, clock).await?;
    file::sync_folder(&config.data)?;
    fs::remove_file(&unfinished).map_err(at(&unfinished))?;
    file::sync_folder(&config.data)?;
    Ok(Restored {
        made_at: verified.manifest.made_at,
        key_file_made_at: verified.key_file.as_ref().map(|key_file| key_file.made_at),
        journal_sequence: verified.manifest.journal_sequence,
        tombstones: verified.tombstones.map(|(path, _)| path),
        again,
        owner_signs_in,
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
pub(super) struct Verified {
    manifest: Manifest,
    key_file: Option<KeyFile>,
    /// The key file is older than such backups are kept.
    past_its_day: bool,
    tombstones: Option<(PathBuf, Tombstones)>,
}

pub(super) fn verify(source: &Source, master: &Secret<32>, now: Timestamp) -> Result<Verified, RestoreError> {
    let manifest = Manifest::read(&source.from, master)?;
    // The sealed secrets open under this master key as well: said before anything is written.
    Keyring::open(&source.from, master)?;
    for listed in &manifest.files {
        let found = is_within(&listed.name).then(|| file::digest(&source.from.join(&listed.name)));
        match found {
            Some(Ok(found)) if is(&found, listed) => {}
            _ => return Err(RestoreError::Damaged(listed.name.clone())),
        }
    }
    let key_file: Option<KeyFile> =
        source.key_file.as_deref().map(|path| sealed::read(path, master)).transpose()?;
    let mut past_its_day = false;
    if let Some((made_at, keep_hours)) = key_file.as_ref().map(|file| (file.made_at, file.keep_hours)) {
        past_its_day = now.duration_since(made_at) > SignedDuration::from_hours(keep_hours.into());
        if past_its_day && !source.old_key_file {
            return Err(RestoreError::KeyFileTooOld { made_at, keep_hours });
        }
    }
    let tombstones = match &source.tombstones {
        Which::Archive(path) => Some(path.clone()),
        Which::None => None,
        Which::Newest => {
            let folder = source.from.parent().unwrap_or(Path::new("/")).join(TOMBSTONES);
            Some(tombstones::newest(&folder)?.ok_or(RestoreError::NoTombstones(folder))?)
        }
    };
    let tombstones = tombstones.map(|path| sealed::read(&path, master).map(|all| (path, all))).transpose()?;
    Ok(Verified { manifest, key_file, past_its_day, tombstones })
}

fn is(found: &Digest, listed: &Listed) -> bool {
    found.bytes == listed.bytes && found.sha256 == listed.sha256
}

/// Whether a name stays within the folder.
fn is_within(name: &str) -> bool {
    Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)))
}

fn write_files(from: &Path, data: &Path, files: &[Listed]) -> Result<(), RestoreError> {
    let mut folders = std::collections::BTreeSet::new();
    for listed in files.iter().filter(|listed| listed.name != ROWS_FILE) {
        let to = data.join(&listed.name);
        if let Some(parent) = to.parent() {
            file::make_folder(parent)?;
            folders.insert(parent.to_owned());
        }
        if !is(&file::copy(&from.join(&listed.name), &to)?, listed) {
            return Err(RestoreError::Damaged(listed.name.clone()));
        }
    }
    Ok(folders.iter().try_for_each(|folder| file::sync_folder(folder))?)
}

fn write_database(from: &Path, data: &Path, files: &[Listed]) -> Result<(), RestoreError> {
    let path = from.join(ROWS_FILE);
    let mut file = HashedReader::open(&path)?;
    let rows = RowsReader::new(BufReader::with_capacity(1 << 20, &mut file));
    sled::import(&server::database_path(data), sled::Options::default(), rows)??;
    let read = file.finish().map_err(at(&path))?;
    match files.iter().find(|listed| listed.name == ROWS_FILE) {
        Some(listed) if is(&read, listed) => Ok(()),
        _ => Err(RestoreError::Damaged(ROWS_FILE.to_owned())),
    }
}

/// Notes what is forgotten, and orders the wipes again that the tombstones know.
async fn quarantine(
    config: &Config,
    verified: &Verified,
    clock: Arc<dyn Clock>,
) -> Result<(OrderedAgain, bool), RestoreError> {
    let Verified { manifest, key_file, past_its_day, tombstones } = verified;
    let service = server::open_unfinished(config.clone(), clock).await?;
    let known = manifest.head().ok_or_else(|| RestoreError::Damaged(super::MANIFEST_FILE.to_owned()))?;
    let key_file = key_file.as_ref().map(|key_file| key_file.made_at);
    let restored = key_file.map(|made_at| RestoredKeyFile { made_at, past_its_day: *past_its_day });
    let entering = Entering {
        cause: Cause::Restored,
        known,
        known_until: manifest.made_at,
        seen: None,
        key_file: restored,
    };
    quarantine::enter(&service, entering).await?;
    let mut again = OrderedAgain::default();
    let tombstones = tombstones.iter().flat_map(|(_, all)| &all.tombstones);
    tombstones::keep(config, tombstones.clone().copied(), service.clock.now())?;
    for tombstone in tombstones {
        replay::wipe_again(&service, tombstone, &mut again).await?;
    }
    if let Some(as_of) = key_file.filter(|made_at| *made_at < manifest.made_at) {
        let pins = replay::own_pins(&service, as_of).await?;
        replay::void_old_pins(&service, &pins, Some(as_of), &mut again).await?;
    }
    Ok((again, quarantine::an_owner_signs_in(&service).await?))
}
