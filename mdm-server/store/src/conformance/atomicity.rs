//! All or nothing, and what must stay unique.

use mdm_core::account::{Account, AccountState, NumberPassed};
use mdm_core::audit::GENESIS;
use mdm_core::change::{Changeset, Record, Stored, Version};
use mdm_core::operator::{Operator, OperatorName};
use shared::ids::OperatorId;

use super::{Place, samples};
use crate::error::{CommitError, Conflict, Unique};

fn is_taken(result: &Result<crate::Committed, CommitError>, expected: Unique) -> bool {
    matches!(result, Err(CommitError::Conflict(Conflict::Taken { unique, .. })) if *unique == expected)
}

pub(crate) async fn one_bad_write_refuses_the_whole_change(place: &impl Place) {
    let store = place.open();
    store.commit(samples::inserts([Record::Account(samples::account(3))])).await.unwrap();
    let mut changes = samples::inserts((1..=3).map(|number| Record::Account(samples::account(number))));
    changes.note(samples::event(1));
    assert!(store.commit(changes).await.unwrap_err().is_conflict());
    assert_eq!(store.accounts(None, 10).await.unwrap().len(), 1);
    assert_eq!(store.journal_head().await.unwrap(), GENESIS);
    let number = samples::staff_number(1);
    assert_eq!(store.account_by_staff_number(&samples::source("市長部局"), &number).await.unwrap(), None);
}

pub(crate) async fn a_staff_number_belongs_to_one_open_account_of_a_source(place: &impl Place) {
    let store = place.open();
    let first = samples::account(1);
    store.commit(samples::inserts([Record::Account(first.clone())])).await.unwrap();
    let mut second = samples::account(2);
    second.history[0].value.staff_number = samples::staff_number(1);
    let taken = store.commit(samples::inserts([Record::Account(second.clone())])).await;
    assert!(is_taken(&taken, Unique::StaffNumber));

    let mut elsewhere = second.clone();
    elsewhere.source = samples::source("教育委員会");
    store.commit(samples::inserts([Record::Account(elsewhere.clone())])).await.unwrap();

    let mut third = samples::account(3);
    third.history[0].value.staff_number = samples::staff_number(1);
    let mut fourth = third.clone();
    fourth.id = samples::account_id(4);
    third.source = samples::source("消防");
    fourth.source = samples::source("消防");
    let both = store.commit(samples::inserts([Record::Account(third), Record::Account(fourth)])).await;
    assert!(is_taken(&both, Unique::StaffNumber));

    // A closed account leaves its number to the next.
    let stored = store.account(first.id).await.unwrap().unwrap();
    let mut changes = Changeset::default();
    changes.update(stored.version, Record::Account(Account { state: AccountState::Closed, ..first.clone() }));
    second.id = samples::account_id(5);
    changes.insert(Record::Account(second.clone()));
    store.commit(changes).await.unwrap();
    let found = store.account_by_staff_number(&first.source, &samples::staff_number(1)).await.unwrap();
    assert_eq!(found.unwrap().value, second);

    // And does not get it back while that one has it.
    let closed = store.account(first.id).await.unwrap().unwrap();
    let mut changes = Changeset::default();
    changes.update(closed.version, Record::Account(first));
    assert!(is_taken(&store.commit(changes).await, Unique::StaffNumber));
}

pub(crate) async fn two_accounts_may_exchange_their_staff_numbers(place: &impl Place) {
    let store = place.open();
    let (mut first, mut second) = (samples::account(1), samples::account(2));
    store
        .commit(samples::inserts([Record::Account(first.clone()), Record::Account(second.clone())]))
        .await
        .unwrap();
    std::mem::swap(&mut first.history, &mut second.history);
    let mut changes = Changeset::default();
    for account in [first, second.clone()] {
        let stored = store.account(account.id).await.unwrap().unwrap();
        changes.update(stored.version, Record::Account(account));
    }
    store.commit(changes).await.unwrap();
    let found = store.account_by_staff_number(&second.source, &samples::staff_number(1)).await.unwrap();
    assert_eq!(found.unwrap().value, second);
}

/// Another person gets the number of one who has gone: `back` takes it back.
fn pass(from: &Stored<Account>, to: Account, known: Version) -> Changeset {
    let mut changes = Changeset::default();
    let passed = Some(NumberPassed { to: to.id, at: samples::at(1) });
    changes.update(from.version, Record::Account(Account { number_passed: passed, ..from.value.clone() }));
    let to = Account { number_passed: None, ..to };
    changes.update(known, Record::Account(to));
    changes
}

