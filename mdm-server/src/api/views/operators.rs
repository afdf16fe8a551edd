//! Operators as they are shown.

use jiff::Timestamp;
use mdm_core::operator::{Operator, SignIn};

use crate::api::types::{DeputyView, InvitationView, OperatorView, OperatorWord};
use crate::config::Config;
use crate::use_cases::operators::{Invitation, invitation_link};

impl OperatorView {
    pub(in crate::api) fn new(operator: &Operator, now: Timestamp) -> Self {
        Self {
            id: operator.id,
            name: operator.name.to_string(),
            role: operator.role,
            state: word(operator, now),
            deputy: operator
                .deputy
                .as_ref()
                .map(|deputy| DeputyView { from: deputy.from, until: deputy.until }),
            has_token: operator.token.is_some(),
            created_at: operator.created_at,
            invited_until: operator.invitation().map(|invitation| invitation.expires_at),
            disabled_at: operator.disabled_at,
        }
    }
}

fn word(operator: &Operator, now: Timestamp) -> OperatorWord {
    match &operator.sign_in {
        _ if !operator.is_enabled() => OperatorWord::Disabled,
        SignIn::Ready(_) => OperatorWord::Ready,
        SignIn::Invited(_) if operator.open_invitation(now).is_some() => OperatorWord::Invited,
        SignIn::Invited(_) => OperatorWord::InvitationExpired,
    }
}

impl InvitationView {
    pub(in crate::api) fn new(invitation: &Invitation, config: &Config, now: Timestamp) -> Self {
        Self {
            operator: OperatorView::new(&invitation.operator, now),
            link: invitation_link(config, &invitation.code).to_string(),
            expires_at: invitation.expires_at,
        }
    }
}
