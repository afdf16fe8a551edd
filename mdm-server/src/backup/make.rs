//! Making a backup: database, key file, tombstones, each complete or not there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use mdm_core::audit::{Actor, AuditEvent, Happening, Subject};
use mdm_core::change::Changeset;
use mdm_store::{ExportError, UnlockRecordsError};
use serde::{Deserialize, Serialize};
use shared::cose;
use shared::crypto::Secret;
use shared::signed::{Checkpoint, JournalHead};

use super::file::{self, Digest, FileError, Hashed, at};
use super::manifest::{Listed, Manifest};
use super::rows::RowsWriter;
use super::sealed::{self, KeyFile, Tombstones};
use super::tombstones::{self, CollectError};
use super::{
    DOCUMENTS, KEY_FILE_EXTENSION, KEY_FILES, NOTES, ROWS_FILE, TOMBSTONES, TOMBSTONES_EXTENSION, stamp,
    stamped_at,
};
use crate::init::{CA_FILE, JOURNAL_KEY_FILE};
use crate::keyring::{KeyringError, SEALED_FILE, read_master_key};
use crate::service::Service;
use crate::use_cases::UseCaseError;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The folder of all backups. The backup becomes a folder in it.
    pub to: PathBuf,
    /// The folder of the key file's backups; by default one in `to`.
    pub key_files_to: Option<PathBuf>,
    /// Backups of the key file older than so many hours are destroyed.
    pub keep_key_files_hours: u32,
}

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The backup.
    pub folder: PathBuf,
    /// The backup of the key file.
    pub key_file: PathBuf,
    /// The tombstones.
    pub tombstones: PathBuf,
    /// How many rows of the database.
    pub rows: u64,
    /// The number of the last journal entry in it.
    pub journal_sequence: u64,
    /// How many older backups of the key file were destroyed.
    pub key_files_destroyed: usize,
}

