//! `tamatebako`: the app on a desktop.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use client::{App, End, Options};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// The staff member's app.
#[derive(Parser)]
#[command(name = "tamatebako", version)]
struct Cli {
    /// Folder of the app's files
    #[arg(long, value_name = "DIR", env = "TAMATEBAKO_HOME")]
    home: Option<PathBuf>,
    /// Server, as host:port, filled in where the app asks for it. The code from the letter is pasted or typed in the app only
    #[arg(long, value_name = "HOST:PORT", env = "TAMATEBAKO_SERVER")]
    server: Option<String>,
}

fn main() -> Result<()> {
    keep_memory_private().context("the memory of this process cannot be kept from others")?;
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let home = cli.home.map_or_else(default_home, Ok)?;
    let options = Options { server: cli.server, restart_when_closed: true, ..Options::new(home) };
    // Before the first window.
    let clipboard = client::platform::install()?;
    let app = App::start(options, clipboard)?;
    app.end_on_signals()?;
    match app.run()? {
        End::Closed => Ok(()),
        End::Restart => restart(),
    }
}

/// No core dump, not even by way of a program that the system hands dumps to; and no debugger of the same person's. A process
/// that takes over asks for it again.
fn keep_memory_private() -> rustix::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

/// `$XDG_DATA_HOME/tamatebako`, or the same under the person's home folder.
fn default_home() -> Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    Ok(data.context("no home folder is known: name one with --home")?.join("tamatebako"))
}

/// Takes over with a fresh process of the same program and arguments: nothing of the old one's memory is in it.
fn restart() -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    // The program that runs, also when its file was replaced meanwhile.
    let mut command = std::process::Command::new("/proc/self/exe");
    command.arg0(name.as_deref().unwrap_or(OsStr::new("tamatebako"))).args(arguments);
    Err(command.exec()).context("the app could not be started again")
}
