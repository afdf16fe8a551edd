//! Reading operators.

use mdm_core::change::Stored;
use mdm_core::operator::{InvitationHash, Operator, OperatorName, TokenHash};
use shared::ids::OperatorId;

use super::Read;

/// Who may use console and API.
pub trait Operators: Send + Sync {
    /// The operator with this id.
    fn operator(&self, id: OperatorId) -> Read<'_, Option<Stored<Operator>>>;

    /// The operator whose token has this hash; there is at most one.
    fn operator_by_token(&self, token: TokenHash) -> Read<'_, Option<Stored<Operator>>>;

    /// The operator of this name, in whatever case; there is at most one.
    fn operator_by_name(&self, name: &OperatorName) -> Read<'_, Option<Stored<Operator>>>;

    /// The operator who has this invitation, whether or not it is open; there is at most one.
    fn operator_by_invitation(&self, invitation: InvitationHash) -> Read<'_, Option<Stored<Operator>>>;

    /// All operators, the oldest first.
    fn operators(&self) -> Read<'_, Vec<Stored<Operator>>>;
}
