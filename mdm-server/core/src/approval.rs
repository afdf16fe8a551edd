//! Who lets a plan take effect, and when: the number of leavers that is typed, the second admin, the time. Which steps a
//! batch can take at all is the table in [`crate::batch`]; what taking effect does is [`crate::apply`].

mod guards;
#[cfg(test)]
mod tests;
mod timing;

pub use guards::{Approvers, GuardRules, Guards};
pub use timing::{cancel, check_time, delete_lines, hold, is_replaced_by, replace, schedule};

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};

use crate::audit::{Actor, AuditEvent, Happening, PersonalValue, Subject};
use crate::batch::{Approval, Batch, BatchState, Capacity, LostZeros, NotNow, Step};
use crate::change::{Changeset, Record, Stored};
use crate::command::checked_reason;
use crate::operator::Operator;

/// Why a plan does not come nearer to taking effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// The step does not lead on from where the batch stands.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// Another batch of its source took effect since.
    #[error("another batch of this source took effect since: upload the file again and look at the new plan")]
    Stale,
    /// Numbers lost their zeros.
    #[error(
        "{rows} staff numbers lost their zeros in front: upload the file again, padded or mended as it was said there"
    )]
    LostZeros {
        /// Rows.
        rows: u32,
        /// The length to pad to, if that helps.
        length: Option<u8>,
    },
    /// An undo is given a time.
    #[error("an undo has no time: apply it at once or cancel it")]
    UndoHasNoTime,
    /// So many leave that their number must be typed.
    #[error(
        "so many of the source leave by this plan that their number must be typed: look at the leavers and count them"
    )]
    LeaversNotTyped,
    /// The number typed is not theirs.
    #[error("the number of leavers that was typed is not the plan's: look at the leavers again")]
    LeaversDiffer,
    /// Nobody has approved the plan.
    #[error("this plan takes effect only when somebody else than its author has approved it")]
    NeedsApproval,
    /// The author approves their own plan.
    #[error(
        "who uploaded a file does not approve its plan: ask another admin or a deputy, or approve it as an emergency with a \
         reason"
    )]
    OwnPlan,
    /// Somebody else than the author gives a reason.
    #[error("only who uploaded the file approves it as an emergency: approve it without a reason")]
    NoEmergency,
    /// The operator is no approver.
    #[error("this operator may not approve plans: ask an owner, or to be named a deputy")]
    NotAnApprover,
    /// What was looked at is not this plan.
    #[error("the plan that was looked at is another one: look at this one and approve it")]
    AnotherPlan,
    /// No reason, or a long one.
    #[error("a reason of 1 to 500 characters is needed")]
    Reason,
    /// The time is over.
    #[error("the effective time is over already: choose a later one, or apply the plan at once")]
    TimeIsPast,
    /// The time is more than a year away.
    #[error("the effective time is more than a year away: choose an earlier one")]
    TimeIsFar,
    /// There is nothing to take note of.
    #[error("the batch has no emergency approval that waits to be acknowledged")]
    NothingToAcknowledge,
    /// Who approved takes no note of it.
    #[error("who approved a plan as an emergency does not acknowledge it: another owner does")]
    OwnEmergency,
}

/// Who decides, and when.
#[derive(Debug, Clone, Copy)]
pub struct Acting {
    /// Who.
    pub actor: Actor,
    /// When.
    pub now: Timestamp,
}

impl Acting {
    fn event(self, what: Happening, batch: &Batch) -> AuditEvent {
        AuditEvent::new(self.now, self.actor, what, Subject::batch(batch.id)).fact("source", &batch.source)
    }
}

/// What somebody says who lets a plan go on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Consent {
    /// The number of leavers, where it was typed.
    pub leavers: Option<u32>,
}

/// What somebody says who approves.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// [`Batch::plan_digest`] of what was looked at.
    pub looked_at: [u8; 32],
    /// The number of leavers, where it was typed.
    pub consent: Consent,
    /// Why the author approves alone.
    pub emergency: Option<&'a str>,
}

