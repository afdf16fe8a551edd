//! Applying a plan: exactly what it says, in one changeset, and only while the roster is the one it was made against.
//!
//! Seats: what leavers give back goes to those who waited before, then to the plan's own people in the order of the
//! file; who gets none waits. A wish withdrawn before the first sign-in frees the seat; afterwards the seat stays, since
//! a working phone would go dark by a cell left empty, and is listed in [`Applied::seats_kept`] for an admin to decide.
//!
//! In the same changeset stands what everybody was before, for [`crate::undo`].

mod leave;
pub(crate) mod lines;
mod temporary;
#[cfg(test)]
pub(crate) mod tests;

pub use leave::{CloseError, UNDO_WINDOW, close, due_for_wipe};
pub use temporary::end_temporary;

use std::collections::BTreeMap;

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};
use shared::ids::{AccountId, EnrolmentId};

use crate::account::Roster;
use crate::audit::{AuditEvent, Happening, Subject};
use crate::batch::{
    Batch, BatchState, LostZeros, NotNow, PlanChunk, PlanItem, PlanKind, PlanWord, Step, plan_digest,
};
use crate::change::{Changeset, LongChangeset, Record, Stored, Version, Write};
use crate::seats::{Acting, Holdings, Ledger, NotLoaded, SeatChange};
use crate::undo::{BeforeChunk, Restored, UndoError, by_account, may_undo, restore};

/// What a plan is applied to.
#[derive(Debug)]
pub struct ApplyInput {
    /// The batch.
    pub batch: Stored<Batch>,
    /// Its whole plan, in any order.
    pub chunks: Vec<PlanChunk>,
    /// The source's roster; `None` before its first batch.
    pub roster: Option<Stored<Roster>>,
    /// All accounts of the source and all who wait; pool and waiting list; codes and devices of all those accounts. For
    /// an undo all whom the batch to be undone made different, instead of those of the source.
    pub holdings: Holdings,
    /// Of an undo: what is to be undone.
    pub undone: Option<Undone>,
}

/// A batch that is to be undone.
#[derive(Debug)]
pub struct Undone {
    /// The batch.
    pub batch: Batch,
    /// What people were before it, in any order.
    pub befores: Vec<BeforeChunk>,
}

/// Why nothing is applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Another batch was applied after this one was planned.
    #[error(
        "the plan was made against version {planned} of the roster, which is now version {now}: upload the file again \
         and look at the new plan"
    )]
    StalePlan {
        /// The version that the plan was made against.
        planned: u64,
        /// The version now.
        now: u64,
    },
    /// Numbers lost their zeros, and the uploader has not said what to do.
    #[error(
        "{rows} staff numbers lost their zeros in front: {cure}", cure = zeros_cure(*length)
    )]
    LostZeros {
        /// Rows.
        rows: u32,
        /// The length to pad to, if that helps.
        length: Option<u8>,
    },
    /// It is in force already.
    #[error("the batch was applied at {0} already")]
    AlreadyApplied(Timestamp),
    /// It was called off, or a newer file took its place.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// What is stored is not the plan that was approved.
    #[error(
        "the stored plan is not the one that was approved: upload the file again and look at the new plan"
    )]
    NotWhatWasApproved,
    /// A part of the plan is missing or of another batch.
    #[error("the stored plan is not whole: it has {found} of {expected} parts")]
    IncompletePlan {
        /// Parts that the batch has.
        expected: u32,
        /// Parts of it that are there.
        found: u32,
    },
    /// What an undo undoes cannot be undone, or is not at hand.
    #[error(transparent)]
    Undo(#[from] UndoError),
    /// The plan speaks of an account that is not there.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
}

