//! Administering operators: invite, accept, role, disable, token. One rule stands over all of it: nobody takes away the
//! last owner.
//!
//! What keeps it when two owners act at the same moment: a change that takes an owner away writes, unchanged, the record
//! of the owner who stays. If that one was changed in between, the commit conflicts and the rule is asked again.

use jiff::{SignedDuration, Timestamp};
use rand::{CryptoRng, RngCore};
use shared::ids::OperatorId;

use super::{
    Credentials, Deputy, Invitation, InvitationHash, Operator, OperatorName, Role, SignIn, TokenHash,
};
use crate::audit::{Actor, AuditEvent, Happening, PersonalValue, Subject};
use crate::change::{Changeset, Record, Stored};
use crate::quarantine::replay::Fate;

/// The longest time of a deputy, in days.
pub const MAX_DEPUTY_DAYS: i64 = 92;

/// Why operators stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// There is no operator with this id.
    #[error("there is no operator {0}")]
    Unknown(OperatorId),
    /// Another operator has this name, in whatever case, enabled or not.
    #[error("there is an operator {0} already: choose another name, or invite that one again")]
    NameTaken(OperatorName),
    /// Afterwards no owner could sign in, or none could act at all.
    #[error("this is the last owner who can still act: let another owner sign in first")]
    LastOwner,
    /// Who is disabled can be enabled, and nothing else.
    #[error("the operator {0} is disabled: enable them first")]
    Disabled(OperatorName),
    /// A deputy's time is over before it begins, or too long.
    #[error("a deputy's time ends after it begins and after now, and is at most {MAX_DEPUTY_DAYS} days long")]
    DeputyTime,
    /// The operator is no owner.
    #[error("the operator {0} is no owner")]
    NotAnOwner(OperatorName),
}

/// An invitation that is no longer open, or never was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the invitation is used, replaced or past its time: ask an owner for another")]
pub struct InvitationGone;

/// Who acts, and when.
#[derive(Debug, Clone, Copy)]
pub struct Acting {
    /// Who.
    pub actor: Actor,
    /// When.
    pub now: Timestamp,
}

impl Acting {
    fn event(self, what: Happening, operator: &Operator) -> AuditEvent {
        AuditEvent::new(self.now, self.actor, what, Subject::default()).fact("operator", operator.id)
    }
}

/// Somebody who is to become an operator.
#[derive(Debug, Clone)]
pub struct NewOperator {
    /// A fresh id, to which the secret in the invitation is sealed.
    pub id: OperatorId,
    /// Their name.
    pub name: OperatorName,
    /// What they may do.
    pub role: Role,
    /// Their link.
    pub invitation: Invitation,
    /// Their API token; nobody but the first owner begins with one.
    pub token: Option<TokenHash>,
}

/// Invites somebody. `name` is the same name for the journal's personal part.
pub fn invite(
    all: &[Stored<Operator>],
    new: NewOperator,
    name: PersonalValue,
    acting: Acting,
) -> Result<Changeset, OperatorError> {
    let folded = new.name.folded();
    if all.iter().any(|other| other.value.name.folded() == folded) {
        return Err(OperatorError::NameTaken(new.name));
    }
    let operator = Operator {
        id: new.id,
        name: new.name,
        role: new.role,
        token: new.token,
        sign_in: SignIn::Invited(new.invitation),
        session_epoch: 0,
        created_at: acting.now,
        disabled_at: None,
        deputy: None,
    };
    let mut changes = Changeset::default();
    changes.note(
        acting.event(Happening::OperatorInvited, &operator).fact("role", operator.role.name()).personal(name),
    );
    if operator.token.is_some() {
        changes.note(acting.event(Happening::TokenMade, &operator));
    }
    changes.insert(Record::Operator(operator));
    Ok(changes)
}

/// Invites an operator anew: password and authenticator that were set are void at once. Their token stays.
pub fn reinvite(
    all: &[Stored<Operator>],
    id: OperatorId,
    invitation: Invitation,
    acting: Acting,
) -> Result<Changeset, OperatorError> {
    enabled(all, id)?;
    change(all, id, |operator| begin_anew(operator, invitation, acting))
}

/// The same for an owner, from the machine of the server itself: the way back when nobody can sign in any more. Enables
/// them as well, and asks for no other owner.
pub fn rescue(
    all: &[Stored<Operator>],
    id: OperatorId,
    invitation: Invitation,
    acting: Acting,
) -> Result<Changeset, OperatorError> {
    let stored = find(all, id)?;
    if stored.value.role != Role::Owner {
        return Err(OperatorError::NotAnOwner(stored.value.name.clone()));
    }
    let mut operator = stored.value.clone();
    operator.disabled_at = None;
    let event = begin_anew(&mut operator, invitation, acting).fact("rescue", true);
    let mut changes = Changeset::default();
    changes.note(event);
    changes.update(stored.version, Record::Operator(operator));
    Ok(changes)
}

