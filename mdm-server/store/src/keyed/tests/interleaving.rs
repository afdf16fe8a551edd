//! Other commits in the middle of a large change.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use mdm_core::audit::{GENESIS, Happening};
use mdm_core::change::{Changeset, Key, Record, Version};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::disk::{Failing, Image};
use super::{PEOPLE, april, disk_with, open, small};
use crate::conformance::{journal, samples};
use crate::error::{CommitError, Conflict};
use crate::keyed::engine::Puts;
use crate::keyed::layout;
use crate::traits::{Committed, LargeChange, Store};

/// What became of a change that was asked for in the middle of another.
struct Asked {
    answer: Receiver<Answer>,
    /// The keys of the first write that the writer began after the asking; none of a write to the stage.
    next_write: Arc<Mutex<Option<Vec<Vec<u8>>>>>,
}

impl Asked {
    /// The change was made, before anything else.
    fn check(&self, key: &Key) {
        self.answer.recv().unwrap().unwrap();
        let next = self.next_write.lock().unwrap();
        assert!(next.as_ref().unwrap().contains(&layout::record(key)), "it had to wait for another write");
    }
}

type Answer = Result<Committed, CommitError>;

/// Asks for `changes`, and returns when they stand in the writer's queue: the call itself puts them there, so before the
/// write at which this is called.
fn ask(runtime: &Handle, store: Arc<dyn Store>, changes: Changeset, answers: Sender<Answer>) {
    let (sent, wait) = oneshot::channel();
    runtime.spawn(async move {
        let answer = store.commit(changes);
        sent.send(()).unwrap();
        answers.send(answer.await).unwrap();
    });
    wait.blocking_recv().unwrap();
}

/// A store in which, when the writer is about to apply a write that `moment` picks, `changes` is asked for: once, so that
/// it stands in the queue at exactly that moment.
fn ask_at(
    engine: &Failing,
    moment: impl Fn(Option<&Puts>) -> bool + Send + Sync + 'static,
    changes: Changeset,
) -> (Arc<dyn Store>, Asked) {
    let store = open(engine);
    let weak = Arc::downgrade(&store);
    let (answers, answer) = channel();
    let asked = Asked { answer, next_write: Arc::default() };
    let next_write = Arc::clone(&asked.next_write);
    let changes = Mutex::new(Some(changes));
    let runtime = Handle::current();
    engine.0.lock().unwrap().on_write = Some(Arc::new(move |write: Option<&Puts>| {
        let mut changes = changes.lock().unwrap();
        if changes.is_none() {
            let keys = || write.into_iter().flatten().map(|(key, _)| key.clone()).collect();
            next_write.lock().unwrap().get_or_insert_with(keys);
        } else if moment(write)
            && let Some(changes) = changes.take()
            && let Some(store) = weak.upgrade()
        {
            ask(&runtime, store, changes, answers.clone());
        }
    }));
    (store, asked)
}

