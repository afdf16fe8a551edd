//! `cargo xtask simulate`: many histories of the simulated world, in release.

use std::ffi::OsString;

use anyhow::Result;

use crate::run::Cargo;
use crate::tools;

/// Plays histories; the arguments are the program's own.
pub(crate) fn play(args: &[OsString]) -> Result<()> {
    tools::compiler()?;
    let program = ["--package", "e2e-simulation", "--bin", "simulate", "--"];
    Cargo::new(["run", "--release", "--quiet", "--locked"]).args(program).args(args).replace()
}
