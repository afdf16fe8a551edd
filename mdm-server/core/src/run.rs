//! Runs of the app on one device: which of them can have grown from one folder, one after the other. ADR 15 says what is told
//! apart by it; whether two of them live at once is asked of their connections by the shell.

use serde::{Deserialize, Serialize};
use shared::ids::RunId;
use shared::wire::Run;

use crate::device::Device;

#[cfg(test)]
mod tests;

/// Runs after one anchor that are remembered. Each began without knowing the answer of the one before, which was dead by then, so
/// the oldest is never needed again.
const REMEMBERED: usize = 8;

/// What is known of a device's runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    /// The server's epoch in which it was noted: a server that was restored since has forgotten runs.
    epoch: u32,
    /// The run after which those in `since` began.
    anchor: Option<RunId>,
    /// Runs whose hello was answered, oldest first. None: whoever comes is the first.
    since: Vec<RunId>,
}

/// What made the server think that there is a copy of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopySign {
    /// Its vault was opened less often than is known.
    Behind,
    /// Two runs of it live at once.
    BothLive,
    /// Its run does not follow from the last ones: two have grown from one.
    Forked,
}

impl CopySign {
    /// As the journal says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::BothLive => "both-live",
            Self::Forked => "forked",
        }
    }
}

/// A run that does not follow from what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this run of the app does not follow from the last one")]
pub struct Forked;

impl Runs {
    /// What is known once `said` was answered, in the server's `epoch`.
    ///
    /// One folder's runs come one after the other, and each says which answered run it found on the disk: the one known as the
    /// anchor, if no answer since was kept, or one of those after it. An app that says no run is older than runs; after one
    /// that said one it is none of this device.
    pub fn follow(&self, said: Option<Run>, epoch: u32) -> Result<Self, Forked> {
        let Some(said) = said else {
            return if self.since.is_empty() { Ok(self.clone()) } else { Err(Forked) };
        };
        if self.since.is_empty() || self.epoch != epoch {
            return Ok(Self { epoch, anchor: said.after, since: vec![said.id] });
        }
        if self.since.contains(&said.id) {
            return Ok(self.clone());
        }
        if said.after == self.anchor {
            let mut since = self.since.clone();
            since.push(said.id);
            since.drain(..since.len().saturating_sub(REMEMBERED));
            return Ok(Self { since, ..self.clone() });
        }
        let anchor = said.after.filter(|after| self.since.contains(after)).ok_or(Forked)?;
        Ok(Self { epoch, anchor: Some(anchor), since: vec![said.id] })
    }
}

/// Whether a hello shows a fork that was not noted yet. Before it counts, the caller has to answer a probe with that very run:
/// a hello may have been long on its way from a process that is dead.
pub fn is_new_fork(device: &Device, said: Option<Run>, epoch: u32) -> bool {
    device.copy_suspected_at.is_none() && device.runs.follow(said, epoch).is_err()
}
