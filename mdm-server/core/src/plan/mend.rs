//! Mended rows go back to where they were rejected: the rest of a plan, and the rows, as one file again. Its plan takes
//! the place of the one that they come from.
//!
//! The file itself is no longer there. What its accepted rows said is in the lines of the plan, completed by what was
//! known, so that the whole is compared once more as if every row had been right from the beginning.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use rand::RngCore;
use shared::ids::AccountId;

use super::known::bare;
use super::{Plan, PlanInput, compare, count, plan};
use crate::account::{Account, StaffNumber};
use crate::audit::Actor;
use crate::batch::{
    Batch, LISTED, LISTED_KINDS, LikeLeave, NotNow, Origin, PlanItem, PlanKind, PrivateUse, Step,
};
use crate::identity::{Decided, MAX_DECIDED, Whose, fits as fits_batch};
use crate::sheet::{Column, Person, Post, Row, Sheet};

/// A plan with rejected rows, and all its lines.
#[derive(Debug, Clone, Copy)]
pub struct Mending<'a> {
    /// What is stored of it.
    pub batch: &'a Batch,
    /// All its lines.
    pub items: &'a [PlanItem],
}

/// Why rows do not go back into a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MendError {
    /// It is in force or has come to another end.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// Another batch of its source took effect since.
    #[error("another batch of this source took effect since: upload the whole file again")]
    Stale,
    /// It is an undo, nothing was rejected, or not all that was rejected could be handed back.
    #[error("not all rejected rows of this plan were handed back: mend the file itself and upload it again")]
    NotHandedBack,
    /// Its staff numbers have lost their zeros: that is mended in the file itself.
    #[error("staff numbers of this plan lost their zeros in front: mend the file itself and upload it again")]
    LostZeros,
    /// The file has no column with reasons.
    #[error(
        "this is no file of rejected rows: download them, mend them, and leave the column with the reasons in it"
    )]
    NotRejectedRows,
    /// Rows are missing, or there are more.
    #[error(
        "the file has {file} rows, {plan} were rejected: leave in what you cannot mend, it stays rejected"
    )]
    Count {
        /// Rows of the file.
        file: u32,
        /// Rows that were rejected.
        plan: u32,
    },
    /// Somebody who is known, and whose row was rejected, would no longer be on the list: they would leave by it.
    #[error("the staff number {number} of the rejected row {row} is in no row any more: write it as it was")]
    Gone {
        /// The row in the first file.
        row: u32,
        /// The known person's number.
        number: String,
    },
    /// Nobody is asked about the row.
    #[error("row {row} is not one of which somebody must say whether it is another person")]
    NotAsked {
        /// The row in the first file.
        row: u32,
    },
    /// While nobody can be said to be absent, nobody gives way to another person.
    #[error(
        "while the staff number of a rejected row cannot be read nobody leaves by this plan: mend that row first, then say \
         that row {row} is another person"
    )]
    HeldBack {
        /// The row in the first file.
        row: u32,
    },
    /// More than [`MAX_DECIDED`].
    #[error(
        "of more than {MAX_DECIDED} people it would have to be said who they are: is this the file of another list? if not, apply \
         the plan with the first of them, then upload the file again"
    )]
    TooManyDecided,
    /// The number is somebody else's in the same plan.
    #[error("the staff number {number} is in row {row} of the list already: only one of the two can have it")]
    Twice {
        /// The row in the first file.
        row: u32,
        /// The number.
        number: String,
    },
}

/// What columns tell something of a person.
const TOLD: [Column; 10] = [
    Column::StaffNumber,
    Column::Name,
    Column::Kana,
    Column::Mail,
    Column::Title,
    Column::Employment,
    Column::TermEnds,
    Column::Department,
    Column::DepartmentCode,
    Column::Post,
];

/// What somebody says of rows that are possibly about another person, each as the row and who it is. All of it or nothing.
pub fn decide(
    mending: Mending<'_>,
    said: &[(u32, Whose)],
    by: Actor,
    at: Timestamp,
) -> Result<Vec<Decided>, MendError> {
    let held_back = mending.batch.summary.leavers_held_back;
    let decided = said.iter().map(|(row, whose)| {
        let (row, whose) = (*row, *whose);
        let (account, number) = asked(mending.items, row).ok_or(MendError::NotAsked { row })?;
        if whose == Whose::Another && held_back {
            return Err(MendError::HeldBack { row });
        }
        Ok(Decided { number, account, row, whose, by, at })
    });
    decided.collect()
}

/// Who is known by the number of a row that is possibly about another person, and the number.
fn asked(items: &[PlanItem], row: u32) -> Option<(AccountId, StaffNumber)> {
    let item = items.iter().find(|item| item.row == Some(row))?;
    let number = item.asks_whose()?;
    Some((item.account?, StaffNumber::new(number).ok()?))
}

