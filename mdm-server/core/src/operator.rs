//! Operators: who may use console and API, for what, and how they prove who they are. Here: the records. The rules over
//! them are in [`rules`] (administration) and [`sign_in`] (codes and sign-ins). Hashing and sealing are the shell's.

mod name;
pub mod rules;
pub mod sign_in;
#[cfg(test)]
mod tests;

pub use name::{InvalidOperatorName, NAME_MAX, OperatorName};
pub use rules::OperatorError;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::ids::OperatorId;

/// How long an invitation is open.
pub const INVITATION_VALID_FOR: SignedDuration = SignedDuration::from_hours(24);
/// The same for the invitation that `init` makes: somebody installs the server before somebody else begins to use it.
pub const FIRST_INVITATION_VALID_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What an operator may do. Each stands by itself: the doors ask for the act, not for a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Owner,
    /// Batches, licenses, codes, devices.
    Operator,
    /// Looks up people and blocks devices.
    Helpdesk,
    /// Reads everything, changes nothing.
    Auditor,
}

impl Role {
    /// All of them, the one that may most at the front.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Operator, Self::Helpdesk, Self::Auditor];

    /// The name in journal, API and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Operator => "operator",
            Self::Helpdesk => "helpdesk",
            Self::Auditor => "auditor",
        }
    }

    /// Whether the role may do it.
    pub fn may(self, act: Act) -> bool {
        match self {
            Self::Owner => true,
            Self::Operator => !matches!(act, Act::Audit | Act::Operators),
            Self::Helpdesk => matches!(act, Act::Read | Act::Block),
            Self::Auditor => matches!(act, Act::Read | Act::Audit),
        }
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// See accounts, devices, licenses, batches, and who the operators are.
    Read,
    /// Upload, apply; pools, reclamation, waiting list.
    Manage,
    /// See plans that are not in force, and approve them.
    Approve,
    /// See or reissue activation codes.
    Codes,
    /// Block and unblock devices.
    Block,
    /// Wipe devices.
    Wipe,
    /// Export the audit journal.
    Audit,
    /// Invite operators, change their roles, disable them, make and revoke their tokens.
    Operators,
}

/// SHA-256 of an API token. Tokens have 256 random bits, so that a plain hash says nothing of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TokenHash(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// SHA-256 of an invitation's code, which has 256 random bits as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InvitationHash(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// A password as it is kept: Argon2id (RFC 9106) as a PHC string. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// The 160 bits that an operator's authenticator computes codes from, under the server's key for them with the operator's
/// id as associated data. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedTotpSecret(#[serde(with = "serde_bytes")] pub Vec<u8>);

impl fmt::Debug for SealedTotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedTotpSecret(…)")
    }
}

/// A link by which an operator sets password and authenticator, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Finds it; the code itself is kept nowhere.
    pub hash: InvitationHash,
    /// Until when it is open.
    pub expires_at: Timestamp,
    /// For the authenticator that is about to be set up.
    pub totp_secret: SealedTotpSecret,
}

/// What an operator proves who they are with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// What they know.
    pub password: PasswordHash,
    /// What they have.
    pub totp_secret: SealedTotpSecret,
    /// The newest time step (RFC 6238: 30 seconds since 1970) whose code was accepted. It and those before it are spent.
    pub last_step: u64,
}

/// How far an operator has come on the way to signing in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignIn {
    /// Invited, or invited anew after phone or password was lost: cannot sign in.
    Invited(Invitation),
    /// Can sign in.
    Ready(Credentials),
}

/// One operator. They are disabled and never deleted: the journal speaks of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// The key.
    pub id: OperatorId,
    /// What they sign in with, and how they are shown.
    pub name: OperatorName,
    /// What they may do.
    pub role: Role,
    /// Their API token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenHash>,
    /// How they sign in.
    pub sign_in: SignIn,
    /// Rises whenever sessions that are open must end: another invitation, an accepted one, disabled, enabled.
    pub session_epoch: u32,
    /// Since when they are known.
    pub created_at: Timestamp,
    /// Since when they may do nothing, by sign-in or token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<Timestamp>,
    /// Stands in for those who approve, for a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deputy: Option<Deputy>,
}

/// 代理: for how long somebody approves in the place of those who may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deputy {
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

impl Deputy {
    /// Whether it is their time.
    pub fn is_on(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

impl Operator {
    /// Whether they may do anything at all.
    pub fn is_enabled(&self) -> bool {
        self.disabled_at.is_none()
    }

    /// Whether they may do it now: by their role, or as a deputy.
    pub fn may(&self, act: Act, now: Timestamp) -> bool {
        let stands_in =
            || act == Act::Approve && self.deputy.as_ref().is_some_and(|deputy| deputy.is_on(now));
        self.role.may(act) || stands_in()
    }

    /// What they sign in with, if they can.
    pub fn credentials(&self) -> Option<&Credentials> {
        match &self.sign_in {
            SignIn::Ready(credentials) if self.is_enabled() => Some(credentials),
            _ => None,
        }
    }

    /// Their invitation, whether or not its time is over.
    pub fn invitation(&self) -> Option<&Invitation> {
        match &self.sign_in {
            SignIn::Invited(invitation) => Some(invitation),
            SignIn::Ready(_) => None,
        }
    }

    /// Their invitation, if it can be accepted.
    pub fn open_invitation(&self, now: Timestamp) -> Option<&Invitation> {
        self.invitation().filter(|invitation| self.is_enabled() && now < invitation.expires_at)
    }
}
