//! What pages are written on: a file, or memory.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::error::OpenError;

/// Bytes that can be read, overwritten in place, and made durable.
pub(super) trait Paper: Send + 'static {
    /// How many bytes there are.
    fn len(&self) -> io::Result<u64>;
    /// Reads exactly `buffer.len()` bytes.
    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Overwrites, or adds at the end.
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes all writes durable, a change of length included.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that this process alone has open.
pub(super) struct FilePaper(File);

impl FilePaper {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: path.to_owned(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(io)?;
        crate::lock::lock(&file, path)?;
        // A file that was restored with another mode.
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(io)?;
        // So that a power cut does not take the new file's name.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).map_err(io)?;
        Ok(Self(file))
    }
}

impl Paper for FilePaper {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, at)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Bytes in memory. A clone is the same bytes.
#[derive(Clone, Default)]
pub(super) struct MemoryPaper(pub(super) Arc<Mutex<Zeroizing<Vec<u8>>>>);

impl MemoryPaper {
    pub(super) fn holding(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Zeroizing::new(bytes))))
    }
}

impl Paper for MemoryPaper {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).len() as u64)
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(at).map_err(io::Error::other)?;
        let source = bytes.get(at..at + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(source);
        Ok(())
    }

    fn write(&mut self, at: u64, new: &[u8]) -> io::Result<()> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(at).map_err(io::Error::other)?;
        let end = at + new.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[at..end].copy_from_slice(new);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
