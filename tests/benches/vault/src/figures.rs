//! Records: puts, batches, gets, lists, opening; then what a store takes of memory and disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::data::{name, value};
use crate::disk::Disk;
use crate::footprint;
use crate::rounds::{Clock, Slice, interleaved};
use crate::rows::Rows;
use crate::store::{Peer, Store};

const FEW: usize = 10_000;
const MANY: usize = 100_000;
/// Names of measured puts begin behind those of the records that are there.
const NEW: usize = 1_000_000;
const PUTS: usize = 5;
const BATCH: usize = 100;
const GETS: usize = 500;

/// The stores of every peer, open.
struct Stores(Vec<(Peer, Box<dyn Store>)>);

fn folder(of: &Path, peer: Peer, records: usize) -> PathBuf {
    of.join(format!("{peer:?}-{records}"))
}

impl Stores {
    fn open(of: &Path, records: usize) -> Result<Self> {
        let open = |peer: Peer| Ok((peer, peer.open(&folder(of, peer, records))?));
        Ok(Self(Peer::ALL.into_iter().map(open).collect::<Result<_>>()?))
    }

    fn fill(&mut self, records: usize) -> Result<()> {
        for start in (0..records).step_by(1_000) {
            let chunk: Vec<_> = (start..(start + 1_000).min(records)).map(|n| (name(n), value(n))).collect();
            for (_, store) in &mut self.0 {
                store.put_all(&chunk)?;
            }
        }
        Ok(())
    }

    /// Everybody does `work` in rounds, and gets a row.
    fn race(
        &mut self,
        figure: &str,
        (clock, rounds): (Clock, usize),
        rows: &mut Rows,
        disk: Option<(&mut Disk, usize)>,
        work: impl Fn(&mut dyn Store, usize) -> Result<u32> + Copy,
    ) -> Result<()> {
        let peers: Vec<Peer> = self.0.iter().map(|(peer, _)| *peer).collect();
        let mut slices: Vec<Slice<'_>> = Vec::new();
        for (_, store) in &mut self.0 {
            slices.push(Box::new(move |round| work(store.as_mut(), round)));
        }
        if let Some((disk, records)) = disk {
            slices.push(Box::new(move |_| disk.append(records)));
        }
        let times = interleaved(clock, rounds, &mut slices)?;
        report(figure, &peers, &times, rows);
        if let ([ours, ..], [.., alone]) = (times.as_slice(), &times[peers.len()..]) {
            rows.time(figure, *ours, "disk alone, as many bytes", *alone);
        }
        Ok(())
    }
}

/// A row for each peer; of SQLCipher's two ways only the faster.
pub(crate) fn report(figure: &str, peers: &[Peer], times: &[Duration], rows: &mut Rows) {
    let time =
        |wanted: Peer| peers.iter().zip(times).find(|(peer, _)| **peer == wanted).map(|(_, time)| *time);
    let Some(ours) = time(Peer::Ours) else { return };
    let sqlcipher = [Peer::SqlcipherWal, Peer::SqlcipherRollback];
    let faster =
        sqlcipher.into_iter().filter_map(|peer| Some((time(peer)?, peer))).min_by_key(|(time, _)| *time);
    for (theirs, peer) in faster.into_iter().chain(time(Peer::RawSled).map(|time| (time, Peer::RawSled))) {
        rows.time(figure, ours, peer.name(), theirs);
    }
}

/// Figures of records in a store of [`FEW`].
pub(crate) fn few(of: &Path, rounds: usize, rows: &mut Rows) -> Result<()> {
    println!("filling stores with {FEW} records of 1 KiB");
    let mut few = Stores::open(of, FEW)?;
    few.fill(FEW)?;
    same(&mut few)?;
    gets(&mut few, FEW, rounds, rows)?;
    few.race(&format!("list of {FEW} names"), (Clock::Processor, rounds), rows, None, |store, _| {
        let (mut names, mut bytes) = (0, 0);
        store.list(&mut |name| (names, bytes) = (names + 1, bytes + name.len()))?;
        ensure!((names, bytes) == (FEW, FEW * name(0).len()), "names are missing");
        Ok(1)
    })?;
    let mut disk = Disk::make(of)?;
    few.race("durable put of 1 KiB", (Clock::Wall, rounds), rows, Some((&mut disk, 1)), |store, round| {
        for put in 0..PUTS {
            let number = NEW + round * PUTS + put;
            store.put(&name(number), &value(number))?;
        }
        Ok(PUTS as u32)
    })?;
    let figure = "durable batch of 100 puts of 1 KiB";
    few.race(figure, (Clock::Wall, rounds), rows, Some((&mut disk, BATCH)), |store, round| {
        let first = 2 * NEW + round * BATCH;
        let batch: Vec<_> = (first..first + BATCH).map(|number| (name(number), value(number))).collect();
        store.put_all(&batch)?;
        Ok(1)
    })?;
    drop(few);
    opening(of, FEW, rounds.min(7), rows)
}

/// Figures of records in a store of [`MANY`].
pub(crate) fn many(of: &Path, rounds: usize, rows: &mut Rows) -> Result<()> {
    println!("filling stores with {MANY} records of 1 KiB");
    let mut many = Stores::open(of, MANY)?;
    many.fill(MANY)?;
    gets(&mut many, MANY, rounds, rows)?;
    drop(many);
    opening(of, MANY, rounds.min(5), rows)?;
    footprint::measure(|peer| folder(of, peer, MANY), MANY, rows)
}

/// Nobody is fast because of forgetting.
fn same(stores: &mut Stores) -> Result<()> {
    let mut first: Option<Vec<String>> = None;
    for (peer, store) in &mut stores.0 {
        let mut names = Vec::new();
        store.list(&mut |name| names.push(name.to_owned()))?;
        ensure!(store.get(&name(5))? == value(5), "{peer:?} has another value");
        let known = first.get_or_insert_with(|| names.clone());
        ensure!(*known == names, "{peer:?} has other names, or in another order");
    }
    Ok(())
}

fn gets(stores: &mut Stores, records: usize, rounds: usize, rows: &mut Rows) -> Result<()> {
    stores.race(
        &format!("random get of 1 KiB, {records} records"),
        (Clock::Processor, rounds),
        rows,
        None,
        |store, round| {
            let mut rng = StdRng::seed_from_u64(round as u64);
            for _ in 0..GETS {
                let bytes = store.get(&name(rng.gen_range(0..records)))?;
                ensure!(bytes.len() == crate::data::RECORD_LEN, "a record has another length");
            }
            Ok(GETS as u32)
        },
    )
}

/// Opening and reading one record.
fn opening(of: &Path, records: usize, rounds: usize, rows: &mut Rows) -> Result<()> {
    let open = |peer: Peer| -> Slice<'_> {
        let folder = folder(of, peer, records);
        Box::new(move |_| {
            peer.open(&folder)?.get(&name(1))?;
            Ok(1)
        })
    };
    let mut slices: Vec<_> = Peer::ALL.into_iter().map(open).collect();
    let times = interleaved(Clock::Wall, rounds, &mut slices)?;
    report(&format!("open, get, close, {records} records"), &Peer::ALL, &times, rows);
    Ok(())
}
