//! Small files of their own: replaced atomically, read within a bound, destroyed by overwriting. Not the store's files.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Which file could not be dealt with, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}{cure}", path.display(), cure = cure(source))]
pub struct FileError {
    /// What was tried.
    pub action: &'static str,
    /// With which file or folder.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

fn cure(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space and try again",
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "; see that its folder can be written in, and try again"
        }
        _ => "",
    }
}

/// Turns an [`io::Error`] into one that names the file.
pub(crate) fn at<T>(action: &'static str, path: &Path, result: io::Result<T>) -> Result<T, FileError> {
    result.map_err(|source| FileError { action, path: path.to_owned(), source })
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Makes the entries of a folder durable.
pub fn sync_dir(path: &Path) -> Result<(), FileError> {
    at("sync", path, File::open(path).and_then(|dir| dir.sync_all()))
}

/// Makes a folder (mode 0700), and durably so in its parent. Missing parents are made, too, but not synced.
pub fn create_dir(path: &Path) -> Result<(), FileError> {
    at("create", path, DirBuilder::new().recursive(true).mode(0o700).create(path))?;
    sync_dir(parent(path))
}

/// The folder entry that [`replace`] writes before it renames.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

/// Replaces a file (mode 0600) as a whole: after a crash it holds the old bytes or the new ones, after `Ok` the new ones.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let temporary = temporary(path);
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    at("write", path, write().and_then(|()| fs::rename(&temporary, path)))?;
    sync_dir(parent(path))
}

/// Puts a file in the place of another, durably.
pub fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    at("rename", from, fs::rename(from, to))?;
    sync_dir(parent(to))
}

/// Replaces a secret: the old one is overwritten before the new one is written.
pub fn replace_secret(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    destroy(path)?;
    replace(path, bytes)
}

/// The bytes of a file of at most `limit` bytes; `None` if there is none.
pub fn read(path: &Path, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => at("open", path, opened)?,
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
    at("read", path, file.take(limit as u64 + 1).read_to_end(&mut bytes))?;
    if bytes.len() > limit {
        let source = io::Error::new(io::ErrorKind::InvalidData, format!("it is longer than {limit} bytes"));
        return Err(FileError { action: "read", path: path.to_owned(), source });
    }
    Ok(Some(bytes))
}

/// Overwrites a file and its temporary with zeros, syncs, unlinks both, and syncs the folder. No file is no error.
///
/// Flash storage may keep the overwritten blocks; that is why no slot opens without the server or the lease secret.
pub fn destroy(path: &Path) -> Result<(), FileError> {
    let mut removed = false;
    for path in [path, &temporary(path)] {
        let length = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            found => at("look at", path, found)?.len(),
        };
        at("overwrite", path, overwrite(path, length))?;
        at("remove", path, fs::remove_file(path))?;
        removed = true;
    }
    if removed { sync_dir(parent(path)) } else { Ok(()) }
}

/// The same for a file that has to be whole or not there at any time, also if the power is cut: it loses its name before it is
/// overwritten.
pub fn retire(path: &Path) -> Result<(), FileError> {
    match fs::rename(path, temporary(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        renamed => {
            at("rename", path, renamed)?;
            sync_dir(parent(path))?;
        }
    }
    destroy(path)
}

fn overwrite(path: &Path, length: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()
}

/// Removes a file or a whole folder without following links. Nothing there is no error.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    let result = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => at("remove", path, other),
    }
}
