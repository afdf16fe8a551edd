//! One line for each row, and one for each person who is absent.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use rand::RngCore;
use shared::ids::AccountId;

use super::PlanInput;
use super::known::{Known, bare};
use super::posts::Posts;
use crate::account::{Account, Attributes, Department};
use crate::batch::{LostZeros, Mode, PlanItem, PlanKind, Rejection, RowProblem};
use crate::identity::{Told, Whose, is_possibly_another};
use crate::sheet::{Column, MAX_PADDING, Person, Row, Sheet};

/// Whether the file cannot say who is absent: a row stands for somebody, but not for whom.
pub(super) fn holds_leavers_back(input: &PlanInput<'_>) -> bool {
    input.mode == Mode::Roster && input.sheet.rows.iter().any(|row| row.staff_number.is_none())
}

/// Known people whom a file without its zeros may mean, and the zeros that would put it right. Such a plan is not
/// applied.
pub(super) fn lost_zeros(input: &PlanInput<'_>, items: &[PlanItem]) -> Option<LostZeros> {
    let known = Known::new(input);
    let lost =
        |rejections: &[Rejection]| rejections.iter().any(|one| one.problem == RowProblem::LeadingZeros);
    let rows = items.iter().filter(|item| matches!(&item.kind, PlanKind::Rejected(all) if lost(all)));
    let rows: Vec<&PlanItem> = rows.collect();
    let matched: HashSet<AccountId> = rows.iter().filter_map(|item| item.account).collect();
    let numbers = Numbers::new(&Posts::new(input.sheet));
    let unclear = |account: &&Account| numbers.but_for_zeros(account) && !matched.contains(&account.id);
    let unclear = if input.mode == Mode::Roster { known.working().filter(unclear).count() } else { 0 };
    let count = u32::try_from(rows.len() + unclear).unwrap_or(u32::MAX);
    // Zeros put back to one length help if all numbers have it, and nobody else's number is the one without.
    let length = (unclear == 0).then(|| common_length(matched.iter().filter_map(|id| known.by_id(*id))));
    (count > 0).then_some(LostZeros { rows: count, length: length.flatten() })
}

/// The length of all these people's numbers, if it is the same and they have digits only.
fn common_length<'a>(accounts: impl Iterator<Item = &'a Account>) -> Option<u8> {
    let lengths: HashSet<Option<u8>> = accounts
        .map(|account| {
            let number = account.current().staff_number.as_str();
            let digits = number.bytes().all(|byte| byte.is_ascii_digit());
            u8::try_from(number.len()).ok().filter(|length| digits && *length <= MAX_PADDING)
        })
        .collect();
    let mut lengths = lengths.into_iter();
    lengths.next().filter(|_| lengths.next().is_none()).flatten()
}

/// The file with the numbers as they were written wherever somebody works under them: only to the others zeros are
/// put back. `None` if nothing changes by that.
pub(super) fn as_written(input: &PlanInput<'_>) -> Option<Sheet> {
    let known = Known::new(input);
    let keeps = |row: &Row| row.unpadded.clone().filter(|number| known.works(number.as_str()));
    input.sheet.rows.iter().any(|row| keeps(row).is_some()).then(|| {
        let mut sheet = input.sheet.clone();
        for row in &mut sheet.rows {
            let Some(number) = keeps(row) else { continue };
            row.staff_number = row.staff_number.as_ref().map(|_| number.clone());
            if let Ok(person) = &mut row.person {
                person.attributes.staff_number = number;
            }
        }
        sheet
    })
}

/// The numbers in the file.
struct Numbers<'a> {
    whole: HashSet<&'a str>,
    bare: HashSet<&'a str>,
}

impl<'a> Numbers<'a> {
    fn new(posts: &Posts<'a>) -> Self {
        Self { whole: posts.numbers().collect(), bare: posts.numbers().map(bare).collect() }
    }

    /// Whether this person's number is in the file with more or fewer zeros in front only. Such a row may be
    /// theirs: they are not absent for sure.
    fn but_for_zeros(&self, account: &Account) -> bool {
        let number = account.current().staff_number.as_str();
        !self.whole.contains(number) && self.bare.contains(bare(number))
    }

    fn absent(&self, account: &Account) -> bool {
        !self.bare.contains(bare(account.current().staff_number.as_str()))
    }
}

