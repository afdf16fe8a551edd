//! A person in the directory, with the texts that searches compare.

use std::sync::Arc;

use jiff::Timestamp;
use mdm_core::account::Account;
use mdm_core::apply;
use shared::ids::AccountId;

use super::devices::KnownDevice;
use super::text::{Place, fold, without_zeros};
use super::{Snapshot, search};

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The account with its newest attributes only: [`Account::current`] is right, its history is in the store.
    pub account: Account,
    pub(super) keys: Keys,
    pub(super) place: ListPlace,
}

/// Folded texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys {
    /// The staff number.
    pub(super) number: String,
    /// Name and kana, a line each: no search has a line break.
    pub(super) names: String,
}

/// Where a person stands in lists: people without kana behind those with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ListPlace {
    without_kana: bool,
    name: Place,
    number: String,
    account: AccountId,
}

impl From<Account> for Person {
    fn from(mut account: Account) -> Self {
        account.history.drain(..account.history.len().saturating_sub(1));
        let current = account.current();
        let number = fold(current.staff_number.as_str());
        let kana = current.kana.as_deref().filter(|kana| !kana.trim().is_empty());
        let keys = Keys {
            number: number.clone(),
            names: format!("{}\n{}", fold(&current.name), kana.map(fold).unwrap_or_default()),
        };
        let place = ListPlace {
            without_kana: kana.is_none(),
            name: Place::of(kana.unwrap_or(&current.name)),
            number,
            account: account.id,
        };
        Self { account, keys, place }
    }
}

impl Person {
    /// Whether the person holds a seat and never signed in.
    pub fn holds_unused_seat(&self) -> bool {
        self.account.seat.is_some() && self.account.signed_in_at.is_none()
    }

    pub(super) fn is_meant_by(&self, text: &search::Text) -> bool {
        self.has_number(text) || self.keys.names.contains(&text.folded)
    }

    /// A number that begins so. If only one of the two has zeros in front, they do not count.
    fn has_number(&self, text: &search::Text) -> bool {
        let (number, plain) = (&self.keys.number, without_zeros(&self.keys.number));
        let (typed, typed_plain) = (&text.folded, &text.without_zeros);
        let one_has_zeros = (number == plain) != (typed == typed_plain);
        number.starts_with(typed)
            || (one_has_zeros && !typed_plain.is_empty() && plain.starts_with(typed_plain))
    }
}

/// A person and what else a list shows.
#[derive(Debug, Clone)]
pub struct PersonRow<'a> {
    /// Who.
    pub person: &'a Person,
    /// Their place in the waiting list, from 1, if they wait.
    pub waiting: Option<usize>,
    /// Their devices, the oldest first, wiped ones included.
    pub devices: Vec<&'a KnownDevice>,
}

impl Snapshot {
    /// Accounts that left so long ago that their devices are to be wiped.
    pub fn due_for_wipe(&self, now: Timestamp) -> Vec<AccountId> {
        let due = |person: &&Arc<Person>| apply::due_for_wipe(&person.account, [], now).is_some();
        self.listed.iter().filter(due).map(|person| person.account.id).collect()
    }

    pub(super) fn row<'a>(&'a self, person: &'a Arc<Person>) -> PersonRow<'a> {
        let id = person.account.id;
        PersonRow {
            person,
            waiting: self.places.get(&id).copied(),
            devices: self.devices_of(id).map(Arc::as_ref).collect(),
        }
    }
}
