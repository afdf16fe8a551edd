//! The plan: what a staff file would do to the accounts of its source. Nothing is changed by it; `apply` does exactly
//! what it says. The shell loads the accounts and stores [`Plan::changes`].

mod compare;
pub mod difference;
mod known;
pub mod mend;
pub(crate) mod posts;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use rand::RngCore;
use shared::ids::BatchId;

use crate::account::{Account, SourceName};
use crate::audit::{Actor, AuditEvent, Happening, Subject};
use crate::batch::{
    Batch, BatchState, ITEMS_PER_CHUNK, KeptRows, LISTED, LISTED_SHEETS, Mode, Origin, PlanChunk, PlanItem,
    PlanKind, PlanSummary, PlanWord, Release, UPLOAD_PART, UploadPart, plan_digest_of_lines,
};
use crate::change::{Changeset, Key, LongChangeset, Record, Stored, Write};
use crate::identity::{DateKey, Decided, Whose};
use crate::license::Pool;
use crate::sheet::rejected::Kept;
use crate::sheet::{Format, Sheet, SheetError};

/// What a plan is made from.
pub struct PlanInput<'a> {
    /// Which list the file is.
    pub source: SourceName,
    /// How it is compared.
    pub mode: Mode,
    /// The file.
    pub sheet: &'a Sheet,
    /// All accounts of the source, whatever their state. Those of other sources are passed over.
    pub accounts: &'a [Stored<Account>],
    /// 応援職員: the last day of everybody on the list, if it is one of temporary accounts.
    pub temporary_until: Option<Date>,
    /// What is said of numbers that are possibly another person's.
    pub decided: &'a [Decided],
    /// For marks of the dates by which that is seen.
    pub dates: &'a DateKey,
    /// The roster's version; 0 if there is none yet.
    pub roster_version: u64,
    /// The pool, to show seats asked against free.
    pub pool: &'a Pool,
    /// Who uploads.
    pub actor: Actor,
    /// When.
    pub now: Timestamp,
}

/// A batch and all lines of its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What is stored of the batch itself.
    pub batch: Batch,
    /// In the order of the file; leavers last.
    pub items: Vec<PlanItem>,
    /// Bytes of [`Kept`]: the rejected rows as they were written.
    kept: Vec<u8>,
}

/// A list is either of temporary accounts or of staff: a day that was forgotten, or given for the wrong list, must not
/// change what hundreds of people are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongList {
    /// Temporary people are on it.
    #[error(
        "this source is a list of temporary accounts: say until when, or give these people a source of their own"
    )]
    IsTemporary,
    /// Staff are on it.
    #[error("this source is a list of staff: give temporary accounts a source of their own")]
    IsOfStaff,
    /// The last day is over.
    #[error("the last day of these temporary accounts is over: give a later one")]
    HasEnded,
}

/// Whether a list for `temporary_until` may be compared with these accounts, those of its source.
pub fn fits_list(
    accounts: &[Stored<Account>],
    temporary_until: Option<Date>,
    today: Date,
) -> Result<(), WrongList> {
    if temporary_until.is_some_and(|last| last < today) {
        return Err(WrongList::HasEnded);
    }
    let mut working = accounts.iter().map(|stored| &stored.value).filter(|account| account.may_work());
    match (working.next(), temporary_until) {
        (Some(one), None) if one.is_temporary() => Err(WrongList::IsTemporary),
        (Some(one), Some(_)) if !one.is_temporary() => Err(WrongList::IsOfStaff),
        _ => Ok(()),
    }
}

/// Compares a file with the accounts of its source. The same input and the same random numbers give the same plan.
pub fn plan(input: &PlanInput<'_>, rng: &mut impl RngCore) -> Plan {
    let as_written = compare::as_written(input);
    let input = &PlanInput {
        sheet: as_written.as_ref().unwrap_or(input.sheet),
        source: input.source.clone(),
        ..*input
    };
    let id = BatchId::make(input.now, rng);
    let items = compare::compare(input, rng);
    let summary = summary(input, &items);
    let sheet = input.sheet;
    let batch = Batch {
        id,
        source: input.source.clone(),
        mode: input.mode,
        uploaded_at: input.now,
        uploaded_by: input.actor,
        digest: sheet.digest,
        encoding: sheet.format.name().to_owned(),
        delimiter: sheet.format.delimiter_name().to_owned(),
        layout: sheet.layout.name().to_owned(),
        unused_sheets: unused_sheets(sheet),
        lost_zeros: compare::lost_zeros(input, &items),
        unused_columns: sheet.unused_columns.clone(),
        assigned: sheet.assigned.clone(),
        private_use: sheet.private_use.clone(),
        private_use_total: count(sheet.private_use_total),
        normalised_rows: sheet.normalised.iter().take(LISTED).copied().collect(),
        normalised_total: count(sheet.normalised.len()),
        like_leave: sheet.like_leave.clone(),
        kept: KeptRows::default(),
        roster_version: input.roster_version,
        state: BatchState::Planned,
        summary,
        chunks: count(items.len().div_ceil(ITEMS_PER_CHUNK)),
        origin: Origin::File,
        padded_to: None,
        temporary_until: input.temporary_until,
        mends: None,
        earlier_authors: Vec::new(),
        decided: input.decided.to_vec(),
        befores: 0,
        plan_digest: plan_digest_of_lines(id, input.roster_version, &items),
        release: Release::default(),
    };
    Plan::new(batch, items)
}