/// The lines, in the order of the file; leavers last, by staff number.
pub(super) fn compare(input: &PlanInput<'_>, rng: &mut impl RngCore) -> Vec<PlanItem> {
    let known = Known::new(input);
    let posts = Posts::new(input.sheet);
    let numbers = Numbers::new(&posts);
    let holds_back = holds_leavers_back(input);
    let whose = Judgements::new(input, &known, &posts, holds_back);
    let mut items = Vec::with_capacity(input.sheet.rows.len());
    let mut succeeded: Vec<&Account> = Vec::new();
    for row in &input.sheet.rows {
        let Some(person) = posts.person(row).or_else(|| whose.other_post(row)) else { continue };
        let number = row.staff_number.as_ref().map(|number| number.as_str());
        let account = number.and_then(|number| known.by_number(number));
        let eaten = number.filter(|_| account.is_none()).and_then(|n| known.but_for_zeros(n, &numbers.whole));
        let leaves = matches!(&person, Ok(person) if person.leaves);
        let held_back = holds_back && leaves && account.is_some();
        let judged = number.and_then(|number| whose.of(number));
        let kind = match person {
            Ok(_) if judged == Some(Judged::Open) => of_number(row, RowProblem::PossiblyAnother, input.sheet),
            Ok(person) if judged == Some(Judged::Another) => accepted(row, &person, None, input),
            Ok(_) if eaten.is_some() => of_number(row, RowProblem::LeadingZeros, input.sheet),
            Ok(_) if held_back => PlanKind::Unchanged,
            Ok(person) => accepted(row, &person, account, input),
            Err(rejections) => PlanKind::Rejected(rejections),
        };
        let mut kind = kind;
        if let (PlanKind::Join { number_of, .. }, Some(before)) = (&mut kind, account) {
            *number_of = Some(before.id);
            succeeded.extend(Some(before).filter(|before| before.may_work()));
        }
        let account = match kind {
            PlanKind::Join { .. } => Some(AccountId::make(input.now, rng)),
            _ => account.or(eaten).map(|account| account.id),
        };
        items.push(PlanItem { row: Some(row.number), account, kind, held_back });
    }
    let mut leavers = succeeded;
    if input.mode == Mode::Roster && !holds_back {
        leavers.extend(known.working().filter(|account| numbers.absent(account)));
    }
    leavers.sort_by_key(|account| (&account.current().staff_number, account.id));
    let leave = |account: &Account| PlanItem {
        row: None,
        account: Some(account.id),
        kind: PlanKind::Leave,
        held_back: false,
    };
    items.extend(leavers.into_iter().map(leave));
    items
}

/// What becomes of a row that is possibly about another person than the one who is known by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    /// Nobody has said yet, or who was there may not leave by this file.
    Open,
    /// Somebody has said that it is another person.
    Another,
}

/// Of the numbers that are possibly another person's. Those of whom somebody has said that they are the same person are like
/// all others.
struct Judgements<'a> {
    by_number: HashMap<&'a str, Judged>,
    number_header: &'a str,
}

impl<'a> Judgements<'a> {
    fn new(input: &PlanInput<'a>, known: &Known<'_>, posts: &Posts<'a>, holds_back: bool) -> Self {
        let decided: HashMap<&str, Whose> =
            input.decided.iter().map(|one| (one.number.as_str(), one.whose)).collect();
        let judged = |row: &'a Row| {
            let number = row.staff_number.as_ref()?.as_str();
            let account = known.by_number(number)?;
            let person = posts.person(row)?.ok()?;
            if !is_possibly_another(&marked(&person, input), account) {
                return None;
            }
            match decided.get(number) {
                Some(Whose::Same) => None,
                Some(Whose::Another) if !holds_back => Some((number, Judged::Another)),
                _ => Some((number, Judged::Open)),
            }
        };
        // Without a mark on either side there is nothing to compare.
        let tells = |row: &Row| row.person.as_ref().is_ok_and(tells_dates);
        let by_number = input.sheet.rows.iter().filter(|row| tells(row)).filter_map(judged).collect();
        Self { by_number, number_header: &input.sheet.staff_number_header }
    }

    fn of(&self, number: &str) -> Option<Judged> {
        self.by_number.get(number).copied()
    }

    /// A row with a further post, of somebody whose main row is rejected: it must be handed back with that one.
    fn other_post<'p>(&self, row: &Row) -> Option<Result<Cow<'p, Person>, Vec<Rejection>>> {
        let number = row.staff_number.as_ref()?.as_str();
        let problem = Rejection::new(self.number_header, number, RowProblem::OtherPost);
        (self.of(number)? == Judged::Open).then(|| Err(vec![problem]))
    }
}

