//! `cargo xtask bench NAME`: ours beside a peer, in release.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, bail};

use crate::run::Cargo;
use crate::tools;

/// The package of the vault's bench, outside the workspace.
const VAULT: &str = "tests/benches/vault/Cargo.toml";

/// Builds and runs a bench. Its rows go to `target/bench`.
pub(crate) fn run(name: &str, args: &[OsString]) -> Result<()> {
    tools::compiler()?;
    match name {
        "batch" => batch(args),
        "console" => console(args),
        "letters" => letters(args),
        "vault" => vault(args),
        other => bail!("there is no bench {other}; there are: batch, console, letters, vault"),
    }
}

/// It measures the server that lies beside it, by the programs that ask it, and its peers.
fn batch(args: &[OsString]) -> Result<()> {
    tools::peers_of_batch()?;
    beside(&["mdm-server", "mdmctl", "phone"], "batch", args)
}

/// It measures the server that lies beside it.
fn console(args: &[OsString]) -> Result<()> {
    beside(&["mdm-server"], "console", args)
}

/// Builds these programs and the benches, and runs one of them.
fn beside(programs: &[&str], bench: &str, args: &[OsString]) -> Result<()> {
    let binaries = programs.iter().chain(&["bench"]).flat_map(|program| ["--bin", program]);
    let packages = ["--package", "mdm-server", "--package", "e2e"];
    Cargo::new(["build", "--release", "--locked"]).args(packages).args(binaries).run()?;
    let run = ["run", "--release", "--quiet", "--locked", "--package", "e2e", "--bin", "bench", "--", bench];
    Cargo::new(run).args(args).replace()
}

/// Time and memory of a large print, in a process of its own.
fn letters(args: &[OsString]) -> Result<()> {
    let example =
        ["run", "--release", "--quiet", "--locked", "--package", "mdm-letters", "--example", "many"];
    Cargo::new(example).args(["--"]).args(args).replace()
}

fn vault(args: &[OsString]) -> Result<()> {
    if !Path::new("/usr/include/openssl/crypto.h").exists() {
        bail!("the headers of OpenSSL are missing, which SQLCipher is built on: apt-get install libssl-dev");
    }
    // Kept apart from the workspace's, whose crates are built with other features.
    let target = ["--target-dir", "target/bench/build"];
    Cargo::new(["run", "--release", "--locked", "--manifest-path", VAULT])
        .args(target)
        .args(["--"])
        .args(args)
        // SQLite calls fsync where nobody tells it that there is fdatasync, which everybody else here calls.
        .env("LIBSQLITE3_FLAGS", "-DHAVE_FDATASYNC=1")
        .replace()
}
