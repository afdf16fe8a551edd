//! Large changes: whole or not at all to every observer, and no obstacle to others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mdm_core::account::{Account, NumberPassed};
use mdm_core::audit::GENESIS;
use mdm_core::batch::BatchState;
use mdm_core::change::{Changeset, Key, Record};

use super::{Place, journal, samples};
use crate::error::{CommitError, Conflict};
use crate::traits::{LargeChange, Store};

/// 2,500 accounts with an event each (10,000 puts), and a batch and a roster at the end.
const PEOPLE: u32 = 2_500;

pub(crate) async fn upload(store: &Arc<dyn Store>) {
    let planned = Record::Batch(samples::batch(1, BatchState::Planned));
    store.commit(samples::inserts([planned])).await.unwrap();
}

pub(crate) async fn april(store: &Arc<dyn Store>) -> LargeChange {
    let mut changes = samples::inserts((0..PEOPLE).map(|number| Record::Account(samples::account(number))));
    (0..PEOPLE).for_each(|number| changes.note(samples::event(number)));
    let batch = store.batch(samples::batch_id(1)).await.unwrap().unwrap();
    let applied = samples::batch(1, BatchState::Applied { at: samples::at(5) });
    changes.update(batch.version, Record::Batch(applied));
    changes.insert(Record::Roster(samples::roster("市長部局", 1)));
    LargeChange::split(samples::batch_id(1), changes)
}

async fn count_accounts(store: &Arc<dyn Store>) -> usize {
    let (mut count, mut after) = (0, None);
    loop {
        let page = store.accounts(after, crate::MAX_PAGE).await.unwrap();
        let Some(last) = page.last() else { return count };
        after = Some(last.value.id);
        count += page.len();
    }
}

async fn is_applied(store: &Arc<dyn Store>) -> bool {
    let batch = store.batch(samples::batch_id(1)).await.unwrap().unwrap();
    batch.value.state != BatchState::Planned
}

/// What every observer must see: all of April or nothing of it, whatever is looked at first.
pub(crate) async fn check_whole(store: &Arc<dyn Store>) -> bool {
    let applied = is_applied(store).await;
    let expected = if applied { PEOPLE as usize } else { 0 };
    assert_eq!(count_accounts(store).await, expected);
    let number = samples::staff_number(PEOPLE - 1);
    let found = store.account_by_staff_number(&samples::source("市長部局"), &number).await.unwrap();
    assert_eq!(found.is_some(), applied);
    assert_eq!(store.roster(&samples::source("市長部局")).await.unwrap().is_some(), applied);
    let joined =
        journal::check(store).await.iter().filter(|entry| entry.sequence <= u64::from(PEOPLE)).count();
    assert_eq!(joined, expected);
    applied
}

pub(crate) async fn a_large_change_is_seen_as_a_whole(place: &impl Place) {
    let store = place.open();
    upload(&store).await;
    let change = april(&store).await;
    let done = Arc::new(AtomicBool::new(false));
    let watcher = tokio::spawn({
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        async move {
            let (mut before, mut looks) = (false, 0_u32);
            while !done.load(Ordering::SeqCst) {
                // Asked in this order, a reader that saw the end must see the beginning.
                let applied = is_applied(&store).await;
                assert!(applied || !before, "what was true once stays true");
                let last = store.account(samples::account_id(PEOPLE - 1)).await.unwrap();
                let first = store.account(samples::account_id(0)).await.unwrap();
                let head = store.journal_head().await.unwrap();
                if applied {
                    assert!(last.is_some() && first.is_some() && head.sequence >= u64::from(PEOPLE));
                    assert_eq!(store.accounts(None, 1_000).await.unwrap().len(), 1_000);
                }
                if last.is_some() {
                    assert!(first.is_some() && is_applied(&store).await);
                }
                before = applied;
                looks += 1;
            }
            looks
        }
    });
    let committed = store.commit_large(change).await.unwrap();
    assert!(check_whole(&store).await);
    assert_eq!(committed.head.sequence, u64::from(PEOPLE));
    done.store(true, Ordering::SeqCst);
    assert!(watcher.await.unwrap() > 0);
}

