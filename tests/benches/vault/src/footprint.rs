//! What a store takes: memory, in a process of its own, and disk.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::data::name;
use crate::rows::Rows;
use crate::store::Peer;

const GETS: usize = 5_000;

/// Rows of memory and disk for stores that are there and closed.
pub(crate) fn measure(folder: impl Fn(Peer) -> PathBuf, records: usize, rows: &mut Rows) -> Result<()> {
    let mut figures = Vec::new();
    for peer in Peer::ALL {
        let (memory, disk) = (memory(peer, &folder(peer), records)?, disk(&folder(peer))?);
        figures.push((peer, memory, disk as f64 / 1_000_000.0));
    }
    let Some(((_, memory, disk), others)) = figures.split_first() else { return Ok(()) };
    for (peer, theirs, _) in others {
        rows.smaller(&format!("memory in use, {records} records"), "MB", *memory, peer.name(), *theirs);
    }
    for (peer, _, theirs) in others {
        rows.smaller(&format!("disk in use, {records} records"), "MB", *disk, peer.name(), *theirs);
    }
    Ok(())
}

/// Resident megabytes of a process that has the store open and has listed and read.
fn memory(peer: Peer, folder: &Path, records: usize) -> Result<f64> {
    use clap::ValueEnum as _;
    let value = peer.to_possible_value().context("every peer has a name")?;
    let program = std::env::current_exe()?;
    let output = Command::new(program)
        .args(["footprint", value.get_name()])
        .arg(folder)
        .arg(records.to_string())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let kib: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
    Ok(kib * 1.024 / 1_000.0)
}

/// Opens, lists, reads, and prints the KiB that are then resident.
pub(crate) fn child(peer: Peer, folder: &Path, records: usize) -> Result<()> {
    let mut store = peer.open(folder)?;
    let mut names = 0;
    store.list(&mut |_| names += 1)?;
    ensure!(names >= records, "names are missing");
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..GETS {
        store.get(&name(rng.gen_range(0..records)))?;
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    println!("{}", line.trim().trim_end_matches("kB").trim());
    Ok(())
}

/// Bytes that are allocated to all files of a folder.
fn disk(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { disk(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}
