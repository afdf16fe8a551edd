//! Random changes against a map that is too simple to be wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use mdm_core::account::{Account, AccountState};
use mdm_core::change::{Changeset, Key, Record, Stored, Version};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use super::{Place, journal, samples};
use crate::traits::{LargeChange, Store};

/// One random write to one of a few accounts.
#[derive(Debug, Clone)]
struct Step {
    account: u32,
    /// `None` deletes.
    becomes: Option<(u32, bool)>,
    /// Whether the version is the stored one.
    stale: bool,
}

fn steps() -> impl Strategy<Value = Vec<(Vec<Step>, bool)>> {
    let becomes = prop::option::weighted(0.8, (0_u32..6, any::<bool>()));
    let step = (0_u32..8, becomes, prop::bool::weighted(0.1)).prop_map(|(account, becomes, stale)| Step {
        account,
        becomes,
        stale,
    });
    let change = (prop::collection::vec(step, 0..5), prop::bool::weighted(0.2));
    prop::collection::vec(change, 1..40)
}

type Model = BTreeMap<u32, Stored<Account>>;

fn account(number: u32, staff_number: u32, closed: bool) -> Account {
    let mut account = samples::account(number);
    account.history[0].value.staff_number = samples::staff_number(staff_number);
    account.state = if closed { AccountState::Closed } else { AccountState::Active };
    account
}

fn changeset(model: &Model, steps: &[Step]) -> Changeset {
    let mut changes = Changeset::default();
    for step in steps {
        let stored = model.get(&step.account).map_or(Version(0), |stored| stored.version);
        let expected = if step.stale { Version(stored.0 + 1) } else { stored };
        match step.becomes {
            Some((number, closed)) => {
                changes.update(expected, Record::Account(account(step.account, number, closed)));
            }
            None => changes.delete(expected, Key::Account(samples::account_id(step.account))),
        }
    }
    changes.note(samples::event(0));
    changes
}

/// What the model is after the change, versions aside; `None` if it must be refused.
fn apply(model: &Model, steps: &[Step]) -> Option<BTreeMap<u32, Account>> {
    let mut after: BTreeMap<_, _> =
        model.iter().map(|(number, stored)| (*number, stored.value.clone())).collect();
    for (at, step) in steps.iter().enumerate() {
        if step.stale || steps[..at].iter().any(|other| other.account == step.account) {
            return None;
        }
        match step.becomes {
            Some((number, closed)) => {
                after.insert(step.account, account(step.account, number, closed));
            }
            None => {
                after.remove(&step.account);
            }
        }
    }
    let mut numbers: Vec<_> = after
        .values()
        .filter(|account| account.state != AccountState::Closed)
        .map(|account| account.current().staff_number.clone())
        .collect();
    numbers.sort();
    let distinct = numbers.windows(2).all(|pair| pair[0] != pair[1]);
    distinct.then_some(after)
}

async fn compare(store: &Arc<dyn Store>, after: &BTreeMap<u32, Account>) -> Model {
    let stored = store.accounts(None, 100).await.unwrap();
    assert_eq!(stored.iter().map(|s| &s.value).collect::<Vec<_>>(), after.values().collect::<Vec<_>>());
    let source = samples::source("市長部局");
    for number in 0..6 {
        let number = samples::staff_number(number);
        let expected = after.values().find(|account| {
            account.state != AccountState::Closed && account.current().staff_number == number
        });
        let found = store.account_by_staff_number(&source, &number).await.unwrap();
        assert_eq!(found.map(|stored| stored.value).as_ref(), expected);
    }
    after.keys().copied().zip(stored).collect()
}

pub(crate) async fn random_changes_do_what_a_simple_map_does(place: &impl Place) {
    let store = place.open();
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let (mut model, mut accepted, mut refused) = (Model::new(), 0, 0);
    for _ in 0..25 {
        for (steps, large) in steps().new_tree(&mut runner).unwrap().current() {
            let changes = changeset(&model, &steps);
            let result = match large {
                true => store.commit_large(LargeChange::split(samples::batch_id(1), changes)).await,
                false => store.commit(changes).await,
            };
            match apply(&model, &steps) {
                Some(after) => {
                    result.unwrap();
                    accepted += 1;
                    model = compare(&store, &after).await;
                }
                None => {
                    result.unwrap_err();
                    refused += 1;
                }
            }
        }
    }
    assert!(accepted > 100 && refused > 100, "{accepted} accepted, {refused} refused");
    assert_eq!(journal::check(&store).await.len(), accepted);
}
