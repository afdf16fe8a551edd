//! What the tests need on the machine besides Rust: found, installed where that is possible, or named.

use std::env;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::run::Cargo;

/// A program of the system and how to see that it works.
struct Tool {
    name: &'static str,
    why: &'static str,
    package: &'static str,
    works: fn() -> bool,
}

const TOOLS: [Tool; 2] = [
    Tool {
        name: "strace",
        why: "tests watch with it that a commit is on disk before it is acknowledged",
        package: "strace",
        works: strace_works,
    },
    Tool {
        name: "cc",
        why: "ring and the linker need a C compiler",
        package: "gcc libc6-dev",
        works: cc_works,
    },
];

/// All tools of the tests.
pub(crate) fn all() -> Result<()> {
    let missing: Vec<&Tool> = TOOLS.iter().filter(|tool| !(tool.works)()).collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    component("rustfmt", "fmt")?;
    component("clippy", "clippy")
}

/// The C compiler, which is all that the demo needs besides Rust.
pub(crate) fn compiler() -> Result<()> {
    if !cc_works() {
        bail!("no C compiler: `cc` is missing. On Debian: apt-get install gcc libc6-dev");
    }
    Ok(())
}

fn install(missing: &[&Tool]) -> Result<()> {
    let packages: Vec<&str> = missing.iter().flat_map(|tool| tool.package.split(' ')).collect();
    let Some(mut apt) = apt() else {
        bail!("{}\n{}", needs(missing), by_hand(&packages));
    };
    println!("installing with apt: {} ({})", packages.join(" "), needs(missing));
    // Without lists (a fresh container) the packages are unknown; a failed update shows in the install.
    let mut update = Command::new(apt.get_program());
    update.args(apt.get_args()).args(["update", "--quiet"]);
    run_quietly(&mut update);
    run_quietly(apt.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(&packages));
    let still: Vec<&Tool> = missing.iter().copied().filter(|tool| !(tool.works)()).collect();
    if !still.is_empty() {
        bail!(
            "{} after apt-get ran\n{}\nA tool that is installed and does not work may be forbidden here: \
             strace needs leave to trace (ptrace), in a container --cap-add=SYS_PTRACE",
            needs(&still),
            by_hand(&packages)
        );
    }
    Ok(())
}

fn needs(missing: &[&Tool]) -> String {
    let each: Vec<String> = missing
        .iter()
        .map(|tool| format!("{} is missing or does not work: {}", tool.name, tool.why))
        .collect();
    each.join("; ")
}

fn by_hand(packages: &[&str]) -> String {
    format!("On Debian: apt-get install {}", packages.join(" "))
}

/// `apt-get`, directly for root and by sudo where it asks no password; none on other systems.
fn apt() -> Option<Command> {
    if !succeeds("apt-get", &["--version"]) {
        return None;
    }
    if output("id", &["-u"]).as_deref() == Some("0") {
        return Some(Command::new("apt-get"));
    }
    if succeeds("sudo", &["-n", "true"]) {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "apt-get"]);
        return Some(sudo);
    }
    None
}

fn component(name: &str, command: &str) -> Result<()> {
    let works = || Cargo::new([command, "--version"]).succeeds();
    if works() {
        return Ok(());
    }
    println!("adding the Rust component {name}");
    if succeeds("rustup", &["component", "add", name]) && works() {
        return Ok(());
    }
    bail!("the Rust component {name} is missing: rustup component add {name}")
}

/// Traces a real program: strace may be there and tracing forbidden.
fn strace_works() -> bool {
    succeeds("strace", &["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "true"])
}

fn cc_works() -> bool {
    let cc = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    succeeds(&cc, &["--version"])
}

fn succeeds(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// Runs with its output on the terminal; whether it helped is seen by trying the tool.
fn run_quietly(command: &mut Command) {
    command.env("DEBIAN_FRONTEND", "noninteractive");
    if let Err(error) = command.status() {
        println!("{}: {error}", command.get_program().to_string_lossy());
    }
}
