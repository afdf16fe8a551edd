//! Reading roster versions.

use mdm_core::account::{Roster, SourceName};
use mdm_core::change::Stored;

use super::Read;

/// The version of each source's roster.
pub trait Rosters: Send + Sync {
    /// The roster of a source, if a batch was ever applied to it.
    fn roster(&self, source: &SourceName) -> Read<'_, Option<Stored<Roster>>>;

    /// All rosters by name.
    fn rosters(&self) -> Read<'_, Vec<Stored<Roster>>>;
}
