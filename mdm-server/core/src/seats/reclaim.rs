//! 回収: seats of people who never signed in, or whose term has ended.

use jiff::tz::{self, TimeZone};
use jiff::{SignedDuration, Timestamp};
use rand::{CryptoRng, RngCore};
use shared::ids::AccountId;

use super::steps::{ends, give_notice};
use super::{Acting, Holdings, Ledger, NotLoaded, SeatChange};
use crate::absence::days_absent;
use crate::account::Account;
use crate::license::{NoticeReason, day_of};

/// A seat that would be reclaimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unused {
    /// Whose.
    pub account: AccountId,
    /// Since when the reason holds. A seat is unused since the latest of code issue, effective time, assignment and the end of a
    /// notice; a term has ended with its last day in Japan. It counts anew from when a notice was taken back.
    pub since: Timestamp,
    /// Whole days from then, without those of an absence.
    pub days: u32,
}

/// Which seats are to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Why.
    pub why: NoticeReason,
    /// Of accounts of which that is so for at least so many days.
    pub days: u16,
    /// No more than so many, longest unused first: as many as are waited for, say.
    pub at_most: Option<u32>,
    /// 予告: days from now before the seats are held.
    pub notice_days: u16,
    /// 猶予: days from then before they are taken.
    pub grace_days: u16,
}

impl Rule {
    /// Seats that were not used for so many days, all of them and at once.
    pub fn unused_for(days: u16) -> Self {
        Self { why: NoticeReason::NeverSignedIn, days, at_most: None, notice_days: 0, grace_days: 0 }
    }

    /// Whether seats are taken with neither notice nor grace.
    pub fn is_at_once(&self) -> bool {
        self.notice_days == 0 && self.grace_days == 0
    }
}

/// Seats that the rule is about, the longest so first. Those of accounts without a wish are never unused; seats of which notice
/// was given are not listed again.
pub fn unused<'a>(
    accounts: impl IntoIterator<Item = &'a Account>,
    rule: Rule,
    now: Timestamp,
) -> Vec<Unused> {
    let found = accounts.into_iter().filter_map(|account| since(account, rule.why, now));
    let mut found: Vec<Unused> = found.filter(|unused| unused.days >= u32::from(rule.days)).collect();
    found.sort_by_key(|unused| (unused.since, unused.account));
    found.truncate(rule.at_most.map_or(usize::MAX, |most| most as usize));
    found
}

fn since(account: &Account, why: NoticeReason, now: Timestamp) -> Option<Unused> {
    let seat = account.seat?;
    if seat.notice.is_some() || ends(account, why, now).is_some() || !account.may_work() {
        return None;
    }
    let since = match why {
        NoticeReason::NeverSignedIn => {
            let effective = account.created_at.max(account.state_since);
            seat.assigned_at.max(effective).max(account.code_issued_at.unwrap_or(effective))
        }
        NoticeReason::TermEnded => {
            let next = account.current().term_ends?.tomorrow().ok()?;
            next.to_zoned(TimeZone::fixed(tz::offset(9))).ok()?.timestamp()
        }
    };
    let since = since.max(seat.restored_at.unwrap_or(since));
    let passed = now.duration_since(since).as_secs() / SignedDuration::from_hours(24).as_secs();
    let absent = match why {
        NoticeReason::NeverSignedIn => days_absent(&account.absences, day_of(since), day_of(now)),
        NoticeReason::TermEnded => 0,
    };
    let days = u32::try_from(passed).ok()?.saturating_sub(absent);
    Some(Unused { account: account.id, since, days })
}

/// Gives notice of the seats that [`unused`] lists, or takes them back at once if the rule says so: then they go to the waiting list,
/// with codes, in the same changeset.
pub fn reclaim(
    holdings: Holdings,
    rule: Rule,
    acting: Acting<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<SeatChange, NotLoaded> {
    let mut ledger = Ledger::open(holdings, acting);
    for unused in unused(ledger.all_accounts(), rule, acting.now) {
        match rule.is_at_once() {
            true => ledger.take_seat(unused.account, rule.why.name())?,
            false => give_notice(&mut ledger, unused.account, &rule, acting.now)?,
        }
    }
    ledger.settle(rng)?;
    Ok(ledger.finish())
}
