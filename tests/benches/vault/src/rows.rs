//! What was measured, as rows for people and programs, and what was aimed at.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// One figure beside a peer's.
#[derive(Debug, Serialize)]
struct Row {
    figure: String,
    unit: &'static str,
    ours: f64,
    peer_name: String,
    peer: f64,
    /// How many times better ours is.
    ratio: f64,
}

/// Ratios that are aimed at: beginning of the figure, beginning of the peer's name, at least.
const TARGETS: [(&str, &str, f64); 9] = [
    ("random get of 1 KiB, 10000 records", "SQLCipher", 2.0),
    ("random get of 1 KiB, 100000 records", "SQLCipher", 2.0),
    ("random get of 1 KiB, 10000 records", "sled", 0.8),
    ("random get of 1 KiB, 100000 records", "sled", 0.8),
    ("durable batch of 100 puts of 1 KiB", "SQLCipher", 3.0),
    ("durable put of 1 KiB", "SQLCipher", 1.0),
    ("list of 10000 names", "SQLCipher", 2.0),
    ("MB file in", "AES-256-GCM alone", 0.6),
    ("MB file out", "AES-256-GCM alone", 0.6),
];

/// All rows so far.
#[derive(Default)]
pub(crate) struct Rows(Vec<Row>);

impl Rows {
    /// Times: the shorter is the better. In microseconds.
    pub(crate) fn time(&mut self, figure: &str, ours: Duration, peer_name: &str, peer: Duration) {
        let micros = |time: Duration| time.as_secs_f64() * 1_000_000.0;
        self.smaller(figure, "us", micros(ours), peer_name, micros(peer));
    }

    /// Any figure of which less is better.
    pub(crate) fn smaller(
        &mut self,
        figure: &str,
        unit: &'static str,
        ours: f64,
        peer_name: &str,
        peer: f64,
    ) {
        self.push(figure, unit, (ours, peer), peer_name, peer / ours);
    }

    /// Any figure of which more is better.
    pub(crate) fn larger(&mut self, figure: &str, unit: &'static str, ours: f64, peer_name: &str, peer: f64) {
        self.push(figure, unit, (ours, peer), peer_name, ours / peer);
    }

    fn push(
        &mut self,
        figure: &str,
        unit: &'static str,
        (ours, peer): (f64, f64),
        peer_name: &str,
        ratio: f64,
    ) {
        let (figure, peer_name) = (figure.to_owned(), peer_name.to_owned());
        let (ours, peer, ratio) = (rounded(ours), rounded(peer), rounded(ratio));
        println!("{figure:<40} {unit:>5} {ours:>12.3} {peer:>12.3} {ratio:>8.3}  {peer_name}");
        self.0.push(Row { figure, unit, ours, peer_name, peer, ratio });
    }

    /// What else was measured of a figure that was missed: how much is the disk's, the processor's, or the store's underneath.
    fn print_causes(&self, missed: &Row) {
        let of_same = self.0.iter().filter(|row| row.figure.starts_with(&missed.figure));
        for row in of_same.filter(|row| !std::ptr::eq(*row, missed)) {
            println!("          besides: {:<52} {:>8.3} x {}", row.figure, row.ratio, row.peer_name);
        }
    }

    /// Writes the rows as a JSON array, and prints which targets are met.
    pub(crate) fn write(&self, out: &Path) -> Result<()> {
        println!();
        for (figure, peer, least) in TARGETS {
            let Some(row) = self.0.iter().find(|row| row.is_of(figure, peer)) else { continue };
            let verdict = if row.ratio >= least { "met" } else { "missed" };
            println!("{verdict:<7} {:<40} {:>8.3} of {least} x {}", row.figure, row.ratio, row.peer_name);
            if row.ratio < least {
                self.print_causes(row);
            }
        }
        if let Some(folder) = out.parent() {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let text = serde_json::to_string_pretty(&self.0)? + "\n";
        fs::write(out, text).with_context(|| out.display().to_string())?;
        let table = out.with_extension("md");
        fs::write(&table, self.table()).with_context(|| table.display().to_string())?;
        println!("\nwritten to {} and {}", out.display(), table.display());
        Ok(())
    }

    /// The rows as the table of `docs/benchmarks.md`.
    fn table(&self) -> String {
        let mut table =
            "| figure | unit | ours | peer | | ratio | aimed at |\n|---|---|---|---|---|---|---|\n"
                .to_owned();
        let mut last = "";
        for row in &self.0 {
            let figure = if row.figure == last { "" } else { &row.figure };
            last = &row.figure;
            let aim = row.aim().map(|least| {
                let verdict = if row.ratio >= least { "met" } else { "missed" };
                format!("{least}: {verdict}")
            });
            let (ours, peer, aim) = (figures(row.ours), figures(row.peer), aim.unwrap_or_default());
            let (unit, name, ratio) = (row.unit, &row.peer_name, row.ratio);
            table += &format!("| {figure} | {unit} | {ours} | {name} | {peer} | {ratio} | {aim} |\n");
        }
        table
    }
}

impl Row {
    /// What is aimed at beside this peer.
    fn aim(&self) -> Option<f64> {
        let is_of = |of: &&(&str, &str, f64)| self.is_of(of.0, of.1);
        TARGETS.iter().find(is_of).map(|(_, _, least)| *least)
    }

    fn is_of(&self, figure: &str, peer: &str) -> bool {
        // A file's processor time says where its time goes; nothing is aimed at there.
        let is_whole = !self.figure.ends_with("processor time");
        is_whole && self.figure.contains(figure) && self.peer_name.starts_with(peer)
    }
}

/// For people: three figures, or whole numbers.
fn figures(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// To three digits after the point.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
