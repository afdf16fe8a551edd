//! The headless phone as a program. What it does is in `e2e::phone`.

use std::process::ExitCode;

use clap::Parser;
use e2e::phone::{Cli, main as run_phone};
use rustix::fs::Mode;

fn main() -> ExitCode {
    // Whatever is created, also by libraries, is its owner's alone.
    rustix::process::umask(Mode::from_raw_mode(0o077));
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match run_phone(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("phone: {error:#}");
            ExitCode::FAILURE
        }
    }
}
