//! What was measured, as rows for people and programs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// One figure beside a peer's.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    figure: String,
    unit: &'static str,
    ours: f64,
    peer_name: &'static str,
    peer: f64,
    /// How many times better ours is.
    ratio: f64,
}

impl Row {
    /// Two times in milliseconds: the shorter is the better.
    pub(super) fn times(figure: &str, ours: Duration, peer_name: &'static str, peer: Duration) -> Self {
        let (ours, peer) = (ours.as_secs_f64() * 1_000.0, peer.as_secs_f64() * 1_000.0);
        Self {
            figure: figure.to_owned(),
            unit: "ms",
            ours: rounded(ours),
            peer_name,
            peer: rounded(peer),
            ratio: rounded(peer / ours),
        }
    }
}

impl Row {
    /// Two amounts of memory: the smaller is the better.
    pub(super) fn megabytes(figure: &str, ours: f64, peer_name: &'static str, peer: f64) -> Self {
        let (ours, peer, ratio) = (rounded(ours), rounded(peer), rounded(peer / ours));
        Self { figure: figure.to_owned(), unit: "MB", ours, peer_name, peer, ratio }
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// Prints the rows and writes them as a JSON array.
pub(super) fn write(rows: &[Row], out: &Path) -> Result<()> {
    println!("\n{:<64} {:>4} {:>10} {:>10} {:>9}  peer", "figure", "unit", "ours", "peer", "ratio");
    for row in rows {
        let Row { figure, unit, ours, peer_name, peer, ratio } = row;
        println!("{figure:<64} {unit:>4} {ours:>10.3} {peer:>10.3} {ratio:>9.3}  {peer_name}");
    }
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut text = serde_json::to_string_pretty(rows)?;
    text.push('\n');
    fs::write(out, text).with_context(|| out.display().to_string())?;
    println!("\nwritten to {}", out.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_says_how_many_times_better_ours_is() {
        let row = Row::times("a page", Duration::from_millis(4), "a peer", Duration::from_millis(1));
        assert_eq!((row.ours, row.peer, row.ratio), (4.0, 1.0, 0.25));
        let json = serde_json::to_value(&row).unwrap();
        let mut names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["figure", "ours", "peer", "peer_name", "ratio", "unit"]);
    }
}
