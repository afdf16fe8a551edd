//! The power is cut at recorded writes of an operation, and what was not synced is lost, kept or torn: whatever is left
//! opens, nothing that was acknowledged before is gone, and an erase that was begun ends.

mod both;
mod erase;
mod server;
mod sync;
mod vault;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use e2e::world::powercut::{Loss, Recording, Tree};
use tempfile::TempDir;

/// Cuts at a point, if something is not synced there: all of that lost, nothing lost, and so many in between.
const SEEDS: u64 = 3;

/// How much was tried.
#[derive(Default)]
struct Tally {
    points: usize,
    cuts: usize,
    /// With something lost, or torn, or kept that was not promised.
    unsynced: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { points, cuts, unsynced } = self;
        write!(f, "{cuts} cuts at {points} points, {unsynced} of them with something unsynced")
    }
}

/// So many points spread over a recording, and each at which something was acknowledged: there the most is promised.
fn points(recording: &Recording, most: usize, acknowledged: &[usize]) -> BTreeSet<usize> {
    let last = recording.changes.len();
    let spread: Vec<usize> = match last < most {
        true => (0..=last).collect(),
        false => (0..most).map(|i| i * last / (most - 1)).collect(),
    };
    assert!(
        acknowledged.iter().all(|at| *at <= last),
        "acknowledged behind the end: {acknowledged:?} of {last}"
    );
    spread.into_iter().chain(acknowledged.iter().copied()).collect()
}

/// Cuts the power at up to `most` points spread over a recording and at those where something was acknowledged, and hands
/// over each folder that may be left. The first complaint ends it, saying where.
fn cut_everywhere(
    recording: &Recording,
    most: usize,
    acknowledged: &[usize],
    mut check: impl FnMut(&Path, &Tree, usize) -> Result<()>,
) -> Result<Tally> {
    let last = recording.changes.len();
    let points = points(recording, most, acknowledged);
    let place = TempDir::new()?;
    let folder = place.path().join("cut");
    let mut tally = Tally { points: points.len(), ..Tally::default() };
    for at in points {
        let disk = recording.disk(at);
        let open = disk.unsynced() > 0;
        let seeds = (0..if open { SEEDS } else { 0 }).map(|seed| Loss::Some(at as u64 * SEEDS + seed));
        let losses = [Loss::All].into_iter().chain(open.then_some(Loss::Nothing)).chain(seeds);
        for loss in losses {
            let tree = disk.cut(loss);
            tree.write(&folder)?;
            tally.cuts += 1;
            tally.unsynced += usize::from(open);
            check(&folder, &tree, at).with_context(|| {
                let change = at.checked_sub(1).map(|before| format!("{:.120?}", recording.changes[before]));
                format!("cut after {at} of {last} changes, the last {change:?}, with the loss {loss:?}")
            })?;
            std::fs::remove_dir_all(&folder)?;
        }
    }
    Ok(tally)
}
