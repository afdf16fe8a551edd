//! Expected versions.

use mdm_core::change::{Changeset, Key, Record, Version, Write};

use super::{Place, samples};
use crate::error::{CommitError, Conflict};

pub(crate) async fn a_write_needs_the_version_that_is_stored(place: &impl Place) {
    let store = place.open();
    let account = samples::account(1);
    store.commit(samples::inserts([Record::Account(account.clone())])).await.unwrap();
    let first = store.account(account.id).await.unwrap().unwrap();
    assert_eq!(first.value, account);

    let again = store.commit(samples::inserts([Record::Account(account.clone())])).await;
    let Err(CommitError::Conflict(Conflict::Version { key, expected, stored })) = again else {
        panic!("an insert over a record must conflict");
    };
    assert_eq!((key, expected, stored), (Key::Account(account.id), Version(0), first.version));

    let mut changes = Changeset::default();
    changes.update(first.version, Record::Account(account.clone()));
    store.commit(changes.clone()).await.unwrap();
    assert!(store.commit(changes).await.unwrap_err().is_conflict());
    let second = store.account(account.id).await.unwrap().unwrap();
    assert!(second.version > first.version);

    let mut changes = Changeset::default();
    changes.delete(first.version, Key::Account(account.id));
    assert!(store.commit(changes).await.unwrap_err().is_conflict());
    let mut changes = Changeset::default();
    changes.delete(second.version, Key::Account(account.id));
    store.commit(changes).await.unwrap();
    assert_eq!(store.account(account.id).await.unwrap(), None);
    assert_eq!(store.accounts(None, 10).await.unwrap(), []);
}

pub(crate) async fn a_version_never_comes_back(place: &impl Place) {
    let store = place.open();
    let entry = samples::waiting(1, 0, 0);
    let mut seen = Vec::new();
    for _ in 0..3 {
        store.commit(samples::inserts([Record::Waiting(entry.clone())])).await.unwrap();
        let stored = store.waiting_entry(entry.account).await.unwrap().unwrap();
        assert!(!seen.contains(&stored.version), "who loaded a deleted entry must not change a new one");
        seen.push(stored.version);
        let mut changes = Changeset::default();
        changes.delete(stored.version, Key::Waiting(entry.account));
        store.commit(changes).await.unwrap();
    }
}

pub(crate) async fn a_malformed_change_is_refused(place: &impl Place) {
    let store = place.open();
    let twice =
        samples::inserts([Record::Account(samples::account(1)), Record::Account(samples::account(1))]);
    assert!(matches!(store.commit(twice).await, Err(CommitError::Malformed { .. })));
    let other_key = Changeset {
        writes: vec![Write {
            key: Key::Account(samples::account_id(2)),
            expected: Version(0),
            record: Some(Record::Account(samples::account(1))),
        }],
        events: Vec::new(),
    };
    assert!(matches!(store.commit(other_key).await, Err(CommitError::Malformed { .. })));
    assert_eq!(store.accounts(None, 10).await.unwrap(), []);
}