impl Plan {
    pub(crate) fn new(batch: Batch, items: Vec<PlanItem>) -> Self {
        Self { batch, items, kept: Vec::new() }
    }

    /// Stores the batch with its plan and notes the upload.
    pub fn changes(self) -> Changeset {
        Arc::new(self).long_changes().whole()
    }

    /// The same of a plan that may be long: one put for the batch, one for each [`ITEMS_PER_CHUNK`] lines.
    pub fn long_changes(self: Arc<Self>) -> LongChangeset {
        let mut head = Changeset::default();
        head.note(planned(&self.batch));
        head.events.extend(newly_decided(&self.batch));
        head.insert(Record::Batch(self.batch.clone()));
        let batch = self.batch.id;
        let chunks = {
            let plan = Arc::clone(&self);
            (0..self.batch.chunks).map(move |number| {
                let items =
                    plan.items.chunks(ITEMS_PER_CHUNK).nth(number as usize).unwrap_or_default().to_vec();
                Write::insert(Record::PlanChunk(PlanChunk { batch, number, items }))
            })
        };
        let parts = (0..self.batch.kept.parts).map(move |number| {
            let bytes = self.kept.chunks(UPLOAD_PART).nth(number as usize).unwrap_or_default().to_vec();
            Write::insert(Record::UploadPart(UploadPart { batch, number, bytes }))
        });
        LongChangeset { head, events: Box::new(Vec::new()), writes: Box::new(chunks.chain(parts)) }
    }

    /// Rows of the file that are not accepted.
    pub fn rejected_rows(&self) -> BTreeSet<u32> {
        let rejected = self.items.iter().filter(|item| matches!(item.kind, PlanKind::Rejected(_)));
        rejected.filter_map(|item| item.row).collect()
    }

    /// Has the rejected rows stored with the plan, to be handed back.
    pub fn keep(&mut self, kept: Kept) {
        self.batch.kept = KeptRows {
            parts: count(kept.bytes.len().div_ceil(UPLOAD_PART)),
            rows: kept.rows,
            forgotten_at: None,
        };
        self.kept = kept.bytes;
    }
}

/// Forgets what is kept of an upload.
pub fn forget_upload(
    batch: Stored<Batch>,
    parts: impl IntoIterator<Item = Stored<UploadPart>>,
    now: Timestamp,
) -> Changeset {
    let Stored { version, mut value } = batch;
    let mut changes = Changeset::default();
    changes.note(AuditEvent::new(now, Actor::Server, Happening::UploadForgotten, Subject::batch(value.id)));
    for part in parts {
        changes.delete(part.version, Key::UploadPart(part.value.batch, part.value.number));
    }
    value.kept = KeptRows { forgotten_at: Some(now), ..KeptRows::default() };
    changes.update(version, Record::Batch(value));
    changes
}

fn planned(batch: &Batch) -> AuditEvent {
    let summary = &batch.summary;
    let event = |what| AuditEvent::new(batch.uploaded_at, batch.uploaded_by, what, Subject::batch(batch.id));
    let event = match batch.origin {
        Origin::File => {
            let event = event(Happening::BatchUploaded)
                .fact("file-sha256", data_encoding::HEXLOWER.encode(&batch.digest))
                .fact("source", &batch.source)
                .fact("rows", summary.rows);
            batch.mends.into_iter().fold(event, |event, of| event.fact("mends", of))
        }
        Origin::Undo { of, whole } => event(Happening::UndoPlanned)
            .fact("undo-of", of)
            .fact("whole", whole)
            .fact("source", &batch.source)
            .fact("seats-back", summary.seats_back)
            .fact("not-undone", summary.not_undone),
    };
    event
        .fact("join", summary.join)
        .fact("move", summary.moved)
        .fact("change", summary.change)
        .fact("return", summary.returned)
        .fact("leave", summary.leave)
        .fact("unchanged", summary.unchanged)
        .fact("rejected", summary.rejected)
}

