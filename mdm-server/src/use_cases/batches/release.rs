//! From a plan into force: approving it, giving it its time, calling it off, and what the scheduler does with those whose
//! time has come. The rules are `mdm_core::approval`.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use mdm_core::apply::ApplyError;
use mdm_core::approval::{self, Acting, ApprovalError, Consent, Words};
use mdm_core::audit::Actor;
use mdm_core::batch::{Batch, BatchState, HeldReason};
use mdm_core::change::{Changeset, Key, Stored};
use mdm_core::operator::{Act, Operator, Role};
use mdm_store::MAX_PAGE;
use rand::rngs::OsRng;
use shared::ids::BatchId;

use super::{InForce, load, show, take_effect};
use crate::directory;
use crate::service::Service;
use crate::use_cases::{Refusal, UseCaseError, retry_on_conflict};

/// Whether somebody may see the lines of a plan. Before it takes effect it is 内示: for those who manage and approve.
pub fn may_see_lines(batch: &Batch, operator: &Operator, now: Timestamp) -> bool {
    matches!(batch.state, BatchState::Applied { .. }) || operator.may(Act::Approve, now)
}

/// Why a text is no effective time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not a day and a time of day.
    #[error("not a day and a time of day in the organisation's zone: write it like 2027-04-01T00:00")]
    Form,
    /// The clocks skip it, or show it twice.
    #[error("the clocks of the organisation's zone do not show this time, or show it twice: choose another")]
    NotOnce,
}

/// An effective time as it is typed: a day and a time of day in the organisation's zone.
pub fn effective_time(text: &str, zone: &TimeZone) -> Result<Timestamp, TimeError> {
    let civil: DateTime = text.trim().parse().map_err(|_| TimeError::Form)?;
    zone.to_ambiguous_timestamp(civil).unambiguous().map_err(|_| TimeError::NotOnce)
}

async fn roster_version(service: &Service, batch: &Batch) -> Result<u64, UseCaseError> {
    let roster = service.store.roster(&batch.source).await?;
    Ok(roster.map_or(0, |roster| roster.value.version))
}

fn acting(service: &Service, actor: Actor) -> Acting {
    Acting { actor, now: service.clock.now() }
}

/// Approves a plan that `approver` has looked at.
pub async fn approve(
    service: &Service,
    id: BatchId,
    approver: &Operator,
    words: Words<'_>,
) -> Result<Batch, UseCaseError> {
    let rules = service.config.batches.rules();
    decide(service, id, |batch, roster_version| {
        approval::approve(batch, roster_version, approver, words, &rules, service.clock.now(), &mut OsRng)
    })
    .await
}

/// Gives a plan its time, or another one. Another plan of the source for the same time gives way.
pub async fn schedule(
    service: &Service,
    id: BatchId,
    effective_at: Timestamp,
    consent: Consent,
    actor: Actor,
) -> Result<Batch, UseCaseError> {
    let rules = service.config.batches.rules();
    retry_on_conflict(|| async {
        let batch = load(service, id).await?;
        let version = roster_version(service, &batch.value).await?;
        let acting = acting(service, actor);
        let mut newer = batch.value.clone();
        newer.release.effective_at = Some(effective_at);
        let mut changes = approval::schedule(batch, version, effective_at, consent, &rules, acting)?;
        changes.extend(replaced_by(service, &newer, acting).await?);
        service.commit(changes).await?;
        Ok(())
    })
    .await?;
    service.rescheduled.notify_one();
    show(service, id).await
}

/// Calls a batch off before it takes effect.
pub async fn cancel(service: &Service, id: BatchId, why: &str, actor: Actor) -> Result<Batch, UseCaseError> {
    decide(service, id, |batch, _| approval::cancel(batch, why, acting(service, actor), &mut OsRng)).await
}

/// An owner takes note of an emergency approval.
pub async fn acknowledge(service: &Service, id: BatchId, actor: Actor) -> Result<Batch, UseCaseError> {
    let operators = service.store.operators().await?;
    let is_other = |operator: &Operator| {
        operator.role == Role::Owner && operator.is_enabled() && Actor::Operator(operator.id) != actor
    };
    let no_other_owner = !operators.iter().any(|stored| is_other(&stored.value));
    decide(service, id, |batch, _| approval::acknowledge(batch, no_other_owner, acting(service, actor))).await
}

/// Applies a plan at once, if it may: whole or not at all.
pub async fn apply(
    service: &Arc<Service>,
    id: BatchId,
    consent: Consent,
    actor: Actor,
) -> Result<InForce, UseCaseError> {
    let batch = show(service, id).await?;
    // What is in force already has an answer of its own, with its time.
    if !matches!(batch.state, BatchState::Applied { .. }) {
        approval::may_apply(&batch, consent, &service.config.batches.rules())?;
    }
    take_effect(service, id, actor).await
}

/// One decision over one batch, asked again when it has changed in between.
async fn decide(
    service: &Service,
    id: BatchId,
    rule: impl Fn(Stored<Batch>, u64) -> Result<Changeset, ApprovalError>,
) -> Result<Batch, UseCaseError> {
    retry_on_conflict(|| async {
        let batch = load(service, id).await?;
        let version = roster_version(service, &batch.value).await?;
        service.commit(rule(batch, version)?).await?;
        Ok(())
    })
    .await?;
    service.rescheduled.notify_one();
    show(service, id).await
}

