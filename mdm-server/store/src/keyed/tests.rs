//! Crashes and failures at every single call of the engine.
//!
//! The engine below keeps what was applied apart from what was synced. It fails at the k-th call; a crash after it loses
//! any part of what was not synced, in the order of applying, as a log does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use mdm_core::audit::GENESIS;
use mdm_core::change::{Changeset, Key, Record};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::engine::{Engine, EngineError, Puts, Range, Visit};
use super::{KeyedStore, layout};
use crate::conformance::{journal, samples};
use crate::error::{CommitError, IoProblem};
use crate::traits::{LargeChange, Store};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

struct Disk {
    synced: Map,
    /// Applied, not synced.
    pending: Vec<Puts>,
    now: Map,
    calls: u32,
    fail_at: Option<u32>,
    /// Calls that fail from there on.
    fail_for: u32,
    /// The failing write is there all the same, as after a lost answer.
    applies_in_failing: bool,
    rng: StdRng,
    /// What was there after each write, while that is asked for.
    images: Option<Vec<Map>>,
}

#[derive(Clone)]
struct Failing(Arc<Mutex<Disk>>);

fn apply_to(map: &mut Map, puts: &Puts) {
    for (key, value) in puts {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}

impl Failing {
    fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            synced: Map::new(),
            pending: Vec::new(),
            now: Map::new(),
            calls: 0,
            fail_at: None,
            fail_for: 0,
            applies_in_failing: false,
            rng: StdRng::seed_from_u64(seed),
            images: None,
        })))
    }

    fn fail_at(&self, call: u32, fail_for: u32, applies: bool) {
        let mut disk = self.0.lock().unwrap();
        disk.calls = 0;
        (disk.fail_at, disk.fail_for, disk.applies_in_failing) = (Some(call), fail_for, applies);
    }

    /// Whether the failure was reached.
    fn works_again(&self) -> bool {
        let mut disk = self.0.lock().unwrap();
        let reached = disk.fail_at.is_some_and(|at| disk.calls >= at);
        disk.fail_at = None;
        reached
    }

    /// Loses some end of what was not synced.
    fn crash(&self) {
        let mut disk = self.0.lock().unwrap();
        let pending = std::mem::take(&mut disk.pending);
        let kept = disk.rng.gen_range(0..=pending.len());
        pending[..kept].iter().for_each(|puts| apply_to(&mut disk.synced, puts));
        disk.now = disk.synced.clone();
    }

    fn has(&self, prefix: u8) -> bool {
        self.0.lock().unwrap().now.keys().any(|key| key[0] == prefix)
    }
}

impl Disk {
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

    fn room(&self, _bytes: usize) -> Result<(), EngineError> {
        Ok(())
    }

