//! The invited person's side: what the link shows, and accepting it.

use mdm_core::change::Stored;
use mdm_core::operator::{Credentials, InvitationHash, Operator, rules};
use zeroize::Zeroizing;

use super::password::{Password, WeakPassword};
use super::totp::Authenticator;
use super::{invitation_hash, load};
use crate::service::Service;
use crate::use_cases::{Refusal, UseCaseError, retry_on_conflict};

/// No code has more characters.
const CODE_MAX: usize = 64;

/// What the link of an open invitation shows. The secret goes into the authenticator and nowhere else: no `Debug`.
pub struct Invited {
    /// Who is invited.
    pub operator: Operator,
    /// For a QR code.
    pub otpauth_url: Zeroizing<String>,
    /// For who types it: base32 (RFC 4648 section 6).
    pub secret_base32: Zeroizing<String>,
}

/// Why an invitation was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The invitation is not open.
    #[error("the invitation is used, replaced or past its time: ask an owner for another")]
    Gone,
    /// Another password is needed.
    #[error(transparent)]
    Password(#[from] WeakPassword),
    /// The code is not the authenticator's.
    #[error("the code is not the one that the authenticator shows now: check the phone's clock")]
    WrongCode,
    /// Something else.
    #[error(transparent)]
    Other(#[from] UseCaseError),
}

impl From<rules::InvitationGone> for AcceptError {
    fn from(_: rules::InvitationGone) -> Self {
        Self::Gone
    }
}

/// What the link with this code shows; `None` if the invitation is not open.
pub async fn invited(service: &Service, code: &str) -> Result<Option<Invited>, UseCaseError> {
    let Some((_, Stored { value: operator, .. })) = open_invitation(service, code).await? else {
        return Ok(None);
    };
    let authenticator = authenticator(service, &operator)?;
    let otpauth_url =
        authenticator.url().map_err(|_| Refusal::AuthenticatorDoesNotOpen(operator.name.clone()))?;
    let secret_base32 = authenticator.secret_base32();
    Ok(Some(Invited { operator, otpauth_url, secret_base32 }))
}

/// Sets the password, if the authenticator shows the right code. From then on the operator signs in with both; the code
/// that was shown here is spent.
pub async fn accept(
    service: &Service,
    code: &str,
    password: &str,
    totp: &str,
) -> Result<Operator, AcceptError> {
    let (hash, Stored { value: operator, .. }) =
        open_invitation(service, code).await?.ok_or(AcceptError::Gone)?;
    let password = Password::new(password, &operator.name)?;
    let step = authenticator(service, &operator)?.step_of(totp, service.clock.now());
    let last_step = step.ok_or(AcceptError::WrongCode)?;
    let password = service.sign_ins.passwords.hash(password).await.map_err(|_| Refusal::Busy);
    let password = password.map_err(UseCaseError::from)?;

    let id = operator.id;
    let accepted = retry_on_conflict(|| async {
        let Some((_, stored)) = open_invitation(service, code).await? else { return Ok(false) };
        let Some(invitation) = stored.value.invitation() else { return Ok(false) };
        let totp_secret = invitation.totp_secret.clone();
        let credentials = Credentials { password: password.clone(), totp_secret, last_step };
        match rules::accept(stored, hash, credentials, service.clock.now()) {
            Ok(changes) => service.commit(changes).await.map(|_| true).map_err(UseCaseError::from),
            Err(rules::InvitationGone) => Ok(false),
        }
    })
    .await?;
    if !accepted {
        return Err(AcceptError::Gone);
    }
    Ok(load(service, id).await?)
}

async fn open_invitation(
    service: &Service,
    code: &str,
) -> Result<Option<(InvitationHash, Stored<Operator>)>, UseCaseError> {
    if code.len() > CODE_MAX {
        return Ok(None);
    }
    let hash = invitation_hash(code);
    let stored = service.store.operator_by_invitation(hash).await?;
    let now = service.clock.now();
    let open = stored.filter(|stored| stored.value.open_invitation(now).is_some());
    Ok(open.map(|stored| (hash, stored)))
}

fn authenticator(service: &Service, operator: &Operator) -> Result<Authenticator, UseCaseError> {
    let invitation = operator.invitation().ok_or(Refusal::AuthenticatorDoesNotOpen(operator.name.clone()))?;
    let whose = (operator.id, &operator.name);
    Authenticator::open(&service.keyring, &service.config.organisation, whose, &invitation.totp_secret)
}
