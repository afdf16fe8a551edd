//! 取り消し: what it would take to undo a batch, for everybody or for chosen people. Nothing is changed by it: an undo is
//! a plan like another, and `apply` does what it says, by `restore`.
//!
//! Who is no longer what the batch left them as was changed since, by a newer batch or by hand, and stays as they are. A
//! seat goes back to who held it: from what is free, then from those to whom the batch gave one and who have not signed
//! in, the last first. Whoever finds none waits before everybody else.

mod before;
mod restore;
#[cfg(test)]
mod tests;

pub use before::{Before, BeforeChunk, Mark, Served, Turn, Was};
pub(crate) use restore::{Restored, restore};

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rand::RngCore;
use serde::{Deserialize, Serialize};
use shared::ids::{AccountId, BatchId};

use crate::account::{Account, AccountState};
use crate::apply::UNDO_WINDOW;
use crate::audit::Actor;
use crate::batch::{
    Batch, BatchState, ITEMS_PER_CHUNK, KeptRows, Mode, Origin, PlanItem, PlanKind, PlanSummary, PlanWord,
    Release, plan_digest_of_lines,
};
use crate::license::Pool;
use crate::plan::Plan;
use crate::seats::NotLoaded;

/// Why one person stays as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum NotUndone {
    /// A newer batch, or somebody, has changed them.
    #[error("changed since by a newer batch or by hand: not touched, look at the person")]
    ChangedSince,
    /// Their number is another person's, who stays.
    #[error("the staff number is another person's, who stays: look at both people")]
    NumberTaken,
    /// The account is closed: its devices are wiped.
    #[error("the account is closed and its devices are wiped: take the person up again with a staff file")]
    Closed,
}

/// Why a batch is not undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UndoError {
    /// Nothing was done by it.
    #[error("the batch was not applied: there is nothing to undo")]
    NotApplied,
    /// An undo is taken back by another staff file.
    #[error("the batch is an undo itself: upload a staff file that says what is to hold")]
    IsAnUndo,
    /// Devices of those who left are being wiped.
    #[error(
        "the batch was applied at {0}, and 14 days have passed: upload a staff file that says what is to hold"
    )]
    WindowOver(Timestamp),
    /// What people were before is not there as a whole.
    #[error("the record of what people were before is not whole: it has {found} of {expected} parts")]
    Incomplete {
        /// Parts that the batch has.
        expected: u32,
        /// Parts of it that are there.
        found: u32,
    },
    /// An account that the batch made different was not loaded.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
}

/// What an undo is planned from.
#[derive(Debug)]
pub struct UndoInput<'a> {
    /// The batch to be undone.
    pub of: &'a Batch,
    /// All of what people were before it, in any order.
    pub befores: &'a [BeforeChunk],
    /// All accounts that it made different, as they are now.
    pub accounts: &'a BTreeMap<AccountId, Account>,
    /// For whom; everybody if absent.
    pub only: Option<&'a BTreeSet<AccountId>>,
    /// The roster's version.
    pub roster_version: u64,
    /// The pool.
    pub pool: &'a Pool,
    /// Who asks.
    pub actor: Actor,
    /// When.
    pub now: Timestamp,
}

/// When a batch was applied that can still be undone.
pub fn may_undo(of: &Batch, now: Timestamp) -> Result<Timestamp, UndoError> {
    let BatchState::Applied { at } = of.state else { return Err(UndoError::NotApplied) };
    if of.undoes().is_some() {
        return Err(UndoError::IsAnUndo);
    }
    if now.duration_since(at) >= UNDO_WINDOW {
        return Err(UndoError::WindowOver(at));
    }
    Ok(at)
}

/// Looks at everybody whom the batch made different. The same input and the same random numbers give the same plan.
pub fn plan(input: &UndoInput<'_>, rng: &mut impl RngCore) -> Result<Plan, UndoError> {
    let at = may_undo(input.of, input.now)?;
    let befores = by_account(input.of, input.befores)?;
    let mut lines = Vec::new();
    let mut restored = BTreeSet::new();
    let mut seats = Seats { claims: 0, taken: 0 };
    let account = |id: AccountId| input.accounts.get(&id).ok_or(NotLoaded(id));
    let only = input.only.map(|only| with_their_pairs(only, input.accounts));
    let meant = |before: &&&Before| only.as_ref().is_none_or(|only| only.contains(&before.account));
    let mut judgements = Judgements::default();
    for before in befores.values().filter(meant) {
        judgements.add(before, account(before.account)?, at);
    }
    let judgements = judgements.finish();
    for before in befores.values().filter(meant) {
        let account = account(before.account)?;
        let kind = match judgements[&before.account] {
            Judged::AsBefore => continue,
            Judged::Stays(why) => PlanKind::NotUndone(why),
            Judged::Restore(word) => {
                restored.insert(before.account);
                seats.claims += u32::from(claims_seat(before, account));
                seats.taken += u32::from(gives_seat(before, account, word, at));
                restoring(before, account, word)
            }
        };
        lines.push((&account.current().staff_number, before.account, kind));
    }
    lines.sort_by_key(|(number, account, _)| (*number, *account));
    let item = |account, kind| PlanItem { row: None, account: Some(account), kind, held_back: false };
    let mut items: Vec<PlanItem> = lines.into_iter().map(|(_, account, kind)| item(account, kind)).collect();
    let wanting = seats.claims.saturating_sub(seats.taken).saturating_sub(free(input));
    let seats_back = seats_back(&befores, &restored, input, at)?.into_iter().take(wanting as usize);
    items.extend(seats_back.map(|account| item(account, PlanKind::SeatBack)));
    Ok(Plan::new(batch(input, &items, seats, rng), items))
}