pub(crate) async fn a_staff_number_goes_from_one_account_to_another_in_one_commit(place: &impl Place) {
    let store = place.open();
    let (first, source) = (samples::account(1), samples::source("市長部局"));
    let number = samples::staff_number(1);
    store.commit(samples::inserts([Record::Account(first.clone())])).await.unwrap();
    let mut second = samples::account(2);
    second.history[0].value.staff_number = number.clone();
    let load = async |account: &Account| store.account(account.id).await.unwrap().unwrap();

    // There and back, whichever of the two is written first.
    store.commit(pass(&load(&first).await, second.clone(), Version(0))).await.unwrap();
    let found = store.account_by_staff_number(&source, &number).await.unwrap().unwrap();
    assert_eq!((found.value, store.accounts(None, 10).await.unwrap().len()), (second.clone(), 2));
    let mut back = pass(&load(&second).await, first.clone(), load(&first).await.version);
    back.writes.reverse();
    store.commit(back).await.unwrap();
    let found = store.account_by_staff_number(&source, &number).await.unwrap().unwrap();
    assert_eq!(found.value, first);

    // Who is back keeps it, while the other one only shows it.
    let stored = load(&second).await;
    let mut changes = Changeset::default();
    changes.update(stored.version, Record::Account(second));
    assert!(is_taken(&store.commit(changes).await, Unique::StaffNumber));
    drop(store);
    let found = place.open().account_by_staff_number(&source, &number).await.unwrap().unwrap();
    assert_eq!(found.value, first);
}

pub(crate) async fn a_device_key_belongs_to_one_device(place: &impl Place) {
    let store = place.open();
    let device = samples::device(1, 1);
    store.commit(samples::inserts([Record::Device(device.clone())])).await.unwrap();
    let mut other = samples::device(2, 2);
    other.key = device.key;
    assert!(is_taken(&store.commit(samples::inserts([Record::Device(other)])).await, Unique::DeviceKey));
}

pub(crate) async fn name_token_and_invitation_belong_to_one_operator(place: &impl Place) {
    let store = place.open();
    let records = [samples::operator(1), samples::invited(2), samples::invited(3)];
    store.commit(samples::inserts(records.map(Record::Operator))).await.unwrap();
    let id = OperatorId::from_bytes([9; 16]);
    let name = |text| OperatorName::new(text).unwrap();
    let cases = [
        (Operator { id, name: name("aDMIN-3"), ..samples::operator(9) }, Unique::OperatorName),
        (Operator { id, name: name("other"), ..samples::operator(1) }, Unique::OperatorToken),
        (Operator { id, name: name("other"), ..samples::invited(2) }, Unique::OperatorInvitation),
    ];
    for (other, unique) in cases {
        assert!(is_taken(&store.commit(samples::inserts([Record::Operator(other)])).await, unique));
    }

    // What an operator gives up leads nowhere, and may be another's.
    let stored = store.operator(samples::invited(2).id).await.unwrap().unwrap();
    let given_up = stored.value.invitation().unwrap().hash;
    let ready = Operator { sign_in: samples::operator(2).sign_in, ..stored.value };
    let mut changes = Changeset::default();
    changes.update(stored.version, Record::Operator(ready));
    store.commit(changes).await.unwrap();
    assert_eq!(store.operator_by_invitation(given_up).await.unwrap(), None);
    let heir = Operator { id, name: name("other"), ..samples::invited(2) };
    store.commit(samples::inserts([Record::Operator(heir.clone())])).await.unwrap();
    assert_eq!(store.operator_by_invitation(given_up).await.unwrap().unwrap().value, heir);
}

pub(crate) async fn of_two_commits_from_one_version_one_wins(place: &impl Place) {
    let store = place.open();
    store.commit(samples::inserts([Record::Account(samples::account(1))])).await.unwrap();
    let version = store.account(samples::account_id(1)).await.unwrap().unwrap().version;
    let mut tasks = tokio::task::JoinSet::new();
    for title in 0..20 {
        let store = std::sync::Arc::clone(&store);
        tasks.spawn(async move {
            let mut account = samples::account(1);
            account.history[0].value.title = Some(title.to_string());
            let mut changes = Changeset::default();
            changes.update(version, Record::Account(account));
            changes.note(samples::event(title));
            store.commit(changes).await.is_ok()
        });
    }
    let won = tasks.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
    assert_eq!(store.journal_head().await.unwrap().sequence, 1);
}

pub(crate) async fn a_change_beyond_the_limits_is_refused_by_name(place: &impl Place) {
    let store = place.open();
    let many = samples::inserts((0..1_000).map(|number| Record::Account(samples::account(number))));
    assert!(matches!(store.commit(many).await, Err(CommitError::TooMany { puts: 3_000, .. })));
    let large = Record::PlanChunk(samples::plan_chunk(1, 0, 1_000));
    assert!(matches!(store.commit(samples::inserts([large])).await, Err(CommitError::TooLarge { .. })));
    let heavy =
        samples::inserts((0..200).map(|number| Record::PlanChunk(samples::plan_chunk(1, number, 300))));
    assert!(matches!(store.commit(heavy).await, Err(CommitError::TooMany { puts: 200, .. })));
    assert_eq!(store.accounts(None, 10).await.unwrap(), []);
    assert_eq!(store.plan_chunk(samples::batch_id(1), 0).await.unwrap(), None);
}
