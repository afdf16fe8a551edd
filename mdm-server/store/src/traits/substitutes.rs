//! Reading what stands for private-use characters.

use mdm_core::account::SourceName;
use mdm_core::change::Stored;
use mdm_core::substitute::Substitutes;

use super::Read;

/// Substitutes for private-use characters, one table a source that has any.
pub trait SubstituteTables: Send + Sync {
    /// That of a source.
    fn substitutes_of(&self, source: &SourceName) -> Read<'_, Option<Stored<Substitutes>>>;

    /// All tables, ordered by the name of their source.
    fn substitutes(&self) -> Read<'_, Vec<Stored<Substitutes>>>;
}
