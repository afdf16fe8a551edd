//! One peer doing one thing for a while, so that a profiler sees little else.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::data::{name, value};
use crate::store::Peer;

const RECORDS: usize = 10_000;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Work {
    /// Reads a record
    Get,
    /// Lists all names
    List,
    /// Puts a record, durably
    Put,
    /// Puts 100 records, durably
    Batch,
    /// Opens, gets, closes
    Open,
}

/// Does it, and prints how often and how long it took.
pub(crate) fn run(folder: &Path, (peer, work): (Peer, Work), length: Duration) -> Result<()> {
    let mut store = peer.open(folder)?;
    let records = |from: usize, to: usize| (from..to).map(|number| (name(number), value(number)));
    for from in (0..RECORDS).step_by(1_000) {
        store.put_all(&records(from, from + 1_000).collect::<Vec<_>>())?;
    }
    println!("process {}: filled", std::process::id());
    let mut open = Some(store);
    let (begun, mut times, mut spent) = (Instant::now(), 0_usize, Duration::ZERO);
    while begun.elapsed() < length {
        let first = RECORDS + times * 100;
        let batch: Vec<_> =
            if work == Work::Batch { records(first, first + 100).collect() } else { Vec::new() };
        let (next, bytes) = (name(first), value(first));
        let start = Instant::now();
        match (work, &mut open) {
            (Work::Open, open) => {
                drop(open.take());
                peer.open(folder)?.get(&name(times % RECORDS))?;
            }
            (Work::Get, Some(store)) => drop(store.get(&name(times * 7_919 % RECORDS))?),
            (Work::List, Some(store)) => store.list(&mut |name| _ = std::hint::black_box(name))?,
            (Work::Put, Some(store)) => store.put(&next, &bytes)?,
            (_, Some(store)) => store.put_all(&batch)?,
            (_, None) => break,
        }
        spent += start.elapsed();
        times += 1;
    }
    println!("{times} times, {:.3} us each", spent.as_secs_f64() * 1e6 / times.max(1) as f64);
    Ok(())
}
