//! Where a batch stands, and which steps lead on from there: the one table of them. Who may take a step, and what it needs
//! besides, is in [`crate::approval`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ids::BatchId;

use crate::audit::Actor;

/// Where a batch stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchState {
    /// Uploaded and planned.
    Planned,
    /// Looked at by somebody else, and good to take effect.
    Approved,
    /// Takes effect by itself at [`super::Release::effective_at`].
    Scheduled,
    /// In force.
    Applied {
        /// Since when.
        at: Timestamp,
    },
    /// Called off before it took effect.
    Cancelled {
        /// When.
        at: Timestamp,
        /// By whom.
        by: Actor,
        /// Why, as typed.
        why: String,
    },
    /// A newer file took its place before it took effect.
    Replaced {
        /// When.
        at: Timestamp,
        /// The newer one.
        by: BatchId,
    },
}

/// A [`BatchState`] without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the states of BatchState")]
pub enum StateWord {
    Planned,
    Approved,
    Scheduled,
    Applied,
    Cancelled,
    Replaced,
}

impl StateWord {
    /// The name in errors and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Approved => "approved",
            Self::Scheduled => "scheduled",
            Self::Applied => "applied",
            Self::Cancelled => "cancelled",
            Self::Replaced => "replaced",
        }
    }
}

/// What can be done with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Somebody else says that it may take effect.
    Approve,
    /// It is given its time, or another one.
    Schedule,
    /// It takes effect.
    Apply,
    /// It is called off.
    Cancel,
    /// A newer file takes its place.
    Replace,
}

/// A step that does not lead on from where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the batch is {} already: nothing was changed", .0.name())]
pub struct NotNow(pub StateWord);

impl BatchState {
    /// Which state it is.
    pub fn word(&self) -> StateWord {
        match self {
            Self::Planned => StateWord::Planned,
            Self::Approved => StateWord::Approved,
            Self::Scheduled => StateWord::Scheduled,
            Self::Applied { .. } => StateWord::Applied,
            Self::Cancelled { .. } => StateWord::Cancelled,
            Self::Replaced { .. } => StateWord::Replaced,
        }
    }

    /// The table: whether a step leads on from here.
    pub fn take(&self, step: Step) -> Result<(), NotNow> {
        let word = self.word();
        let leads_on = match word {
            StateWord::Planned => true,
            StateWord::Approved | StateWord::Scheduled => step != Step::Approve,
            StateWord::Applied | StateWord::Cancelled | StateWord::Replaced => false,
        };
        if leads_on { Ok(()) } else { Err(NotNow(word)) }
    }

    /// Whether it has neither taken effect nor come to another end.
    pub fn is_open(&self) -> bool {
        self.take(Step::Apply).is_ok()
    }

    /// Since when nothing more is to come of it.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Planned | Self::Approved | Self::Scheduled => None,
            Self::Applied { at } | Self::Cancelled { at, .. } | Self::Replaced { at, .. } => Some(*at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_steps_is_this_and_no_other() {
        use Step::{Apply, Approve, Cancel, Replace, Schedule};
        let at = Timestamp::UNIX_EPOCH;
        let by = BatchId::from_bytes([1; 16]);
        let open = [Schedule, Apply, Cancel, Replace];
        let table: [(BatchState, &[Step]); 6] = [
            (BatchState::Planned, &[Approve, Schedule, Apply, Cancel, Replace]),
            (BatchState::Approved, &open),
            (BatchState::Scheduled, &open),
            (BatchState::Applied { at }, &[]),
            (BatchState::Cancelled { at, by: Actor::Server, why: String::new() }, &[]),
            (BatchState::Replaced { at, by }, &[]),
        ];
        for (state, leading_on) in table {
            for step in [Approve, Schedule, Apply, Cancel, Replace] {
                let expected = if leading_on.contains(&step) { Ok(()) } else { Err(NotNow(state.word())) };
                assert_eq!(state.take(step), expected, "{state:?} {step:?}");
            }
            assert_eq!(state.is_open(), state.ended_at().is_none());
        }
    }
}
