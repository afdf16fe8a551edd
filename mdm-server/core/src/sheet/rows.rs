//! From text to records, from a record to a row.

use csv::{ReaderBuilder, StringRecord};

use super::cells::Cells;
use super::columns::{Column, Columns, Delimiter};
use super::{MAX_CELL, MAX_COLUMNS, MAX_ROWS, Person, Place, Row, SheetError, quoting};
use crate::account::{Attributes, Department, StaffNumber};
use crate::batch::{PrivateUse, Rejection, RowProblem};

/// A row before its columns are known.
pub(super) struct Record {
    pub(super) number: u32,
    pub(super) cells: StringRecord,
}

/// The rows with something in them, within the limits.
pub(super) fn records(text: &str, delimiter: Delimiter) -> Result<Vec<Record>, SheetError> {
    let numbers = quoting::rows(text, delimiter)?;
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter.byte())
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut records = Vec::new();
    for (number, cells) in numbers.into_iter().zip(reader.records()) {
        let cells = cells.expect("text in memory, with rows of any length, reads without errors");
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if records.len() > MAX_ROWS {
            return Err(SheetError::TooManyRows);
        }
        within_limits(number, &cells)?;
        records.push(Record { number, cells });
    }
    Ok(records)
}

fn within_limits(row: u32, cells: &StringRecord) -> Result<(), SheetError> {
    if cells.len() > MAX_COLUMNS {
        return Err(SheetError::TooManyColumns { row, columns: cells.len() });
    }
    // A character has up to four bytes: most cells need no counting.
    let long = |cell: &str| cell.len() > MAX_CELL && cell.chars().count() > MAX_CELL;
    match (1..).zip(cells).find(|(_, cell)| long(cell)) {
        Some((column, _)) => Err(SheetError::CellTooLong(Place { row, column })),
        None => Ok(()),
    }
}

/// Reads a row by its columns.
pub(super) fn read(
    record: &Record,
    columns: &Columns,
    private_use: &mut Vec<PrivateUse>,
    normalised: &mut Vec<u32>,
) -> Row {
    let number = record.number;
    if !fits(&record.cells, columns) {
        let counted = format!("{} cells, the header has {}", record.cells.len(), columns.width());
        let problem = Rejection::new("", &counted, RowProblem::CellCount);
        return Row { number, staff_number: None, person: Err(vec![problem]) };
    }
    let mut cells = Cells::new(record, columns, private_use);
    let staff_number = cells.staff_number();
    if let Some((_, true)) = staff_number {
        normalised.push(number);
    }
    let staff_number = staff_number.map(|(staff_number, _)| staff_number);
    let person = person(&mut cells, staff_number.clone());
    // A line break in a cell that never has one: a stray quotation mark may have swallowed the row below.
    let staff_number = staff_number.filter(|_| !cells.broken_line);
    Row { number, staff_number, person: person.ok_or(cells.problems) }
}

/// As many cells as the header, and nothing in those beyond.
fn fits(cells: &StringRecord, columns: &Columns) -> bool {
    cells.len() >= columns.width() && cells.iter().skip(columns.width()).all(|cell| cell.trim().is_empty())
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
        staff_number: staff_number?,
        name: name?,
        departments,
    };
    let wishes_seat = cells.yes_no(Column::Wish);
    cells.problems.is_empty().then_some(Person { attributes, wishes_seat })
}

fn departments(cells: &mut Cells<'_>) -> Vec<Department> {
    let code = cells.text(Column::DepartmentCode, 20);
    let parts =
        [(Column::Department, 100), (Column::Bureau, 32), (Column::Division, 32), (Column::Section, 32)];
    let parts: Vec<String> =
        parts.into_iter().filter_map(|(part, longest)| cells.text(part, longest)).collect();
    let name = if parts.is_empty() { code.clone() } else { Some(parts.join(" ")) };
    match name {
        Some(name) => vec![Department { name, code, main: true }],
        None => {
            cells.missing_department();
            Vec::new()
        }
    }
}
