//! What is known before the file: the source's accounts by id and by staff number.

use std::collections::{HashMap, HashSet};

use shared::ids::AccountId;

use super::PlanInput;
use crate::account::{Account, AccountState};

/// The source's accounts.
pub(super) struct Known<'a> {
    by_id: HashMap<AccountId, &'a Account>,
    by_number: HashMap<&'a str, &'a Account>,
    by_bare_number: HashMap<&'a str, Vec<&'a Account>>,
}

impl<'a> Known<'a> {
    pub(super) fn new(input: &PlanInput<'a>) -> Self {
        let accounts = input.accounts.iter().map(|stored| &stored.value);
        let accounts: Vec<&Account> = accounts.filter(|account| account.source == input.source).collect();
        let mut known =
            Self { by_id: HashMap::new(), by_number: HashMap::new(), by_bare_number: HashMap::new() };
        for account in accounts {
            let number = account.current().staff_number.as_str();
            known.by_id.insert(account.id, account);
            if account.number_passed.is_some() {
                continue;
            }
            let holder = known.by_number.entry(number).or_insert(account);
            if closeness(account) > closeness(holder) {
                *holder = account;
            }
            if account.may_work() {
                known.by_bare_number.entry(bare(number)).or_default().push(account);
            }
        }
        known
    }

    pub(super) fn by_id(&self, id: AccountId) -> Option<&'a Account> {
        self.by_id.get(&id).copied()
    }

    /// Whose number this is: of several who had it, the one who works, or else the last. Nobody whose number was passed on.
    pub(super) fn by_number(&self, number: &str) -> Option<&'a Account> {
        self.by_number.get(number).copied()
    }

    /// Accounts whose number differs by zeros in front only and is not in the file itself.
    pub(super) fn but_for_zeros(&self, number: &str, in_file: &HashSet<&str>) -> Option<&'a Account> {
        let candidates = self.by_bare_number.get(bare(number))?;
        candidates.iter().copied().find(|account| !in_file.contains(account.current().staff_number.as_str()))
    }

    /// Whether somebody works under this number.
    pub(super) fn works(&self, number: &str) -> bool {
        self.by_number(number).is_some_and(Account::may_work)
    }

    pub(super) fn working(&self) -> impl Iterator<Item = &'a Account> + '_ {
        self.by_id.values().copied().filter(|account| account.may_work())
    }
}

/// A number without the zeros in front.
pub(super) fn bare(number: &str) -> &str {
    number.trim_start_matches('0')
}

fn closeness(account: &Account) -> (u8, jiff::Timestamp, AccountId) {
    let state = match account.state {
        AccountState::Provisional | AccountState::Active => 2,
        AccountState::Suspended => 1,
        AccountState::Closed => 0,
    };
    (state, account.state_since, account.id)
}
