//! Applying a plan: exactly what it says, in one changeset, and only while the roster is the one it was made against.
//!
//! Seats: what leavers give back goes to those who waited before, then to the plan's own people in the order of the
//! file; who gets none waits. A wish withdrawn before the first sign-in frees the seat; afterwards the seat stays, since
//! a working phone would go dark by a cell left empty, and is listed in [`Applied::seats_kept`] for an admin to decide.

mod leave;
mod lines;
#[cfg(test)]
mod tests;

pub use leave::{CloseError, UNDO_WINDOW, close, due_for_wipe};

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};
use shared::ids::{AccountId, EnrolmentId};

use crate::account::Roster;
use crate::audit::{AuditEvent, Happening, Subject};
use crate::batch::{Batch, BatchState, LostZeros, PlanChunk};
use crate::change::{Changeset, Record, Stored, Version};
use crate::seats::{Acting, Holdings, Ledger, NotLoaded, SeatChange};

/// What a plan is applied to.
#[derive(Debug)]
pub struct ApplyInput {
    /// The batch.
    pub batch: Stored<Batch>,
    /// Its whole plan, in any order.
    pub chunks: Vec<PlanChunk>,
    /// The source's roster; `None` before its first batch.
    pub roster: Option<Stored<Roster>>,
    /// All accounts of the source and all who wait; pool and waiting list; codes and devices of all those accounts.
    pub holdings: Holdings,
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
    /// A part of the plan is missing or of another batch.
    #[error("the stored plan is not whole: it has {found} of {expected} parts")]
    IncompletePlan {
        /// Parts that the batch has.
        expected: u32,
        /// Parts of it that are there.
        found: u32,
    },
    /// The plan speaks of an account that is not there.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
}

/// What applying does.
#[derive(Debug, PartialEq, Eq)]
pub struct Applied {
    /// To be committed whole; up to a few writes and events a line.
    pub changes: Changeset,
    /// Devices to be blocked after the commit, one by one.
    pub block: Vec<EnrolmentId>,
    /// Who got a seat and a code.
    pub seats_given: Vec<AccountId>,
    /// Who lost a seat.
    pub seats_freed: Vec<AccountId>,
    /// Who no longer wishes a seat but keeps it, having signed in.
    pub seats_kept: Vec<AccountId>,
    /// Who waits since now.
    pub waiting: Vec<AccountId>,
}

/// Applies a plan.
pub fn apply(
    input: ApplyInput,
    acting: Acting<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Applied, ApplyError> {
    let ApplyInput { mut batch, mut chunks, roster, holdings } = input;
    let roster = roster.unwrap_or_else(|| {
        let source = batch.value.source.clone();
        Stored { version: Version(0), value: Roster { source, version: 0 } }
    });
    may_apply(&batch.value, &roster.value)?;
    chunks.sort_by_key(|chunk| chunk.number);
    whole(&batch.value, &chunks)?;

    let mut ledger = Ledger::open(holdings, acting).for_batch(batch.value.id);
    let mut seats_kept = Vec::new();
    for item in chunks.into_iter().flat_map(|chunk| chunk.items) {
        seats_kept.extend(lines::apply(item, &batch.value.source, &mut ledger, acting)?);
    }
    ledger.settle(rng)?;
    let SeatChange { changes: lines, given, freed, waiting, block } = ledger.finish();

    let mut changes = Changeset::default();
    let event =
        AuditEvent::new(acting.now, acting.actor, Happening::BatchApplied, Subject::batch(batch.value.id));
    changes.note(counted(
        event,
        &batch.value,
        &[
            ("seats-assigned", given.len()),
            ("seats-freed", freed.len()),
            ("seats-kept", seats_kept.len()),
            ("waiting", waiting.len()),
        ],
    ));
    batch.value.state = BatchState::Applied { at: acting.now };
    let next = Roster { version: roster.value.version + 1, ..roster.value };
    changes.update(batch.version, Record::Batch(batch.value));
    changes.update(roster.version, Record::Roster(next));
    changes.extend(lines);
    Ok(Applied { changes, block, seats_given: given, seats_freed: freed, seats_kept, waiting })
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

fn counted(event: AuditEvent, batch: &Batch, seats: &[(&str, usize)]) -> AuditEvent {
    let summary = &batch.summary;
    let event = event
        .fact("source", &batch.source)
        .fact("join", summary.join)
        .fact("move", summary.moved)
        .fact("change", summary.change)
        .fact("return", summary.returned)
        .fact("leave", summary.leave)
        .fact("unchanged", summary.unchanged)
        .fact("rejected", summary.rejected);
    seats.iter().fold(event, |event, (name, number)| event.fact(name, number))
}
