//! Operators: inviting them, their way in, their roles and tokens. Whether the rules allow it, `mdm_core::operator` says;
//! here secrets are made and sealed. Signing in is [`super::sign_in`].

mod invitation;
pub mod password;
#[cfg(test)]
mod tests;
pub(crate) mod totp;

pub use invitation::{AcceptError, Invited, accept, invited};
pub use password::WeakPassword;

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use mdm_core::audit::{Actor, PersonalValue};
use mdm_core::change::{Changeset, Stored};
use mdm_core::operator::rules::{self, Acting, NewOperator};
use mdm_core::operator::{
    Deputy, INVITATION_VALID_FOR, InvitationHash, Operator, OperatorError, OperatorName, Role, TokenHash,
};
use mdm_store::ReadError;
use rand::rngs::OsRng;
use rand::{CryptoRng, RngCore};
use shared::crypto::Secret;
use shared::crypto::hazmat::sha256;
use shared::ids::OperatorId;
use zeroize::Zeroizing;

use super::{Missing, UseCaseError, retry_on_conflict};
use crate::config::Config;
use crate::keyring::Keyring;
use crate::service::Service;

/// What an invited person is to be given. Whoever has the code becomes that operator: not for logs, hence without `Debug`.
pub struct Invitation {
    /// Who is invited.
    pub operator: Operator,
    /// The one-time code; see [`invitation_link`].
    pub code: Zeroizing<String>,
    /// Until when.
    pub expires_at: Timestamp,
}

/// The whole link of an invitation.
pub fn invitation_link(config: &Config, code: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("{}/invitation/{code}", config.console()))
}

/// Whom somebody means: an id, or else a name.
pub async fn find(service: &Service, text: &str) -> Result<Stored<Operator>, UseCaseError> {
    let missing = || UseCaseError::from(Missing::Operator(text.chars().take(64).collect()));
    if let (36, Ok(id)) = (text.len(), text.parse()) {
        return service.store.operator(id).await?.ok_or_else(missing);
    }
    let Ok(name) = OperatorName::new(text) else { return Err(missing()) };
    service.store.operator_by_name(&name).await?.ok_or_else(missing)
}

/// All operators, disabled ones included, in the order in which they were invited.
pub async fn list(service: &Service) -> Result<Vec<Operator>, UseCaseError> {
    let all = service.store.operators().await?;
    Ok(all.into_iter().map(|stored| stored.value).collect())
}

/// The operator of a session that began when their `session_epoch` was `epoch`; `None` if that session is over, because they
/// were disabled or invited anew since.
pub async fn in_session(
    service: &Service,
    id: OperatorId,
    epoch: u32,
) -> Result<Option<Operator>, ReadError> {
    let stored = service.store.operator(id).await?;
    let operator = stored.map(|stored| stored.value);
    Ok(operator.filter(|operator| operator.credentials().is_some() && operator.session_epoch == epoch))
}

/// Invites somebody new.
pub async fn invite(
    service: &Service,
    name: OperatorName,
    role: Role,
    actor: Actor,
) -> Result<Invitation, UseCaseError> {
    retry_on_conflict(|| async {
        let acting = acting(service, actor);
        let id = OperatorId::make(acting.now, &mut OsRng);
        let made = NewInvitation::make(&service.keyring, id, acting.now, INVITATION_VALID_FOR, &mut OsRng);
        let new = NewOperator { id, name: name.clone(), role, invitation: made.stored, token: None };
        let personal = PersonalValue::make("name", name.as_str(), &mut OsRng);
        let all = service.store.operators().await?;
        service.commit(rules::invite(&all, new, personal, acting)?).await?;
        given_out(service, id, made.code).await
    })
    .await
}

/// Invites an operator anew, who lost phone or password: what they signed in with is void at once, and so are their
/// sessions. Their API token stays.
pub async fn reinvite(service: &Service, id: OperatorId, actor: Actor) -> Result<Invitation, UseCaseError> {
    retry_on_conflict(|| async {
        let acting = acting(service, actor);
        let made = NewInvitation::make(&service.keyring, id, acting.now, INVITATION_VALID_FOR, &mut OsRng);
        let all = service.store.operators().await?;
        service.commit(rules::reinvite(&all, id, made.stored, acting)?).await?;
        given_out(service, id, made.code).await
    })
    .await
}

