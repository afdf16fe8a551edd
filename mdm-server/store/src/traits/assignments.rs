//! Reading what columns of a source's files are said to be.

use mdm_core::account::SourceName;
use mdm_core::assignment::Assignments;
use mdm_core::change::Stored;

use super::Read;

/// What is remembered of headers, one table a source of which anything is.
pub trait AssignmentTables: Send + Sync {
    /// That of a source.
    fn assignments_of(&self, source: &SourceName) -> Read<'_, Option<Stored<Assignments>>>;

    /// All tables, ordered by the name of their source.
    fn assignments(&self) -> Read<'_, Vec<Stored<Assignments>>>;
}
