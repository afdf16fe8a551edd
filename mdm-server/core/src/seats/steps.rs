//! What becomes of seats of which notice was given: held, taken back, or neither because the reason has ended or somebody restored
//! them.

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::civil::Date;
use rand::{CryptoRng, RngCore};
use shared::ids::AccountId;

use super::{Acting, Holdings, Ledger, NotLoaded, Rule, SeatChange, SeatError, last_unlock};
use crate::account::Account;
use crate::audit::{AuditEvent, Happening, Subject};
use crate::license::{Due, Notice, NoticeReason, day_of};

/// Why a reason does not hold for an account's seat, as the journal says it.
pub(super) fn ends(account: &Account, why: NoticeReason, now: Timestamp) -> Option<&'static str> {
    match why {
        NoticeReason::NeverSignedIn if account.signed_in_at.is_some() => Some("signed-in"),
        NoticeReason::NeverSignedIn | NoticeReason::Dormant if !account.wishes_seat => Some("wish-withdrawn"),
        NoticeReason::NeverSignedIn | NoticeReason::Dormant if account.is_absent_on(day_of(now)) => {
            Some("absent")
        }
        NoticeReason::NeverSignedIn | NoticeReason::Dormant => None,
        NoticeReason::TermEnded => {
            let has_ended = account.current().term_ends.is_some_and(|last| last < day_of(now));
            (!has_ended).then_some("term-extended")
        }
    }
}

pub(super) fn notice_ended(account: AccountId, why: &str, acting: Acting<'_>) -> AuditEvent {
    let subject = Subject::account(account);
    AuditEvent::new(acting.now, acting.actor, Happening::SeatNoticeEnded, subject).fact("why", why)
}

/// Without days of notice the seat is held at once.
pub(super) fn give_notice(
    ledger: &mut Ledger<'_>,
    id: AccountId,
    rule: &Rule,
    now: Timestamp,
) -> Result<(), NotLoaded> {
    let today = day_of(now);
    let Rule { why, notice_days, grace_days, .. } = *rule;
    let held_on = (notice_days == 0).then_some(today);
    let notice = Notice { why, given_on: today, held_on, notice_days, grace_days };
    if let Some(seat) = &mut ledger.account(id)?.seat {
        seat.notice = Some(notice);
    }
    let (notice_days, grace_days) = (notice_days.to_string(), grace_days.to_string());
    let facts = [("why", why.name()), ("notice-days", &*notice_days), ("grace-days", &*grace_days)];
    ledger.happened(Happening::SeatNoticed, id, &facts);
    if held_on.is_some() {
        ledger.happened(Happening::SeatHeld, id, &[]);
    }
    ledger.noticed(id);
    Ok(())
}

/// What is next for a seat of which notice was given.
enum Step {
    Ends(&'static str),
    Takes(Due),
}

/// It is judged anew before anything is taken.
fn step(account: &Account, unlocked: Option<Timestamp>, lived: &[Date], now: Timestamp) -> Option<Step> {
    let notice = account.notice()?;
    // On the day of the notice as well: who unlocked before it on that day was not dormant.
    let is_back = notice.why == NoticeReason::Dormant
        && unlocked.is_some_and(|unlocked| day_of(unlocked) >= notice.given_on);
    let ended = if is_back { Some("signed-in") } else { ends(account, notice.why, now) };
    ended.map(Step::Ends).or_else(|| notice.due(lived).map(Step::Takes))
}

/// Whether [`advance`] would change something for the account, of which a device was `unlocked` last then. `lived` are the days of
/// which the server has a sample.
pub fn due(account: &Account, unlocked: Option<Timestamp>, lived: &[Date], now: Timestamp) -> bool {
    step(account, unlocked, lived, now).is_some()
}

/// Takes the seats of which notice was given one step further, each at most one: the notice ends if its reason has, else the seat is
/// held, or taken back and given to the waiting list with a code in the same changeset. Devices of held seats are to be blocked and
/// those of restored ones unblocked after the commit; until then they are refused help as they are.
pub fn advance(
    holdings: Holdings,
    lived: &[Date],
    acting: Acting<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<SeatChange, NotLoaded> {
    let mut ledger = Ledger::open(holdings, acting);
    let next = |account: &Account| {
        let unlocked = last_unlock(ledger.devices_of(account.id));
        step(account, unlocked, lived, acting.now).map(|step| (account.id, step))
    };
    let steps: Vec<(AccountId, Step)> = ledger.all_accounts().filter_map(next).collect();
    for (id, step) in steps {
        match step {
            Step::Ends(why) => {
                end_notice(&mut ledger, id)?;
                ledger.note(notice_ended(id, why, acting));
            }
            Step::Takes(Due::Hold) => {
                let seat = ledger.account(id)?.seat.as_mut();
                if let Some(notice) = seat.and_then(|seat| seat.notice.as_mut()) {
                    notice.held_on = Some(day_of(acting.now));
                }
                ledger.happened(Happening::SeatHeld, id, &[]);
            }
            Step::Takes(Due::Reclaim(why)) => ledger.take_seat(id, why.name())?,
        }
    }
    ledger.settle(rng)?;
    Ok(ledger.finish())
}

fn end_notice(ledger: &mut Ledger<'_>, id: AccountId) -> Result<bool, NotLoaded> {
    let seat = ledger.account(id)?.seat.as_mut();
    Ok(seat.and_then(|seat| seat.notice.take()).is_some())
}

/// 取り消し: the seat is not taken back, and counts as unused from now on only.
pub fn restore(holdings: Holdings, account: AccountId, acting: Acting<'_>) -> Result<SeatChange, SeatError> {
    let mut ledger = Ledger::open(holdings, acting);
    if !end_notice(&mut ledger, account)? {
        return Err(SeatError::NoNotice);
    }
    if let Some(seat) = &mut ledger.account(account)?.seat {
        seat.restored_at = Some(acting.now);
    }
    ledger.happened(Happening::SeatRestored, account, &[]);
    Ok(ledger.finish())
}
