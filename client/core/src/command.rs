//! Commands of the server: from bytes to what may be done because of them.

use shared::cose::{self, PublicKey, VerifyError};
use shared::ids::EnrolmentId;
use shared::signed::{Action, Command, Order};

/// A command whose signature by the command key, for this enrolment, was checked. Only [`VerifiedCommand::verify`]
/// makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCommand {
    command: Command,
    bytes: Vec<u8>,
}

impl VerifiedCommand {
    /// Checks a COSE_Sign1 of at most [`cose::MAX_LEN`] bytes against the key pinned at enrolment.
    pub fn verify(bytes: &[u8], enrolment: EnrolmentId, key: &PublicKey) -> Result<Self, VerifyError> {
        let command = cose::verify(bytes, enrolment.as_bytes(), key)?;
        Ok(Self { command, bytes: bytes.to_vec() })
    }

    /// What the server demands.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// What it may do to a device whose last applied command is `last_applied`: a wipe is obeyed at any counter, block
    /// and unblock only above it.
    pub fn accept(self, last_applied: Option<Order>) -> Accepted {
        let order = self.command.order;
        match self.command.action {
            Action::Wipe => Accepted::Wipe(WipeAuthorised(self)),
            _ if last_applied.is_some_and(|last| order <= last) => Accepted::Repeated,
            Action::Block => Accepted::Block(order),
            Action::Unblock => Accepted::Unblock(order),
        }
    }
}

/// What a verified command may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// Lock and drop what opens the vault without the server.
    Block(Order),
    /// End a block.
    Unblock(Order),
    /// Old or seen before: no effect.
    Repeated,
    /// Erase.
    Wipe(WipeAuthorised),
}

/// Proof that the server signed a wipe for this enrolment. Nothing starts an erase without one, and only
/// [`VerifiedCommand::accept`] and [`WipeAuthorised::from_intent`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WipeAuthorised(VerifiedCommand);

/// Why a stored intent authorises nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IntentError {
    /// The signature, key or enrolment does not fit: a torn write, or someone else's bytes.
    #[error("the stored wipe command does not verify: {0}")]
    Unverified(#[from] VerifyError),
    /// A command, but no wipe.
    #[error("the stored command is no wipe")]
    NotAWipe,
}

impl WipeAuthorised {
    /// The wipe that an earlier run wrote down before it was interrupted.
    pub fn from_intent(bytes: &[u8], enrolment: EnrolmentId, key: &PublicKey) -> Result<Self, IntentError> {
        let verified = VerifiedCommand::verify(bytes, enrolment, key)?;
        match verified.command.action {
            Action::Wipe => Ok(Self(verified)),
            Action::Block | Action::Unblock => Err(IntentError::NotAWipe),
        }
    }

    /// The command.
    pub fn command(&self) -> &Command {
        &self.0.command
    }

    /// The signed bytes, for the intent file.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }
}

#[cfg(test)]
mod tests;
