//! Seats: giving, taking back and waiting for them, and the codes that come with them. Where a seat changes hands, the
//! seat, its code and the next one's seat and code are one changeset.
//!
//! A seat that was reclaimed leaves the wish as it was stated, but the account waits only if somebody asks again
//! ([`wait`]): the same staff file, uploaded again, gives nothing back to those who did not use it.

mod codes;
mod ledger;
mod reclaim;
mod steps;
#[cfg(test)]
mod tests;

pub use codes::{ReissueError, expire, reissue};
pub(crate) use ledger::Ledger;
pub use reclaim::{Rule, Unused, last_unlock, reclaim, unused};
pub use steps::{advance, due, restore};

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};
use shared::ids::{AccountId, EnrolmentId};

use crate::account::Account;
use crate::audit::{Actor, AuditEvent, Happening, Subject};
use crate::change::{Changeset, Stored};
use crate::code::{CodeKeys, CodeRecord};
use crate::device::{Device, DeviceState};
use crate::license::{Pool, PoolSize, WaitingEntry};

/// What is loaded before seats can change hands.
#[derive(Debug)]
pub struct Holdings {
    /// The pool; version 0 and all zeros if there is none yet.
    pub pool: Stored<Pool>,
    /// At least the accounts that the change is about and all who wait.
    pub accounts: Vec<Stored<Account>>,
    /// The whole waiting list, in any order.
    pub waiting: Vec<Stored<WaitingEntry>>,
    /// At least all codes of accounts that may lose their seat.
    pub codes: Vec<Stored<CodeRecord>>,
    /// At least all devices of accounts that may lose their seat.
    pub devices: Vec<Device>,
}

/// Who acts, when, and the keys for the codes that are issued by it.
#[derive(Clone, Copy)]
pub struct Acting<'a> {
    /// Who.
    pub actor: Actor,
    /// When.
    pub now: Timestamp,
    /// Keys over activation codes.
    pub keys: &'a CodeKeys,
}

/// What became of seats.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SeatChange {
    /// To be committed whole.
    pub changes: Changeset,
    /// Who got a seat and a code.
    pub given: Vec<AccountId>,
    /// Who lost a seat.
    pub freed: Vec<AccountId>,
    /// Whose seat is to be taken back, since now.
    pub noticed: Vec<AccountId>,
    /// Who waits since now.
    pub waiting: Vec<AccountId>,
    /// Devices of those who lost a seat that are not blocked yet: to be blocked after the commit, one by one.
    pub block: Vec<EnrolmentId>,
}

/// An account that a rule needs was not among the [`Holdings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("account {0} does not exist or was not loaded")]
pub struct NotLoaded(pub AccountId);

/// Why seats stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeatError {
    /// The pool would be smaller than what is given out.
    #[error(
        "{assigned} seats are assigned and {reserved} reserved, so the pool cannot have {size}: reclaim seats first"
    )]
    BelowAssigned {
        /// What was asked for.
        size: u32,
        /// Seats in use.
        assigned: u32,
        /// Seats held back.
        reserved: u32,
    },
    /// The account is suspended or closed.
    #[error("the account is suspended or closed: it gets no seat")]
    AccountMayNotWork,
    /// It has a seat.
    #[error("the account has a seat already")]
    HasSeat,
    /// It has none.
    #[error("the account has no seat")]
    NoSeat,
    /// Nobody has given notice of it.
    #[error("the seat is not to be taken back: there is nothing to restore")]
    NoNotice,
    /// It waits.
    #[error("the account is on the waiting list already")]
    AlreadyWaiting,
    /// The account is not known.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
}

/// Sets the size of the pool and of its reserve. Seats that become free by it go to the waiting list in order.
pub fn set_pool(
    holdings: Holdings,
    size: impl Into<PoolSize>,
    acting: Acting<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<SeatChange, SeatError> {
    let PoolSize { size, reserved } = size.into();
    let before = holdings.pool.value.clone();
    let reserved = reserved.unwrap_or(before.reserved);
    if size < (Pool { reserved, ..before.clone() }).spoken_for() {
        return Err(SeatError::BelowAssigned { size, assigned: before.assigned, reserved });
    }
    let mut ledger = Ledger::open(holdings, acting);
    let event = AuditEvent::new(acting.now, acting.actor, Happening::PoolSet, Subject::default());
    let event = event.fact("before", before.size).fact("size", size);
    ledger.note(match before.reserved == reserved {
        true => event,
        false => event.fact("reserved-before", before.reserved).fact("reserved", reserved),
    });
    ledger.set_size(size, reserved);
    ledger.settle(rng)?;
    Ok(ledger.finish())
}

/// Asks for a seat: at once if one is free and nobody waits, else at the end of the waiting list.
pub fn wait(
    holdings: Holdings,
    account: AccountId,
    acting: Acting<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<SeatChange, SeatError> {
    let mut ledger = Ledger::open(holdings, acting);
    let waits = ledger.waits(account);
    let asking = ledger.account(account)?;
    if !asking.may_work() {
        return Err(SeatError::AccountMayNotWork);
    }
    if asking.seat.is_some() {
        return Err(SeatError::HasSeat);
    }
    if waits {
        return Err(SeatError::AlreadyWaiting);
    }
    asking.wishes_seat = true;
    ledger.ask(account, 0);
    ledger.settle(rng)?;
    Ok(ledger.finish())
}

/// Takes one account's seat back by hand, and its wish with it; the next on the waiting list gets it.
pub fn release(
    holdings: Holdings,
    account: AccountId,
    acting: Acting<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<SeatChange, SeatError> {
    let mut ledger = Ledger::open(holdings, acting);
    let holder = ledger.account(account)?;
    if holder.seat.is_none() {
        return Err(SeatError::NoSeat);
    }
    holder.wishes_seat = false;
    ledger.take_seat(account, "released")?;
    ledger.settle(rng)?;
    Ok(ledger.finish())
}

/// Whether a device would still be helped to open its vault. One that is enrolling ends with its code.
fn is_helped(device: &Device) -> bool {
    matches!(device.state, DeviceState::Live)
}
