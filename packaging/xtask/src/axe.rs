//! axe-core, which checks pages in the browser tests: by npm, from the lockfile in `tests/browser`, into `target/browser`.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::run::root;

const FILES: [&str; 2] = ["package.json", "package-lock.json"];
/// Written when npm is done: what lies beside it is whole.
const DONE: &str = "installed-lock.json";

/// Installs what the lockfile names, unless it is there.
pub(crate) fn install() -> Result<()> {
    let (from, to) = (root().join("tests/browser"), root().join("target/browser"));
    let wanted = fs::read(from.join("package-lock.json")).context("tests/browser/package-lock.json")?;
    if fs::read(to.join(DONE)).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    fs::create_dir_all(&to).with_context(|| to.display().to_string())?;
    for file in FILES {
        fs::copy(from.join(file), to.join(file)).with_context(|| file.to_owned())?;
    }
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    let status = Command::new("npm").args(arguments).current_dir(&to).status().context("cannot start npm")?;
    if !status.success() {
        bail!("`npm {}` in {} failed: {status}", arguments.join(" "), to.display());
    }
    fs::write(to.join(DONE), wanted).context(DONE)
}