/// What was said of numbers for this plan: of what an earlier one took over the journal knows.
fn newly_decided(batch: &Batch) -> impl Iterator<Item = AuditEvent> + '_ {
    let new = batch.decided.iter().filter(|one| one.at == batch.uploaded_at && one.by == batch.uploaded_by);
    new.map(|one| {
        let subject = Subject { batch: Some(batch.id), ..Subject::account(one.account) };
        let whose = match one.whose {
            Whose::Same => "same",
            Whose::Another => "another",
        };
        AuditEvent::new(one.at, one.by, Happening::NumberDecided, subject)
            .fact("row", one.row)
            .fact("whose", whose)
    })
}

/// Notes that a file was not read. Nothing else is stored of it.
pub fn refused(source: &SourceName, error: &SheetError, actor: Actor, now: Timestamp) -> Changeset {
    let mut changes = Changeset::default();
    changes.note(
        AuditEvent::new(now, actor, Happening::BatchRefused, Subject::default())
            .fact("source", source)
            .fact("error", error.code()),
    );
    changes
}

fn summary(input: &PlanInput<'_>, items: &[PlanItem]) -> PlanSummary {
    let of_source = |account: &&Stored<Account>| account.value.source == input.source;
    let present = input.accounts.iter().filter(of_source).filter(|account| account.value.may_work());
    let mut summary = PlanSummary {
        rows: count(input.sheet.rows.len()),
        leavers_held_back: compare::holds_leavers_back(input),
        present: count(present.count()),
        seats_free: input.pool.free_for(input.temporary_until.is_some()),
        ..PlanSummary::default()
    };
    let known = known::Known::new(input);
    for item in items {
        let account = item.account.and_then(|id| known.by_id(id));
        *match &item.kind {
            PlanKind::Join { .. } => &mut summary.join,
            PlanKind::Move { .. } => &mut summary.moved,
            PlanKind::Change { .. } => &mut summary.change,
            PlanKind::Return { .. } => &mut summary.returned,
            PlanKind::Leave => &mut summary.leave,
            PlanKind::Unchanged => &mut summary.unchanged,
            PlanKind::Rejected(_) => &mut summary.rejected,
            PlanKind::SeatBack => &mut summary.seats_back,
            PlanKind::NotUndone(_) => &mut summary.not_undone,
        } += 1;
        summary.seats_wished += u32::from(asks_for_seat(&item.kind, account));
        summary.seats_freed += u32::from(gives_seat_back(&item.kind, account));
    }
    summary
}

/// Whether a line newly asks for a seat. A wish that was known before has been answered or waits.
pub(crate) fn asks_for_seat(kind: &PlanKind, account: Option<&Account>) -> bool {
    newly_asks(kind.word(), kind.wishes_seat(), account)
}

/// The same of a line of which no more is at hand than its kind and whether it wishes a seat.
pub fn newly_asks(kind: PlanWord, wishes_seat: bool, account: Option<&Account>) -> bool {
    match kind {
        PlanWord::Join => wishes_seat,
        PlanWord::Return => wishes_seat && account.is_none_or(|account| account.seat.is_none()),
        PlanWord::Move | PlanWord::Change => {
            wishes_seat && account.is_some_and(|account| !account.wishes_seat && account.seat.is_none())
        }
        PlanWord::Leave
        | PlanWord::Unchanged
        | PlanWord::Rejected
        | PlanWord::SeatBack
        | PlanWord::NotUndone => false,
    }
}

/// Whether a line gives a seat back: a leaver's, or one that was never used and is no longer wished for.
pub(crate) fn gives_seat_back(kind: &PlanKind, account: Option<&Account>) -> bool {
    gives_back(kind.word(), kind.wishes_seat(), account)
}

/// The same of a line of which no more is at hand than its kind and whether it wishes a seat.
pub fn gives_back(kind: PlanWord, wishes_seat: bool, account: Option<&Account>) -> bool {
    let Some(account) = account.filter(|account| account.seat.is_some()) else { return false };
    match kind {
        PlanWord::Leave | PlanWord::SeatBack => true,
        PlanWord::Move | PlanWord::Change => {
            !wishes_seat && account.wishes_seat && account.signed_in_at.is_none()
        }
        PlanWord::Join
        | PlanWord::Return
        | PlanWord::Unchanged
        | PlanWord::Rejected
        | PlanWord::NotUndone => false,
    }
}

fn unused_sheets(sheet: &Sheet) -> Vec<String> {
    match &sheet.format {
        Format::Workbook { others, .. } => others.iter().take(LISTED_SHEETS).cloned().collect(),
        Format::Text { .. } => Vec::new(),
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
