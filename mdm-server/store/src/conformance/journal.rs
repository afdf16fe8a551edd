//! The audit chain.

use std::sync::Arc;

use mdm_core::audit::{Entry, GENESIS, verify};
use mdm_core::change::{Changeset, Record};

use super::{Place, samples};
use crate::traits::Store;

/// All entries, read in small pages.
pub(crate) async fn all_entries(store: &Arc<dyn Store>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let after = entries.last().map_or(0, |entry| entry.sequence);
        let page = store.journal_entries(after, 700).await.unwrap();
        if page.is_empty() {
            return entries;
        }
        entries.extend(page);
    }
}

/// The journal verifies up to its head.
pub(crate) async fn check(store: &Arc<dyn Store>) -> Vec<Entry> {
    let entries = all_entries(store).await;
    let head = store.journal_head().await.unwrap();
    assert_eq!(verify(&entries, Some(&head)).unwrap().head, head);
    entries
}

pub(crate) async fn an_empty_journal_has_its_head(place: &impl Place) {
    let store = place.open();
    assert_eq!(store.journal_head().await.unwrap(), GENESIS);
    assert_eq!(check(&store).await, []);
}

pub(crate) async fn events_are_linked_in_the_order_of_commits(place: &impl Place) {
    let store = place.open();
    for number in 0..10 {
        let mut changes = samples::inserts([Record::Account(samples::account(number))]);
        changes.note(samples::event(2 * number));
        changes.note(samples::event(2 * number + 1));
        let committed = store.commit(changes).await.unwrap();
        assert_eq!(committed.head, store.journal_head().await.unwrap());
        assert_eq!(committed.head.sequence, u64::from(2 * number + 2));
    }
    let entries = check(&store).await;
    for (number, entry) in (0..20).zip(&entries) {
        assert_eq!(entry.body().unwrap().facts, samples::event(number).facts);
        assert_eq!(entry.personal, samples::event(number).personal);
    }
}

pub(crate) async fn parallel_commits_leave_one_chain(place: &impl Place) {
    let store = place.open();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let changes = Changeset { writes: Vec::new(), events: vec![samples::event(number)] };
            let head = store.commit(changes).await.unwrap().head;
            // What is acknowledged is there for everyone.
            let entry = store.journal_entries(head.sequence - 1, 1).await.unwrap().remove(0);
            assert_eq!(entry.head(), head);
            assert_eq!(entry.body().unwrap().facts, samples::event(number).facts);
        });
    }
    tasks.join_all().await;
    assert_eq!(check(&store).await.len(), 200);
}
