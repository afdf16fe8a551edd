//! `mdm-server backup` and `mdm-server restore`. Here: what a backup is made of, and its names. [`make`] writes one, of a
//! server that runs or not ([`control`] is how a running one is asked), [`restore`] makes a data folder of one.
//!
//! A backup must not bring a destroyed key back. So it is three things that are kept apart: the database with everything
//! around it, the key file, which is kept for a day only, and the [`tombstones`], which are kept for ever and never shrink.

pub mod control;
mod file;
pub mod make;
pub mod manifest;
pub mod restore;
pub mod rows;
mod sealed;
#[cfg(test)]
mod tests;
pub mod tombstones;

use jiff::Timestamp;

use crate::documents;

/// Rows of the database in a backup.
pub(crate) const ROWS_FILE: &str = "database.rows";
/// The manifest in a backup.
pub const MANIFEST_FILE: &str = "manifest.json";
/// What shows that the manifest was made under this master key.
pub const MANIFEST_MAC_FILE: &str = "manifest.mac";
/// Folder of published documents, in the data folder and in a backup.
pub(crate) const DOCUMENTS: &str = documents::FOLDER;
/// Folder of the contents of notes.
pub(crate) const NOTES: &str = documents::NOTES_FOLDER;
/// Folder of the key file's backups, beside those of the database.
pub const KEY_FILES: &str = "key-files";
/// Folder of the tombstones' backups.
pub const TOMBSTONES: &str = "tombstones";
/// How a key file's backup ends.
const KEY_FILE_EXTENSION: &str = "keys";
/// How a tombstones' backup ends.
const TOMBSTONES_EXTENSION: &str = "tombstones";
/// In the data folder while a restore is under way: such a folder is not served.
pub(crate) const UNFINISHED_FILE: &str = "restore-unfinished";

/// How a backup made then is called: `20270401T030000Z`.
fn stamp(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// When the backup of that name was made.
fn stamped_at(name: &str) -> Option<Timestamp> {
    let bytes = name.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let formed = bytes.len() == 16 && digits(0..8) && bytes[8] == b'T' && digits(9..15) && bytes[15] == b'Z';
    let part = |range: std::ops::Range<usize>| name.get(range).unwrap_or_default();
    let text = formed.then(|| {
        format!(
            "{}-{}-{}T{}:{}:{}Z",
            part(0..4),
            part(4..6),
            part(6..8),
            part(9..11),
            part(11..13),
            part(13..15)
        )
    })?;
    text.parse().ok()
}
