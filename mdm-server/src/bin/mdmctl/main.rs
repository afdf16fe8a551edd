//! `mdmctl`: the MDM server from a terminal or a script, over its HTTPS API.
//!
//! Answers go to standard output, as aligned text or with `--json` as JSON; errors to standard error in one line. Status
//! 0: done. 1: refused or failed, and the error says what to do. 2: the command line is wrong.

mod audit;
mod cli;
mod client;
mod commands;
mod failure;
mod output;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match commands::run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.line(cli.json));
            ExitCode::from(failure.status())
        }
    }
}
