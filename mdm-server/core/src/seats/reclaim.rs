//! 回収: seats of people who never signed in, have not for long, or whose term has ended.

use jiff::civil::Date;
use jiff::tz::{self, TimeZone};
use jiff::{SignedDuration, Timestamp};
use rand::{CryptoRng, RngCore};
use shared::ids::AccountId;

use super::steps::{ends, give_notice};
use super::{Acting, Holdings, Ledger, NotLoaded, SeatChange};
use crate::absence::days_absent;
use crate::account::Account;
use crate::device::Device;
use crate::license::{NoticeReason, day_of};

/// A seat that would be reclaimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unused {
    /// Whose.
    pub account: AccountId,
    /// Since when the reason holds. A seat is unused since the latest of code issue, effective time, assignment and the end of a
    /// notice, and dormant since the last unlock or the end of the last absence, if that is later; a term has ended with its last day
    /// in Japan. It counts anew from when a notice was taken back.
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
/// was given are not listed again. `unlocked` says when a device of an account was last unlocked ([`last_unlock`]).
pub fn unused<'a>(
    accounts: impl IntoIterator<Item = &'a Account>,
    unlocked: impl Fn(AccountId) -> Option<Timestamp>,
    rule: Rule,
    now: Timestamp,
) -> Vec<Unused> {
    let found =
        accounts.into_iter().filter_map(|account| since(account, unlocked(account.id), rule.why, now));
    let mut found: Vec<Unused> = found.filter(|unused| unused.days >= u32::from(rule.days)).collect();
    found.sort_by_key(|unused| (unused.since, unused.account));
    found.truncate(rule.at_most.map_or(usize::MAX, |most| most as usize));
    found
}

/// The last verified unlock of any of these devices, wiped ones included.
pub fn last_unlock<'a>(devices: impl IntoIterator<Item = &'a Device>) -> Option<Timestamp> {
    devices.into_iter().filter_map(|device| device.last_unlock).max()
}

fn since(
    account: &Account,
    unlocked: Option<Timestamp>,
    why: NoticeReason,
    now: Timestamp,
) -> Option<Unused> {
    let seat = account.seat?;
    if seat.notice.is_some() || ends(account, why, now).is_some() || !account.may_work() {
        return None;
    }
    let effective = account.created_at.max(account.state_since);
    let ready = seat.assigned_at.max(effective).max(account.code_issued_at.unwrap_or(effective));
    let since = match why {
        NoticeReason::NeverSignedIn => ready,
        NoticeReason::Dormant => {
            // Who has not signed in is listed by the reason of its own only.
            account.signed_in_at?;
            let absences = account.absences.iter().filter_map(|absence| absence.until);
            let back = absences.filter(|last| *last < day_of(now)).max().and_then(after);
            ready.max(unlocked.unwrap_or(ready)).max(back.unwrap_or(ready))
        }
        NoticeReason::TermEnded => after(account.current().term_ends?)?,
    };
    let since = since.max(seat.restored_at.unwrap_or(since));
    let passed = now.duration_since(since).as_secs() / SignedDuration::from_hours(24).as_secs();
    let absent = match why {
        NoticeReason::NeverSignedIn => days_absent(&account.absences, day_of(since), day_of(now)),
        NoticeReason::Dormant | NoticeReason::TermEnded => 0,
    };
    let days = u32::try_from(passed).ok()?.saturating_sub(absent);
    Some(Unused { account: account.id, since, days })
}

/// When a day is over in Japan.
fn after(day: Date) -> Option<Timestamp> {
    Some(day.tomorrow().ok()?.to_zoned(TimeZone::fixed(tz::offset(9))).ok()?.timestamp())
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
    let unlocked = |account| last_unlock(ledger.devices_of(account));
    for unused in unused(ledger.all_accounts(), unlocked, rule, acting.now) {
        match rule.is_at_once() {
            true => ledger.take_seat(unused.account, rule.why.name())?,
            false => give_notice(&mut ledger, unused.account, &rule, acting.now)?,
        }
    }
    ledger.settle(rng)?;
    Ok(ledger.finish())
}
