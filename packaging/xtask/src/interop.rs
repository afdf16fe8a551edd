//! What the second reader of the vault stands on: by pip, from the pinned list in `tests/interop`, into an environment of its own in
//! `target/interop`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::run::root;

/// Written when pip is done: what lies beside it is whole.
const DONE: &str = "installed.txt";

/// Installs what the list names, unless it is there.
pub(crate) fn install() -> Result<()> {
    let (list, to) = (root().join("tests/interop/requirements.txt"), root().join("target/interop"));
    let wanted = fs::read(&list).with_context(|| list.display().to_string())?;
    let python = to.join("venv/bin/python");
    if fs::read(to.join(DONE)).is_ok_and(|installed| installed == wanted) && python.is_file() {
        return Ok(());
    }
    fs::create_dir_all(&to).with_context(|| to.display().to_string())?;
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(to.join("venv")))?;
    let pip =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "-r"];
    run(Command::new(Path::new(&python)).args(pip).arg(&list))?;
    fs::write(to.join(DONE), wanted).context(DONE)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}
