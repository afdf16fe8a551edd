//! Benches, one a subcommand. `cargo xtask bench NAME` builds and runs them in release.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Measure, beside a peer, and write the rows to target/bench.
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Every page of the console for an organisation of 10,000 people
    Console {
        /// How many people
        #[arg(long, default_value_t = 10_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1_000..=100_000))]
        people: usize,
        /// Requests to each page
        #[arg(long, default_value_t = 200, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100_000))]
        requests: usize,
        /// The file of rows
        #[arg(long, default_value = "target/bench/console.json")]
        out: PathBuf,
    },
    /// A staff file from upload to acknowledgement, beside PostgreSQL and OpenLDAP, and a wipe in the middle of it
    Batch {
        /// Rows of each file, the smallest first
        #[arg(long, value_delimiter = ',', default_values_t = [1_400, 10_000, 100_000], value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(100..=100_000))]
        rows: Vec<usize>,
        /// The file of rows
        #[arg(long, default_value = "target/bench/batch.json")]
        out: PathBuf,
    },
    /// The peer of `console`, which it starts itself
    #[command(hide = true)]
    EmptyPage {
        #[arg(long)]
        config: PathBuf,
        #[arg(long)]
        headers: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().bench) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(bench: Bench) -> Result<()> {
    match bench {
        Bench::Console { people, requests, out } => e2e::bench::console(people, requests, &out),
        Bench::Batch { mut rows, out } => {
            rows.sort_unstable();
            e2e::bench::batch::batch(&rows, &out)
        }
        Bench::EmptyPage { config, headers } => e2e::bench::peer::serve(&config, &headers),
    }
}