/// What applying does, besides what it stores.
#[derive(Debug, PartialEq, Eq)]
pub struct Applied {
    /// Devices to be blocked after the commit, one by one.
    pub block: Vec<EnrolmentId>,
    /// Of an undo: devices to be unblocked after the commit, one by one.
    pub unblock: Vec<EnrolmentId>,
    /// Of an undo: who stays as they are, changed between plan and undo.
    pub not_undone: Vec<AccountId>,
    /// Who got a seat and a code.
    pub seats_given: Vec<AccountId>,
    /// Who lost a seat.
    pub seats_freed: Vec<AccountId>,
    /// Who no longer wishes a seat but keeps it, having signed in.
    pub seats_kept: Vec<AccountId>,
    /// Who waits since now.
    pub waiting: Vec<AccountId>,
}

/// Applies a plan. The change is to be committed whole; it has up to a few writes and events a line.
pub fn apply(
    input: ApplyInput,
    acting: Acting<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(LongChangeset, Applied), ApplyError> {
    let ApplyInput { mut batch, mut chunks, roster, holdings, undone } = input;
    let roster = roster.unwrap_or_else(|| {
        let source = batch.value.source.clone();
        Stored { version: Version(0), value: Roster { source, version: 0 } }
    });
    may_apply(&batch.value, &roster.value)?;
    chunks.sort_by_key(|chunk| chunk.number);
    whole(&batch.value, &chunks)?;
    approved(&batch.value, &chunks)?;

    let mut ledger = Ledger::open(holdings, acting).for_batch(batch.value.id);
    let items = chunks.into_iter().flat_map(|chunk| chunk.items);
    let (restored, befores) = match undone_by(&batch.value, undone.as_ref())? {
        Some(undone) => (undo(undone, items, &mut ledger, acting, rng)?, Vec::new()),
        None => do_lines(&batch.value, items, &mut ledger, acting, rng)?,
    };
    let (seat_change, events, lines) = ledger.finish_long();
    let SeatChange { changes: of_lines, given, freed, waiting, block, .. } = seat_change;
    let Restored { unblock, not_undone, seats_kept } = restored;

    let mut head = Changeset::default();
    let seats = [
        ("seats-assigned", given.len()),
        ("seats-freed", freed.len()),
        ("seats-kept", seats_kept.len()),
        ("waiting", waiting.len()),
    ];
    batch.value.state = BatchState::Applied { at: acting.now };
    batch.value.release.held = None;
    head.note(late(applied(&batch.value, acting, &seats, not_undone.len()), &batch.value));
    batch.value.befores = u32::try_from(befores.len()).unwrap_or(u32::MAX);
    let next = Roster { version: roster.value.version + 1, ..roster.value };
    head.update(batch.version, Record::Batch(batch.value));
    head.update(roster.version, Record::Roster(next));
    head.extend(of_lines);
    let befores = befores.into_iter().rev().map(|chunk| Write::insert(Record::BeforeChunk(chunk)));
    let changes = LongChangeset { head, events: Box::new(events), writes: Box::new(befores.chain(lines)) };
    let applied =
        Applied { block, unblock, not_undone, seats_given: given, seats_freed: freed, seats_kept, waiting };
    Ok((changes, applied))
}

/// The lines of a file's plan. Gives who keeps a seat, and what everybody was before.
fn do_lines(
    batch: &Batch,
    items: impl Iterator<Item = PlanItem>,
    ledger: &mut Ledger<'_>,
    acting: Acting<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(Restored, Vec<BeforeChunk>), ApplyError> {
    let mut words = BTreeMap::new();
    let mut seats_kept = Vec::new();
    for item in items {
        let word =
            Some(item.kind.word()).filter(|word| !matches!(word, PlanWord::Unchanged | PlanWord::Rejected));
        // A line of their own says so if they leave by it: it comes last.
        if let PlanKind::Join { number_of: Some(before), .. } = item.kind {
            words.insert(before, PlanWord::Change);
        }
        words.extend(item.account.zip(word));
        seats_kept.extend(lines::apply(item, &batch.source, ledger, acting)?);
    }
    ledger.settle(rng)?;
    let befores = ledger.befores(&words);
    let chunks = BeforeChunk::cut(batch.id, befores);
    Ok((Restored { seats_kept, ..Restored::default() }, chunks))
}

/// The lines of an undo's plan.
fn undo(
    undone: &Undone,
    items: impl Iterator<Item = PlanItem>,
    ledger: &mut Ledger<'_>,
    acting: Acting<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Restored, ApplyError> {
    let at = may_undo(&undone.batch, acting.now)?;
    let befores = by_account(&undone.batch, &undone.befores)?;
    let restored = restore(items, &befores, (undone.batch.id, at), ledger, acting, rng)?;
    ledger.settle(rng)?;
    Ok(restored)
}

/// What an undo undoes, which must be at hand; nothing of a file.
fn undone_by<'a>(batch: &Batch, undone: Option<&'a Undone>) -> Result<Option<&'a Undone>, UndoError> {
    match batch.undoes() {
        None => Ok(None),
        Some(of) => {
            let undone = undone.filter(|undone| undone.batch.id == of);
            undone.map(Some).ok_or(UndoError::Incomplete { expected: 1, found: 0 })
        }
    }
}

fn zeros_cure(length: Option<u8>) -> String {
    match length {
        Some(length) => {
            format!("upload the file again with numbers padded to {length} digits, or mend the file")
        }
        None => "mend the file".to_owned(),
    }
}

fn may_apply(batch: &Batch, roster: &Roster) -> Result<(), ApplyError> {
    if let BatchState::Applied { at } = batch.state {
        return Err(ApplyError::AlreadyApplied(at));
    }
    batch.state.take(Step::Apply)?;
    if batch.roster_version != roster.version {
        return Err(ApplyError::StalePlan { planned: batch.roster_version, now: roster.version });
    }
    if let Some(LostZeros { rows, length }) = batch.lost_zeros {
        return Err(ApplyError::LostZeros { rows, length });
    }
    Ok(())
}

fn whole(batch: &Batch, chunks: &[PlanChunk]) -> Result<(), ApplyError> {
    let found =
        (0..).zip(chunks).take_while(|(number, chunk)| chunk.batch == batch.id && chunk.number == *number);
    let found = u32::try_from(found.count()).unwrap_or(u32::MAX);
    if found == batch.chunks && chunks.len() == found as usize {
        Ok(())
    } else {
        Err(ApplyError::IncompletePlan { expected: batch.chunks, found })
    }
}

/// An approval is one of the lines that were looked at. Their digest takes a moment, so that it is only asked for then.
fn approved(batch: &Batch, chunks: &[PlanChunk]) -> Result<(), ApplyError> {
    let Some(approval) = &batch.release.approval else { return Ok(()) };
    let items = chunks.iter().map(|chunk| chunk.items.as_slice());
    let stored = plan_digest(batch.id, batch.roster_version, items);
    if stored == approval.plan_digest { Ok(()) } else { Err(ApplyError::NotWhatWasApproved) }
}

fn late(event: AuditEvent, batch: &Batch) -> AuditEvent {
    match batch.late_by() {
        Some(late) => event.fact("late-by-seconds", late.as_secs()),
        None => event,
    }
}

fn applied(batch: &Batch, acting: Acting<'_>, seats: &[(&str, usize)], not_undone: usize) -> AuditEvent {
    let summary = &batch.summary;
    let event = AuditEvent::new(acting.now, acting.actor, Happening::BatchApplied, Subject::batch(batch.id))
        .fact("source", &batch.source)
        .fact("join", summary.join)
        .fact("move", summary.moved)
        .fact("change", summary.change)
        .fact("return", summary.returned)
        .fact("leave", summary.leave)
        .fact("unchanged", summary.unchanged)
        .fact("rejected", summary.rejected);
    let event = seats.iter().fold(event, |event, (name, number)| event.fact(name, number));
    match batch.undoes() {
        None => event,
        Some(of) => event.fact("undo-of", of).fact("not-undone", summary.not_undone as usize + not_undone),
    }
}