/// What is said of numbers now, and what was said before of others.
fn all_decided(before: &[Decided], now: &[Decided]) -> Result<Vec<Decided>, MendError> {
    let again = |old: &&Decided| now.iter().any(|new| new.number == old.number);
    let mut all: Vec<Decided> = before.iter().filter(|old| !again(old)).cloned().collect();
    all.extend(now.iter().cloned());
    if fits_batch(&all) { Ok(all) } else { Err(MendError::TooManyDecided) }
}

/// The plan that the file of `mending` would have been with `input.sheet` in the place of its rejected rows. `input.mode`
/// is not looked at: the first plan's holds.
pub fn mend(
    mending: Mending<'_>,
    input: &PlanInput<'_>,
    rng: &mut impl RngCore,
) -> Result<(Plan, Renumbered), MendError> {
    let base = mending.batch;
    let rejected = may_be_mended(mending, input)?;
    let as_written = compare::as_written(input);
    let rows = as_written.as_ref().unwrap_or(input.sheet);
    let renumbered = Renumbered(rows.rows.iter().map(|row| row.number).zip(rejected).collect());
    let temporary_until = base.temporary_until;
    let decided = all_decided(&base.decided, input.decided)?;
    let mended = PlanInput {
        sheet: rows,
        mode: base.mode.of_part(),
        source: input.source.clone(),
        temporary_until,
        decided: &decided,
        ..*input
    };
    let people = People::of(input);
    let mut whole = people.rows(mending.items, Some);
    fits(mending, rows, &whole, &people)?;
    let lines = compare::compare(&mended, rng);
    whole.extend(people.rows(&lines, |row| renumbered.of(row)));
    whole.extend(rejected_again(&lines, rows, &renumbered));
    whole.sort_by_key(|row| row.number);
    let sheet = sheet(base, rows, whole, &renumbered);
    // Of the first plan no more than the first rows are listed.
    let normalised = (base.normalised_total + count(sheet.normalised.len()))
        .saturating_sub(count(base.normalised_rows.len()));
    let input = PlanInput {
        sheet: &sheet,
        mode: base.mode,
        source: base.source.clone(),
        temporary_until,
        decided: &decided,
        ..*input
    };
    let mut plan = plan(&input, rng);
    plan.batch.mends = Some(base.id);
    plan.batch.padded_to = base.padded_to;
    // Most of it is still theirs: none of them is somebody else who approves.
    plan.batch.earlier_authors = base.earlier_authors.clone();
    if !plan.batch.is_by(base.uploaded_by) {
        plan.batch.earlier_authors.push(base.uploaded_by);
    }
    plan.batch.summary.rows = base.summary.rows;
    plan.batch.normalised_total = normalised;
    plan.batch.release.effective_at = base.release.effective_at.filter(|at| *at > input.now);
    Ok((plan, renumbered))
}

/// Whether mended rows can go back into a plan that is made against the roster of this version.
pub fn takes_mended_rows(batch: &Batch, roster_version: u64) -> Result<(), MendError> {
    batch.state.take(Step::Replace)?;
    if batch.roster_version != roster_version {
        return Err(MendError::Stale);
    }
    if batch.lost_zeros.is_some() {
        return Err(MendError::LostZeros);
    }
    let all_handed_back = batch.summary.rejected == batch.kept.rows && batch.kept.rows > 0;
    if batch.origin == Origin::File && all_handed_back { Ok(()) } else { Err(MendError::NotHandedBack) }
}

/// The rows that were rejected, in order, if mended ones can take their place.
fn may_be_mended(mending: Mending<'_>, input: &PlanInput<'_>) -> Result<BTreeSet<u32>, MendError> {
    let Mending { batch, items } = mending;
    takes_mended_rows(batch, input.roster_version)?;
    let rejected = items.iter().filter(|item| matches!(item.kind, PlanKind::Rejected(_)));
    let rejected: BTreeSet<u32> = rejected.filter_map(|item| item.row).collect();
    if !input.sheet.is_rejected_rows {
        return Err(MendError::NotRejectedRows);
    }
    let (file, plan) = (count(input.sheet.rows.len()), count(rejected.len()));
    if file == plan { Ok(rejected) } else { Err(MendError::Count { file, plan }) }
}

/// Nobody is on the list twice, and nobody has gone from it by a cell that was to be mended.
fn fits(mending: Mending<'_>, mended: &Sheet, others: &[Row], people: &People<'_>) -> Result<(), MendError> {
    let numbers = |rows: &[Row]| -> HashMap<String, u32> {
        let read = rows.iter().filter_map(|row| Some((row.staff_number.as_ref()?, row.number)));
        read.map(|(number, row)| (bare(number.as_str()).to_owned(), row)).collect()
    };
    let (there, here) = (numbers(others), numbers(&mended.rows));
    for number in mended.rows.iter().filter_map(|row| row.staff_number.as_ref()) {
        if let Some(row) = there.get(bare(number.as_str())) {
            return Err(MendError::Twice { row: *row, number: number.to_string() });
        }
    }
    let rejected = mending.items.iter().filter(|item| matches!(item.kind, PlanKind::Rejected(_)));
    for (row, account) in rejected.filter_map(|item| Some((item.row?, people.by_id(item.account?)?))) {
        let number = account.current().staff_number.as_str();
        if !here.contains_key(bare(number)) {
            return Err(MendError::Gone { row, number: number.to_owned() });
        }
    }
    Ok(())
}

