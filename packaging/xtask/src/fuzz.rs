//! `cargo xtask fuzz TARGET`: libFuzzer on one target, from the committed corpus. What it finds on the way is kept in
//! `target/fuzz`; what makes a target fail is written to `target/fuzz-failures` and named. Needs Rust as it is, and a C++ compiler for
//! libFuzzer: the coverage counters are a pass of LLVM that the stable compiler has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::run::{Cargo, root};

/// The package of the programs, outside the workspace.
const PACKAGE: &str = "tests/fuzz/libfuzzer";
/// Most bytes of an input, unless the corpus has longer ones.
const LONGEST: u64 = 16 * 1024;

/// Where it is built, with the counters in every crate.
const BUILT: &str = "target/fuzz-build";
/// What cargo-fuzz passes, too: a counter for each edge, and what is compared.
const COUNTERS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Runs a target for `seconds`, or until something is found. `keep` adds inputs that reach code which the corpus does not
/// to the corpus itself.
pub(crate) fn target(name: Option<&str>, seconds: u32, keep: bool) -> Result<()> {
    let known = targets()?;
    let Some(name) = name else {
        println!("{}", known.join("\n"));
        return Ok(());
    };
    if !known.iter().any(|known| known == name) {
        bail!("there is no target {name}; there are: {}", known.join(", "));
    }
    let program = build(name)?;
    let corpus = root().join("tests/fuzz/corpus").join(name);
    let found = root().join("target/fuzz").join(name);
    let failures = root().join("target/fuzz-failures").join(name);
    for folder in [&found, &failures] {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let limits = [
        format!("-max_total_time={seconds}"),
        format!("-max_len={}", longest(&corpus)?.max(LONGEST)),
        format!("-artifact_prefix={}/", failures.display()),
        // What a target allocates it bounds itself.
        "-rss_limit_mb=4096".to_owned(),
        "-print_final_stats=1".to_owned(),
    ];
    let ran = fuzz(&program, &[&found, &corpus], &limits);
    ran.with_context(|| format!("an input that makes it fail is in {}", failures.display()))?;
    if keep {
        fuzz(&program, &[&corpus, &found], &["-merge=1".to_owned()])?;
    }
    Ok(())
}

/// Builds the program of a target. No unsafe code of ours is under test, so there is nothing for a sanitizer to see; without one it
/// is faster.
fn build(name: &str) -> Result<PathBuf> {
    if !Command::new("c++").arg("--version").output().is_ok_and(|output| output.status.success()) {
        bail!("a C++ compiler is missing, which libFuzzer is built with: apt-get install g++");
    }
    let host = host()?;
    // With a target named, what runs at build time has no counters.
    let manifest = format!("{PACKAGE}/Cargo.toml");
    Cargo::new(["build", "--release", "--locked", "--manifest-path", manifest.as_str(), "--bin", name])
        .args(["--target", host.as_str(), "--target-dir", BUILT])
        .env("RUSTFLAGS", COUNTERS)
        .run()?;
    Ok(root().join(BUILT).join(host).join("release").join(name))
}

/// This machine, as rustc names it.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start `rustc -vV`")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned);
    host.context("`rustc -vV` names no host")
}

/// libFuzzer writes what it finds into the first folder.
fn fuzz(program: &Path, folders: &[&Path], arguments: &[String]) -> Result<()> {
    let status = Command::new(program)
        .args(folders)
        .args(arguments)
        .env("TMPDIR", memory())
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !status.success() {
        bail!("{} failed: {status}", program.display());
    }
    Ok(())
}

/// Targets that read files write them first: into memory, where there is a folder for that.
fn memory() -> &'static str {
    if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" }
}

/// The targets, by their programs.
fn targets() -> Result<Vec<String>> {
    let folder = root().join(PACKAGE).join("targets");
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut names = Vec::new();
    for entry in entries {
        let path: PathBuf = entry?.path();
        names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

fn longest(corpus: &Path) -> Result<u64> {
    let entries = fs::read_dir(corpus).with_context(|| corpus.display().to_string())?;
    let lengths = entries.map(|entry| Ok(entry?.metadata()?.len()));
    Ok(lengths.collect::<std::io::Result<Vec<u64>>>()?.into_iter().max().unwrap_or_default())
}