    fn apply(&self, puts: Puts) -> Result<(), EngineError> {
        assert!(puts.len() <= crate::MAX_PUTS * 2 + 3, "{} puts in one write", puts.len());
        let mut disk = self.0.lock().unwrap();
        let result = disk.call();
        if result.is_ok() || disk.applies_in_failing {
            apply_to(&mut disk.now, &puts);
            disk.pending.push(puts);
            let Disk { images, now, .. } = &mut *disk;
            images.iter_mut().for_each(|images| images.push(now.clone()));
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

    fn reopen(&self) -> Result<(), EngineError> {
        self.0.lock().unwrap().call()?;
        self.crash();
        Ok(())
    }
}

const PEOPLE: u32 = 1_100;

fn april() -> LargeChange {
    let mut changes = samples::inserts((0..PEOPLE).map(|number| Record::Account(samples::account(number))));
    (0..PEOPLE).for_each(|number| changes.note(samples::event(number)));
    changes.insert(Record::Roster(samples::roster("市長部局", 1)));
    LargeChange::split(samples::batch_id(1), changes)
}

fn small(number: u32) -> Changeset {
    let mut changes = samples::inserts([Record::Device(samples::device(number, number))]);
    changes.note(samples::event(number));
    changes
}

/// All of April or nothing of it, and a chain that verifies.
async fn is_whole(store: &Arc<dyn Store>) -> bool {
    let applied = store.roster(&samples::source("市長部局")).await.unwrap().is_some();
    let mut count = 0;
    let mut after = None;
    loop {
        let page = store.accounts(after, 1_000).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.value.id);
        count += page.len();
    }
    assert_eq!(count, if applied { PEOPLE as usize } else { 0 });
    let source = samples::source("市長部局");
    for number in [0, PEOPLE / 2, PEOPLE - 1] {
        let found = store.account_by_staff_number(&source, &samples::staff_number(number)).await.unwrap();
        assert_eq!(found.is_some(), applied);
    }
    journal::check(store).await;
    applied
}

fn open(engine: &Failing) -> Arc<dyn Store> {
    Arc::new(KeyedStore::open(engine.clone()).unwrap())
}

/// Runs April with commits before and after it, the disk failing at call `k`, then crashes. Says whether `k` was reached.
async fn run(k: u32, fail_for: u32, applies: bool) -> bool {
    let engine = Failing::new(u64::from(k));
    let store = open(&engine);
    engine.fail_at(k, fail_for, applies);
    let mut acknowledged = Vec::new();
    if store.commit(small(1)).await.is_ok() {
        acknowledged.push(1);
    }
    let april = store.commit_large(april()).await;
    for number in 2..4 {
        if store.commit(small(number)).await.is_ok() {
            acknowledged.push(number);
        }
    }
    if let Err(error) = &april {
        assert!(matches!(error, CommitError::Full(_) | CommitError::Unknown(_)), "{error}");
    }
    let reached = engine.works_again();
    drop(store);
    engine.crash();

    let store = open(&engine);
    let applied = is_whole(&store).await;
    match april {
        Ok(_) => assert!(applied, "acknowledged and lost at {k}"),
        Err(CommitError::Unknown(_)) => {}
        Err(_) => assert!(!applied, "refused and there at {k}"),
    }
    for number in acknowledged {
        assert!(store.device(samples::enrolment(number)).await.unwrap().is_some(), "lost at {k}");
    }
    assert!(!engine.has(layout::STAGED_PUT) && !engine.has(layout::STAGED_EVENT));
    assert!(!engine.0.lock().unwrap().now.contains_key(layout::META_LARGE));
    // And the store goes on.
    store.commit(small(9)).await.unwrap();
    reached
}

async fn run_all(fail_for: u32, applies: bool) {
    let mut k = 1;
    while run(k, fail_for, applies).await {
        k += 1;
    }
    assert!(k > 15, "only {k} calls");
}

#[tokio::test]
async fn a_disk_that_fails_once_leaves_all_or_nothing() {
    run_all(1, false).await;
    run_all(1, true).await;
}

#[tokio::test]
async fn a_disk_that_fails_for_good_leaves_all_or_nothing() {
    run_all(u32::MAX, false).await;
    run_all(u32::MAX, true).await;
}

/// What a power cut may leave, for each moment of April.
async fn images() -> Vec<Map> {
    let engine = Failing::new(1);
    engine.0.lock().unwrap().images = Some(Vec::new());
    let store = open(&engine);
    store.commit(small(1)).await.unwrap();
    let others = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 2..20 {
                store.commit(small(number)).await.unwrap();
            }
        })
    };
    store.commit_large(april()).await.unwrap();
    others.await.unwrap();
    // The next large change waits until the first is in place.
    store.commit_large(LargeChange::split(samples::batch_id(2), small(20))).await.unwrap();
    drop(store);
    let mut disk = engine.0.lock().unwrap();
    disk.images.take().unwrap()
}

fn disk_with(image: &Map) -> Failing {
    let engine = Failing::new(1);
    {
        let mut disk = engine.0.lock().unwrap();
        (disk.synced, disk.now) = (image.clone(), image.clone());
    }
    engine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_moment_leaves_all_or_nothing() {
    let (mut before, mut after) = (0, 0);
    for image in images().await {
        let engine = disk_with(&image);
        match is_whole(&open(&engine)).await {
            true => after += 1,
            false => before += 1,
        }
        assert!(!engine.has(layout::STAGED_PUT) && !engine.has(layout::STAGED_EVENT));
    }
    assert!(before > 4 && after > 4, "{before} before, {after} after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_that_is_cut_off_is_done_again() {
    let roster = layout::record(&Key::Roster(samples::source("市長部局")));
    let flipped = images().await.into_iter().find(|image| image.contains_key(&roster)).unwrap();
    let mut calls = 1;
    loop {
        let engine = disk_with(&flipped);
        engine.fail_at(calls, 1, false);
        let opened = KeyedStore::open(engine.clone()).is_ok();
        engine.works_again();
        engine.crash();
        assert!(is_whole(&open(&engine)).await);
        if opened {
            break;
        }
        calls += 1;
    }
    assert!(calls > 5, "the recovery made only {calls} calls");
}

#[tokio::test]
async fn a_journal_whose_head_is_not_its_last_entry_is_refused() {
    let engine = Failing::new(1);
    let store = open(&engine);
    assert_eq!(store.journal_head().await.unwrap(), GENESIS);
    store.commit(small(1)).await.unwrap();
    store.commit(small(2)).await.unwrap();
    drop(store);
    let last = layout::journal(2);
    let entry = engine.0.lock().unwrap().now.remove(&last).unwrap();
    assert!(matches!(KeyedStore::open(engine.clone()).err(), Some(EngineError::Damaged(_))));
    engine.0.lock().unwrap().now.insert(last, entry);
    drop(open(&engine));
    engine.0.lock().unwrap().now.remove(layout::META_FORMAT);
    assert!(matches!(KeyedStore::open(engine).err(), Some(EngineError::Damaged(_))));
}