struct Seats {
    claims: u32,
    taken: u32,
}

/// What people were before, by account, if all of it is there.
pub(crate) fn by_account<'a>(
    of: &Batch,
    chunks: &'a [BeforeChunk],
) -> Result<BTreeMap<AccountId, &'a Before>, UndoError> {
    let numbers: BTreeSet<u32> =
        chunks.iter().filter(|chunk| chunk.batch == of.id).map(|chunk| chunk.number).collect();
    let found = (0..of.befores).filter(|number| numbers.contains(number)).count();
    if found != of.befores as usize || chunks.len() != found {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        return Err(UndoError::Incomplete { expected: of.befores, found });
    }
    Ok(chunks.iter().flat_map(|chunk| &chunk.items).map(|before| (before.account, before)).collect())
}

/// What there is to undo of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// Nothing: they are as they were, or the batch only gave them a seat.
    AsBefore,
    /// Nothing can be done.
    Stays(NotUndone),
    /// What the plan did to them is taken back.
    Restore(PlanWord),
}

/// `at` is when the batch was applied.
pub(crate) fn judge(before: &Before, account: &Account, at: Timestamp) -> Judged {
    let Some(word) = before.word else { return Judged::AsBefore };
    let is_as_before = match &before.was {
        None => !account.may_work(),
        Some(was) => Mark::of(account) == was.mark,
    };
    // A further return, and a leave, end who came back as much as the undo of the return would.
    if is_as_before || (word == PlanWord::Return && !account.may_work()) {
        return Judged::AsBefore;
    }
    let worked = |was: &Was| matches!(was.state, AccountState::Provisional | AccountState::Active);
    // Who had left before the batch has lost nothing by it but the number.
    if account.state == AccountState::Closed && before.was.as_deref().is_none_or(worked) {
        return Judged::Stays(NotUndone::Closed);
    }
    if Mark::of(account) == before.left_as && is_of(before, word, account, at) {
        Judged::Restore(word)
    } else {
        Judged::Stays(NotUndone::ChangedSince)
    }
}

/// Who got the number of whom stays with them: one is undone only with the other.
fn with_their_pairs(
    only: &BTreeSet<AccountId>,
    accounts: &BTreeMap<AccountId, Account>,
) -> BTreeSet<AccountId> {
    let passed = accounts.values().filter_map(|account| Some((account.id, account.number_passed?.to)));
    let pairs = passed.filter(|(from, to)| only.contains(from) || only.contains(to));
    only.iter().copied().chain(pairs.flat_map(|(from, to)| [from, to])).collect()
}

/// What there is to undo of everybody who is meant, looked at together: a number goes back only if nobody keeps it.
#[derive(Debug, Default)]
pub(crate) struct Judgements {
    judged: BTreeMap<AccountId, Judged>,
    /// Whose number is whose now.
    passed: Vec<(AccountId, AccountId)>,
}

impl Judgements {
    /// Looks at one. `at` is when the batch was applied.
    pub(crate) fn add(&mut self, before: &Before, account: &Account, at: Timestamp) {
        self.judged.insert(before.account, judge(before, account, at));
        self.passed.extend(account.number_passed.map(|passed| (account.id, passed.to)));
    }

    /// What it comes to, all seen.
    pub(crate) fn finish(mut self) -> BTreeMap<AccountId, Judged> {
        for (from, to) in self.passed {
            let goes = matches!(self.judged.get(&to), Some(Judged::Restore(_)));
            if let Some(judged @ Judged::Restore(_)) = self.judged.get_mut(&from).filter(|_| !goes) {
                *judged = Judged::Stays(NotUndone::NumberTaken);
            }
        }
        self.judged
    }
}

/// Whether what the account is was made by the batch that was applied `at`, and not again by a later one.
fn is_of(before: &Before, word: PlanWord, account: &Account, at: Timestamp) -> bool {
    let is_newest = account.history.last().is_some_and(|dated| dated.from == at);
    let said_anew = before.was.as_ref().is_none_or(|was| was.attributes.is_some());
    let since = match word {
        PlanWord::Leave => account.state_since == at,
        PlanWord::Return => account.returned_at == Some(at),
        PlanWord::Join => account.returned_at.is_none(),
        _ => true,
    };
    since && (is_newest || !said_anew)
}

