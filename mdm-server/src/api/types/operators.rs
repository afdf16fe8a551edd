//! Operators as the API shows them: never what they sign in with.

use jiff::Timestamp;
use mdm_core::operator::Role;
use serde::{Deserialize, Serialize};
use shared::ids::OperatorId;

/// Where an operator stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorWord {
    /// Has an open invitation.
    Invited,
    /// Has let their invitation pass.
    InvitationExpired,
    /// Can sign in.
    Ready,
    /// Can do nothing.
    Disabled,
}

/// An operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorView {
    /// The id.
    pub id: OperatorId,
    /// The sign-in name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Where they stand.
    pub state: OperatorWord,
    /// From when and until when they approve plans in the place of those who may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deputy: Option<DeputyView>,
    /// Whether they have an API token.
    pub has_token: bool,
    /// Since when they are known.
    pub created_at: Timestamp,
    /// Until when their invitation is, or was, open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_until: Option<Timestamp>,
    /// Since when they are disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<Timestamp>,
}

/// Whom to invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InviteRequest {
    /// The sign-in name.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// A deputy's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeputyView {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// For how long somebody approves in the place of those who may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeputyRequest {
    /// Day and time of day in the organisation's zone, like `2027-03-25T09:00`.
    pub from: String,
    /// The same: until then.
    pub until: String,
}

/// Another role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRequest {
    /// What they may do.
    pub role: Role,
}

/// An invitation to hand over. Whoever opens the link becomes that operator: not for logs, hence without `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationView {
    /// Who is invited.
    pub operator: OperatorView,
    /// Good once.
    pub link: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A token to hand over. Like [`InvitationView`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenMade {
    /// Whose it is.
    pub operator: OperatorView,
    /// The token; an earlier one is void. It is kept nowhere.
    pub token: String,
}
