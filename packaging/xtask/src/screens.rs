//! `cargo xtask screens`: the pictures that tests have made, from `target/screens` to `docs/screens`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::run::root;

/// One folder for each face.
const FACES: [&str; 3] = ["console", "app", "letters"];

/// Puts the new pictures in the place of the old ones.
pub(crate) fn take_over() -> Result<()> {
    for face in FACES {
        let (from, to) = (root().join("target/screens").join(face), root().join("docs/screens").join(face));
        let pictures = pictures(&from)?;
        // Pictures of screens that are no more go as well.
        if to.exists() {
            fs::remove_dir_all(&to).with_context(|| to.display().to_string())?;
        }
        fs::create_dir_all(&to).with_context(|| to.display().to_string())?;
        for name in &pictures {
            fs::copy(from.join(name), to.join(name)).with_context(|| name.clone())?;
        }
        shrink(&to, &pictures)?;
        println!("{}: {} pictures", to.display(), pictures.len());
    }
    Ok(())
}

/// Some hundred pictures: the repository keeps them at a third of their size, to the eye the same.
fn shrink(folder: &Path, pictures: &[String]) -> Result<()> {
    let mut pngquant = Command::new("pngquant");
    pngquant
        .args(["--force", "--ext", ".png", "--skip-if-larger", "--quality", "70-98", "--"])
        .args(pictures);
    let status = pngquant.current_dir(folder).status();
    let status = status.context("pngquant is missing. On Debian: apt-get install pngquant")?;
    // 98 and 99: a picture stays as it is, since it would be larger or worse.
    ensure!(status.success() || matches!(status.code(), Some(98 | 99)), "pngquant failed: {status}");
    Ok(())
}

fn pictures(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("no pictures in {}: `cargo xtask test` makes them", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().into_string().ok().context("a name in UTF-8")?;
        if name.ends_with(".png") {
            names.push(name);
        }
    }
    ensure!(!names.is_empty(), "no pictures in {}: `cargo xtask test` makes them", folder.display());
    names.sort();
    Ok(names)
}