/// Whether a restored account had a seat that it has no longer.
pub(crate) fn claims_seat(before: &Before, account: &Account) -> bool {
    account.seat.is_none() && before.was.as_ref().is_some_and(|was| was.seat.is_some())
}

/// Whether a restored account has a seat that it is to lose: all of who never came or came back, and what the batch gave
/// to others who have not used it.
pub(crate) fn gives_seat(before: &Before, account: &Account, word: PlanWord, at: Timestamp) -> bool {
    match word {
        PlanWord::Join | PlanWord::Return => account.seat.is_some(),
        _ => holds_unused(before, account, at),
    }
}

/// Whether the account holds the seat that the batch gave and has not signed in.
pub(crate) fn holds_unused(before: &Before, account: &Account, at: Timestamp) -> bool {
    before.served.is_some()
        && account.seat.is_some_and(|seat| seat.assigned_at == at)
        && account.signed_in_at.is_none()
}

/// The line of a plan: what the person is to be again.
fn restoring(before: &Before, account: &Account, word: PlanWord) -> PlanKind {
    let Some(was) = &before.was else { return PlanKind::Leave };
    let attributes = was.attributes.clone().unwrap_or_else(|| account.current().clone());
    let wishes_seat = was.wishes_seat;
    match word {
        PlanWord::Join | PlanWord::Return => PlanKind::Leave,
        PlanWord::Leave => PlanKind::Return { attributes, wishes_seat },
        PlanWord::Move => PlanKind::Move { attributes, wishes_seat },
        _ => PlanKind::Change { attributes, wishes_seat },
    }
}

/// Who could give back the seat that the batch gave, the last who got one first.
fn seats_back(
    befores: &BTreeMap<AccountId, &Before>,
    restored: &BTreeSet<AccountId>,
    input: &UndoInput<'_>,
    at: Timestamp,
) -> Result<Vec<AccountId>, UndoError> {
    let mut found = Vec::new();
    for before in befores.values().filter(|before| !restored.contains(&before.account)) {
        let Some(served) = before.served else { continue };
        let account = input.accounts.get(&before.account).ok_or(NotLoaded(before.account))?;
        if holds_unused(before, account, at) && account.may_work() {
            found.push((served.order, before.account));
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found.into_iter().map(|(_, account)| account).collect())
}

fn batch(input: &UndoInput<'_>, items: &[PlanItem], seats: Seats, rng: &mut impl RngCore) -> Batch {
    let of = input.of;
    let id = BatchId::make(input.now, rng);
    Batch {
        id,
        source: of.source.clone(),
        mode: Mode::Upsert,
        uploaded_at: input.now,
        uploaded_by: input.actor,
        digest: [0; 32],
        encoding: String::new(),
        delimiter: String::new(),
        layout: String::new(),
        unused_sheets: Vec::new(),
        lost_zeros: None,
        unused_columns: Vec::new(),
        assigned: Vec::new(),
        private_use: Vec::new(),
        private_use_total: 0,
        normalised_rows: Vec::new(),
        normalised_total: 0,
        like_leave: Vec::new(),
        kept: KeptRows::default(),
        roster_version: input.roster_version,
        state: BatchState::Planned,
        summary: summary(input, items, seats),
        chunks: u32::try_from(items.len().div_ceil(ITEMS_PER_CHUNK)).unwrap_or(u32::MAX),
        origin: Origin::Undo { of: of.id, whole: input.only.is_none() },
        padded_to: None,
        temporary_until: of.temporary_until,
        mends: None,
        earlier_authors: Vec::new(),
        decided: Vec::new(),
        befores: 0,
        plan_digest: plan_digest_of_lines(id, input.roster_version, items),
        release: Release::default(),
    }
}

/// Seats for the people of the batch, who are all temporary or all staff.
fn free(input: &UndoInput<'_>) -> u32 {
    input.pool.free_for(input.of.temporary_until.is_some())
}

fn summary(input: &UndoInput<'_>, items: &[PlanItem], seats: Seats) -> PlanSummary {
    let PlanSummary { present, join, returned, leave, .. } = input.of.summary;
    let mut summary = PlanSummary {
        // Who was there after the batch.
        present: (present + join + returned).saturating_sub(leave),
        seats_wished: seats.claims,
        seats_free: free(input),
        ..PlanSummary::default()
    };
    for item in items {
        *match item.kind.word() {
            PlanWord::Join => &mut summary.join,
            PlanWord::Move => &mut summary.moved,
            PlanWord::Change => &mut summary.change,
            PlanWord::Return => &mut summary.returned,
            PlanWord::Leave => &mut summary.leave,
            PlanWord::Unchanged => &mut summary.unchanged,
            PlanWord::Rejected => &mut summary.rejected,
            PlanWord::SeatBack => &mut summary.seats_back,
            PlanWord::NotUndone => &mut summary.not_undone,
        } += 1;
    }
    summary.seats_freed = seats.taken + summary.seats_back;
    summary
}
