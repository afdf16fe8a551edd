//! The ZIP archive around a workbook: parts by name, each bounded while it is inflated.

use std::io::Cursor;

use zip::ZipArchive;
use zip::result::ZipError;

use super::Unreadable;
use super::xml::Xml;

/// Most parts: the archive's list of them is held in memory.
const MAX_PARTS: usize = 20_000;
/// Begins each entry of the archive's list (PKWARE APPNOTE 4.3.12).
const ENTRY: &[u8] = b"PK\x01\x02";

/// An archive that is opened. Cloning the list of its parts costs nothing.
pub(super) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
}

impl<'a> Package<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        if bytes.windows(ENTRY.len()).filter(|window| *window == ENTRY).count() > MAX_PARTS {
            return Err(Unreadable::TooLarge);
        }
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| Unreadable::Damaged)?;
        Ok(Self { archive })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.archive.index_for_name(name).is_some()
    }

    /// Reads a part to its end, which checks its sum. `None` if there is no such part.
    pub(super) fn part<T>(
        &self,
        name: &str,
        limit: u64,
        read: impl FnOnce(&mut Xml<'_>) -> Result<T, Unreadable>,
    ) -> Result<Option<T>, Unreadable> {
        self.part_until(name, limit, |xml| {
            let told = read(xml)?;
            xml.finish()?;
            Ok(told)
        })
    }

    /// Reads a part as far as the reader wants.
    pub(super) fn part_until<T, E: From<Unreadable>>(
        &self,
        name: &str,
        limit: u64,
        read: impl FnOnce(&mut Xml<'_>) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let mut archive = self.archive.clone();
        let file = match archive.by_name(name) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(_) => return Err(Unreadable::Damaged.into()),
        };
        // What the archive says of the size is a hint for an early no; the reader counts for itself.
        if file.size() > limit {
            return Err(Unreadable::TooLarge.into());
        }
        read(&mut Xml::new(Box::new(file), limit)).map(Some)
    }
}
