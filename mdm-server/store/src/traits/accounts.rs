//! Reading accounts.

use mdm_core::account::{Account, SourceName, StaffNumber};
use mdm_core::change::Stored;
use shared::ids::AccountId;

use super::Read;

/// Accounts, ordered by id: by the time they were made.
pub trait Accounts: Send + Sync {
    /// The account with this id.
    fn account(&self, id: AccountId) -> Read<'_, Option<Stored<Account>>>;

    /// The account of `source` that has this number now and is not closed; there is at most one.
    fn account_by_staff_number(
        &self,
        source: &SourceName,
        number: &StaffNumber,
    ) -> Read<'_, Option<Stored<Account>>>;

    /// A page of all accounts, closed ones included.
    fn accounts(&self, after: Option<AccountId>, limit: usize) -> Read<'_, Vec<Stored<Account>>>;

    /// A page of the accounts of one source, closed ones included.
    fn accounts_of_source(
        &self,
        source: &SourceName,
        after: Option<AccountId>,
        limit: usize,
    ) -> Read<'_, Vec<Stored<Account>>>;
}
