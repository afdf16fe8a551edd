//! What is decided over a plan: who approved it, when it takes effect, and what kept it from doing so.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::crypto::hazmat::sha256;
use shared::ids::BatchId;

use super::{Batch, BatchState, ITEMS_PER_CHUNK, PlanItem};
use crate::audit::Actor;

/// What is decided over a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The approval, where there is one.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// When it is to take effect, or was to. Before it is [`BatchState::Scheduled`], what is wished.
    #[serde(default)]
    pub effective_at: Option<Timestamp>,
    /// Why it did not take effect at its time.
    #[serde(default)]
    pub held: Option<Held>,
    /// When its lines were deleted.
    #[serde(default)]
    pub lines_deleted_at: Option<Timestamp>,
}

/// Somebody's word that a plan may take effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Whose.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
    /// As what.
    pub capacity: Capacity,
    /// The plan that was looked at: [`Batch::plan_digest`].
    #[serde(with = "serde_bytes")]
    pub plan_digest: [u8; 32],
}

/// As what somebody approves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// By role, and not the author.
    Approver,
    /// In an approver's place, for a time.
    Deputy,
    /// The author alone, since nobody else could be had.
    Emergency {
        /// Why, as typed.
        reason: String,
        /// Who took note of it, and when.
        acknowledged: Option<(Actor, Timestamp)>,
    },
}

impl Capacity {
    /// The name in the journal and the API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Approver => "approver",
            Self::Deputy => "deputy",
            Self::Emergency { .. } => "emergency",
        }
    }
}

/// A plan that did not take effect at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// When that was found.
    pub at: Timestamp,
    /// Why.
    pub why: HeldReason,
}

/// Why a plan cannot take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldReason {
    /// Another batch of its source took effect since it was planned.
    Stale,
    /// Staff numbers lost their zeros in front.
    LostZeros,
    /// What is stored of it is not whole, or not what was planned.
    Damaged,
}

impl HeldReason {
    /// The name in the journal and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::LostZeros => "lost-zeros",
            Self::Damaged => "damaged",
        }
    }
}

/// A batch that takes effect by itself does so within seconds of its time. From here on it is late, and says so.
const LATE: SignedDuration = SignedDuration::from_secs(60);
/// How long the lines of a plan are kept after nothing more is to come of it.
pub const LINES_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Batch {
    /// When it takes effect by itself, if it does.
    pub fn due(&self) -> Option<Timestamp> {
        let goes = self.state == BatchState::Scheduled && self.release.held.is_none();
        self.release.effective_at.filter(|_| goes)
    }

    /// By how much it took effect late, where that is worth a word.
    pub fn late_by(&self) -> Option<SignedDuration> {
        let BatchState::Applied { at } = self.state else { return None };
        self.release.effective_at.map(|due| at.duration_since(due)).filter(|late| *late >= LATE)
    }

    /// Whether its lines have been kept long enough.
    pub fn lines_are_due_for_deletion(&self, now: Timestamp) -> bool {
        let ended = self.state.ended_at().filter(|_| self.release.lines_deleted_at.is_none());
        ended.is_some_and(|ended| now.duration_since(ended) >= LINES_KEPT)
    }

    /// [`Release::unacknowledged_emergency`].
    pub fn unacknowledged_emergency(&self) -> Option<&Approval> {
        self.release.unacknowledged_emergency()
    }
}

impl Release {
    /// An emergency approval that nobody has taken note of.
    pub fn unacknowledged_emergency(&self) -> Option<&Approval> {
        let open = |approval: &&Approval| {
            matches!(approval.capacity, Capacity::Emergency { acknowledged: None, .. })
        };
        self.approval.as_ref().filter(open)
    }
}

/// SHA-256 over a plan: its batch, the roster's version it was made against, and the CBOR of its lines, chunk by chunk.
pub fn plan_digest<'a>(
    batch: BatchId,
    roster_version: u64,
    chunks: impl IntoIterator<Item = &'a [PlanItem]>,
) -> [u8; 32] {
    let mut parts: Vec<u8> = Vec::new();
    for items in chunks {
        let mut bytes = Vec::with_capacity(items.len() * 256);
        ciborium::into_writer(items, &mut bytes).expect("writing into memory does not fail");
        parts.extend(sha256(&[&bytes]));
    }
    sha256(&[b"plan", batch.as_bytes(), &roster_version.to_be_bytes(), &parts])
}

/// [`plan_digest`] of lines that are not in chunks yet.
pub fn plan_digest_of_lines(batch: BatchId, roster_version: u64, items: &[PlanItem]) -> [u8; 32] {
    plan_digest(batch, roster_version, items.chunks(ITEMS_PER_CHUNK))
}
