//! A disk that can fail at each call and lose what was not synced.
//!
//! It keeps what was applied apart from what was synced. A crash loses any end of what was not synced, in the order of
//! applying, as a log does; of the stage it loses all that was not synced, and an emptied stage stays empty.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::error::IoProblem;
use crate::keyed::engine::{Engine, EngineError, Puts, Range, Visit};
use crate::keyed::layout;
use crate::memory::engine::{read_at, write_at};

pub(super) type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// The map, and what is durable of the stage.
pub(super) type Image = (Map, Vec<u8>);

pub(super) struct Disk {
    pub(super) synced: Map,
    /// Applied, not synced.
    pending: Vec<Puts>,
    pub(super) now: Map,
    pub(super) stage: Vec<u8>,
    pub(super) stage_synced: Vec<u8>,
    calls: u32,
    fail_at: Option<u32>,
    /// Calls that fail from there on.
    fail_for: u32,
    /// Only the map fails, as a database that does not open does; the stage is a file like any other.
    pub(super) spares_stage: bool,
    /// The failing write is there all the same, as after a lost answer.
    applies_in_failing: bool,
    rng: StdRng,
    /// What was there after each write, while that is asked for.
    pub(super) images: Option<Vec<Image>>,
    /// Shown each write before it is done, by the writer itself.
    pub(super) on_write: Option<Arc<OnWrite>>,
}

/// A write to the map, or one to the stage.
pub(super) type OnWrite = dyn Fn(Option<&Puts>) + Send + Sync;

#[derive(Clone)]
pub(super) struct Failing(pub(super) Arc<Mutex<Disk>>);

fn apply_to(map: &mut Map, puts: &Puts) {
    for (key, value) in puts {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}

impl Failing {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            synced: Map::new(),
            pending: Vec::new(),
            now: Map::new(),
            stage: Vec::new(),
            stage_synced: Vec::new(),
            calls: 0,
            fail_at: None,
            fail_for: 0,
            spares_stage: false,
            applies_in_failing: false,
            rng: StdRng::seed_from_u64(seed),
            images: None,
            on_write: None,
        })))
    }

    pub(super) fn fail_at(&self, call: u32, fail_for: u32, applies: bool) {
        let mut disk = self.0.lock().unwrap();
        disk.calls = 0;
        (disk.fail_at, disk.fail_for, disk.applies_in_failing) = (Some(call), fail_for, applies);
    }

    /// Whether the failure was reached.
    pub(super) fn works_again(&self) -> bool {
        let mut disk = self.0.lock().unwrap();
        let reached = disk.fail_at.is_some_and(|at| disk.calls >= at);
        disk.fail_at = None;
        reached
    }

    /// Loses some end of what was not synced.
    pub(super) fn crash(&self) {
        let mut disk = self.0.lock().unwrap();
        let pending = std::mem::take(&mut disk.pending);
        let kept = disk.rng.gen_range(0..=pending.len());
        pending[..kept].iter().for_each(|puts| apply_to(&mut disk.synced, puts));
        disk.now = disk.synced.clone();
        disk.stage = disk.stage_synced.clone();
    }

    fn show(&self, write: Option<&Puts>) {
        let on_write = self.0.lock().unwrap().on_write.clone();
        on_write.inspect(|on_write| on_write(write));
    }

    /// Whether nothing is left of a large change.
    pub(super) fn is_tidy(&self) -> bool {
        let disk = self.0.lock().unwrap();
        let left = |key: &Vec<u8>| key[0] == layout::OVERTAKEN || key == layout::META_LARGE;
        disk.stage.is_empty() && !disk.now.keys().any(left)
    }

    /// Returns when the last large change is in place.
    pub(super) async fn is_in_place(&self) {
        while !self.0.lock().unwrap().stage.is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

impl Disk {
    fn stage_call(&mut self) -> Result<(), EngineError> {
        if self.spares_stage { Ok(()) } else { self.call() }
    }

    fn call(&mut self) -> Result<(), EngineError> {
        self.calls += 1;
        match self.fail_at {
            Some(at) if (at..at.saturating_add(self.fail_for)).contains(&self.calls) => {
                Err(EngineError::Full(IoProblem::new("the test says so")))
            }
            _ => Ok(()),
        }
    }
}

impl Engine for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.0.lock().unwrap().now.get(key).cloned())
    }

    fn scan(&self, range: &Range, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        let rows: Vec<_> = {
            let disk = self.0.lock().unwrap();
            let rows = disk.now.range(range.start.clone()..range.end.clone());
            rows.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let ordered: Box<dyn Iterator<Item = _>> =
            if range.reverse { Box::new(rows.into_iter().rev()) } else { Box::new(rows.into_iter()) };
        for (key, value) in ordered {
            if visit(&key, &|| Ok(Some(value.clone())))?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn room(&self, _bytes: usize, _reserve: bool) -> Result<(), EngineError> {
        Ok(())
    }

    fn apply(&self, puts: Puts) -> Result<(), EngineError> {
        assert!(puts.len() <= crate::MAX_PUTS * 2 + 3, "{} puts in one write", puts.len());
        self.show(Some(&puts));
        let mut disk = self.0.lock().unwrap();
        let result = disk.call();
        if result.is_ok() || disk.applies_in_failing {
            apply_to(&mut disk.now, &puts);
            disk.pending.push(puts);
            let Disk { images, now, stage_synced, .. } = &mut *disk;
            images.iter_mut().for_each(|images| images.push((now.clone(), stage_synced.clone())));
        }
        result
    }

    fn sync(&self, _commits: u64) -> Result<(), EngineError> {
        let mut disk = self.0.lock().unwrap();
        disk.call()?;
        disk.pending.clear();
        disk.synced = disk.now.clone();
        Ok(())
    }

    fn stage(&self, at: u64, bytes: &[u8]) -> Result<(), EngineError> {
        self.show(None);
        let mut disk = self.0.lock().unwrap();
        let result = disk.stage_call();
        if result.is_ok() || disk.applies_in_failing {
            write_at(&mut disk.stage, at, bytes);
        }
        result
    }

    fn staged(&self, at: u64, length: usize) -> Result<Vec<u8>, EngineError> {
        Ok(read_at(&self.0.lock().unwrap().stage, at, length))
    }

    fn begin_sync_stage(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn sync_stage(&self) -> Result<(), EngineError> {
        let mut disk = self.0.lock().unwrap();
        disk.stage_call()?;
        disk.stage_synced = disk.stage.clone();
        Ok(())
    }

    fn clear_stage(&self) -> Result<(), EngineError> {
        let mut disk = self.0.lock().unwrap();
        disk.stage_call()?;
        disk.stage.clear();
        disk.stage_synced.clear();
        Ok(())
    }

    fn reopen(&self) -> Result<(), EngineError> {
        self.0.lock().unwrap().call()?;
        self.crash();
        Ok(())
    }
}
