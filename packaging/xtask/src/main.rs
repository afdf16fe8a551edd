//! `cargo xtask`: the commands that a fresh clone needs.
//!
//! This crate starts cargo, apt and npm and says what happens; it holds no logic of the product and depends on the
//! standard library, clap and anyhow alone, so that it builds in seconds. The programs that it starts (the
//! demo, the roster generator) live in the crate `e2e`.

mod android;
mod axe;
mod bench;
mod deb;
mod fuzz;
mod interop;
mod run;
mod screens;
mod simulate;
mod test;
mod tools;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::run::Cargo;

/// The commands of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check everything: tools, format, lints, build, docs, tests. Stops at the first failure
    Test,
    /// Install what the tests need besides Rust, as `test` does first
    Tools,
    /// Tell the story from a staff file to a wiped phone, against a real server
    Demo {
        /// End after the story instead of leaving the server running
        #[arg(long)]
        exit: bool,
        /// Start the staff member's app against the server, with a code to enrol with
        #[arg(long, conflicts_with = "exit")]
        client: bool,
    },
    /// Measure beside a peer, in release: `console` is every page for 10,000 people, `vault` the phone's store. Rows go to
    /// target/bench
    Bench {
        /// Which: `console`, `vault`
        name: String,
        /// Given to the bench as they are; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Play histories of the simulated world, in release: --histories N --seed S --phones N
    #[command(disable_help_flag = true)]
    Simulate {
        /// Given to the simulation as they are; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Look for inputs that a decoder of untrusted bytes does not bear, by libFuzzer. Without a target: lists them
    Fuzz {
        /// Which decoder
        target: Option<String>,
        /// How long
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Add inputs that reach new code to the committed corpus
        #[arg(long)]
        keep: bool,
    },
    /// Build the app's Debian package, have Debian's tools judge it, and start what is in it under X11 and Wayland
    Deb,
    /// Build for Android as far as a machine without Google's SDK gets, sign it with a key that is thrown away, and say what was seen
    AndroidCheck,
    /// Take the pictures that the tests have made over into docs/screens
    Screens,
    /// Write a believable staff file: --seed N --rows N --year Y --encoding cp932|utf-8|utf-8-bom OUT
    #[command(disable_help_flag = true)]
    Roster {
        /// Given to the roster generator as they are; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Task::Test => test::all(),
        Task::Tools => tools::all().and_then(|()| axe::install()).and_then(|()| interop::install()),
        Task::Demo { exit, client } => demo(exit, client),
        Task::Bench { name, args } => bench::run(&name, &args),
        Task::Fuzz { target, seconds, keep } => fuzz::target(target.as_deref(), seconds, keep),
        Task::Simulate { args } => simulate::play(&args),
        Task::AndroidCheck => android::check(),
        Task::Deb => deb::package(),
        Task::Screens => screens::take_over(),
        Task::Roster { args } => roster(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The causes alone: where in xtask it was noticed helps nobody, and would bury them in CI's log.
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            eprintln!("\nerror: {}", causes.join("\n  "));
            ExitCode::FAILURE
        }
    }
}

/// The demo starts `mdm-server`, `mdmctl`, `phone` and the app from the folder that it lies in, so all are built first;
/// the app only for who asks for it, since that takes minutes.
fn demo(exit: bool, client: bool) -> Result<()> {
    tools::compiler()?;
    if client {
        tools::app()?;
        println!("building the app: some minutes, the first time");
        Cargo::new(["build", "--locked", "--package", "client"]).run()?;
    }
    Cargo::new(["build", "--locked", "--package", "mdm-server", "--package", "e2e", "--bins"]).run()?;
    let flags = exit.then_some("--exit").into_iter().chain(client.then_some("--client"));
    Cargo::new(["run", "--quiet", "--locked", "--package", "e2e", "--bin", "demo", "--"])
        .args(flags)
        .replace()
}

fn roster(args: &[OsString]) -> Result<()> {
    Cargo::new(["run", "--quiet", "--locked", "--package", "e2e", "--bin", "roster", "--"])
        .args(args)
        .in_callers_folder()
        .replace()
}