/// Why there is no backup. What was begun is removed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The disk.
    #[error("no backup was made: {0}")]
    File(#[from] FileError),
    /// Another backup of this second.
    #[error("{0} exists already: wait a second and repeat")]
    Exists(PathBuf),
    /// The database.
    #[error("no backup was made: {0}")]
    Export(#[from] ExportError),
    /// The key file.
    #[error("no backup was made: {0}")]
    UnlockRecords(#[from] UnlockRecordsError),
    /// The tombstones.
    #[error("no backup was made: {0}")]
    Tombstones(#[from] CollectError),
    /// The master key.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The checkpoint, or what was to be read or noted.
    #[error(transparent)]
    UseCase(#[from] UseCaseError),
}

impl From<cose::SignError> for BackupError {
    fn from(error: cose::SignError) -> Self {
        Self::UseCase(error.into())
    }
}

/// Makes a backup. The server goes on meanwhile; commits wait while the records (not the journal) are copied.
pub async fn make(service: &Service, order: &Order) -> Result<Made, BackupError> {
    let master = read_master_key(&service.config.secrets)?;
    let now = service.clock.now();
    let name = stamp(now);
    let key_files = order.key_files_to.clone().unwrap_or_else(|| order.to.join(KEY_FILES));
    let tombstones_folder = order.to.join(TOMBSTONES);
    for folder in [&order.to, &key_files, &tombstones_folder] {
        file::make_folder(folder)?;
    }
    let folder = order.to.join(&name);
    if folder.exists() {
        return Err(BackupError::Exists(folder));
    }
    // What the rows name when they are copied is still there when the files are.
    let _held = [service.contents.hold(), service.notes.hold()];
    // Of a backup that was cut off: it has no manifest and is of no use.
    let part = order.to.join("unfinished");
    remove_folder(&part)?;
    file::make_folder(&part)?;
    let made = write_database(service, &part, &master, now).await;
    let (rows, head) = match made {
        Ok(made) => made,
        Err(error) => {
            remove_folder(&part)?;
            return Err(error);
        }
    };
    // The key file after the database: a record in it that the database does not know is of no use to anybody, a device
    // in the database without its record would have to be enrolled again.
    let key_file = key_files.join(&name).with_extension(KEY_FILE_EXTENSION);
    let bytes = service.unlock_records.copy().await?;
    let archive = KeyFile { made_at: now, keep_hours: order.keep_key_files_hours, bytes: bytes.to_vec() };
    let tombstones = tombstones_folder.join(&name).with_extension(TOMBSTONES_EXTENSION);
    write_archive(&key_files, &key_file, &archive, &master)?;
    let mut earlier = tombstones::earlier(&tombstones_folder, &master)?;
    // What this server knows goes before what an archive says of the same device.
    let mut all = tombstones::collect(service, &master).await?;
    for (enrolment, tombstone) in std::mem::take(&mut earlier.all) {
        all.entry(enrolment).or_insert(tombstone);
    }
    let all = Tombstones { made_at: now, tombstones: all.into_values().collect() };
    write_archive(&tombstones_folder, &tombstones, &all, &master)?;
    fs::rename(&part, &folder).map_err(at(&folder))?;
    file::sync_folder(&order.to)?;

    tombstones::remove(&earlier.read)?;
    let keep = SignedDuration::from_hours(order.keep_key_files_hours.into());
    let key_files_destroyed = destroy_old_key_files(&key_files, &key_file, keep, now)?;
    note(service, &head, key_files_destroyed).await?;
    Ok(Made { folder, key_file, tombstones, rows, journal_sequence: head.sequence, key_files_destroyed })
}

fn remove_folder(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// Database, sealed secrets, certificates, documents and the manifest.
async fn write_database(
    service: &Service,
    folder: &Path,
    master: &Secret<32>,
    now: Timestamp,
) -> Result<(u64, JournalHead), BackupError> {
    let (rows, digest, head) = write_rows(service, &folder.join(ROWS_FILE)).await?;
    let checkpoint =
        cose::sign(&Checkpoint { head: head.clone(), at: now }, b"", &service.keyring.checkpoint)?;
    let mut manifest = Manifest::new(&service.config.organisation, now, &head, &checkpoint);
    manifest.files.push(listed(ROWS_FILE, digest));
    let data = service.config.data.clone();
    let copying = folder.to_owned();
    let files = tokio::task::spawn_blocking(move || copy_files(&data, &copying)).await;
    manifest.files.extend(files.map_err(|_| UseCaseError::from(crate::use_cases::Refusal::ShuttingDown))??);
    manifest.write(folder, master)?;
    file::sync_folder(folder)?;
    Ok((rows, head))
}

fn listed(name: &str, digest: Digest) -> Listed {
    Listed { name: name.to_owned(), bytes: digest.bytes, sha256: digest.sha256 }
}

async fn write_rows(service: &Service, path: &Path) -> Result<(u64, Digest, JournalHead), BackupError> {
    let writer = RowsWriter::begin(Hashed::create(path)?).map_err(at(path))?;
    let writer = Arc::new(Mutex::new(Some(writer)));
    let sink = writer.clone();
    let sink = Box::new(move |key: &[u8], value: &[u8]| match &mut *lock(&sink) {
        Some(writer) => writer.row(key, value),
        None => Err(std::io::Error::other("the backup was given up")),
    });
    let head = service.store.export(sink).await?;
    let writer = lock(&writer).take().ok_or(ExportError::Closed)?;
    let (rows, hashed) = writer.end().map_err(at(path))?;
    Ok((rows, hashed.finish().map_err(at(path))?, head))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What stands beside the database in the data folder. A document that was removed meanwhile is none of this backup.
fn copy_files(data: &Path, folder: &Path) -> Result<Vec<Listed>, FileError> {
    let mut found = Vec::new();
    for name in [SEALED_FILE, CA_FILE, JOURNAL_KEY_FILE] {
        found.push(listed(name, file::copy(&data.join(name), &folder.join(name))?));
    }
    let mut folders = std::collections::BTreeSet::new();
    let mut names = Vec::new();
    for contents in [DOCUMENTS, NOTES] {
        let within = file::listed(&data.join(contents))?;
        names.extend(within.into_iter().map(|relative| Path::new(contents).join(relative)));
    }
    for name in names {
        let (from, to) = (data.join(&name), folder.join(&name));
        if let Some(parent) = to.parent() {
            file::make_folder(parent)?;
            folders.insert(parent.to_owned());
        }
        match file::copy(&from, &to) {
            Ok(digest) => found.push(listed(&name.to_string_lossy(), digest)),
            Err(error) if error.cause.kind() == std::io::ErrorKind::NotFound && !from.exists() => {}
            Err(error) => return Err(error),
        }
    }
    for folder in &folders {
        file::sync_folder(folder)?;
    }
    Ok(found)
}

/// Under another name first: a file that is there is whole.
pub(super) fn write_archive<A: sealed::Archive>(
    folder: &Path,
    path: &Path,
    archive: &A,
    master: &Secret<32>,
) -> Result<(), FileError> {
    let part = folder.join("unfinished");
    match fs::remove_file(&part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(at(&part)(error)),
        _ => {}
    }
    sealed::write(&part, archive, master)?;
    fs::rename(&part, path).map_err(at(path))?;
    file::sync_folder(folder)
}

fn destroy_old_key_files(
    folder: &Path,
    newest: &Path,
    keep: SignedDuration,
    now: Timestamp,
) -> Result<usize, FileError> {
    let mut destroyed = 0;
    for (path, made_at) in archives(folder, KEY_FILE_EXTENSION)? {
        if path != newest && now.duration_since(made_at) >= keep {
            file::shred(&path)?;
            destroyed += 1;
        }
    }
    file::sync_folder(folder)?;
    Ok(destroyed)
}

/// What this program has made in a folder, and when. Other files are none of its business.
pub(super) fn archives(folder: &Path, extension: &str) -> Result<Vec<(PathBuf, Timestamp)>, FileError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        let made_at = path.file_stem().and_then(|name| name.to_str()).and_then(stamped_at);
        if path.extension().is_some_and(|found| found == extension)
            && let Some(made_at) = made_at
        {
            found.push((path, made_at));
        }
    }
    Ok(found)
}

async fn note(service: &Service, head: &JournalHead, destroyed: usize) -> Result<(), UseCaseError> {
    let mut changes = Changeset::default();
    changes.note(
        AuditEvent::new(service.clock.now(), Actor::Server, Happening::BackupMade, Subject::default())
            .fact("known", format_args!("{}:{}", head.sequence, data_encoding::HEXLOWER.encode(&head.hash)))
            .fact("key-files-destroyed", destroyed),
    );
    service.commit(changes).await?;
    Ok(())
}
