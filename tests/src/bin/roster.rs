//! `roster`: writes a believable staff file. The people are made by `e2e::roster`; this is its command line.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use e2e::roster::{Encoding, FIRST_YEAR, LAST_YEAR, MAX_ROWS, RosterSpec, encode, generate};

/// Write a believable staff file of an invented prefecture. The same arguments give the same bytes.
#[derive(Parser)]
#[command(name = "roster")]
struct Cli {
    /// Everything in the file follows from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// People in the file
    #[arg(long, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=MAX_ROWS as u64))]
    rows: usize,
    /// The fiscal year; each derives from the one before with the same seed and rows
    #[arg(long, default_value_t = FIRST_YEAR, value_parser = clap::value_parser!(u16).range(FIRST_YEAR as i64..=LAST_YEAR as i64))]
    year: u16,
    /// How many of a hundred people wish for a seat
    #[arg(long, default_value_t = 55, value_parser = clap::value_parser!(u8).range(0..=100))]
    wishes: u8,
    /// Character encoding of the file
    #[arg(long, value_enum, default_value_t = Encoding::Cp932)]
    encoding: Encoding,
    /// The file to write; an existing one is replaced
    out: PathBuf,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let spec = RosterSpec { seed: cli.seed, rows: cli.rows, year: cli.year, wish_percent: cli.wishes };
    let rows = generate(&spec);
    let bytes = encode(&rows, cli.encoding)?;
    fs::write(&cli.out, &bytes).with_context(|| format!("cannot write {}", cli.out.display()))?;
    let wishes = rows.iter().filter(|row| row.wish).count();
    println!("{}: {} people, {wishes} wish for a seat, {} bytes", cli.out.display(), rows.len(), bytes.len());
    Ok(())
}