fn begin_anew(operator: &mut Operator, invitation: Invitation, acting: Acting) -> AuditEvent {
    operator.sign_in = SignIn::Invited(invitation);
    operator.session_epoch = operator.session_epoch.wrapping_add(1);
    acting.event(Happening::OperatorInvited, operator).fact("role", operator.role.name()).fact("again", true)
}

/// The invited operator has set a password and shown a code of the authenticator.
pub fn accept(
    stored: Stored<Operator>,
    hash: InvitationHash,
    credentials: Credentials,
    now: Timestamp,
) -> Result<Changeset, InvitationGone> {
    let Stored { version, value: mut operator } = stored;
    let open = operator.open_invitation(now).ok_or(InvitationGone)?;
    if open.hash != hash {
        return Err(InvitationGone);
    }
    operator.sign_in = SignIn::Ready(credentials);
    operator.session_epoch = operator.session_epoch.wrapping_add(1);
    let mut changes = Changeset::default();
    let acting = Acting { actor: Actor::Operator(operator.id), now };
    changes.note(acting.event(Happening::OperatorReady, &operator));
    changes.update(version, Record::Operator(operator));
    Ok(changes)
}

/// Gives another role. Nothing changes if it is theirs already.
pub fn set_role(
    all: &[Stored<Operator>],
    id: OperatorId,
    role: Role,
    acting: Acting,
) -> Result<Changeset, OperatorError> {
    let before = enabled(all, id)?.role;
    if before == role {
        return Ok(Changeset::default());
    }
    change(all, id, |operator| {
        operator.role = role;
        acting
            .event(Happening::OperatorChanged, operator)
            .fact("role_before", before.name())
            .fact("role", role.name())
    })
}

/// Disables an operator: sessions, sign-in, invitation and token stop at once.
pub fn disable(all: &[Stored<Operator>], id: OperatorId, acting: Acting) -> Result<Changeset, OperatorError> {
    if !find(all, id)?.value.is_enabled() {
        return Ok(Changeset::default());
    }
    change(all, id, |operator| {
        operator.disabled_at = Some(acting.now);
        operator.session_epoch = operator.session_epoch.wrapping_add(1);
        acting.event(Happening::OperatorDisabled, operator)
    })
}

/// Enables a disabled operator: what they had, works again; sessions do not.
pub fn enable(all: &[Stored<Operator>], id: OperatorId, acting: Acting) -> Result<Changeset, OperatorError> {
    if find(all, id)?.value.is_enabled() {
        return Ok(Changeset::default());
    }
    change(all, id, |operator| {
        operator.disabled_at = None;
        operator.session_epoch = operator.session_epoch.wrapping_add(1);
        acting.event(Happening::OperatorEnabled, operator)
    })
}

/// 代理: names somebody who approves in the place of those who may, for a time; `None` ends it.
pub fn set_deputy(
    all: &[Stored<Operator>],
    id: OperatorId,
    deputy: Option<Deputy>,
    acting: Acting,
) -> Result<Changeset, OperatorError> {
    let operator = enabled(all, id)?;
    if let Some(Deputy { from, until }) = deputy {
        let longest = SignedDuration::from_hours(24 * MAX_DEPUTY_DAYS);
        if until <= from.max(acting.now) || until.duration_since(from) > longest {
            return Err(OperatorError::DeputyTime);
        }
    }
    if operator.deputy == deputy {
        return Ok(Changeset::default());
    }
    change(all, id, |operator| {
        operator.deputy = deputy;
        match &operator.deputy {
            Some(Deputy { from, until }) => {
                acting.event(Happening::DeputyNamed, operator).fact("from", from).fact("until", until)
            }
            None => acting.event(Happening::DeputyEnded, operator),
        }
    })
}

/// Gives an API token; an earlier one is void.
pub fn set_token(
    all: &[Stored<Operator>],
    id: OperatorId,
    token: TokenHash,
    acting: Acting,
) -> Result<Changeset, OperatorError> {
    let replaces = enabled(all, id)?.token.is_some();
    change(all, id, |operator| {
        operator.token = Some(token);
        acting.event(Happening::TokenMade, operator).fact("replaces", replaces)
    })
}

/// Takes the API token away.
pub fn revoke_token(
    all: &[Stored<Operator>],
    id: OperatorId,
    acting: Acting,
) -> Result<Changeset, OperatorError> {
    if find(all, id)?.value.token.is_none() {
        return Ok(Changeset::default());
    }
    change(all, id, |operator| {
        operator.token = None;
        acting.event(Happening::TokenRevoked, operator)
    })
}

