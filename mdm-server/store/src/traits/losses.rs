//! Reading loss codes.

use mdm_core::change::Stored;
use mdm_core::loss::{LossIndex, LossRecord};
use shared::ids::AccountId;

use super::Read;

/// Loss codes of letters, at most one an account.
pub trait Losses: Send + Sync {
    /// That of an account.
    fn loss_of(&self, account: AccountId) -> Read<'_, Option<Stored<LossRecord>>>;

    /// The one with this index.
    fn loss(&self, index: LossIndex) -> Read<'_, Option<Stored<LossRecord>>>;
}
