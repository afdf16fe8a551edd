//! Reading commands.

use mdm_core::change::Stored;
use mdm_core::command::CommandRecord;
use shared::ids::{CommandId, EnrolmentId};

use super::Read;

/// Signed commands.
pub trait Commands: Send + Sync {
    /// The command with this id.
    fn command(&self, id: CommandId) -> Read<'_, Option<Stored<CommandRecord>>>;

    /// All commands to an enrolment in their order (epoch, counter).
    fn commands_of(&self, enrolment: EnrolmentId) -> Read<'_, Vec<Stored<CommandRecord>>>;
}
