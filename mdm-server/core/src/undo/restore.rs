//! Applying the plan of an undo: lines first, then seats. Everybody is looked at again, since the plan was made earlier:
//! who signed in or was changed in between keeps what they have.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rand::{CryptoRng, RngCore};
use shared::ids::{AccountId, BatchId, EnrolmentId};

use super::{Before, Judged, Judgements, Turn, Was, claims_seat, gives_seat, holds_unused};
use crate::account::{Account, AccountState, Seat};
use crate::apply::lines::pass_number;
use crate::audit::Happening;
use crate::batch::{PlanItem, PlanWord};
use crate::command::is_blocked_only_by;
use crate::device::{BlockedBy, DeviceState};
use crate::seats::{Acting, Ledger, NotLoaded};

/// What an undo does beside the ledger.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Restored {
    /// Devices that the batch had blocked: to be unblocked after the commit, one by one.
    pub(crate) unblock: Vec<EnrolmentId>,
    /// Who stays as they are though the plan said otherwise.
    pub(crate) not_undone: Vec<AccountId>,
    /// Who no longer wishes a seat but keeps it, having signed in.
    pub(crate) seats_kept: Vec<AccountId>,
}

/// Somebody who had a seat.
struct Claim {
    account: AccountId,
    seat: Seat,
}

