//! The folder of one phone: where its files are, and that one process at a time uses them.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::files::{self, FileError, at};

/// Why a folder cannot be used as a home.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// It has files of someone else, which an erase would remove.
    #[error("{} is not empty and no home of this app: choose a new or empty folder", .0.display())]
    Foreign(PathBuf),
    /// Another process uses it.
    #[error("{} is in use by another process: end it, or try again when it has ended", .0.display())]
    InUse(PathBuf),
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A home folder. Making one touches nothing.
#[derive(Debug, Clone)]
pub struct Home {
    root: PathBuf,
}

/// Keeps other processes out while it lives. Taken on the folder itself, so that no lock file is left after an erase.
#[derive(Debug)]
pub struct HomeLock {
    _folder: File,
}

macro_rules! paths {
    ($($(#[$doc:meta])* $name:ident = $path:literal;)*) => {
        impl Home {
            $($(#[$doc])* pub fn $name(&self) -> PathBuf { self.root.join($path) })*
        }
    };
}

paths! {
    /// What an erase removes first: store, slots, leases.
    vault_dir = "vault";
    /// sled's folder.
    store_dir = "vault/store";
    /// The sealed contents of files.
    contents_dir = "vault/content";
    /// Folder of the slots.
    slots_dir = "vault/slots";
    /// The vault key, wrapped for the server's help.
    online_slot = "vault/slots/online";
    /// The same for a new PIN, while it takes the place of the old one.
    next_slot = "vault/slots/online-next";
    /// The vault key, wrapped for a lease.
    offline_slot = "vault/slots/offline";
    /// A durable lease and its clock.
    lease = "vault/slots/lease";
    /// The secret of a durable lease.
    lease_secret = "vault/slots/lease-secret";
    /// The key of the session grant, sealed under the vault key, while a lease runs.
    grant = "vault/slots/grant";
    /// Folder of the device's own files.
    device_dir = "device";
    /// The device secret.
    device_secret = "device/secret";
    /// The device key, PKCS#8.
    device_key = "device/key";
    /// The enrolment: ids, server keys, certificate, progress.
    state = "device/state";
    /// Which commit of the vault was on the disk last: not in the vault's folder, which may be set back as a whole.
    mark = "device/mark";
    /// What the person chose for the eye: language, colours, size of text. An erase removes it with the data.
    preferences = "device/preferences";
    /// The signed receipt, once there is one.
    receipt = "device/receipt";
    /// The pre-allocated file for a wipe.
    intent = "wipe-intent";
    /// What stays after an acknowledged erase.
    gone = "gone";
    /// Unix socket of a running app.
    socket = "control.sock";
}

impl Home {
    /// The home in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the folder if there is none. A folder with anything but our files in it is refused: the erase removes
    /// everything under the home.
    pub fn create(&self) -> Result<(), HomeError> {
        let was_there = self.root.is_dir();
        match files::create_dir(&self.root) {
            // A folder above that may not be opened, for one by a process that has confined itself, cannot be synced;
            // who made the home before could.
            Err(FileError { source, .. }) if was_there && source.kind() == ErrorKind::PermissionDenied => {}
            made => made?,
        }
        let ours = [self.vault_dir(), self.device_dir(), self.intent(), self.gone(), self.socket()];
        for entry in at("list", &self.root, fs::read_dir(&self.root))? {
            let path = at("list", &self.root, entry)?.path();
            if !ours.contains(&path) {
                return Err(HomeError::Foreign(self.root.clone()));
            }
        }
        Ok(())
    }

    /// Keeps other processes out, or says that one is in.
    pub fn lock(&self) -> Result<HomeLock, HomeError> {
        let folder = at("open", &self.root, File::open(&self.root))?;
        match folder.try_lock() {
            Ok(()) => Ok(HomeLock { _folder: folder }),
            Err(TryLockError::WouldBlock) => Err(HomeError::InUse(self.root.clone())),
            Err(TryLockError::Error(error)) => Ok(at("lock", &self.root, Err(error))?),
        }
    }
}
