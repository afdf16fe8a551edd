//! One line for each row, and one for each person who is absent.

use std::collections::HashSet;

use rand::RngCore;
use shared::ids::AccountId;

use super::PlanInput;
use super::known::Known;
use super::posts::Posts;
use crate::account::{Account, Attributes, Department};
use crate::batch::{LostZeros, Mode, PlanItem, PlanKind, Rejection, RowProblem};
use crate::sheet::{Column, Person, Row, Sheet};

/// Whether the file cannot say who is absent: a row stands for somebody, but not for whom.
pub(super) fn holds_leavers_back(input: &PlanInput<'_>) -> bool {
    input.mode == Mode::Roster && input.sheet.rows.iter().any(|row| row.staff_number.is_none())
}

/// Rows that match known people but for zeros in front, and how long those people's numbers are.
pub(super) fn lost_zeros(input: &PlanInput<'_>, items: &[PlanItem]) -> Option<LostZeros> {
    let lost =
        |rejections: &[Rejection]| rejections.iter().any(|one| one.problem == RowProblem::LeadingZeros);
    let rows = items.iter().filter(|item| matches!(&item.kind, PlanKind::Rejected(all) if lost(all))).count();
    let length = Known::new(input).usual_length()?;
    let rows = u32::try_from(rows).unwrap_or(u32::MAX);
    (rows > 0).then_some(LostZeros { rows, length })
}

/// The lines, in the order of the file; leavers last, by staff number.
pub(super) fn compare(input: &PlanInput<'_>, rng: &mut impl RngCore) -> Vec<PlanItem> {
    let known = Known::new(input);
    let posts = Posts::new(input.sheet);
    let in_file: HashSet<&str> = posts.numbers().collect();
    // Known people whose number lost its zeros: they are in the file, under another number.
    let mut mistaken: HashSet<AccountId> = HashSet::new();
    let mut items = Vec::with_capacity(input.sheet.rows.len());
    for row in &input.sheet.rows {
        let Some(person) = posts.person(row) else { continue };
        let number = row.staff_number.as_ref().map(|number| number.as_str());
        let account = number.and_then(|number| known.by_number(number));
        let eaten = number.filter(|_| account.is_none()).and_then(|n| known.but_for_zeros(n, &in_file));
        mistaken.extend(eaten.map(|account| account.id));
        let kind = match person {
            Ok(_) if eaten.is_some() => of_number(row, RowProblem::LeadingZeros, input.sheet),
            Ok(person) => accepted(row, &person, account, input.sheet),
            Err(rejections) => PlanKind::Rejected(rejections),
        };
        let account = match kind {
            PlanKind::Join { .. } => Some(AccountId::make(input.now, rng)),
            _ => account.or(eaten).map(|account| account.id),
        };
        items.push(PlanItem { row: Some(row.number), account, kind });
    }
    if input.mode == Mode::Roster && !holds_leavers_back(input) {
        let absent = |account: &&Account| {
            !in_file.contains(account.current().staff_number.as_str()) && !mistaken.contains(&account.id)
        };
        let mut leavers: Vec<&Account> = known.working().filter(absent).collect();
        leavers.sort_by_key(|account| (&account.current().staff_number, account.id));
        let leave =
            |account: &Account| PlanItem { row: None, account: Some(account.id), kind: PlanKind::Leave };
        items.extend(leavers.into_iter().map(leave));
    }
    items
}

fn of_number(row: &Row, problem: RowProblem, sheet: &Sheet) -> PlanKind {
    let number = row.staff_number.as_ref().map_or("", |number| number.as_str());
    PlanKind::Rejected(vec![Rejection::new(&sheet.staff_number_header, number, problem)])
}

fn accepted(row: &Row, person: &Person, account: Option<&Account>, sheet: &Sheet) -> PlanKind {
    match account {
        Some(account) if person.leaves && account.may_work() => PlanKind::Leave,
        Some(_) if person.leaves => PlanKind::Unchanged,
        None if person.leaves => of_number(row, RowProblem::LeaverUnknown, sheet),
        None if person.kept.contains(&Column::Name) => {
            PlanKind::Rejected(vec![Rejection::new(&sheet.name_header, "*", RowProblem::Missing)])
        }
        None => join(person),
        Some(account) => difference(person, account, sheet),
    }
}

fn join(person: &Person) -> PlanKind {
    let wishes_seat = person.wishes_seat.unwrap_or(false);
    PlanKind::Join { attributes: person.attributes.clone(), wishes_seat }
}

fn difference(person: &Person, account: &Account, sheet: &Sheet) -> PlanKind {
    let before = account.current();
    let attributes = completed(person, before, sheet);
    let wishes_seat = person.wishes_seat.unwrap_or(account.wishes_seat);
    if !account.may_work() {
        PlanKind::Return { attributes, wishes_seat }
    } else if attributes.departments != before.departments {
        PlanKind::Move { attributes, wishes_seat }
    } else if attributes != *before || wishes_seat != account.wishes_seat {
        PlanKind::Change { attributes, wishes_seat }
    } else {
        PlanKind::Unchanged
    }
}

/// What the row says, and what is known where the file has no such column or the cell leaves it.
fn completed(person: &Person, before: &Attributes, sheet: &Sheet) -> Attributes {
    let row = &person.attributes;
    let has = |column| sheet.columns.contains(&column) && !person.kept.contains(&column);
    let text = |column, row: &Option<String>, before: &Option<String>| {
        if has(column) { row.clone() } else { before.clone() }
    };
    Attributes {
        staff_number: row.staff_number.clone(),
        name: if has(Column::Name) { row.name.clone() } else { before.name.clone() },
        kana: text(Column::Kana, &row.kana, &before.kana),
        mail: text(Column::Mail, &row.mail, &before.mail),
        title: text(Column::Title, &row.title, &before.title),
        employment: text(Column::Employment, &row.employment, &before.employment),
        term_ends: if has(Column::TermEnds) { row.term_ends } else { before.term_ends },
        departments: if row.departments.is_empty() {
            before.departments.clone()
        } else {
            row.departments.iter().map(|post| known_post(post, before, sheet)).collect()
        },
    }
}

/// A post that is known by its name keeps its code where the file has no codes, and the other way round.
fn known_post(post: &Department, before: &Attributes, sheet: &Sheet) -> Department {
    let has_code = sheet.columns.contains(&Column::DepartmentCode);
    let names = [Column::Department, Column::OrgUnit, Column::Bureau, Column::Division, Column::Section];
    let has_name = names.iter().any(|column| sheet.columns.contains(column));
    let same = |known: &&Department| match (has_name, has_code) {
        (true, false) => known.name == post.name,
        (false, true) => known.code == post.code,
        _ => false,
    };
    let known = before.departments.iter().find(same);
    known.map_or_else(|| post.clone(), |known| Department { main: post.main, ..known.clone() })
}
