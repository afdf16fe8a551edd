//! `cargo xtask deb`: the app as a Debian package, built, judged by Debian's own tools, unpacked and started from where it was
//! unpacked, until its window is there: under X11 and under Wayland.

mod contents;
mod notices;
mod window;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::run::{Cargo, root};
use crate::tools;

/// What makes the package; the recipe is in `client/Cargo.toml`.
const CARGO_DEB: &str = "3.8.0";
/// Pictures of the icon for what draws no SVG.
const ICON_SIZES: [u32; 3] = [48, 128, 256];

/// Builds the package and checks it; the path of it stands in the last line.
pub(crate) fn package() -> Result<()> {
    tools::debian_package()?;
    let cargo_deb = cargo_deb()?;
    let work = root().join("target/deb");
    fs::create_dir_all(&work).with_context(|| work.display().to_string())?;

    println!("the app, in release: ten minutes, the first time");
    Cargo::new(["build", "--release", "--locked", "--package", "client"]).run()?;
    let recipe = root().join("packaging/debian");
    run(Command::new("desktop-file-validate").arg(recipe.join("tamatebako.desktop")))?;
    // The project has no domain of its own to turn around.
    let metainfo = ["validate", "--no-net", "--override", "cid-desktopapp-is-not-rdns=info"];
    run(Command::new("appstreamcli").args(metainfo).arg(recipe.join("tamatebako.metainfo.xml")))?;
    icons(&recipe.join("icon.svg"), &work)?;
    notices::write(&work.join("third-party"))?;

    let package = work.join("tamatebako.deb");
    let arguments = ["--package", "client", "--no-build", "--locked", "--output"];
    run(Command::new(cargo_deb).args(arguments).arg(&package).current_dir(root()))?;
    contents::check(&package)?;
    // It is no upload to Debian, which would close a request for it there.
    let upload = ["--suppress-tags", "initial-upload-closes-no-bugs"];
    run(Command::new("lintian").args(["--fail-on", "error,warning", "--info"]).args(upload).arg(&package))?;
    let unpacked = unpack(&package, &work.join("root"))?;
    window::under_x11(&unpacked, &work)?;
    window::under_wayland(&unpacked, &work)?;
    println!("{}", package.display());
    Ok(())
}

/// cargo-deb, built from its released sources into `target/tools`.
fn cargo_deb() -> Result<PathBuf> {
    let folder = root().join("target/tools");
    let program = folder.join("bin/cargo-deb");
    let version = Command::new(&program).arg("--version").output();
    if version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim().ends_with(CARGO_DEB)) {
        return Ok(program);
    }
    println!("installing cargo-deb {CARGO_DEB} into target/tools");
    Cargo::new(["install", "cargo-deb", "--version", CARGO_DEB, "--locked", "--force", "--root"])
        .args([&folder])
        .run()?;
    Ok(program)
}

fn icons(drawing: &Path, work: &Path) -> Result<()> {
    for size in ICON_SIZES.map(|size| size.to_string()) {
        let picture = work.join(format!("icon-{size}.png"));
        let to = ["--width", size.as_str(), "--height", size.as_str(), "--output"];
        run(Command::new("rsvg-convert").args(to).arg(picture).arg(drawing))?;
    }
    Ok(())
}

/// Into a folder that has nothing else in it.
fn unpack(package: &Path, to: &Path) -> Result<PathBuf> {
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| to.display().to_string())?;
    }
    run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(to))?;
    Ok(to.join("usr/bin/tamatebako"))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}
