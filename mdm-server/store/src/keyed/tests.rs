//! Crashes and failures at every single call of the engine.

mod disk;
mod interleaving;

use std::sync::Arc;

use mdm_core::audit::GENESIS;
use mdm_core::change::{Changeset, Key, Record};

use super::engine::EngineError;
use super::{KeyedStore, layout};
use crate::conformance::{journal, samples};
use crate::error::CommitError;
use crate::traits::{LargeChange, Store};
use disk::{Failing, Image};

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
    assert!(engine.is_tidy());
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
async fn images() -> Vec<Image> {
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

fn disk_with((map, stage): &Image) -> Failing {
    let engine = Failing::new(1);
    {
        let mut disk = engine.0.lock().unwrap();
        (disk.synced, disk.now) = (map.clone(), map.clone());
        (disk.stage_synced, disk.stage) = (stage.clone(), stage.clone());
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
        assert!(engine.is_tidy());
    }
    assert!(before > 4 && after > 4, "{before} before, {after} after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_that_is_cut_off_is_done_again() {
    let roster = layout::record(&Key::Roster(samples::source("市長部局")));
    let flipped = images().await.into_iter().find(|(map, _)| map.contains_key(&roster)).unwrap();
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
