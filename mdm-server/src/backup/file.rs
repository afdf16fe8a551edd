//! Files that are written, hashed and made durable on the way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};

const CHUNK: usize = 64 * 1024;

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause}")]
pub struct FileError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub cause: io::Error,
}

/// Puts a path to an error.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> FileError + '_ {
    move |cause| FileError { path: path.to_owned(), cause }
}

/// How long a file is, and its SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// A new file that only its owner may read, hashed while it is written.
pub(super) struct Hashed {
    file: io::BufWriter<File>,
    context: Context,
    bytes: u64,
}

impl Hashed {
    pub(super) fn create(path: &Path) -> Result<Self, FileError> {
        let file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(at(path))?;
        Ok(Self { file: io::BufWriter::with_capacity(CHUNK, file), context: Context::new(&SHA256), bytes: 0 })
    }

    /// Everything durable; what it was.
    pub(super) fn finish(self) -> io::Result<Digest> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(Digest { bytes: self.bytes, sha256: HEXLOWER.encode(self.context.finish().as_ref()) })
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.context.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Copies a file to a new one, durably.
pub(super) fn copy(from: &Path, to: &Path) -> Result<Digest, FileError> {
    let mut source = File::open(from).map_err(at(from))?;
    let mut target = Hashed::create(to)?;
    io::copy(&mut source, &mut target).map_err(at(to))?;
    target.finish().map_err(at(to))
}

/// A file that is hashed while it is read.
pub(super) struct HashedReader {
    file: File,
    context: Context,
    bytes: u64,
}

impl HashedReader {
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        Ok(Self { file: File::open(path).map_err(at(path))?, context: Context::new(&SHA256), bytes: 0 })
    }

    /// What was read, and the rest of the file as well.
    pub(super) fn finish(mut self) -> io::Result<Digest> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(Digest { bytes: self.bytes, sha256: HEXLOWER.encode(self.context.finish().as_ref()) })
    }
}

impl Read for HashedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.context.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// What a file is.
pub(super) fn digest(path: &Path) -> Result<Digest, FileError> {
    HashedReader::open(path)?.finish().map_err(at(path))
}

/// Writes a new private file, durably.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    crate::init::write_private(path, bytes).map_err(at(path))
}

/// Reads a file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(at(path))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(at(path))?;
    if bytes.len() as u64 > limit {
        let cause = io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {limit} bytes"));
        return Err(FileError { path: path.to_owned(), cause });
    }
    Ok(bytes)
}

/// Makes a private folder and those above it.
pub(super) fn make_folder(path: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), FileError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(at(path))
}

/// All regular files under a folder, relative to it, in order. A folder that is not there has none.
pub(super) fn listed(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(relative) = folders.pop() {
        let path = folder.join(&relative);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && relative.as_os_str().is_empty() => break,
            entries => entries.map_err(at(&path))?,
        };
        for entry in entries {
            let entry = entry.map_err(at(&path))?;
            let kind = entry.file_type().map_err(at(&path))?;
            if kind.is_dir() {
                folders.push(relative.join(entry.file_name()));
            } else if kind.is_file() {
                found.push(relative.join(entry.file_name()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Overwrites a file with zeros, durably, and removes it.
pub(super) fn shred(path: &Path) -> Result<(), FileError> {
    let overwrite = || {
        let file = OpenOptions::new().write(true).open(path)?;
        let length = file.metadata()?.len();
        let zeros = vec![0; CHUNK];
        let mut at = 0;
        while at < length {
            let now = zeros.len().min(usize::try_from(length - at).unwrap_or(usize::MAX));
            file.write_all_at(&zeros[..now], at)?;
            at += now as u64;
        }
        file.sync_all()?;
        fs::remove_file(path)
    };
    overwrite().map_err(at(path))
}