async fn given_out(
    service: &Service,
    id: OperatorId,
    code: Zeroizing<String>,
) -> Result<Invitation, UseCaseError> {
    let operator = load(service, id).await?;
    // Somebody may have replaced it at once; then the code opens nothing, and says so when it is used.
    let expires_at = operator.invitation().map_or_else(|| service.clock.now(), |open| open.expires_at);
    Ok(Invitation { operator, code, expires_at })
}

/// Gives another role.
pub async fn set_role(
    service: &Service,
    id: OperatorId,
    role: Role,
    actor: Actor,
) -> Result<Operator, UseCaseError> {
    administer(service, id, actor, |all, acting| rules::set_role(all, id, role, acting)).await
}

/// 代理: names somebody who approves in the place of those who may, for a time; `None` ends it.
pub async fn set_deputy(
    service: &Service,
    id: OperatorId,
    deputy: Option<Deputy>,
    actor: Actor,
) -> Result<Operator, UseCaseError> {
    administer(service, id, actor, |all, acting| rules::set_deputy(all, id, deputy.clone(), acting)).await
}

/// Stops sessions, sign-in, invitation and token of an operator at once.
pub async fn disable(service: &Service, id: OperatorId, actor: Actor) -> Result<Operator, UseCaseError> {
    administer(service, id, actor, |all, acting| rules::disable(all, id, acting)).await
}

/// Lets a disabled operator in again.
pub async fn enable(service: &Service, id: OperatorId, actor: Actor) -> Result<Operator, UseCaseError> {
    administer(service, id, actor, |all, acting| rules::enable(all, id, acting)).await
}

/// Makes an API token; an earlier one is void. The text is kept nowhere.
pub async fn make_token(
    service: &Service,
    id: OperatorId,
    actor: Actor,
) -> Result<Zeroizing<String>, UseCaseError> {
    let token = make_secret_text(&mut OsRng);
    let hash = token_hash(&token);
    administer(service, id, actor, |all, acting| rules::set_token(all, id, hash, acting)).await?;
    Ok(token)
}

/// Takes the API token away.
pub async fn revoke_token(service: &Service, id: OperatorId, actor: Actor) -> Result<Operator, UseCaseError> {
    administer(service, id, actor, |all, acting| rules::revoke_token(all, id, acting)).await
}

async fn administer(
    service: &Service,
    id: OperatorId,
    actor: Actor,
    rule: impl Fn(&[Stored<Operator>], Acting) -> Result<Changeset, OperatorError>,
) -> Result<Operator, UseCaseError> {
    retry_on_conflict(|| async {
        let all = service.store.operators().await?;
        let changes = rule(&all, acting(service, actor))?;
        if !changes.writes.is_empty() {
            service.commit(changes).await?;
        }
        Ok(())
    })
    .await?;
    load(service, id).await
}

async fn load(service: &Service, id: OperatorId) -> Result<Operator, UseCaseError> {
    let stored = service.store.operator(id).await?;
    Ok(stored.ok_or(OperatorError::Unknown(id))?.value)
}

fn acting(service: &Service, actor: Actor) -> Acting {
    Acting { actor, now: service.clock.now() }
}

/// An invitation as it is stored, and its code, which is not.
pub(crate) struct NewInvitation {
    pub(crate) stored: mdm_core::operator::Invitation,
    pub(crate) code: Zeroizing<String>,
}

impl NewInvitation {
    /// Draws a code and a secret for the authenticator.
    pub(crate) fn make(
        keyring: &Keyring,
        operator: OperatorId,
        now: Timestamp,
        valid_for: SignedDuration,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Self {
        let code = make_secret_text(rng);
        let stored = mdm_core::operator::Invitation {
            hash: invitation_hash(&code),
            expires_at: now.saturating_add(valid_for).unwrap_or(Timestamp::MAX),
            totp_secret: totp::make_secret(keyring, operator, rng),
        };
        Self { stored, code }
    }
}

/// 32 random bytes in base64url (RFC 4648 section 5) without padding: a token, or the code of an invitation.
pub(crate) fn make_secret_text(rng: &mut (impl RngCore + CryptoRng)) -> Zeroizing<String> {
    Zeroizing::new(BASE64URL_NOPAD.encode(Secret::<32>::make(rng).expose()))
}

/// What the store keeps of a token's text.
pub fn token_hash(token: &str) -> TokenHash {
    TokenHash(sha256(&[token.as_bytes()]))
}

fn invitation_hash(code: &str) -> InvitationHash {
    InvitationHash(sha256(&[code.as_bytes()]))
}
