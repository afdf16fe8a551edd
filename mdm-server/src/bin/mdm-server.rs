//! The server's binary: `init` once, `serve` from then on.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use mdm_core::operator::OperatorName;
use mdm_server::clock::SystemClock;
use mdm_server::config::{Config, Devices, Listen};
use mdm_server::{init, server};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The MDM server of Tamatebako.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a data folder, its secrets and the first owner. Writes over nothing.
    Init(Box<Init>),
    /// Invite an owner anew when nobody can sign in any more. The server must not be running.
    InviteOwner {
        /// The configuration that `init` wrote.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The sign-in name of the owner.
        #[arg(long, default_value = "owner")]
        owner: String,
    },
    /// Serve devices and the API until SIGTERM or Ctrl+C.
    Serve {
        /// The configuration that `init` wrote.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

#[derive(clap::Args)]
struct Init {
    /// Where to write the configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The data folder: database, key file, sealed secrets.
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// The folder of the master key, outside the data folder and its backups.
    #[arg(long, value_name = "FOLDER")]
    secrets: PathBuf,
    /// The organisation's name, as devices show it.
    #[arg(long)]
    organisation: String,
    /// Host and port under which devices reach the server.
    #[arg(long, value_name = "HOST:PORT")]
    public_address: String,
    /// Where to listen for devices (UDP).
    #[arg(long, default_value = "0.0.0.0:4433")]
    quic: SocketAddr,
    /// Where to listen for the API (TCP).
    #[arg(long, default_value = "127.0.0.1:8443")]
    https: SocketAddr,
    /// A name or address in the HTTPS certificate; may be given more than once.
    #[arg(long = "https-name", default_values = ["localhost", "127.0.0.1"])]
    https_names: Vec<String>,
    /// The sign-in name of the first owner.
    #[arg(long, default_value = "owner")]
    owner: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mdm-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env("MDM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match arguments.command {
        Command::Init(arguments) => run_init(*arguments).await,
        Command::InviteOwner { config, owner } => invite_owner(&config, &owner).await,
        Command::Serve { config } => serve(config).await,
    }
}

async fn run_init(arguments: Init) -> anyhow::Result<()> {
    let absolute = |path: PathBuf| std::path::absolute(&path).with_context(|| path.display().to_string());
    let config = Config {
        organisation: arguments.organisation,
        public_address: arguments.public_address,
        data: absolute(arguments.data)?,
        secrets: absolute(arguments.secrets)?,
        listen: Listen { quic: arguments.quic, https: arguments.https, https_names: arguments.https_names },
        devices: Devices::default(),
        documents: mdm_server::config::Documents::default(),
    };
    let made =
        init::init(&config, &arguments.config, &arguments.owner, Timestamp::now(), &mut rand::rngs::OsRng)
            .await?;
    println!("configuration  {}", arguments.config.display());
    println!("master key     {}  back it up apart from the data folder", made.master_key.display());
    println!("offline keys   {}  carry them away and delete them here", made.offline.display());
    println!("owner's token  {}  for mdmctl --token", made.owner_token.display());
    println!(
        "invitation     {}  a link to the console, good once and for 7 days",
        made.owner_invitation.display()
    );
    println!("journal key    {}  give it to the auditor, for mdmctl audit verify --key", made.journal_key);
    println!("authority      {}  for mdmctl --ca", made.ca.display());
    Ok(())
}

async fn invite_owner(path: &std::path::Path, owner: &str) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    let owner = OperatorName::new(owner)?;
    let file = init::invite_owner(&config, &owner, Timestamp::now(), &mut rand::rngs::OsRng).await?;
    println!("invitation     {}  a link to the console, good once and for 24 hours", file.display());
    println!("Start the server, open the link, and delete the file.");
    Ok(())
}

async fn serve(path: PathBuf) -> anyhow::Result<()> {
    // Its memory has the keys of all. It stays open to debuggers that the system admits: an administrator may have to trace it.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
        .context("cannot forbid core dumps")?;
    let config = Config::load(&path)?;
    let running = server::start(config, Arc::new(SystemClock)).await?;
    println!("ready quic={} https={}", running.quic, running.https);
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot wait for Ctrl+C")?,
    }
    tracing::info!("shutting down");
    running.stop().await;
    Ok(())
}