/// The number that each mended row had in the first file: row by row, as they were handed back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renumbered(BTreeMap<u32, u32>);

impl Renumbered {
    /// The row of the first file that a row of the mended one was.
    pub fn of(&self, row: u32) -> Option<u32> {
        self.0.get(&row).copied()
    }
}

/// Whom lines are about.
struct People<'a>(HashMap<AccountId, &'a Account>);

impl<'a> People<'a> {
    fn of(input: &PlanInput<'a>) -> Self {
        Self(input.accounts.iter().map(|stored| (stored.value.id, &stored.value)).collect())
    }

    fn by_id(&self, id: AccountId) -> Option<&'a Account> {
        self.0.get(&id).copied()
    }

    /// What accepted rows said, under the numbers that `number` gives them. Who is absent from a file has no row.
    fn rows(&self, items: &[PlanItem], number: impl Fn(u32) -> Option<u32>) -> Vec<Row> {
        let row = |item: &PlanItem| {
            let person = self.person(item)?;
            let staff_number = Some(person.attributes.staff_number.clone());
            Some(Row { number: number(item.row?)?, staff_number, unpadded: None, person: Ok(person) })
        };
        items.iter().filter_map(row).collect()
    }

    fn person(&self, item: &PlanItem) -> Option<Person> {
        let known = item.account.and_then(|id| self.by_id(id));
        let (attributes, wishes_seat, leaves) = match &item.kind {
            PlanKind::Join { attributes, wishes_seat, .. }
            | PlanKind::Move { attributes, wishes_seat }
            | PlanKind::Change { attributes, wishes_seat }
            | PlanKind::Return { attributes, wishes_seat } => (attributes.clone(), *wishes_seat, false),
            PlanKind::Leave => (known?.current().clone(), known?.wishes_seat, true),
            // Who has left already stays so.
            PlanKind::Unchanged => {
                (known?.current().clone(), known?.wishes_seat, item.held_back || !known?.may_work())
            }
            PlanKind::Rejected(_) | PlanKind::SeatBack | PlanKind::NotUndone(_) => return None,
        };
        let (wishes_seat, post, kept) = (Some(wishes_seat), Post::Main, BTreeSet::new());
        // Their marks are in the attributes.
        let (born, hired) = (None, None);
        Some(Person { attributes, born, hired, wishes_seat, post, leaves, kept })
    }
}

/// Rows that are not mended yet.
fn rejected_again<'a>(
    lines: &'a [PlanItem],
    sheet: &'a Sheet,
    renumbered: &'a Renumbered,
) -> impl Iterator<Item = Row> + 'a {
    let rows: HashMap<u32, &Row> = sheet.rows.iter().map(|row| (row.number, row)).collect();
    lines.iter().filter_map(move |item| {
        let PlanKind::Rejected(rejections) = &item.kind else { return None };
        let row = item.row?;
        let staff_number = rows.get(&row)?.staff_number.clone();
        let number = renumbered.of(row)?;
        Some(Row { number, staff_number, unpadded: None, person: Err(rejections.clone()) })
    })
}

/// The whole file, with what was remarked on either part of it.
fn sheet(base: &Batch, mended: &Sheet, rows: Vec<Row>, renumbered: &Renumbered) -> Sheet {
    let stays = |row: &u32| !renumbered.0.values().any(|rejected| rejected == row);
    let again = |row: u32| renumbered.of(row).unwrap_or(row);
    let mut private_use: Vec<_> =
        base.private_use.iter().filter(|found| stays(&found.row)).cloned().collect();
    let gone = base.private_use.len() - private_use.len();
    let found_here = mended.private_use.iter().cloned();
    private_use.extend(found_here.map(|found| PrivateUse { row: again(found.row), ..found }));
    private_use.sort_by_key(|found| found.row);
    private_use.truncate(LISTED);
    let mut normalised: Vec<u32> = base.normalised_rows.iter().copied().filter(|row| stays(row)).collect();
    normalised.extend(mended.normalised.iter().map(|row| again(*row)));
    normalised.sort_unstable();
    let mut like_leave = base.like_leave.clone();
    let is_new = |said: &str| !base.like_leave.iter().any(|known| known.said == said);
    let found_here = mended.like_leave.iter().filter(|found| is_new(&found.said)).cloned();
    like_leave.extend(found_here.map(|found| LikeLeave { first: again(found.first), ..found }));
    like_leave.truncate(LISTED_KINDS);
    Sheet {
        columns: TOLD.into(),
        unused_columns: base.unused_columns.clone(),
        assigned: base.assigned.clone(),
        private_use_total: base.private_use_total as usize - gone + mended.private_use_total,
        rows,
        private_use,
        normalised,
        like_leave,
        ..mended.clone()
    }
}

#[cfg(test)]
mod tests;