/// The end of all batches whose place a newer one takes.
pub(super) async fn replaced_by(
    service: &Service,
    newer: &Batch,
    acting: Acting,
) -> Result<Changeset, UseCaseError> {
    let mut changes = Changeset::default();
    for older in open_batches(service).await? {
        if approval::is_replaced_by(&older.value, newer) {
            changes.extend(approval::replace(older, newer.id, acting)?);
        }
    }
    Ok(changes)
}

/// Batches that are not in force and have not ended.
async fn open_batches(service: &Service) -> Result<Vec<Stored<Batch>>, UseCaseError> {
    let mut open = Vec::new();
    let directory = directory::current(service).await?;
    for head in directory.all_batches().filter(|head| head.state.is_open()) {
        open.extend(service.store.batch(head.id).await?.filter(|batch| batch.value.state.is_open()));
    }
    Ok(open)
}

/// The next time at which a batch takes effect by itself.
pub async fn next_due(service: &Service) -> Result<Option<Timestamp>, UseCaseError> {
    Ok(open_batches(service).await?.iter().filter_map(|batch| batch.value.due()).min())
}

/// Applies what is due, the earliest first. A plan that cannot take effect is held, with the reason; what fails otherwise is
/// tried again by the next pass.
pub async fn apply_due(service: &Arc<Service>) -> Result<(), UseCaseError> {
    let now = service.clock.now();
    let mut due: Vec<(Timestamp, BatchId)> = open_batches(service)
        .await?
        .iter()
        .filter_map(|batch| batch.value.due().filter(|due| *due <= now).map(|due| (due, batch.value.id)))
        .collect();
    due.sort_unstable();
    let mut failed = Ok(());
    for (_, batch) in due {
        if let Err(error) = apply_one_due(service, batch).await {
            failed = Err(error);
        }
    }
    failed
}

async fn apply_one_due(service: &Arc<Service>, id: BatchId) -> Result<(), UseCaseError> {
    let refused = match take_effect(service, id, Actor::Server).await {
        Ok(_) => return Ok(()),
        Err(UseCaseError::Refused(Refusal::Apply(refused))) => refused,
        Err(error) => return Err(error),
    };
    let why = match refused {
        ApplyError::StalePlan { .. } => HeldReason::Stale,
        ApplyError::LostZeros { .. } => HeldReason::LostZeros,
        ApplyError::IncompletePlan { .. }
        | ApplyError::NotLoaded(_)
        | ApplyError::NotWhatWasApproved
        | ApplyError::Undo(_) => HeldReason::Damaged,
        // Somebody was faster.
        ApplyError::AlreadyApplied(_) | ApplyError::NotNow(_) => return Ok(()),
    };
    tracing::warn!(batch = %id, why = why.name(), "a batch did not take effect at its time");
    retry_on_conflict(|| async {
        let batch = load(service, id).await?;
        if let Some(changes) = approval::hold(batch, why, service.clock.now()) {
            service.commit(changes).await?;
        }
        Ok(())
    })
    .await
}

/// Deletes the lines of plans, and what people were before them, whose time to be kept is over. First it is noted, then they
/// go, the last chunk first: a crash in between leaves the first as a sign that there is more to do.
pub async fn delete_lines(service: &Service) -> Result<(), UseCaseError> {
    let now = service.clock.now();
    let directory = directory::current(service).await?;
    for head in directory.all_batches().filter(|head| !head.state.is_open()) {
        let noted = head.release.lines_deleted_at.is_some();
        if noted && service.store.plan_chunk(head.id, 0).await?.is_none() {
            continue;
        }
        let batch = load(service, head.id).await?;
        let (chunks, befores) = (batch.value.chunks, batch.value.befores);
        if batch.value.release.lines_deleted_at.is_none() {
            let Some(changes) = approval::delete_lines(batch, now) else { continue };
            service.commit(changes).await?;
        }
        delete_chunks(service, head.id, chunks, befores).await?;
    }
    Ok(())
}

async fn delete_chunks(
    service: &Service,
    batch: BatchId,
    chunks: u32,
    befores: u32,
) -> Result<(), UseCaseError> {
    for number in (0..befores).rev() {
        if let Some(chunk) = service.store.before_chunk(batch, number).await? {
            let mut changes = Changeset::default();
            changes.delete(chunk.version, Key::BeforeChunk(batch, number));
            service.commit(changes).await?;
        }
    }
    let numbers: Vec<u32> = (0..chunks).rev().collect();
    for numbers in numbers.chunks(MAX_PAGE) {
        let mut changes = Changeset::default();
        for number in numbers {
            if let Some(chunk) = service.store.plan_chunk(batch, *number).await? {
                changes.delete(chunk.version, Key::PlanChunk(batch, *number));
            }
        }
        if !changes.writes.is_empty() {
            service.commit(changes).await?;
        }
    }
    Ok(())
}
