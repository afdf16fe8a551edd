//! The licenses of the libraries that are linked into the program, with their texts: most of them ask for that.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::run::root;

/// How files with such a text begin.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];

/// Writes them all into one file, `to` with `.gz` behind it.
pub(super) fn write(to: &Path) -> Result<()> {
    let sources = sources()?;
    let mut text = String::from("Libraries of others in tamatebako, with their licenses.\n");
    for (name, version, license) in linked()? {
        let mut folders = sources.iter().map(|source| source.join(format!("{name}-{version}")));
        let folder = folders.find(|folder| folder.is_dir());
        let folder = folder.with_context(|| format!("the source of {name} {version} is not there"))?;
        let _ = write!(text, "\n{0}\n{name} {version}: {license}\n{0}\n", "=".repeat(80));
        for file in texts(&folder)? {
            let said = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let _ = write!(text, "\n{}\n", said.trim_end());
        }
    }
    fs::write(to, text).with_context(|| to.display().to_string())?;
    // Documents over some kilobytes are compressed in a package, and alike each time.
    super::run(Command::new("gzip").args(["--best", "--no-name", "--force"]).arg(to))
}

/// Name, version and license of each package of others that the program is built from.
fn linked() -> Result<BTreeSet<(String, String, String)>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["tree", "--package", "client", "--edges", "normal", "--locked", "--prefix", "none"];
    let output = Command::new(cargo)
        .args(arguments)
        .args(["--format", "{p}\t{l}"])
        .current_dir(root())
        .output()
        .context("cargo tree")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(package).collect())
}

/// A line of the tree; none for our own packages, which have a path behind them, and for a repeated one's mark.
fn package(line: &str) -> Option<(String, String, String)> {
    let (package, license) = line.split_once('\t')?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    let ours = words.any(|word| word.starts_with("(/"));
    let license = license.trim_end_matches(" (*)");
    (!ours).then(|| (name.to_owned(), version.to_owned(), license.to_owned()))
}

/// Where cargo has unpacked what it fetched.
fn sources() -> Result<Vec<PathBuf>> {
    let cargo = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let folder = cargo.context("neither CARGO_HOME nor HOME is set")?.join("registry/src");
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    Ok(entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?)
}

fn texts(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        if path.is_file() && NAMES.iter().any(|known| name.starts_with(known)) {
            texts.push(path);
        }
    }
    texts.sort();
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_others_are_listed_and_ours_are_not() {
        let of_others = package("ring v0.17.14\tApache-2.0 AND ISC (*)").unwrap();
        assert_eq!(of_others, ("ring".into(), "0.17.14".into(), "Apache-2.0 AND ISC".into()));
        let macros = package("thiserror-impl v2.0.17 (proc-macro)\tMIT OR Apache-2.0").unwrap();
        assert_eq!((macros.0.as_str(), macros.1.as_str()), ("thiserror-impl", "2.0.17"));
        assert_eq!(package("vault v0.1.0 (/a/client/vault)\tMIT OR Apache-2.0"), None);
    }
}
