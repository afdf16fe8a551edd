//! 応援職員: temporary accounts end by themselves, as if a list no longer had them.

#[cfg(test)]
mod tests;

use rand::{CryptoRng, RngCore};
use shared::ids::AccountId;

use super::lines::leave;
use crate::license::day_of;
use crate::seats::{Acting, Holdings, Ledger, NotLoaded, SeatChange};

/// Ends the temporary accounts whose last day is over: suspended, their seats given on in the same changeset, their devices to
/// be blocked after the commit. They are wiped [`super::UNDO_WINDOW`] later, unless a list takes them up again.
pub fn end_temporary(
    holdings: Holdings,
    acting: Acting<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<SeatChange, NotLoaded> {
    let today = day_of(acting.now);
    let mut ledger = Ledger::open(holdings, acting);
    let over: Vec<AccountId> = ledger
        .all_accounts()
        .filter(|account| account.has_run_out(today))
        .map(|account| account.id)
        .collect();
    for account in over {
        leave(account, &[("kind", "temporary-over")], &mut ledger, acting)?;
    }
    ledger.settle(rng)?;
    Ok(ledger.finish())
}
