//! The headless phone as a program. What it does is in `e2e::phone`.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use e2e::phone::{Cli, main as run_phone};
use rustix::fs::Mode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // Whatever is created, also by libraries, is its owner's alone.
    rustix::process::umask(Mode::from_raw_mode(0o077));
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("phone: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let filter = EnvFilter::from_default_env().add_directive(vault::LOG_DIRECTIVE.parse()?);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(std::io::stderr().is_terminal()).init();
    run_phone(Cli::parse())
}
