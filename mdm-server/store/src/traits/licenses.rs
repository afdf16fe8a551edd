//! Reading the pool, the waiting list and how they stood day by day. Seats are on the accounts.

use jiff::Timestamp;
use jiff::civil::Date;
use mdm_core::change::Stored;
use mdm_core::license::{DayOfUse, Pool, WaitingEntry};
use shared::ids::AccountId;

use super::Read;

/// A place in the waiting list: its order is since, place, account.
pub type WaitingAfter = (Timestamp, u32, AccountId);

/// Pool, waiting list and their history.
pub trait Licenses: Send + Sync {
    /// The pool; an empty one at version 0 if none was set yet.
    fn pool(&self) -> Read<'_, Stored<Pool>>;

    /// What an account waits for, if it does.
    fn waiting_entry(&self, account: AccountId) -> Read<'_, Option<Stored<WaitingEntry>>>;

    /// A page of the waiting list, whose turn it is first.
    fn waiting_list(&self, after: Option<WaitingAfter>, limit: usize) -> Read<'_, Vec<Stored<WaitingEntry>>>;

    /// A page of the days on which somebody counted, the oldest first.
    fn days_of_use(&self, after: Option<Date>, limit: usize) -> Read<'_, Vec<Stored<DayOfUse>>>;
}
