//! 回収: seats of people who never signed in.

use jiff::{SignedDuration, Timestamp};
use rand::{CryptoRng, RngCore};
use shared::ids::AccountId;

use super::{Acting, Holdings, Ledger, NotLoaded, SeatChange};
use crate::account::Account;

/// A seat that would be reclaimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unused {
    /// Whose.
    pub account: AccountId,
    /// Since when it counts as unused: the latest of code issue, effective time and seat assignment.
    pub since: Timestamp,
    /// Whole days from then.
    pub days: u32,
}

/// Which seats are to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Of accounts that never signed in for at least so many days.
    pub days: u16,
    /// No more than so many, longest unused first: as many as are waited for, say.
    pub at_most: Option<u32>,
}

/// Seats of accounts that wished one and that the rule is about, longest unused first. Accounts without a wish are never
/// unused.
pub fn unused<'a>(
    accounts: impl IntoIterator<Item = &'a Account>,
    rule: Rule,
    now: Timestamp,
) -> Vec<Unused> {
    let found = accounts.into_iter().filter_map(|account| since_unused(account, now));
    let mut found: Vec<Unused> = found.filter(|unused| unused.days >= u32::from(rule.days)).collect();
    found.sort_by_key(|unused| (unused.since, unused.account));
    found.truncate(rule.at_most.map_or(usize::MAX, |most| most as usize));
    found
}

fn since_unused(account: &Account, now: Timestamp) -> Option<Unused> {
    let seat = account.seat?;
    if !account.wishes_seat || account.signed_in_at.is_some() || !account.may_work() {
        return None;
    }
    let effective = account.created_at.max(account.state_since);
    let since = seat.assigned_at.max(effective).max(account.code_issued_at.unwrap_or(effective));
    let passed = now.duration_since(since).as_secs() / SignedDuration::from_hours(24).as_secs();
    Some(Unused { account: account.id, since, days: u32::try_from(passed).ok()? })
}

/// Takes back the seats that [`unused`] lists and gives them to the waiting list, with codes, in the same changeset.
pub fn reclaim(
    holdings: Holdings,
    rule: Rule,
    acting: Acting<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<SeatChange, NotLoaded> {
    let mut ledger = Ledger::open(holdings, acting);
    for unused in unused(ledger.all_accounts(), rule, acting.now) {
        ledger.take_seat(unused.account, "never-signed-in")?;
    }
    ledger.settle(rng)?;
    Ok(ledger.finish())
}
