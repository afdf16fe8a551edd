//! Reading operators.

use mdm_core::change::Stored;
use mdm_core::operator::{Operator, TokenHash};
use shared::ids::OperatorId;

use super::Read;

/// Who may use the API.
pub trait Operators: Send + Sync {
    /// The operator with this id.
    fn operator(&self, id: OperatorId) -> Read<'_, Option<Stored<Operator>>>;

    /// The operator whose token has this hash; there is at most one.
    fn operator_by_token(&self, token: TokenHash) -> Read<'_, Option<Stored<Operator>>>;

    /// All operators, the oldest first.
    fn operators(&self) -> Read<'_, Vec<Stored<Operator>>>;
}
