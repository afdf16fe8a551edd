//! When a plan takes effect, and what may come between: another time, an end, a newer file, a reason that keeps it.

use jiff::{SignedDuration, Timestamp};
use rand::{CryptoRng, RngCore};
use shared::ids::BatchId;

use super::{Acting, ApprovalError, Consent, GuardRules, Guards, can_take_effect, changed};
use crate::audit::{Actor, Happening, PersonalValue};
use crate::batch::{Batch, BatchState, Held, HeldReason, Mode, Origin, Step};
use crate::change::{Changeset, Stored};
use crate::command::checked_reason;

/// The latest time, from now.
const FARTHEST: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Gives a plan its time, or another one: an approval stays. A plan that still waits for its approval keeps the time as a
/// wish and takes it with the approval.
pub fn schedule(
    mut batch: Stored<Batch>,
    roster_version: u64,
    effective_at: Timestamp,
    consent: Consent,
    rules: &GuardRules,
    acting: Acting,
) -> Result<Changeset, ApprovalError> {
    let planned = &mut batch.value;
    planned.state.take(Step::Schedule)?;
    if planned.origin != Origin::File {
        return Err(ApprovalError::UndoHasNoTime);
    }
    check_time(effective_at, acting.now)?;
    can_take_effect(planned, roster_version)?;
    let guards = Guards::of(&planned.summary, rules);
    guards.are_met_by(consent)?;

    let mut event = acting.event(Happening::BatchScheduled, planned).fact("effective-at", effective_at);
    if let Some(before) = planned.release.effective_at {
        event = event.fact("before", before);
    }
    if guards.approval && planned.release.approval.is_none() {
        event = event.fact("awaits", "approval");
    } else {
        planned.state = BatchState::Scheduled;
    }
    planned.release.effective_at = Some(effective_at);
    planned.release.held = None;
    Ok(changed(batch, event))
}

/// Whether a time can be an effective time.
pub fn check_time(effective_at: Timestamp, now: Timestamp) -> Result<(), ApprovalError> {
    if effective_at <= now {
        return Err(ApprovalError::TimeIsPast);
    }
    if effective_at.duration_since(now) > FARTHEST { Err(ApprovalError::TimeIsFar) } else { Ok(()) }
}

/// Calls a batch off.
pub fn cancel(
    mut batch: Stored<Batch>,
    why: &str,
    acting: Acting,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Changeset, ApprovalError> {
    let word = batch.value.state.word();
    batch.value.state.take(Step::Cancel)?;
    let why = checked_reason(why).map_err(|_| ApprovalError::Reason)?;
    let event = acting
        .event(Happening::BatchCancelled, &batch.value)
        .fact("before", word.name())
        .personal(PersonalValue::make("reason", why, rng));
    batch.value.state = BatchState::Cancelled { at: acting.now, by: acting.actor, why: why.to_owned() };
    Ok(changed(batch, event))
}

/// Whether a newer roster takes the place of an older one of its source: it is for the same time, or for none as the other;
/// and one that could not take effect gives way to any. A file of some rows takes no place and gives none up: it says nothing of
/// everybody else.
pub fn is_replaced_by(older: &Batch, newer: &Batch) -> bool {
    let same_time = older.release.effective_at == newer.release.effective_at;
    older.id != newer.id
        && older.origin == Origin::File
        && newer.origin == Origin::File
        && older.source == newer.source
        && (older.mode, newer.mode) == (Mode::Roster, Mode::Roster)
        && older.state.take(Step::Replace).is_ok()
        && (same_time || older.release.held.is_some())
}

/// A newer file took the place of a batch.
pub fn replace(mut older: Stored<Batch>, newer: BatchId, acting: Acting) -> Result<Changeset, ApprovalError> {
    let word = older.value.state.word();
    older.value.state.take(Step::Replace)?;
    let event =
        acting.event(Happening::BatchReplaced, &older.value).fact("before", word.name()).fact("newer", newer);
    older.value.state = BatchState::Replaced { at: acting.now, by: newer };
    Ok(changed(older, event))
}

/// Notes that a batch did not take effect at its time. It stays where it is, and is not tried again before somebody has
/// decided. `None` if that is noted already or it has no time.
pub fn hold(mut batch: Stored<Batch>, why: HeldReason, now: Timestamp) -> Option<Changeset> {
    let due = batch.value.due()?;
    let acting = Acting { actor: Actor::Server, now };
    let event =
        acting.event(Happening::BatchHeld, &batch.value).fact("why", why.name()).fact("effective-at", due);
    batch.value.release.held = Some(Held { at: now, why });
    Some(changed(batch, event))
}

/// Notes that the lines of a batch are deleted; the shell deletes them after it. `None` if it is not time.
pub fn delete_lines(mut batch: Stored<Batch>, now: Timestamp) -> Option<Changeset> {
    if !batch.value.lines_are_due_for_deletion(now) {
        return None;
    }
    let acting = Acting { actor: Actor::Server, now };
    let event = acting.event(Happening::BatchLinesDeleted, &batch.value);
    batch.value.release.lines_deleted_at = Some(now);
    Some(changed(batch, event))
}
