//! One line of a plan.

use shared::ids::AccountId;

use crate::account::{Account, AccountState, Attributes, Dated, NumberPassed, SourceName};
use crate::audit::Happening;
use crate::batch::{PlanItem, PlanKind};
use crate::plan::{asks_for_seat, gives_seat_back};
use crate::seats::{Acting, Ledger, NotLoaded};

/// Applies a line. The answer is an account that keeps a seat it no longer wishes.
pub(super) fn apply(
    item: PlanItem,
    source: &SourceName,
    ledger: &mut Ledger<'_>,
    acting: Acting<'_>,
) -> Result<Option<AccountId>, NotLoaded> {
    let Some(id) = item.account else { return Ok(None) };
    let place = item.row.unwrap_or(0);
    match item.kind {
        PlanKind::Join { attributes, wishes_seat, number_of } => {
            if let Some(before) = number_of {
                pass_number(before, id, ledger, acting)?;
            }
            ledger.add_account(joined(id, source, attributes, wishes_seat, acting));
            ledger.happened(Happening::AccountJoined, id, &[]);
            if wishes_seat {
                ledger.ask(id, place);
            }
        }
        PlanKind::Return { .. } => {
            let asks = asks_for_seat(&item.kind, Some(ledger.account(id)?));
            come_back(id, item.kind, ledger, acting)?;
            ledger.happened(Happening::AccountReturned, id, &[]);
            if asks {
                ledger.ask(id, place);
            }
        }
        PlanKind::Move { .. } => return change(id, item.kind, "move", place, ledger),
        PlanKind::Change { .. } => return change(id, item.kind, "change", place, ledger),
        PlanKind::Leave => leave(id, &[], ledger, acting)?,
        // The last two are of an undo, which has a way of its own.
        PlanKind::Unchanged | PlanKind::Rejected(_) | PlanKind::SeatBack | PlanKind::NotUndone(_) => {}
    }
    Ok(None)
}

fn joined(
    id: AccountId,
    source: &SourceName,
    attributes: Attributes,
    wishes_seat: bool,
    acting: Acting<'_>,
) -> Account {
    Account {
        id,
        source: source.clone(),
        history: vec![Dated { from: acting.now, value: attributes }],
        state: AccountState::Provisional,
        state_since: acting.now,
        wishes_seat,
        seat: None,
        created_at: acting.now,
        returned_at: None,
        signed_in_at: None,
        code_issued_at: None,
        absences: Vec::new(),
        number_passed: None,
    }
}

/// The number that an account shows is another's from now on.
pub(crate) fn pass_number(
    from: AccountId,
    to: AccountId,
    ledger: &mut Ledger<'_>,
    acting: Acting<'_>,
) -> Result<(), NotLoaded> {
    ledger.account(from)?.number_passed = Some(NumberPassed { to, at: acting.now });
    let facts = [("kind", "number-passed"), ("passed-to", &*to.to_string())];
    ledger.happened(Happening::AccountChanged, from, &facts);
    Ok(())
}

fn come_back(
    id: AccountId,
    kind: PlanKind,
    ledger: &mut Ledger<'_>,
    acting: Acting<'_>,
) -> Result<(), NotLoaded> {
    if let PlanKind::Return { attributes, wishes_seat } = kind {
        ledger.learn(id, attributes)?;
        let account = ledger.account(id)?;
        account.wishes_seat = wishes_seat;
        account.state = AccountState::Provisional;
        account.state_since = acting.now;
        account.returned_at = Some(acting.now);
        account.signed_in_at = None;
    }
    Ok(())
}

fn change(
    id: AccountId,
    kind: PlanKind,
    word: &str,
    place: u32,
    ledger: &mut Ledger<'_>,
) -> Result<Option<AccountId>, NotLoaded> {
    let account = ledger.account(id)?;
    let asks = asks_for_seat(&kind, Some(account));
    let gives_back = gives_seat_back(&kind, Some(account));
    let (PlanKind::Move { attributes, wishes_seat } | PlanKind::Change { attributes, wishes_seat }) = kind
    else {
        return Ok(None);
    };
    let withdrawn = account.wishes_seat && !wishes_seat;
    let keeps = withdrawn && !gives_back && account.seat.is_some();
    account.wishes_seat = wishes_seat;
    ledger.learn(id, attributes)?;
    ledger.happened(Happening::AccountChanged, id, &[("kind", word)]);
    if withdrawn {
        ledger.stop_waiting(id);
    }
    if gives_back {
        ledger.take_seat(id, "wish-withdrawn")?;
    }
    if asks {
        ledger.ask(id, place);
    }
    Ok(keeps.then_some(id))
}

pub(super) fn leave(
    id: AccountId,
    facts: &[(&str, &str)],
    ledger: &mut Ledger<'_>,
    acting: Acting<'_>,
) -> Result<(), NotLoaded> {
    let account = ledger.account(id)?;
    account.state = AccountState::Suspended;
    account.state_since = acting.now;
    ledger.happened(Happening::AccountLeft, id, facts);
    ledger.stop_waiting(id);
    ledger.take_seat(id, "left")
}
