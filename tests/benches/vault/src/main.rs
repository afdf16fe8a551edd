//! The vault beside its peers: raw sled, which it stands on, SQLCipher, and AES-256-GCM alone. Same data, same durability: a
//! commit is acknowledged when an `fdatasync` has returned. `cargo xtask bench vault` builds and runs it.
//!
//! Figures are medians of rounds in which every peer takes its turn, so that what else the machine does hits all of them.

mod aes;
mod data;
mod disk;
mod figures;
mod files;
mod footprint;
mod ours;
mod profile;
mod raw_sled;
mod rounds;
mod rows;
mod sqlcipher;
mod store;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

use crate::rows::Rows;
use crate::store::Peer;

/// How the bench is called.
#[derive(Parser)]
struct Cli {
    /// The folder to work in, on the disk that is to be measured; by default that of the rows, since a temporary one may be in memory
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where the rows go
    #[arg(long, default_value = "target/bench/vault.json")]
    out: PathBuf,
    /// Rounds a figure
    #[arg(long, default_value_t = 31)]
    rounds: usize,
    /// Megabytes of the large file
    #[arg(long, default_value_t = 100)]
    megabytes: usize,
    /// Measure only this; what was measured before is written over
    #[arg(long)]
    only: Option<Of>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    /// A store of 10,000 records
    Few,
    /// One of 100,000
    Many,
    /// A large file
    File,
}

/// Parts that run in a process of their own, for their memory to be measured alone.
#[derive(Subcommand)]
enum Part {
    /// Opens a store, works in it, and prints what it takes
    #[command(hide = true)]
    Footprint {
        /// Whose store
        peer: Peer,
        /// Where it is
        folder: PathBuf,
        /// How many records it has
        records: usize,
    },
    /// One peer does one thing again and again in a store of 10,000 records, for `perf` or `strace` to look at
    Profile {
        /// Whose store
        peer: Peer,
        /// What is done
        #[arg(value_enum)]
        work: profile::Work,
        /// For how long, in seconds
        #[arg(default_value_t = 5)]
        seconds: u64,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    if let Some(Part::Footprint { peer, folder, records }) = cli.part {
        return footprint::child(peer, &folder, records);
    }
    let beside = cli.out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(beside)?;
    let folder = tempfile::tempdir_in(cli.folder.as_deref().unwrap_or(beside))?;
    if let Some(Part::Profile { peer, work, seconds }) = cli.part {
        return profile::run(folder.path(), (peer, work), Duration::from_secs(seconds));
    }
    let mut rows = Rows::default();
    let wants = |of: Of| cli.only.is_none_or(|only| only == of);
    if wants(Of::Few) {
        figures::few(folder.path(), cli.rounds, &mut rows)?;
    }
    if wants(Of::Many) {
        figures::many(folder.path(), cli.rounds, &mut rows)?;
    }
    if wants(Of::File) {
        files::measure(folder.path(), cli.rounds, cli.megabytes, &mut rows)?;
    }
    rows.write(&cli.out)
}