pub(crate) async fn a_conflict_in_a_large_change_leaves_nothing_of_it(place: &impl Place) {
    let store = place.open();
    upload(&store).await;
    let mut at_the_end = april(&store).await;
    at_the_end.last.insert(Record::Batch(samples::batch(1, BatchState::Planned)));
    assert!(matches!(store.commit_large(at_the_end).await, Err(CommitError::Malformed { .. })));
    let mut stale = april(&store).await;
    stale.last.writes.retain(|write| !matches!(write.key, Key::Batch(_)));
    stale.last.insert(Record::Batch(samples::batch(1, BatchState::Planned)));
    assert!(store.commit_large(stale).await.unwrap_err().is_conflict());
    assert!(!check_whole(&store).await);

    let mut taken = samples::account(PEOPLE + 1);
    taken.history[0].value.staff_number = samples::staff_number(PEOPLE - 1);
    store.commit(samples::inserts([Record::Account(taken.clone())])).await.unwrap();
    let refused = store.commit_large(april(&store).await).await;
    assert!(matches!(refused, Err(CommitError::Conflict(Conflict::Taken { .. }))));
    let stored = store.account(taken.id).await.unwrap().unwrap();
    let mut changes = Changeset::default();
    changes.delete(stored.version, Key::Account(taken.id));
    store.commit(changes).await.unwrap();
    assert!(!check_whole(&store).await);
    assert_eq!(store.journal_head().await.unwrap(), GENESIS);

    // And none of it stands in the way of the next.
    store.commit_large(april(&store).await).await.unwrap();
    assert!(check_whole(&store).await);
}

pub(crate) async fn staff_numbers_move_within_a_large_change(place: &impl Place) {
    let store = place.open();
    upload(&store).await;
    store.commit_large(april(&store).await).await.unwrap();
    let successor = |number: u32| {
        let mut account = samples::account(PEOPLE + number);
        account.history[0].value.staff_number = samples::staff_number(number);
        account
    };
    let (mut changes, mut taken) = (Changeset::default(), Changeset::default());
    for number in 0..PEOPLE {
        let stored = store.account(samples::account_id(number)).await.unwrap().unwrap();
        let to = successor(number);
        let number_passed = Some(NumberPassed { to: to.id, at: samples::at(6) });
        // In the first half the number is taken before it is given up.
        let former = Account { number_passed, ..stored.value };
        if number < PEOPLE / 2 {
            changes.insert(Record::Account(to.clone()));
            changes.update(stored.version, Record::Account(former.clone()));
        } else {
            changes.update(stored.version, Record::Account(former.clone()));
            changes.insert(Record::Account(to.clone()));
        }
        // One keeps theirs.
        taken.insert(Record::Account(to));
        if number != PEOPLE - 1 {
            taken.update(stored.version, Record::Account(former));
        }
    }
    let refused = store.commit_large(LargeChange::split(samples::batch_id(2), taken)).await;
    assert!(matches!(refused, Err(CommitError::Conflict(Conflict::Taken { .. }))));
    let source = samples::source("市長部局");
    for all_moved in [false, true] {
        for number in (0..PEOPLE).step_by(99) {
            let found = store.account_by_staff_number(&source, &samples::staff_number(number)).await;
            let expected = if all_moved { successor(number).id } else { samples::account_id(number) };
            assert_eq!(found.unwrap().unwrap().value.id, expected);
        }
        if !all_moved {
            let moved = LargeChange::split(samples::batch_id(3), changes.clone());
            store.commit_large(moved).await.unwrap();
        }
    }
    drop(store);
    let store = place.open();
    let found = store.account_by_staff_number(&source, &samples::staff_number(7)).await.unwrap();
    assert_eq!(found.unwrap().value, successor(7));
    assert_eq!(count_accounts(&store).await, 2 * PEOPLE as usize);
}

