//! Reading activation codes.

use jiff::Timestamp;
use mdm_core::change::Stored;
use mdm_core::code::{CodeIndex, CodeRecord};
use shared::ids::AccountId;

use super::Read;

/// A place among the usable codes: their order is end of validity, then index.
pub type UsableAfter = (Timestamp, CodeIndex);

/// Activation codes.
pub trait Codes: Send + Sync {
    /// The code with this index.
    fn code(&self, index: CodeIndex) -> Read<'_, Option<Stored<CodeRecord>>>;

    /// All codes of an account, the oldest first.
    fn codes_of_account(&self, account: AccountId) -> Read<'_, Vec<Stored<CodeRecord>>>;

    /// A page of the codes for which [`CodeRecord::is_usable`] holds, the one that expires first at the front: the
    /// scheduler reads on until one has not expired yet.
    fn usable_codes(&self, after: Option<UsableAfter>, limit: usize) -> Read<'_, Vec<Stored<CodeRecord>>>;
}
