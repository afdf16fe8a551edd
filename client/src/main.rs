//! `tamatebako`: the app on a desktop.

use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use client::{App, End, Options, confinement, viewer};
use client_agent::Confinement;
use tracing_subscriber::EnvFilter;

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
    client_agent::keep_memory_private().context("the memory of this process cannot be kept from others")?;
    if std::env::args_os().nth(1).is_some_and(|argument| argument == viewer::ARGUMENT) {
        return viewer::serve();
    }
    let cli = Cli::parse();
    let filter = EnvFilter::from_default_env().add_directive(vault::LOG_DIRECTIVE.parse()?);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(std::io::stderr().is_terminal()).init();
    let home = cli.home.map_or_else(default_home, Ok)?;
    // Before there are threads: those would not be confined.
    let confined = confinement::confine(&home);
    let told = confined.clone();
    let options = Options {
        server: cli.server,
        restart_when_closed: true,
        confinement: confined,
        ..Options::new(home)
    };
    // Before the first window.
    let clipboard = client::platform::install()?;
    let app = App::start(options, clipboard)?;
    app.end_on_signals()?;
    match app.run()? {
        End::Closed => Ok(()),
        End::Restart => restart(&told),
    }
}

/// `$XDG_DATA_HOME/tamatebako`, or the same under the person's home folder.
fn default_home() -> Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    Ok(data.context("no home folder is known: name one with --home")?.join("tamatebako"))
}

/// Takes over with a fresh process of the same program and arguments: nothing of the old one's memory is in it. It is
/// confined as this one is.
fn restart(confinement: &Confinement) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    // The program that runs, also when its file was replaced meanwhile.
    let mut command = std::process::Command::new("/proc/self/exe");
    command.arg0(name.as_deref().unwrap_or(OsStr::new("tamatebako"))).args(arguments);
    command.envs(confinement::tell(confinement));
    Err(command.exec()).context("the app could not be started again")
}