fn puts_to(puts: &Puts, prefix: u8) -> bool {
    puts.iter().any(|(key, value)| key[0] == prefix && value.is_some())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_on_a_record_that_is_being_staged_wins_without_waiting() {
    let mut wipe = samples::account(0);
    wipe.wishes_seat = false;
    let engine = Failing::new(1);
    let wanted = samples::inserts([Record::Account(wipe)]);
    let (store, asked) = ask_at(&engine, |write| write.is_none(), wanted);
    let large = store.commit_large(april()).await;
    assert!(matches!(large, Err(CommitError::Conflict(Conflict::Overtaken { .. }))), "{large:?}");
    asked.check(&Key::Account(samples::account_id(0)));
    assert!(!store.account(samples::account_id(0)).await.unwrap().unwrap().value.wishes_seat);
    assert_eq!(store.accounts(None, 10).await.unwrap().len(), 1);
    assert_eq!(store.journal_head().await.unwrap(), GENESIS);
    // What was staged is gone when the next large change begins.
    let (batch, other) = (samples::batch_id(2), small(5));
    store.commit_large(LargeChange::split(batch, other)).await.unwrap();
    assert_eq!(store.accounts(None, 10).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_on_a_record_that_is_being_moved_wins_without_waiting() {
    let (changed, deleted) = (samples::account_id(PEOPLE - 1), samples::account_id(PEOPLE - 2));
    let mut account = samples::account(PEOPLE - 1);
    account.history[0].value.staff_number = samples::staff_number(900_000);
    // The large change is the first, so that its version is 1.
    let mut wanted = small(1);
    wanted.update(Version(1), Record::Account(account));
    wanted.delete(Version(1), Key::Account(deleted));
    let engine = Failing::new(1);
    engine.0.lock().unwrap().images = Some(Vec::new());
    let flip = |write: Option<&Puts>| write.is_some_and(|puts| puts_to(puts, layout::ROSTER));
    let (store, asked) = ask_at(&engine, flip, wanted);
    store.commit_large(april()).await.unwrap();
    asked.check(&Key::Device(samples::enrolment(1)));

    // Now, and after a crash at any moment from then on.
    store.commit_large(LargeChange::split(samples::batch_id(2), small(2))).await.unwrap();
    let images = engine.0.lock().unwrap().images.take().unwrap();
    let committed = layout::record(&Key::Device(samples::enrolment(1)));
    let later: Vec<_> = images.into_iter().filter(|(map, _)| map.contains_key(&committed)).collect();
    assert!(later.len() > 3, "the commit came while records were on their way");
    let mut stores: Vec<Arc<dyn Store>> = vec![store];
    stores.extend(later.iter().map(|image| open(&disk_with(image))));
    let source = samples::source("市長部局");
    for store in stores {
        let by_number = |number| {
            let (store, source) = (Arc::clone(&store), source.clone());
            async move {
                let number = samples::staff_number(number);
                store.account_by_staff_number(&source, &number).await.unwrap().map(|stored| stored.value.id)
            }
        };
        assert_eq!(by_number(900_000).await, Some(changed));
        assert_eq!(by_number(PEOPLE - 1).await, None);
        assert_eq!(by_number(PEOPLE - 2).await, None);
        assert_eq!(by_number(PEOPLE - 3).await, Some(samples::account_id(PEOPLE - 3)));
        assert_eq!(store.account(deleted).await.unwrap(), None);
        journal::check(&store).await;
    }
}

/// What is asked for at each write to the stage, one after the other, and when it was applied: before how many more of them.
struct AskedOften {
    waited: Arc<Mutex<HashMap<u32, u32>>>,
    answers: Receiver<Answer>,
}

impl AskedOften {
    /// How many were asked for until the large change was in place. All of them are made.
    async fn all_made(&self, engine: &Failing) -> u32 {
        engine.is_in_place().await;
        engine.0.lock().unwrap().on_write = None;
        u32::try_from(self.answers.iter().map(Result::unwrap).count()).unwrap()
    }
}

/// A store in which something is asked for whenever the writer is about to write to the stage, as long as `make` has something.
fn ask_often(
    engine: &Failing,
    make: impl Fn(u32) -> Option<Changeset> + Send + Sync + 'static,
) -> (Arc<dyn Store>, AskedOften) {
    let store = open(engine);
    let weak = Arc::downgrade(&store);
    let (answers, answered) = channel();
    let waited: Arc<Mutex<HashMap<u32, u32>>> = Arc::default();
    let asked = AskedOften { waited: Arc::clone(&waited), answers: answered };
    let (staged, pending) = (Mutex::new(0), Mutex::new(BTreeMap::new()));
    let runtime = Handle::current();
    engine.0.lock().unwrap().on_write = Some(Arc::new(move |write: Option<&Puts>| {
        let (mut staged, mut pending) = (staged.lock().unwrap(), pending.lock().unwrap());
        for (key, _) in write.into_iter().flatten() {
            if let Some(number) = pending.remove(key) {
                waited.lock().unwrap().insert(number, *staged - number);
            }
        }
        let Some(store) = weak.upgrade().filter(|_| write.is_none()) else { return };
        *staged += 1;
        let Some(changes) = make(*staged) else { return };
        pending.insert(layout::record(&changes.writes[0].key), *staged);
        ask(&runtime, store, changes, answers.clone());
    }));
    (store, asked)
}

/// Far more than it takes to link April four times.
const OFTEN: u32 = 60;

fn urgent(number: u32) -> Changeset {
    let mut changes = small(number);
    changes.events[0].what = Happening::DeviceWiped;
    changes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wipes_without_end_wait_for_one_turn_each_while_a_large_change_is_prepared() {
    let engine = Failing::new(1);
    let (store, asked) = ask_often(&engine, |number| (number < OFTEN).then(|| urgent(number)));
    store.commit_large(april()).await.unwrap();
    assert_eq!(asked.all_made(&engine).await, OFTEN - 1);
    let waited = asked.waited.lock().unwrap().clone();
    assert_eq!(waited.len(), OFTEN as usize - 1);
    // The write that it was asked before, and no other.
    assert!(waited.values().all(|writes| *writes == 0), "{waited:?}");
    journal::check(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_without_end_do_not_keep_a_large_change_from_being_linked_and_are_all_made() {
    let engine = Failing::new(1);
    // The bulk needs 11 turns, one linking 3.
    let (store, asked) = ask_often(&engine, |number| (number < OFTEN).then(|| small(number)));
    store.commit_large(april()).await.unwrap();
    let made = asked.all_made(&engine).await;
    assert!((15..OFTEN - 1).contains(&made), "{made}: it was linked while they were asked for");
    journal::check(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_does_not_move_again_what_was_moved_and_changed_since() {
    let first = samples::account_id(0);
    let mut account = samples::account(0);
    account.wishes_seat = !account.wishes_seat;
    let wish = account.wishes_seat;
    let mut wanted = small(1);
    wanted.update(Version(1), Record::Account(account));
    let engine = Failing::new(1);
    engine.0.lock().unwrap().images = Some(Vec::new());
    let moved = layout::record(&Key::Account(first));
    let is_moved = move |write: Option<&Puts>| write.into_iter().flatten().any(|(key, _)| *key == moved);
    let (store, asked) = ask_at(&engine, is_moved, wanted);
    store.commit_large(april()).await.unwrap();
    asked.check(&Key::Account(first));
    store.commit_large(LargeChange::split(samples::batch_id(2), small(2))).await.unwrap();

    let images = engine.0.lock().unwrap().images.take().unwrap();
    let device = layout::record(&Key::Device(samples::enrolment(1)));
    let in_between = |(map, stage): &Image| {
        map.contains_key(&device) && map.contains_key(layout::META_LARGE) && !stage.is_empty()
    };
    let later: Vec<_> = images.iter().filter(|image| in_between(image)).collect();
    assert!(later.len() > 3, "the commit came while other records were on their way");
    for image in later {
        let store = open(&disk_with(image));
        assert_eq!(store.account(first).await.unwrap().unwrap().value.wishes_seat, wish);
        assert!(store.account(samples::account_id(PEOPLE - 1)).await.unwrap().is_some());
        journal::check(&store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_ends_with_the_change_that_it_was_made_for() {
    // The last key of all that is moved: nothing passes it.
    let last = samples::account_id(PEOPLE - 1);
    let changed = |wish| {
        let mut account = samples::account(PEOPLE - 1);
        account.wishes_seat = wish;
        Record::Account(account)
    };
    let mut wanted = small(1);
    wanted.update(Version(1), changed(false));
    let engine = Failing::new(1);
    let flip = |write: Option<&Puts>| write.is_some_and(|puts| puts_to(puts, layout::ROSTER));
    let (store, asked) = ask_at(&engine, flip, wanted);
    store.commit_large(april()).await.unwrap();
    asked.check(&Key::Account(last));
    engine.is_in_place().await;
    assert!(engine.is_tidy());

    // Another large change of the same record is recovered whole from any moment.
    let version = store.account(last).await.unwrap().unwrap().version;
    let mut again = small(2);
    again.update(version, changed(true));
    engine.0.lock().unwrap().images = Some(Vec::new());
    store.commit_large(LargeChange::split(samples::batch_id(2), again)).await.unwrap();
    engine.is_in_place().await;
    let images = engine.0.lock().unwrap().images.take().unwrap();
    let flipped: Vec<_> = images.iter().filter(|(map, _)| map.contains_key(layout::META_LARGE)).collect();
    assert!(!flipped.is_empty());
    for image in flipped {
        let store = open(&disk_with(image));
        assert!(store.account(last).await.unwrap().unwrap().value.wishes_seat);
        assert!(store.device(samples::enrolment(2)).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_does_not_open_again_keeps_what_is_staged_and_shows_nothing() {
    let engine = Failing::new(1);
    engine.0.lock().unwrap().spares_stage = true;
    let (store, weak) = (open(&engine), engine.clone());
    // From the first move on.
    engine.0.lock().unwrap().on_write = Some(Arc::new(move |write: Option<&Puts>| {
        let journal = |(key, value): &(Vec<u8>, Option<Vec<u8>>)| layout::is_journal(key) && value.is_some();
        if write.is_some_and(|puts| puts.iter().any(journal)) {
            weak.fail_at(1, u32::MAX, false);
        }
    }));
    store.commit_large(april()).await.unwrap();
    let refused = store.commit_large(LargeChange::split(samples::batch_id(2), small(2))).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(store.account(samples::account_id(0)).await.is_err(), "not one state is at hand");
    engine.0.lock().unwrap().on_write = None;
    assert!(engine.works_again());
    drop(store);
    engine.crash();
    assert!(super::is_whole(&open(&engine)).await, "acknowledged and lost");
    assert!(engine.is_tidy());
}
