//! Where the programs under test are, and whether they are of this source.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail, ensure};

/// Set to `use` to run programs that are older than their source: for whoever edits while tests run.
const STALE: &str = "E2E_STALE_BINARIES";

/// The path of a program of this workspace, built in the same profile as the running test.
///
/// # Errors
/// When it was not built, or when a source file is newer than it.
pub fn binary(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("the path of this test")?;
    let folder = test.parent().context("the folder of this test")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let path = folder.join(name);
    ensure!(
        path.is_file(),
        "{} is not built: run `cargo build --workspace --bins` before the end-to-end tests",
        path.display()
    );
    if std::env::var_os(STALE).is_none_or(|word| word != "use") {
        require_fresh(&path)?;
    }
    Ok(path)
}

/// Cargo writes beside each program the list of source files that it was made from.
fn require_fresh(path: &Path) -> Result<()> {
    let built = modified(path)?;
    let list = path.with_extension("d");
    let text = std::fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let (_, sources) = text.split_once(": ").with_context(|| format!("{} has no list", list.display()))?;
    for source in sources.replace("\\ ", "\u{0}").split_whitespace() {
        let source = PathBuf::from(source.replace('\u{0}', " "));
        if modified(&source).map_or(true, |changed| changed > built) {
            bail!(
                "{} is older than {}: run `cargo build --workspace --bins` before the end-to-end tests",
                path.display(),
                source.display()
            );
        }
    }
    Ok(())
}

fn modified(path: &Path) -> Result<SystemTime> {
    let metadata = std::fs::metadata(path).with_context(|| path.display().to_string())?;
    Ok(metadata.modified()?)
}
