//! The erase as a sequence of steps, each safe to do again: what comes next, also after a crash at any of them.
//!
//! The driver does one step at a time and says how it went. After a restart it looks at what is on disk
//! ([`Findings`]), before anything else, and goes on from there. Doing the steps is `client-agent`'s business.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ids::CommandId;
use shared::signed::{ErasureStep, JournalHead, Receipt};

use crate::command::WipeAuthorised;

/// One step, in the order in which they are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EraseStep {
    /// Write the signed command into the file pre-allocated at enrolment, and sync it.
    WriteIntent,
    /// Refuse unlock, drop keys from memory, close the store and wait for its users.
    CloseVault,
    /// Overwrite, unlink and sync device secret and slots.
    DestroyKeys,
    /// Check that loading each of them fails.
    CheckKeysGone,
    /// Remove vault, caches, temporary files and logs.
    RemoveData,
    /// Sign the receipt and store it.
    StoreReceipt,
    /// Send the stored receipt until the server acknowledges it.
    SendReceipt,
    /// Store that it was acknowledged.
    StoreAcked,
    /// Delete device key, certificate, state and receipt.
    DeleteIdentity,
    /// Delete the intent: the last thing that asks for an erase.
    DeleteIntent,
}

impl EraseStep {
    /// Every step, in order.
    pub const ALL: [Self; 10] = [
        Self::WriteIntent,
        Self::CloseVault,
        Self::DestroyKeys,
        Self::CheckKeysGone,
        Self::RemoveData,
        Self::StoreReceipt,
        Self::SendReceipt,
        Self::StoreAcked,
        Self::DeleteIdentity,
        Self::DeleteIntent,
    ];
}

/// What a start finds on disk of an interrupted erase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Findings {
    /// A receipt was signed and stored.
    pub receipt_stored: bool,
    /// The server's acknowledgement was stored.
    pub acked: bool,
}

/// What the driver does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// This step.
    Do(EraseStep),
    /// Something could not be destroyed: pause, then go on. The receipt is not signed before it is.
    Retry(EraseStep),
    /// Nothing is left.
    Finished,
}

/// A running erase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    command: CommandId,
    /// `None` once nothing is left to do.
    step: Option<EraseStep>,
    keys_gone: bool,
    failed: bool,
}

impl Erasure {
    /// Begins the erase that `wipe` demands.
    pub fn begin(wipe: &WipeAuthorised) -> Self {
        Self::at(wipe, EraseStep::WriteIntent)
    }

    /// Goes on with one whose intent was found on disk.
    pub fn resume(wipe: &WipeAuthorised, found: Findings) -> Self {
        let step = match found {
            Findings { acked: true, .. } => EraseStep::DeleteIdentity,
            Findings { receipt_stored: true, .. } => EraseStep::SendReceipt,
            _ => EraseStep::CloseVault,
        };
        Self::at(wipe, step)
    }

    fn at(wipe: &WipeAuthorised, step: EraseStep) -> Self {
        Self { command: wipe.command().id, step: Some(step), keys_gone: false, failed: false }
    }

    /// The wipe that is obeyed.
    pub fn command(&self) -> CommandId {
        self.command
    }

    /// What to do next.
    pub fn next(&self) -> Next {
        match self.step {
            None => Next::Finished,
            Some(step) if self.failed => Next::Retry(step),
            Some(step) => Next::Do(step),
        }
    }

    /// Records how the step that [`Erasure::next`] named went. A failed intent does not stop the erase; keys that still
    /// load or data that is still there are tried again, before the receipt.
    pub fn done(&mut self, succeeded: bool) {
        use EraseStep as S;
        self.failed = false;
        self.step = match self.step {
            Some(S::WriteIntent) => Some(S::CloseVault),
            Some(S::CloseVault) => Some(S::DestroyKeys),
            Some(S::DestroyKeys) => Some(S::CheckKeysGone),
            Some(S::CheckKeysGone) => {
                self.keys_gone = succeeded;
                Some(S::RemoveData)
            }
            Some(S::RemoveData) if succeeded && self.keys_gone => Some(S::StoreReceipt),
            Some(S::RemoveData) => self.again(S::DestroyKeys),
            Some(S::StoreReceipt) if succeeded => Some(S::SendReceipt),
            Some(S::SendReceipt) if succeeded => Some(S::StoreAcked),
            Some(S::StoreAcked) if succeeded => Some(S::DeleteIdentity),
            Some(S::DeleteIdentity) if succeeded => Some(S::DeleteIntent),
            Some(S::DeleteIntent) if succeeded => None,
            Some(step) => self.again(step),
            None => None,
        };
    }

    fn again(&mut self, step: EraseStep) -> Option<EraseStep> {
        self.failed = true;
        Some(step)
    }

    /// The receipt, for [`EraseStep::StoreReceipt`].
    pub fn receipt(&self, now: Timestamp, checkpoint: Option<JournalHead>) -> Receipt {
        Receipt { command: self.command, erased_at: now, steps: ErasureStep::ALL.to_vec(), checkpoint }
    }
}

#[cfg(test)]
mod tests;