/// A server that has forgotten something cannot know which tokens, invitations and sessions were ended since: it ends all of
/// them. Who can sign in still can; the way back for an owner who cannot is [`rescue`]. `why` is a word of the journal.
pub fn hold(all: &[Stored<Operator>], why: &str, acting: Acting) -> Changeset {
    let mut changes = Changeset::default();
    for stored in all {
        let mut operator = stored.value.clone();
        let mut events = Vec::new();
        if operator.token.take().is_some() {
            events.push(acting.event(Happening::TokenRevoked, &operator).fact("why", why));
        }
        if let SignIn::Invited(invitation) = &mut operator.sign_in
            && acting.now < invitation.expires_at
        {
            invitation.expires_at = acting.now;
            let event = acting.event(Happening::OperatorChanged, &operator);
            events.push(event.fact("invitation-ended", true).fact("why", why));
        }
        if !events.is_empty() {
            operator.session_epoch = operator.session_epoch.wrapping_add(1);
            events.into_iter().for_each(|event| changes.note(event));
            changes.update(stored.version, Record::Operator(operator));
        }
    }
    changes
}

/// Does again to an operator what a journal says was done and the server has forgotten. Takes away and never gives: nobody is
/// enabled, and no other rule stands against it, not even that of the last owner, who may be the very one who was disabled.
/// `None` if nothing is to be done.
pub fn suffer(
    stored: Stored<Operator>,
    fate: Fate,
    acting: Acting,
    rng: &mut (impl RngCore + CryptoRng),
) -> Option<Changeset> {
    let Stored { version, value: mut operator } = stored;
    let mut events = Vec::new();
    if let Some(role) = fate.role.filter(|role| *role != operator.role) {
        let before = std::mem::replace(&mut operator.role, role);
        let event = acting.event(Happening::OperatorChanged, &operator);
        events
            .push(event.fact("role_before", before.name()).fact("role", role.name()).fact("why", "journal"));
    }
    if let SignIn::Ready(credentials) = &operator.sign_in
        && fate.invited_anew
    {
        // Nobody has the code of this invitation, and it is over.
        let mut hash = [0; 32];
        rng.fill_bytes(&mut hash);
        let totp_secret = credentials.totp_secret.clone();
        let invitation = Invitation { hash: InvitationHash(hash), expires_at: acting.now, totp_secret };
        operator.sign_in = SignIn::Invited(invitation);
        let event = acting.event(Happening::OperatorChanged, &operator);
        events.push(event.fact("ended-sign-in", true).fact("why", "journal"));
    }
    if fate.disabled && operator.is_enabled() {
        operator.disabled_at = Some(acting.now);
        events.push(acting.event(Happening::OperatorDisabled, &operator).fact("why", "journal"));
    }
    if events.is_empty() {
        return None;
    }
    operator.session_epoch = operator.session_epoch.wrapping_add(1);
    let mut changes = Changeset::default();
    events.into_iter().for_each(|event| changes.note(event));
    changes.update(version, Record::Operator(operator));
    Some(changes)
}

/// Whether some owner can sign in.
pub fn an_owner_signs_in<'a>(all: impl IntoIterator<Item = &'a Operator>) -> bool {
    all.into_iter().any(|operator| standing(operator) == Some(Standing::SignsIn))
}

fn find(all: &[Stored<Operator>], id: OperatorId) -> Result<&Stored<Operator>, OperatorError> {
    all.iter().find(|stored| stored.value.id == id).ok_or(OperatorError::Unknown(id))
}

fn enabled(all: &[Stored<Operator>], id: OperatorId) -> Result<&Operator, OperatorError> {
    let operator = &find(all, id)?.value;
    if operator.is_enabled() { Ok(operator) } else { Err(OperatorError::Disabled(operator.name.clone())) }
}

/// How much an owner can do as an owner, from little to much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Invited,
    HasToken,
    SignsIn,
}

/// `None` if the operator is no owner, or disabled.
fn standing(operator: &Operator) -> Option<Standing> {
    if operator.role != Role::Owner || !operator.is_enabled() {
        return None;
    }
    Some(match (&operator.sign_in, operator.token) {
        (SignIn::Ready(_), _) => Standing::SignsIn,
        (SignIn::Invited(_), Some(_)) => Standing::HasToken,
        (SignIn::Invited(_), None) => Standing::Invited,
    })
}

/// Edits one operator, unless the best standing of any owner would sink by it.
fn change(
    all: &[Stored<Operator>],
    id: OperatorId,
    edit: impl FnOnce(&mut Operator) -> AuditEvent,
) -> Result<Changeset, OperatorError> {
    let stored = find(all, id)?;
    let mut operator = stored.value.clone();
    let event = edit(&mut operator);
    let mut changes = Changeset::default();
    let best = all.iter().map(|other| standing(&other.value)).max().flatten();
    if standing(&stored.value) == best && standing(&operator) < best {
        let stays = all.iter().find(|other| other.value.id != id && standing(&other.value) == best);
        let stays = stays.ok_or(OperatorError::LastOwner)?;
        changes.update(stays.version, Record::Operator(stays.value.clone()));
    }
    changes.note(event);
    changes.update(stored.version, Record::Operator(operator));
    Ok(changes)
}
