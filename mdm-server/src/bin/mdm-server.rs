//! The server's binary: `init` once, `serve` from then on.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use mdm_core::operator::OperatorName;
use mdm_server::backup::{control, make, restore};
use mdm_server::clock::SystemClock;
use mdm_server::config::{Config, Devices, Listen};
use mdm_server::quarantine::replay;
use mdm_server::{init, pins, server};
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
    /// Make a backup of a server, whether it is running or not: database, key file and tombstones, apart from each other.
    Backup {
        /// The configuration that `init` wrote.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The folder of all backups; the backup becomes a folder in it.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// The folder of the key file's backups, best on another disk; by default `key-files` in the folder of all backups.
        #[arg(long, value_name = "FOLDER")]
        key_files_to: Option<PathBuf>,
        /// How many hours a backup of the key file is kept: a key that a wipe destroyed must not stay in one.
        #[arg(long, value_name = "HOURS", default_value_t = 24)]
        keep_key_files: u32,
    },
    /// Make a data folder of a backup. The server is then in quarantine; see `quarantine load`.
    Restore {
        /// The configuration; its data folder must be empty or not there.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The folder of one backup.
        #[arg(long, value_name = "FOLDER")]
        from: PathBuf,
        /// The newest backup of the key file.
        #[arg(long, value_name = "FILE", required_unless_present = "without_key_file")]
        key_file: Option<PathBuf>,
        /// There is no backup of the key file any more: everybody has to enrol again.
        #[arg(long, conflicts_with = "key_file")]
        without_key_file: bool,
        /// Restore a key file that is older than its backups are kept: keys that a wipe destroyed may be in it. The journal
        /// says so.
        #[arg(long, requires = "key_file")]
        old_key_file: bool,
        /// The newest tombstones: wipes that the backup is too old to know. By default the newest beside the backup.
        #[arg(long, value_name = "FILE")]
        tombstones: Option<PathBuf>,
        /// There are no tombstones any more: what was wiped since the backup must be known from elsewhere.
        #[arg(long, conflicts_with = "tombstones")]
        without_tombstones: bool,
    },
    /// The way out of the quarantine after a restore.
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// The keys by which devices know the server. The server must not be running.
    #[command(subcommand)]
    Pins(Pins),
    /// Serve devices and the API until SIGTERM or Ctrl+C.
    Serve {
        /// The configuration that `init` wrote.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

#[derive(Subcommand)]
enum Quarantine {
    /// Order again what a journal that was kept elsewhere says was ordered, and end the quarantine. The server may be running,
    /// best so long that phones have called: they know whether the journal is the newest.
    Load {
        /// The configuration that `init` wrote.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// What `mdmctl audit export` wrote, the newest there is.
        #[arg(long, value_name = "FILE")]
        journal: PathBuf,
        /// Nothing was ordered after the journal was exported: ends the quarantine though no phone has called yet.
        #[arg(long)]
        nothing_since: bool,
    },
}

#[derive(Subcommand)]
enum Pins {
    /// Say which keys are in use, and how many devices know them.
    Show {
        /// The configuration that `init` wrote.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Put the spare key in the place of the server's TLS key, and make another spare.
    Rotate {
        /// The configuration that `init` wrote.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The spare key, as `init` or the last rotation wrote it.
        #[arg(long, value_name = "FILE")]
        spare_key: PathBuf,
        /// Where to write the new spare: on a medium that leaves this machine.
        #[arg(long, value_name = "FILE")]
        new_spare_out: PathBuf,
    },
    /// Replace all keys of the server that were lost or stolen, in the name of the recovery key.
    Recover {
        /// The configuration that `init` wrote.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The recovery key, as `init` wrote it.
        #[arg(long, value_name = "FILE")]
        recovery_key: PathBuf,
        /// Where to write the new spare: on a medium that leaves this machine.
        #[arg(long, value_name = "FILE")]
        new_spare_out: PathBuf,
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
    /// Where to write the recovery key, best on a medium that leaves this machine; by default `offline` in the secrets folder.
    #[arg(long, value_name = "FILE")]
    recovery_key_out: Option<PathBuf>,
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
    let filter = EnvFilter::try_from_env("MDM_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info"))
        .add_directive(mdm_store::sled::LOG_DIRECTIVE.parse()?);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(std::io::stderr().is_terminal()).init();
    match arguments.command {
        Command::Init(arguments) => run_init(*arguments).await,
        Command::InviteOwner { config, owner } => invite_owner(&config, &owner).await,
        Command::Backup { config, to, key_files_to, keep_key_files } => {
            let absolute =
                |path: PathBuf| std::path::absolute(&path).with_context(|| path.display().to_string());
            let order = make::Order {
                to: absolute(to)?,
                key_files_to: key_files_to.map(absolute).transpose()?,
                keep_key_files_hours: keep_key_files,
            };
            backup(&config, order).await
        }
        Command::Restore { config, from, key_file, old_key_file, tombstones, without_tombstones, .. } => {
            let tombstones = match (tombstones, without_tombstones) {
                (Some(archive), _) => restore::Which::Archive(archive),
                (None, true) => restore::Which::None,
                (None, false) => restore::Which::Newest,
            };
            // `parent` of a relative path may be nothing.
            let from = std::path::absolute(&from).with_context(|| from.display().to_string())?;
            restore(&config, &restore::Source { from, key_file, old_key_file, tombstones }).await
        }
        Command::Quarantine(Quarantine::Load { config, journal, nothing_since }) => {
            load(&config, &journal, nothing_since).await
        }
        Command::Pins(command) => run_pins(command).await,
        Command::Serve { config } => serve(config).await,
    }
}

async fn run_init(arguments: Init) -> anyhow::Result<()> {
    let absolute = |path: PathBuf| std::path::absolute(&path).with_context(|| path.display().to_string());
    let config = Config {
        organisation: arguments.organisation,
        public_address: arguments.public_address,
        time_zone: mdm_server::config::DEFAULT_ZONE.to_owned(),
        data: absolute(arguments.data)?,
        secrets: absolute(arguments.secrets)?,
        listen: Listen { quic: arguments.quic, https: arguments.https, https_names: arguments.https_names },
        devices: Devices::default(),
        documents: mdm_server::config::Documents::default(),
        notes: mdm_server::config::Notes::default(),
        letters: mdm_server::config::Letters::default(),
        batches: mdm_server::config::Batches::default(),
        mail: None,
    };
    let recovery_key_out = arguments.recovery_key_out.map(absolute).transpose()?;
    let made = init::init_with(
        &config,
        &arguments.config,
        &arguments.owner,
        recovery_key_out.as_deref(),
        Timestamp::now(),
        &mut rand::rngs::OsRng,
    )
    .await?;
    println!("configuration  {}", arguments.config.display());
    println!("master key     {}  back it up apart from the data folder", made.master_key.display());
    println!("offline keys   {}  carry them away and delete them here", made.offline.display());
    println!("recovery key   {}  carry it away: nothing replaces it", made.recovery_key.display());
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

async fn backup(path: &Path, order: make::Order) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    let made = match control::ask(&config.data, order.clone()).await {
        Some(answer) => answer?,
        None => make::make(&server::open(config, Arc::new(SystemClock)).await?, &order).await?,
    };
    println!(
        "backup         {}  {} rows, journal to entry {}",
        made.folder.display(),
        made.rows,
        made.journal_sequence
    );
    println!("key file       {}  keep it apart from the backup", made.key_file.display());
    println!("tombstones     {}  keep the newest for ever", made.tombstones.display());
    if made.key_files_destroyed > 0 {
        println!("destroyed      {} older backups of the key file", made.key_files_destroyed);
    }
    println!("not in it      master key, offline keys, configuration: keep them elsewhere");
    Ok(())
}

async fn restore(path: &Path, source: &restore::Source) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    let restored = restore::restore(&config, source, Arc::new(SystemClock)).await?;
    println!("restored       {}  as of {}", config.data.display(), restored.made_at);
    match restored.key_file_made_at {
        Some(made_at) => println!("key file       as of {made_at}"),
        None => println!("key file       none: everybody has to enrol again"),
    }
    match &restored.tombstones {
        Some(archive) => println!(
            "tombstones     {}  {} devices wiped again",
            archive.display(),
            restored.again.wiped.len()
        ),
        None => println!("tombstones     none"),
    }
    if restored.again.records_destroyed > 0 {
        println!(
            "destroyed      {} unlock records of PINs that were changed after the key file was copied",
            restored.again.records_destroyed
        );
    }
    println!("ended          all API tokens and open invitations of operators");
    say_owners(restored.owner_signs_in, path);
    println!(
        "The server is in quarantine: it opens no vault and enrols nobody, since it has forgotten what was ordered"
    );
    println!("after {}. Start it, and when phones have called, either", restored.made_at);
    println!("  mdm-server quarantine load --config {} --journal FILE", path.display());
    println!(
        "with the newest journal that `mdmctl audit export` wrote, or have an owner confirm on the console's"
    );
    println!("page /quarantine what was ordered since then.");
    Ok(())
}

fn say_owners(one_signs_in: bool, config: &Path) {
    if !one_signs_in {
        println!("No owner can sign in. With the server stopped, invite one:");
        println!("  mdm-server invite-owner --config {}", config.display());
    }
}

async fn load(path: &Path, journal: &Path, nothing_since: bool) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    let journal = std::path::absolute(journal).with_context(|| journal.display().to_string())?;
    let loaded = match control::load_journal(&config.data, journal.clone(), nothing_since).await {
        Some(answer) => answer?,
        None => {
            let service = server::open(config, Arc::new(SystemClock)).await?;
            replay::load(&service, &journal, nothing_since).await?
        }
    };
    let again = &loaded.again;
    println!("journal        {} entries, signed at {}", loaded.entries, loaded.until);
    println!("wiped again    {}", again.wiped.len());
    println!("blocked again  {}", again.blocked.len());
    println!("operators      {} who were disabled, invited anew or given another role", again.operators);
    println!("not known here {} devices: enrolled later, nothing here opens them", again.unknown.len());
    println!("destroyed      {} unlock records of PINs that were changed since", again.records_destroyed);
    println!("unpublished    {} documents", again.unpublished);
    if again.replaced > 0 {
        println!("documents      {} are here in an older version: replace them again", again.replaced);
    }
    if again.batches > 0 {
        println!("batches        {} took effect since: upload their files again", again.batches);
    }
    say_owners(loaded.owner_signs_in, path);
    match loaded.goes_on {
        Some(why) => println!("The quarantine goes on: {why}."),
        None => {
            println!("codes ended    {}  reissue those that are still needed", again.codes_ended);
            println!(
                "The quarantine is over. If a device has seen anything later, it begins again by itself."
            );
        }
    }
    Ok(())
}

