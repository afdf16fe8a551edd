//! `cargo xtask android-check`: how far the app for Android gets on a machine without Google's SDK and NDK, from Debian's packages alone.
//! It compiles and links the agent for a phone's processor, packs, aligns, signs and reads back, and says of each step what it saw. What
//! it makes is no release: `packaging/android/README.md` has that.

mod apk;
mod findings;
mod rust;
mod screens;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use self::findings::{Findings, table};
use crate::run::root;
use crate::tools;

/// Goes as far as it can, prints the table, and fails unless a signed package was read back.
pub(crate) fn check() -> Result<()> {
    tools::android()?;
    let work = root().join("target/android");
    fs::create_dir_all(&work).with_context(|| work.display().to_string())?;
    let mut findings = Findings::default();
    let done = steps(&work, &mut findings);
    println!("\n{}", table(&findings));
    done?;
    let faults = findings.faults();
    ensure!(faults.is_empty(), "the package is not as it should be: {}", faults.join("; "));
    Ok(())
}

/// What was found stays found, also if a later step fails.
fn steps(work: &Path, findings: &mut Findings) -> Result<()> {
    println!(
        "compiling the agent for aarch64-linux-android, with its standard library: ten minutes, the first time"
    );
    let library = rust::library(work)?;
    findings.compiled = Some(rust::compiler()?);
    findings.symbols = Some(rust::link(work, &library)?);
    findings.elf = Some(said("llvm-readelf-19", &["-hlW", "--dyn-syms"], &library)?);
    let package = apk::assemble(work, &library)?;
    findings.badging = Some(said("aapt", &["dump", "badging"], &package)?);
    findings.manifest = Some(apk::manifest(&package)?);
    findings.aligned = Some(apk::is_aligned(&package)?);
    findings.signature = Some(apk::verified(&package)?);
    println!(
        "{}\nchecking the types of the app with its screens: ten minutes, the first time",
        package.display()
    );
    screens::types(work)?;
    findings.types = true;
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}

/// What a program says of a file.
fn said(program: &str, arguments: &[&str], file: &Path) -> Result<String> {
    let output = Command::new(program).args(arguments).arg(file).output();
    let output = output.with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