fn tells_dates(person: &Person) -> bool {
    let Attributes { born, hired, .. } = person.attributes;
    person.born.is_some() || person.hired.is_some() || born.is_some() || hired.is_some()
}

/// What the row says, with marks in the place of its dates; of a row that was made from a line those that it had.
fn marked(person: &Person, input: &PlanInput<'_>) -> Attributes {
    let row = &person.attributes;
    let mark = |told, date| input.dates.mark(told, &input.source, &row.staff_number, date);
    Attributes {
        born: person.born.map(|date| mark(Told::Born, date)).or(row.born),
        hired: person.hired.map(|date| mark(Told::Hired, date)).or(row.hired),
        ..row.clone()
    }
}

fn of_number(row: &Row, problem: RowProblem, sheet: &Sheet) -> PlanKind {
    let number = row.staff_number.as_ref().map_or("", |number| number.as_str());
    PlanKind::Rejected(vec![Rejection::new(&sheet.staff_number_header, number, problem)])
}

fn accepted(row: &Row, person: &Person, account: Option<&Account>, input: &PlanInput<'_>) -> PlanKind {
    let sheet = input.sheet;
    match account {
        Some(account) if input.mode == Mode::Remove && is_other_name(person, account) => {
            let name = &person.attributes.name;
            PlanKind::Rejected(vec![Rejection::new(&sheet.name_header, name, RowProblem::OtherName)])
        }
        Some(account) if person.leaves && account.may_work() => PlanKind::Leave,
        Some(_) if person.leaves => PlanKind::Unchanged,
        None if person.leaves => of_number(row, RowProblem::LeaverUnknown, sheet),
        None if person.kept.contains(&Column::Name) => {
            PlanKind::Rejected(vec![Rejection::new(&sheet.name_header, "*", RowProblem::Missing)])
        }
        None => join(person, input),
        Some(account) => difference(person, account, input),
    }
}

/// Whether the row tells a name that is not the known one. Blanks make no difference: they are written in many ways.
fn is_other_name(person: &Person, account: &Account) -> bool {
    let letters = |name: &str| name.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let told = letters(&person.attributes.name);
    !told.is_empty() && told != letters(&account.current().name)
}

fn join(person: &Person, input: &PlanInput<'_>) -> PlanKind {
    let wishes_seat = person.wishes_seat.unwrap_or(false);
    let temporary_until = input.temporary_until;
    let attributes = Attributes { temporary_until, ..marked(person, input) };
    PlanKind::Join { attributes, wishes_seat, number_of: None }
}

fn difference(person: &Person, account: &Account, input: &PlanInput<'_>) -> PlanKind {
    let before = account.current();
    let attributes = completed(person, before, input);
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
fn completed(person: &Person, before: &Attributes, input: &PlanInput<'_>) -> Attributes {
    let sheet = input.sheet;
    let row = &marked(person, input);
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
        temporary_until: input.temporary_until,
        // An empty cell does not say that there was no such day.
        born: row.born.or(before.born),
        hired: row.hired.or(before.hired),
        departments: departments(row, before, sheet),
    }
}

/// The posts that the file tells. One that cannot tell 兼務 from 本務 says nothing of the 兼務 that are known, and
/// their order says nothing.
fn departments(row: &Attributes, before: &Attributes, sheet: &Sheet) -> Vec<Department> {
    let mut told: Vec<Department> =
        row.departments.iter().map(|post| known_post(post, before, sheet)).collect();
    if told.is_empty() {
        return before.departments.clone();
    }
    if !sheet.columns.contains(&Column::Post) {
        let same = |one: &Department, other: &Department| one.name == other.name && one.code == other.code;
        let further = before.departments.iter().filter(|post| !post.main);
        let further: Vec<Department> =
            further.filter(|post| !told.iter().any(|one| same(one, post))).cloned().collect();
        told.extend(further);
    }
    let sorted = |posts: &[Department]| {
        let mut posts = posts.to_vec();
        posts.sort();
        posts
    };
    if sorted(&told) == sorted(&before.departments) { before.departments.clone() } else { told }
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