async fn run_pins(command: Pins) -> anyhow::Result<()> {
    let clock = Arc::new(SystemClock);
    match command {
        Pins::Show { config } => print_pins(&pins::show(Config::load(&config)?, clock).await?),
        Pins::Rotate { config, spare_key, new_spare_out } => {
            let shown = pins::rotate(Config::load(&config)?, &spare_key, &new_spare_out, clock).await?;
            print_pins(&shown);
            println!("new spare      {}  carry it away", new_spare_out.display());
            println!("Delete {} from this machine, start the server and make a backup.", spare_key.display());
            println!("Rotate again only when `pins show` says that the devices know this set.");
        }
        Pins::Recover { config, recovery_key, new_spare_out } => {
            let shown = pins::recover(Config::load(&config)?, &recovery_key, &new_spare_out, clock).await?;
            print_pins(&shown);
            println!("new spare      {}  carry it away", new_spare_out.display());
            println!(
                "Delete {} from this machine, start the server and make a backup.",
                recovery_key.display()
            );
            println!(
                "Give the auditor the new journal key, and mdmctl the new authority (ca.pem in the data folder)."
            );
        }
    }
    Ok(())
}

fn print_pins(shown: &pins::Shown) {
    println!("set            {}.{}", shown.order.epoch, shown.order.counter);
    println!("server key     {}", shown.current);
    println!("spare key      {}", shown.spare);
    println!("recovery key   {}", shown.recovery);
    println!("journal key    {}", shown.journal_key);
    println!("devices        {} of {} know this set", shown.devices_with_it, shown.devices);
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