/// Commits the change and, from another task, others until it is through.
async fn with_others(
    store: &Arc<dyn Store>,
    change: LargeChange,
    mut other: impl FnMut(u32) -> Option<Changeset>,
) -> Result<crate::Committed, CommitError> {
    let large = tokio::spawn({
        let store = Arc::clone(store);
        async move { store.commit_large(change).await }
    });
    let mut number = 0;
    while !large.is_finished() {
        if let Some(changes) = other(number) {
            drop(store.commit(changes).await);
        }
        number += 1;
        tokio::task::yield_now().await;
    }
    large.await.unwrap()
}

pub(crate) async fn a_commit_on_a_staged_record_wins(place: &impl Place) {
    let store = place.open();
    upload(&store).await;
    let change = april(&store).await;
    // The record whose turn comes first, inserted by somebody else: either side may be first, never both.
    let mut helpdesk = samples::account(0);
    helpdesk.wishes_seat = false;
    let mut tries = 0;
    let large = with_others(&store, change, |_| {
        tries += 1;
        Some(samples::inserts([Record::Account(helpdesk.clone())]))
    })
    .await;
    let stored = store.account(samples::account_id(0)).await.unwrap().unwrap();
    match large {
        Ok(_) => assert!(stored.value.wishes_seat && check_whole(&store).await),
        Err(error) => {
            assert!(error.is_conflict() && tries > 0);
            assert!(!stored.value.wishes_seat);
            assert_eq!(count_accounts(&store).await, 1);
            assert_eq!(store.journal_head().await.unwrap(), GENESIS);
        }
    }
}

pub(crate) async fn a_commit_on_a_moving_record_wins(place: &impl Place) {
    let store = place.open();
    upload(&store).await;
    store.commit_large(april(&store).await).await.unwrap();
    // The answer comes before all is moved: these reach records that are still on their way.
    let mut deleted = 0;
    for number in (0..PEOPLE).rev().step_by(50) {
        let id = samples::account_id(number);
        let stored = store.account(id).await.unwrap().unwrap();
        let mut changes = Changeset::default();
        if number % 100 == 99 {
            changes.delete(stored.version, Key::Account(id));
            deleted += 1;
        } else {
            let mut account = stored.value;
            account.wishes_seat = false;
            account.history[0].value.staff_number = samples::staff_number(100_000 + number);
            changes.update(stored.version, Record::Account(account));
        }
        changes.note(samples::event(number));
        store.commit(changes).await.unwrap();
    }
    // A second large change begins when the first is moved.
    let batch = samples::batch_id(2);
    let more = samples::inserts([Record::Account(samples::account(PEOPLE))]);
    store.commit_large(LargeChange::split(batch, more)).await.unwrap();
    for number in (0..PEOPLE).rev().step_by(50) {
        let stored = store.account(samples::account_id(number)).await.unwrap();
        let source = samples::source("市長部局");
        let by_old = store.account_by_staff_number(&source, &samples::staff_number(number)).await.unwrap();
        assert_eq!(by_old, None);
        match number % 100 == 99 {
            true => assert_eq!(stored, None),
            false => assert!(!stored.unwrap().value.wishes_seat),
        }
    }
    assert_eq!(count_accounts(&store).await, PEOPLE as usize + 1 - deleted);
    journal::check(&store).await;
    drop(store);
    let store = place.open();
    assert_eq!(count_accounts(&store).await, PEOPLE as usize + 1 - deleted);
    journal::check(&store).await;
}

pub(crate) async fn large_changes_run_one_after_the_other(place: &impl Place) {
    let store = place.open();
    let change = |part: u32| {
        let numbers = part * 1_000..(part + 1) * 1_000;
        let mut changes =
            samples::inserts(numbers.clone().map(|number| Record::Account(samples::account(number))));
        numbers.for_each(|number| changes.note(samples::event(number)));
        LargeChange::split(samples::batch_id(part), changes)
    };
    let (first, second, again) = tokio::join!(
        store.commit_large(change(0)),
        store.commit_large(change(1)),
        store.commit_large(change(0))
    );
    assert_eq!(first.unwrap().head.sequence, 1_000);
    assert_eq!(second.unwrap().head.sequence, 2_000);
    assert!(again.unwrap_err().is_conflict());
    assert_eq!(journal::check(&store).await.len(), 2_000);
    assert_eq!(count_accounts(&store).await, 2_000);
}
