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
        "console" => console(args),
        "letters" => letters(args),
        "vault" => vault(args),
        other => bail!("there is no bench {other}; there are: console, letters, vault"),
    }
}

/// It measures the server that lies beside it.
fn console(args: &[OsString]) -> Result<()> {
    let programs = ["--package", "mdm-server", "--package", "e2e", "--bin", "mdm-server", "--bin", "bench"];
    Cargo::new(["build", "--release", "--locked"]).args(programs).run()?;
    Cargo::new([
        "run",
        "--release",
        "--quiet",
        "--locked",
        "--package",
        "e2e",
        "--bin",
        "bench",
        "--",
        "console",
    ])
    .args(args)
    .replace()
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
