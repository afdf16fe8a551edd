//! From a record to a row.

use std::collections::BTreeSet;

use csv::StringRecord;

use super::cells::Cells;
use super::column::Column;
use super::columns::Columns;
use super::{MAX_CELL, MAX_COLUMNS, Person, Place, Row, SheetError, rejected};
use crate::account::{Attributes, Department, StaffNumber};
use crate::batch::{LISTED, LISTED_KINDS, LikeLeave, PrivateUse, Rejection, RowProblem, shown};

/// A row before its columns are known.
pub(super) struct Record {
    pub(super) number: u32,
    pub(super) cells: StringRecord,
}

/// What is to be said of cells beside what they hold.
#[derive(Default)]
pub(super) struct Notes {
    /// 外字: the first [`LISTED`].
    pub(super) private_use: Vec<PrivateUse>,
    /// How many there are.
    pub(super) private_use_total: usize,
    /// Rows whose staff number is kept otherwise than it is written.
    pub(super) normalised: Vec<u32>,
    /// 発令区分 that sound like leaving and are not taken as such: the first [`LISTED_KINDS`].
    pub(super) like_leave: Vec<LikeLeave>,
}

impl Notes {
    /// A few KB of a workbook can unfold to any number of them: those beyond the listed ones are only counted.
    pub(super) fn private_use(&mut self, row: u32, header: &str, c: char) {
        self.private_use_total += 1;
        if self.private_use.len() < LISTED {
            self.private_use.push(PrivateUse { row, column: shown(header), code: u32::from(c) });
        }
    }
}

impl Notes {
    /// Each only once, with the first row and how many there are.
    pub(super) fn like_leave(&mut self, row: u32, said: &str) {
        let said = shown(said);
        if let Some(known) = self.like_leave.iter_mut().find(|known| known.said == said) {
            known.rows += 1;
        } else if self.like_leave.len() < LISTED_KINDS {
            self.like_leave.push(LikeLeave { said, first: row, rows: 1 });
        }
    }
}

impl Record {
    /// Nothing but blanks.
    pub(super) fn is_empty(&self) -> bool {
        self.cells.iter().all(|cell| cell.trim().is_empty())
    }

    pub(super) fn within_limits(&self) -> Result<(), SheetError> {
        let row = self.number;
        if self.cells.len() > MAX_COLUMNS {
            return Err(SheetError::TooManyColumns { row, columns: self.cells.len() });
        }
        // A character has up to four bytes: most cells need no counting.
        let long = |cell: &str| cell.len() > MAX_CELL && cell.chars().count() > MAX_CELL;
        match (1..).zip(&self.cells).find(|(_, cell)| long(cell)) {
            Some((column, _)) => Err(SheetError::CellTooLong(Place { row, column })),
            None => Ok(()),
        }
    }
}

/// Reads a row by its columns. Staff numbers of digits only get zeros in front up to `pad_to`.
pub(super) fn read(record: &Record, columns: &Columns, pad_to: Option<u8>, notes: &mut Notes) -> Row {
    let number = record.number;
    if !fits(&record.cells, columns) {
        let counted = format!("{} / {}", record.cells.len(), columns.width());
        let problem = Rejection::new("", &counted, RowProblem::CellCount);
        return Row { number, staff_number: None, unpadded: None, person: Err(vec![problem]) };
    }
    let mut cells = Cells::new(record, columns, notes);
    let staff_number = cells.staff_number(pad_to);
    let person = match columns.of_leavers() {
        true => leaver(&mut cells, staff_number.clone()),
        false => person(&mut cells, staff_number.clone()),
    };
    // A line break in a cell that never has one: a stray quotation mark may have swallowed the row below. So nobody
    // is told of for sure, not even if the rest of the row can be read.
    if cells.broken_line.is_some() {
        cells.refuse_broken_line();
        return Row { number, staff_number: None, unpadded: None, person: Err(cells.problems) };
    }
    Row { number, staff_number, unpadded: cells.unpadded, person: person.ok_or(cells.problems) }
}

/// As many cells as the header, nothing in those beyond, and no reason of a rejected row in one that is used: there it
/// has slipped into, when a spreadsheet filled up a row that was too short.
fn fits(cells: &StringRecord, columns: &Columns) -> bool {
    let slipped = |index: usize| cells.get(index).is_some_and(rejected::is_reason);
    !columns.indices().any(slipped)
        && cells.len() >= columns.width()
        && cells.iter().skip(columns.width()).all(|cell| cell.trim().is_empty())
}

fn person(cells: &mut Cells<'_>, staff_number: Option<StaffNumber>) -> Option<Person> {
    let name = cells.name();
    let departments = departments(cells);
    let attributes = Attributes {
        kana: cells.kana(),
        mail: cells.mail(),
        title: cells.text(Column::Title, 50),
        employment: cells.text(Column::Employment, 30),
        term_ends: cells.date(Column::TermEnds),
        temporary_until: None,
        born: None,
        hired: None,
        staff_number: staff_number?,
        name: if cells.kept.contains(&Column::Name) { String::new() } else { name? },
        departments,
    };
    let (born, hired) = (cells.date(Column::BirthDate), cells.date(Column::HireDate));
    let wishes_seat = cells.yes_no(Column::Wish);
    let post = cells.post();
    let leaves = cells.leaves();
    let kept = std::mem::take(&mut cells.kept);
    if !cells.problems.is_empty() {
        return None;
    }
    Some(Person { attributes, born, hired, wishes_seat, post: post?, leaves, kept })
}

/// Somebody on a list of those who leave. A name is there to be compared with the known one, and empty if there is none.
fn leaver(cells: &mut Cells<'_>, staff_number: Option<StaffNumber>) -> Option<Person> {
    let name = cells.name_if_told();
    let post = cells.post();
    cells.refuse_other_than_leaving();
    // A cell that leaves what is known says nothing against it.
    cells.kept.clear();
    if !cells.problems.is_empty() {
        return None;
    }
    let attributes = Attributes::named(staff_number?, name.unwrap_or_default());
    Some(Person {
        attributes,
        born: None,
        hired: None,
        wishes_seat: None,
        post: post?,
        leaves: true,
        kept: BTreeSet::new(),
    })
}

fn departments(cells: &mut Cells<'_>) -> Vec<Department> {
    let code = cells.text(Column::DepartmentCode, 20);
    let parts =
        [(Column::Department, 100), (Column::Bureau, 32), (Column::Division, 32), (Column::Section, 32)];
    let parts: Vec<String> =
        parts.into_iter().filter_map(|(part, longest)| cells.text(part, longest)).collect();
    let unit = cells.text(Column::OrgUnit, 100).map(|path| path.replace('/', " ").trim().to_owned());
    let name = if parts.is_empty() { unit.filter(|unit| !unit.is_empty()) } else { Some(parts.join(" ")) };
    match name.or_else(|| code.clone()) {
        Some(name) => vec![Department { name, code, main: true }],
        None => {
            cells.missing_department();
            Vec::new()
        }
    }
}
