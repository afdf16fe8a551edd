//! Tombstones on their way from backup to backup: what is known of wipes must never become less, though a database of a backup
//! knows fewer. They are in the database, in a file of the data folder (what a restore or a journal brought and the database may
//! not know) and in the archives of earlier backups.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mdm_core::quarantine::replay::Tombstone;
use mdm_store::{MAX_PAGE, ReadError};
use shared::crypto::Secret;
use shared::ids::EnrolmentId;

use super::file::{FileError, at};
use super::sealed::{self, ArchiveError, Tombstones};
use super::{TOMBSTONES_EXTENSION, make};
use crate::config::Config;
use crate::keyring::{KeyringError, read_master_key};
use crate::service::Service;

/// In the data folder: those that were brought from elsewhere.
const KEPT: &str = "tombstones";

/// Why tombstones cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The disk.
    #[error("the wipes that are known from elsewhere cannot be kept: {0}")]
    File(#[from] FileError),
    /// What is there already.
    #[error("the wipes that are known from elsewhere cannot be kept: {0}")]
    Archive(#[from] ArchiveError),
    /// The master key.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

/// By device: a device is wiped once.
pub(super) type All = BTreeMap<EnrolmentId, Tombstone>;

fn add(all: &mut All, more: impl IntoIterator<Item = Tombstone>) {
    for tombstone in more {
        all.entry(tombstone.enrolment).or_insert(tombstone);
    }
}

/// Adds to the file in the data folder, durably.
pub(crate) fn keep(
    config: &Config,
    more: impl IntoIterator<Item = Tombstone>,
    now: Timestamp,
) -> Result<(), KeepError> {
    let mut more = more.into_iter().peekable();
    if more.peek().is_none() {
        return Ok(());
    }
    let master = read_master_key(&config.secrets)?;
    let mut all = kept(&config.data, &master)?;
    add(&mut all, more);
    let archive = Tombstones { made_at: now, tombstones: all.into_values().collect() };
    Ok(make::write_archive(&config.data, &config.data.join(KEPT), &archive, &master)?)
}

fn kept(data: &Path, master: &Secret<32>) -> Result<All, ArchiveError> {
    let path = data.join(KEPT);
    let mut all = All::new();
    if path.exists() {
        add(&mut all, sealed::read::<Tombstones>(&path, master)?.tombstones);
    }
    Ok(all)
}

/// Archives of earlier backups in a folder.
pub(super) struct Earlier {
    /// What they hold.
    pub(super) all: All,
    /// Those that open: whoever has written all of it elsewhere may remove them.
    pub(super) read: Vec<PathBuf>,
}

/// Reads the archives of a folder. One that does not open is of another server or damaged: it is left alone, and said.
pub(super) fn earlier(folder: &Path, master: &Secret<32>) -> Result<Earlier, FileError> {
    let mut earlier = Earlier { all: All::new(), read: Vec::new() };
    for (path, _) in make::archives(folder, TOMBSTONES_EXTENSION)? {
        match sealed::read::<Tombstones>(&path, master) {
            Ok(archive) => {
                add(&mut earlier.all, archive.tombstones);
                earlier.read.push(path);
            }
            Err(error) => tracing::warn!(%error, "an archive of tombstones is left as it is"),
        }
    }
    Ok(earlier)
}

/// The newest archive in the folder of tombstones beside a backup.
pub(super) fn newest(folder: &Path) -> Result<Option<PathBuf>, FileError> {
    if !folder.exists() {
        return Ok(None);
    }
    let archives = make::archives(folder, TOMBSTONES_EXTENSION)?;
    Ok(archives.into_iter().max_by_key(|(_, made_at)| *made_at).map(|(path, _)| path))
}

/// Removes archives whose content stands in a newer one.
pub(super) fn remove(paths: &[PathBuf]) -> Result<(), FileError> {
    paths.iter().try_for_each(|path| fs::remove_file(path).map_err(at(path)))
}

/// Why tombstones cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The database.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file in the data folder.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// All that a server knows: its database, and what was brought from elsewhere.
pub(super) async fn collect(service: &Service, master: &Secret<32>) -> Result<All, CollectError> {
    let mut all = All::new();
    let mut after = None;
    loop {
        let page = service.store.devices(after, MAX_PAGE).await?;
        for device in &page {
            let Some(wipe) = device.value.wipe() else { continue };
            let Some(command) = service.store.command(wipe.command).await? else { continue };
            let enrolment = device.value.enrolment;
            let (order, at) = (command.value.order, command.value.issued_at);
            add(&mut all, [Tombstone { enrolment, command: wipe.command, order, at }]);
        }
        match page.last() {
            Some(last) => after = Some(last.value.enrolment),
            None => break,
        }
    }
    add(&mut all, kept(&service.config.data, master)?.into_values());
    Ok(all)
}