/// Applies all lines of an undo of the batch `of`, which was applied `at`.
pub(crate) fn restore(
    items: impl IntoIterator<Item = PlanItem>,
    befores: &BTreeMap<AccountId, &Before>,
    (of, at): (BatchId, Timestamp),
    ledger: &mut Ledger<'_>,
    acting: Acting<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Restored, NotLoaded> {
    let mut restored = Restored::default();
    let (mut claims, mut may_give_back, mut touched) = (Vec::new(), Vec::new(), Vec::new());
    let (mut meant, mut judgements) = (Vec::new(), Judgements::default());
    for item in items {
        let Some(before) = item.account.and_then(|id| befores.get(&id).copied()) else { continue };
        match item.kind.word() {
            PlanWord::SeatBack => may_give_back.push(before),
            PlanWord::NotUndone => {}
            _ => {
                judgements.add(before, ledger.account(before.account)?, at);
                meant.push(before);
            }
        }
    }
    let judgements = judgements.finish();
    give_numbers_back(&judgements, ledger, acting)?;
    for before in meant {
        match judgements[&before.account] {
            Judged::Restore(word) => {
                claims.extend(line(before, word, at, ledger, acting, &mut restored)?);
                touched.push(before);
            }
            Judged::AsBefore | Judged::Stays(_) => restored.not_undone.push(before.account),
        }
    }
    if let Some(first) = claims.first().map(|claim| claim.account) {
        take_back(&may_give_back, (first, claims.len()), at, ledger)?;
    }
    seat_again(claims, ledger, rng)?;
    for before in touched {
        restored.unblock.extend(to_unblock(before, of, ledger)?);
    }
    Ok(restored)
}

/// Takes back what the batch did to one person. Gives the seat that they are to have again.
fn line(
    before: &Before,
    word: PlanWord,
    at: Timestamp,
    ledger: &mut Ledger<'_>,
    acting: Acting<'_>,
    restored: &mut Restored,
) -> Result<Option<Claim>, NotLoaded> {
    let id = before.account;
    let account = ledger.account(id)?;
    let (claims, gives) = (claims_seat(before, account), gives_seat(before, account, word, at));
    if let Some(attributes) = before.was.as_ref().and_then(|was| was.attributes.clone()) {
        ledger.learn(id, attributes)?;
    }
    let account = ledger.account(id)?;
    let (what, waited) = match (&before.was, word) {
        (None, _) => {
            suspend(account, acting.now);
            (Happening::AccountLeft, None)
        }
        (Some(was), PlanWord::Return) => {
            suspend(account, acting.now);
            gone_again(account, was);
            (Happening::AccountLeft, None)
        }
        (Some(was), PlanWord::Leave) => {
            (account.state, account.state_since) = (was.state, was.state_since);
            account.wishes_seat = was.wishes_seat;
            (Happening::AccountReturned, was.waited)
        }
        (Some(was), _) => {
            account.wishes_seat = was.wishes_seat;
            (Happening::AccountChanged, was.waited)
        }
    };
    let keeps = account.may_work() && !account.wishes_seat && account.seat.is_some() && !gives;
    restored.seats_kept.extend((keeps && before.served.is_some()).then_some(id));
    ledger.happened(what, id, &[("kind", "undo")]);
    ledger.stop_waiting(id);
    if gives || what == Happening::AccountLeft {
        ledger.take_seat(id, "undone")?;
    }
    if let Some(turn) = waited.filter(|_| !claims)
        && ledger.account(id)?.seat.is_none()
    {
        ledger.wait_as(id, turn);
    }
    let seat = before.was.as_ref().and_then(|was| was.seat).filter(|_| claims);
    Ok(seat.map(|seat| Claim { account: id, seat }))
}

/// Numbers that the batch passed on go back. Who had one in between shows it as a former one.
fn give_numbers_back(
    judgements: &BTreeMap<AccountId, Judged>,
    ledger: &mut Ledger<'_>,
    acting: Acting<'_>,
) -> Result<(), NotLoaded> {
    let mut back = Vec::new();
    for (id, judged) in judgements {
        if matches!(judged, Judged::Restore(_)) {
            back.extend(ledger.account(*id)?.number_passed.take().map(|passed| (passed.to, *id)));
        }
    }
    back.into_iter().try_for_each(|(from, to)| pass_number(from, to, ledger, acting))
}

/// From now, so that nothing of theirs is lost for another 14 days. Who was closed closes again by itself.
fn suspend(account: &mut Account, now: Timestamp) {
    account.state = AccountState::Suspended;
    account.state_since = now;
}

fn gone_again(account: &mut Account, was: &Was) {
    account.wishes_seat = was.wishes_seat;
    account.returned_at = was.returned_at;
    account.signed_in_at = was.signed_in_at;
}

/// Takes as many seats as are missing for `claims` people, of whom one is given, from those whom the plan names, while they have
/// not signed in.
fn take_back(
    may_give_back: &[&Before],
    (first, claims): (AccountId, usize),
    at: Timestamp,
    ledger: &mut Ledger<'_>,
) -> Result<(), NotLoaded> {
    for before in may_give_back {
        if ledger.free_for(first)? as usize >= claims {
            return Ok(());
        }
        let id = before.account;
        let account = ledger.account(id)?;
        if let Some(served) = before.served.filter(|_| holds_unused(before, account, at)) {
            ledger.take_seat(id, "undone")?;
            ledger.wait_as(id, served.turn);
        }
    }
    Ok(())
}

/// Seats go back to who held them, in the order of the plan; who finds none waits before everybody else, also without a wish:
/// they had signed in and kept the seat when the wish was withdrawn.
fn seat_again(
    claims: Vec<Claim>,
    ledger: &mut Ledger<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(), NotLoaded> {
    let moment = SignedDuration::from_millis(1);
    let first =
        ledger.first_waits_since().map(|first| first.saturating_sub(moment).unwrap_or(Timestamp::MIN));
    for (place, Claim { account: id, seat }) in (0..).zip(claims) {
        if ledger.free_for(id)? == 0 {
            let since = first.map_or(seat.assigned_at, |first| first.min(seat.assigned_at));
            ledger.wait_as(id, Turn { since, place });
            continue;
        }
        ledger.give_back(id, seat)?;
        let is_enrolled = |state: &DeviceState| matches!(state, DeviceState::Live | DeviceState::Blocked);
        let has_device = ledger.devices_of(id).iter().any(|device| is_enrolled(&device.state));
        if !has_device || ledger.account(id)?.signed_in_at.is_none() {
            ledger.issue_code(id, rng)?;
        }
    }
    Ok(())
}

/// Devices that the batch has blocked and nobody else, of a person who may use them again.
fn to_unblock(before: &Before, of: BatchId, ledger: &mut Ledger<'_>) -> Result<Vec<EnrolmentId>, NotLoaded> {
    let account = ledger.account(before.account)?;
    if !account.is_served() {
        return Ok(Vec::new());
    }
    let devices = ledger.devices_of(before.account).iter();
    let theirs = devices.filter(|device| is_blocked_only_by(device, BlockedBy::Batch(of)));
    Ok(theirs.map(|device| device.enrolment).collect())
}