/// Lets a plan take effect. With a time it does so then, also if that is over by now; without one it waits for somebody
/// to give it one.
pub fn approve(
    mut batch: Stored<Batch>,
    roster_version: u64,
    approver: &Operator,
    words: Words<'_>,
    rules: &GuardRules,
    now: Timestamp,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Changeset, ApprovalError> {
    let acting = Acting { actor: Actor::Operator(approver.id), now };
    let planned = &mut batch.value;
    planned.state.take(Step::Approve)?;
    if words.looked_at != planned.plan_digest {
        return Err(ApprovalError::AnotherPlan);
    }
    can_take_effect(planned, roster_version)?;
    let capacity = capacity(planned, approver, words.emergency, rules, now)?;
    Guards::of(&planned.summary, rules).are_met_by(words.consent)?;

    let what = match capacity {
        Capacity::Emergency { .. } => Happening::BatchSelfApproved,
        Capacity::Approver | Capacity::Deputy => Happening::BatchApproved,
    };
    let mut event = acting
        .event(what, planned)
        .fact("as", capacity.name())
        .fact("plan", data_encoding::HEXLOWER.encode(&planned.plan_digest))
        .fact("leave", planned.summary.leave)
        .fact("changes", planned.summary.changes());
    if let Some(effective_at) = planned.release.effective_at {
        event = event.fact("effective-at", effective_at);
    }
    if let Capacity::Emergency { reason, .. } = &capacity {
        event = event.personal(PersonalValue::make("reason", reason, rng));
    }
    planned.release.approval =
        Some(Approval { by: acting.actor, at: now, capacity, plan_digest: words.looked_at });
    planned.state = match planned.release.effective_at {
        Some(_) => BatchState::Scheduled,
        None => BatchState::Approved,
    };
    Ok(changed(batch, event))
}

/// As what somebody approves, if they may.
fn capacity(
    batch: &Batch,
    approver: &Operator,
    emergency: Option<&str>,
    rules: &GuardRules,
    now: Timestamp,
) -> Result<Capacity, ApprovalError> {
    let is_author = batch.is_by(Actor::Operator(approver.id));
    match (is_author, emergency) {
        (true, None) => Err(ApprovalError::OwnPlan),
        (true, Some(reason)) => {
            let reason = checked_reason(reason).map_err(|_| ApprovalError::Reason)?.to_owned();
            Ok(Capacity::Emergency { reason, acknowledged: None })
        }
        (false, Some(_)) => Err(ApprovalError::NoEmergency),
        (false, None) if rules.approvers.include(approver.role) => Ok(Capacity::Approver),
        (false, None) if approver.deputy.as_ref().is_some_and(|deputy| deputy.is_on(now)) => {
            Ok(Capacity::Deputy)
        }
        (false, None) => Err(ApprovalError::NotAnApprover),
    }
}

/// Whether a plan may take effect by hand, now. What it does then is [`crate::apply::apply`].
pub fn may_apply(batch: &Batch, consent: Consent, rules: &GuardRules) -> Result<(), ApprovalError> {
    batch.state.take(Step::Apply)?;
    let guards = Guards::of(&batch.summary, rules);
    guards.are_met_by(consent)?;
    if guards.approval && batch.release.approval.is_none() {
        Err(ApprovalError::NeedsApproval)
    } else {
        Ok(())
    }
}

/// An owner takes note of an emergency approval: another one than who approved, unless there is `no_other_owner`.
pub fn acknowledge(
    mut batch: Stored<Batch>,
    no_other_owner: bool,
    acting: Acting,
) -> Result<Changeset, ApprovalError> {
    let event = acting.event(Happening::SelfApprovalAcknowledged, &batch.value);
    let Some(Approval { by, capacity: Capacity::Emergency { acknowledged, .. }, .. }) =
        &mut batch.value.release.approval
    else {
        return Err(ApprovalError::NothingToAcknowledge);
    };
    if acknowledged.is_some() {
        return Err(ApprovalError::NothingToAcknowledge);
    }
    if *by == acting.actor && !no_other_owner {
        return Err(ApprovalError::OwnEmergency);
    }
    *acknowledged = Some((acting.actor, acting.now));
    Ok(changed(batch, event))
}

/// What would keep a plan from taking effect whoever approves it.
fn can_take_effect(batch: &Batch, roster_version: u64) -> Result<(), ApprovalError> {
    if batch.roster_version != roster_version {
        return Err(ApprovalError::Stale);
    }
    match batch.lost_zeros {
        Some(LostZeros { rows, length }) => Err(ApprovalError::LostZeros { rows, length }),
        None => Ok(()),
    }
}

fn changed(batch: Stored<Batch>, event: AuditEvent) -> Changeset {
    let mut changes = Changeset::default();
    changes.note(event);
    changes.update(batch.version, Record::Batch(batch.value));
    changes
}
