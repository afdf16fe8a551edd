//! Folders as a whole: copied, searched.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// All regular files under a folder, with their paths. Sockets and the like are passed over.
///
/// # Errors
/// When something cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The files under a folder that contain `needle`.
///
/// # Errors
/// When something cannot be read.
pub fn containing(folder: &Path, needle: &[u8]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in files(folder)? {
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        if contains(&bytes, needle) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Whether `needle` occurs in `bytes`.
pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return true };
    let mut left = bytes;
    while let Some(at) = left.iter().position(|byte| byte == first) {
        left = &left[at + 1..];
        if left.starts_with(rest) {
            return true;
        }
    }
    false
}

/// Copies a folder with its permissions, regular files and folders only.
///
/// # Errors
/// When something cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target).with_context(|| entry.path().display().to_string())?;
        }
    }
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_wherever_they_lie_and_not_where_they_are_not() {
        assert!(contains(b"aab", b"ab"));
        assert!(contains(b"xx\0yy", b"\0yy"));
        assert!(!contains(b"aab", b"ba"));
        assert!(!contains(b"ab", b"abc"));
    }

    #[test]
    fn a_copy_has_every_file_and_the_search_finds_them_in_both() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir_all(from.join("deep")).unwrap();
        fs::write(from.join("deep/file"), b"before needle after").unwrap();
        copy(&from, &to).unwrap();
        let found = containing(root.path(), b"needle").unwrap();
        assert_eq!(found, [from.join("deep/file"), to.join("deep/file")]);
        assert!(containing(root.path(), b"noodle").unwrap().is_empty());
    }
}
