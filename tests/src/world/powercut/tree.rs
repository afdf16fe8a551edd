//! A folder as names, bytes and inodes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// A file, or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    File(Vec<u8>),
    Folder,
}

/// What is in a folder. Sockets and links are passed over.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// Relative to the folder; the folder itself is the empty path.
    pub(super) entries: BTreeMap<PathBuf, (u64, Entry)>,
}

impl Tree {
    /// Reads a folder with everything in it.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.entries.insert(PathBuf::new(), (fs::metadata(root)?.ino(), Entry::Folder));
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for found in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
                let path = found?.path();
                let metadata = fs::symlink_metadata(&path)?;
                let entry = if metadata.is_dir() {
                    folders.push(path.clone());
                    Entry::Folder
                } else if metadata.is_file() {
                    Entry::File(fs::read(&path).with_context(|| path.display().to_string())?)
                } else {
                    continue;
                };
                tree.entries.insert(path.strip_prefix(root)?.to_owned(), (metadata.ino(), entry));
            }
        }
        Ok(tree)
    }

    /// Writes it into a folder that is not there yet.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn write(&self, root: &Path) -> Result<()> {
        for (path, (_, entry)) in &self.entries {
            let path = if path.as_os_str().is_empty() { root.to_owned() } else { root.join(path) };
            match entry {
                Entry::Folder => {
                    fs::create_dir(&path).with_context(|| path.display().to_string())?;
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
                }
                Entry::File(bytes) => {
                    fs::write(&path, bytes).with_context(|| path.display().to_string())?;
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
                }
            }
        }
        Ok(())
    }

    /// The folder itself and what is in these parts of it; all of it, if none is named.
    pub(super) fn only(mut self, parts: &[PathBuf]) -> Self {
        let is_in =
            |path: &Path| path.as_os_str().is_empty() || parts.iter().any(|part| path.starts_with(part));
        self.entries.retain(|path, _| parts.is_empty() || is_in(path));
        self
    }

    /// What is in one part, by itself.
    pub fn part(&self, part: impl AsRef<Path>) -> Self {
        let within = |(path, entry): (&PathBuf, &(u64, Entry))| {
            Some((path.strip_prefix(&part).ok()?.to_owned(), entry.clone()))
        };
        Self { entries: self.entries.iter().filter_map(within).collect() }
    }

    /// The bytes of a file, if there is one of that name.
    pub fn file(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        match self.entries.get(path.as_ref()) {
            Some((_, Entry::File(bytes))) => Some(bytes),
            _ => None,
        }
    }

    /// Whether there is a file or folder of that name.
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        self.entries.contains_key(path.as_ref())
    }

    /// The files that contain `needle`.
    pub fn containing(&self, needle: &[u8]) -> Vec<&Path> {
        let has = |entry: &Entry| matches!(entry, Entry::File(bytes) if super::super::files::contains(bytes, needle));
        self.entries.iter().filter(|(_, (_, entry))| has(entry)).map(|(path, _)| path.as_path()).collect()
    }

    /// # Errors
    /// Names what is not the same in both.
    pub(super) fn same_as(&self, other: &Self) -> Result<()> {
        for path in self.entries.keys().chain(other.entries.keys()) {
            match (self.entries.get(path), other.entries.get(path)) {
                (Some((_, a)), Some((_, b))) if a == b => {}
                (a, b) => bail!(
                    "the record is not complete: {} is recorded {} and found {}",
                    path.display(),
                    describe(a),
                    describe(b)
                ),
            }
        }
        Ok(())
    }
}

fn describe(entry: Option<&(u64, Entry)>) -> String {
    match entry {
        None => "nowhere".to_owned(),
        Some((_, Entry::Folder)) => "as a folder".to_owned(),
        Some((_, Entry::File(bytes))) => format!("as {} bytes", bytes.len()),
    }
}
