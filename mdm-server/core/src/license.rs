//! Pool, seats and the waiting list. A seat is held on the account; the pool counts them, so that one record guards
//! "assigned never exceeds size".

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ids::AccountId;

/// N seats.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// How many seats there are.
    pub size: u32,
    /// How many of them are held back for disaster support staff.
    pub reserved: u32,
    /// How many accounts hold one.
    pub assigned: u32,
}

impl Pool {
    /// Seats that can be given out now.
    pub fn free(&self) -> u32 {
        self.size.saturating_sub(self.reserved).saturating_sub(self.assigned)
    }
}

/// A wish without a free seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingEntry {
    /// Who waits.
    pub account: AccountId,
    /// Since when; with the place below, the order of the list.
    pub since: Timestamp,
    /// Place among those who began to wait at the same time: the row in the roster.
    pub place: u32,
}
