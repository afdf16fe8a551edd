//! The main story, told with real processes. `cargo xtask demo` builds and runs it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use e2e::demo::Then;

/// From a staff file to a wiped phone.
#[derive(Parser)]
struct Arguments {
    /// End after the story; otherwise the server is left running until Ctrl+C.
    #[arg(long)]
    exit: bool,
    /// Start the app against the server.
    #[arg(long, conflicts_with = "exit")]
    client: bool,
    /// The folder of the story, emptied first.
    #[arg(long, default_value = "target/demo")]
    folder: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let then = match (arguments.exit, arguments.client) {
        (true, _) => Then::Exit,
        (false, true) => Then::Client,
        (false, false) => Then::Serve,
    };
    match e2e::demo::tell(&arguments.folder, then) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
