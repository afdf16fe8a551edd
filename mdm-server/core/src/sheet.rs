//! Reading a staff file: bytes in, rows out, or one error that says what, where and what to do.
//!
//! Here: limits, encoding, delimiter, workbooks, layouts, columns and what each cell may hold. Not here: what the rows
//! mean for the accounts (`plan`). Errors of the file stop it; errors of a row reject that row only and are kept in it.

mod assigned;
mod cells;
mod column;
mod columns;
mod date;
mod delimiter;
mod encoding;
mod error;
mod format;
mod layout;
mod quoting;
pub mod rejected;
mod rows;
mod source;
#[cfg(test)]
mod tests;
mod text;
mod workbook;

pub use assigned::{Assigned, AssignedColumn, Header, InvalidHeader, MAX_ASSIGNED, Meaning, UnknownMeaning};
pub use column::{Column, half_width};
pub use delimiter::Delimiter;
pub use encoding::{Encoding, UnknownEncoding, fits_cp932};
pub use error::{Place, SheetError};
pub use format::LooksLike;
pub use layout::Layout;
pub use source::Format;
pub use workbook::Unreadable;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use jiff::civil::Date;
use shared::crypto::hazmat::sha256;

use crate::account::{Attributes, StaffNumber};
use crate::batch::{LikeLeave, Mode, PrivateUse, Rejection};
use columns::Columns;
use rows::{Notes, Record};
use source::Source;

/// Most bytes of a file.
pub const MAX_BYTES: usize = 50 * 1024 * 1024;
/// Most rows below the header.
pub const MAX_ROWS: usize = 100_000;
/// Most columns.
pub const MAX_COLUMNS: usize = 200;
/// Most characters of any cell, used or not.
pub const MAX_CELL: usize = 4_096;
/// Longest staff number that zeros are put back to.
pub const MAX_PADDING: u8 = 20;

/// Begins the text of a cell in which a person sees something else than the number that is kept in it, by a format that
/// is not reckoned here.
const SHOWN_OTHERWISE: &str = "#NUMBER_FORMAT!";

/// What the uploader says of a file, instead of what would be found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// Of a text.
    pub encoding: Option<Encoding>,
    /// Of a text.
    pub delimiter: Option<Delimiter>,
    /// Staff numbers of digits only have lost zeros in front: they are put back up to this length, at most
    /// [`MAX_PADDING`].
    pub pad_numbers_to: Option<u8>,
    /// It lists those who leave: a staff number is enough, and no row says anything else of a person.
    pub of_leavers: bool,
    /// What columns are, by their headers. Of no use where there are none.
    pub columns: Assigned,
}

/// A file that could be read. It holds names: not for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// SHA-256 of the file.
    pub digest: [u8; 32],
    /// How the file is written.
    pub format: Format,
    /// Whose table it is.
    pub layout: Layout,
    /// Columns that are used. What the others would say of a person stays as it is known.
    pub columns: BTreeSet<Column>,
    /// Headers of columns that are not used, in order.
    pub unused_columns: Vec<String>,
    /// Columns of which the uploader has said what they are, in order.
    pub assigned: Vec<AssignedColumn>,
    /// Rows that are not empty, in order.
    pub rows: Vec<Row>,
    /// 外字 in used columns: kept, and the first [`LISTED`](crate::batch::LISTED) listed here.
    pub private_use: Vec<PrivateUse>,
    /// How many there are.
    pub private_use_total: usize,
    /// 発令区分 that sound like leaving but are none that is known: nobody leaves by them.
    pub like_leave: Vec<LikeLeave>,
    /// The file is one that rejected rows were handed back in: it holds some of the people only.
    pub is_rejected_rows: bool,
    /// Rows whose staff number is kept otherwise than it was written, in half-width letters and digits or with zeros
    /// put back, and rows whose login name stands for it.
    pub normalised: Vec<u32>,
    /// The staff number column's header, for problems that show when rows are compared.
    pub staff_number_header: String,
    /// The name column's header, likewise.
    pub name_header: String,
    /// The header of 本務兼務区分, likewise; empty if there is none.
    pub post_header: String,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// As a spreadsheet counts: the header is row 1, empty rows count.
    pub number: u32,
    /// Whom it is about. `None` if that cannot be told for sure: then nobody can be said to be absent from the file.
    pub staff_number: Option<StaffNumber>,
    /// The same without the zeros that were put back, if any were.
    pub unpadded: Option<StaffNumber>,
    /// What it says, or all that is wrong with it.
    pub person: Result<Person, Vec<Rejection>>,
}

/// What an acceptable row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Cells of columns that the file does not have are empty here.
    pub attributes: Attributes,
    /// 生年月日. Only its mark goes further than the comparison.
    pub born: Option<Date>,
    /// 採用年月日, likewise.
    pub hired: Option<Date>,
    /// 利用希望; `None` if the file has no such column. An empty cell is a no.
    pub wishes_seat: Option<bool>,
    /// Which of the person's posts the row tells.
    pub post: Post,
    /// The row says that the person leaves.
    pub leaves: bool,
    /// Columns whose cell says that what is known stays.
    pub kept: BTreeSet<Column>,
}

/// 本務 or 兼務.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Post {
    /// 本務.
    Main,
    /// 兼務.
    Further,
}

/// Reads a staff file.
pub fn read(bytes: &[u8], declared: &Declared) -> Result<Sheet, SheetError> {
    let source = Source::open(bytes, declared)?;
    let columns = numbered(&source, declared).map_err(|error| blame_encoding(error, declared, bytes))?;
    let pad_to = declared.pad_numbers_to.map(|width| width.min(MAX_PADDING));
    let mut notes = Notes::default();
    let mut rows = Vec::new();
    // Without a header each row says it for itself: the first one's reason may have been emptied.
    let headerless = columns.layout().is_headerless();
    let mut is_rejected_rows = columns.has_reasons();
    each_row(&source, &columns, &mut |record| {
        if rows.len() >= MAX_ROWS {
            return Err(SheetError::TooManyRows);
        }
        is_rejected_rows |= headerless && rejected::ends_in_reason(&record);
        record.within_limits().map_err(|error| in_workbook(error, &source))?;
        rows.push(rows::read(&record, &columns, pad_to, &mut notes));
        Ok(ControlFlow::Continue(()))
    })?;
    if rows.is_empty() {
        return Err(SheetError::NoRows);
    }
    let header = |column| columns.header(column).to_owned();
    let name = if columns.index(Column::Name).is_some() { Column::Name } else { Column::FamilyName };
    Ok(Sheet {
        digest: sha256(&[bytes]),
        layout: columns.layout(),
        columns: columns.used(),
        unused_columns: columns.unused().to_vec(),
        assigned: columns.assigned(),
        rows,
        private_use: notes.private_use,
        private_use_total: notes.private_use_total,
        normalised: notes.normalised,
        like_leave: notes.like_leave,
        is_rejected_rows,
        staff_number_header: header(Column::StaffNumber),
        name_header: header(name),
        post_header: header(Column::Post),
        format: source.format(),
    })
}

/// The columns, and which of them names people: where nobody has a staff number, the login name.
fn numbered(source: &Source<'_>, declared: &Declared) -> Result<Columns, SheetError> {
    let mut columns = recognise(source, declared)?;
    let by_login = if columns.layout() == Layout::Own {
        false
    } else if columns.has_reasons() && columns.index(Column::StaffNumber).is_some() {
        // Rejected for having no number, each of them: the whole list had some.
        columns.reasons_by_login()
    } else {
        !has_numbers(source, &columns)?
    };
    if by_login {
        columns.number_by_login();
    }
    Ok(columns)
}

/// The columns, from the first row that says something.
fn recognise(source: &Source<'_>, declared: &Declared) -> Result<Columns, SheetError> {
    let mut found = None;
    source.each(&mut |record| {
        if record.is_empty() || text::is_version(&record) {
            return Ok(ControlFlow::Continue(()));
        }
        record.within_limits().map_err(|error| in_workbook(error, source))?;
        found = Some(Columns::recognise(&record, declared)?);
        Ok(ControlFlow::Break(()))
    })?;
    found.ok_or(SheetError::Empty)
}

impl Sheet {
    /// Whether the file may be compared that way. In one of rejected rows everybody else is absent.
    pub fn fits(&self, mode: Mode) -> Result<(), SheetError> {
        match mode {
            Mode::Roster if self.is_rejected_rows => Err(SheetError::RejectedRowsOnly),
            _ => Ok(()),
        }
    }

    /// Whether the file has the columns of which something was said: a header that was mistyped would be passed over.
    pub fn has(&self, said: &Assigned) -> Result<(), SheetError> {
        let is_there = |header: &Header| self.assigned.iter().any(|column| column.header == *header);
        match said.keys().find(|header| !is_there(header)) {
            Some(header) => Err(SheetError::NoSuchColumn { header: header.to_string() }),
            None => Ok(()),
        }
    }
}

/// In a workbook no quotation mark is at fault.
fn in_workbook(error: SheetError, source: &Source<'_>) -> SheetError {
    match (error, source) {
        (SheetError::CellTooLong(at), Source::Workbook(_)) => SheetError::WorkbookCellTooLong(at),
        (error, _) => error,
    }
}

/// The rows below the header that are not empty.
fn each_row(
    source: &Source<'_>,
    columns: &Columns,
    take: &mut dyn FnMut(Record) -> Result<ControlFlow<()>, SheetError>,
) -> Result<(), SheetError> {
    let mut below = columns.layout().is_headerless();
    source.each(&mut |record| {
        if record.is_empty() || (!below && text::is_version(&record)) {
            return Ok(ControlFlow::Continue(()));
        }
        if std::mem::replace(&mut below, true) { take(record) } else { Ok(ControlFlow::Continue(())) }
    })
}

/// Any row has a staff number of its own. Exports of other products have a column for it that many leave empty.
fn has_numbers(source: &Source<'_>, columns: &Columns) -> Result<bool, SheetError> {
    let Some(index) = columns.index(Column::StaffNumber) else { return Ok(false) };
    let mut found = false;
    each_row(source, columns, &mut |record| {
        found = record.cells.get(index).is_some_and(|cell| !matches!(cell.trim(), "" | "*"));
        Ok(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

/// A header without the required columns, read in a declared encoding, is most likely the wrong encoding.
fn blame_encoding(error: SheetError, declared: &Declared, bytes: &[u8]) -> SheetError {
    match (&error, declared.encoding) {
        (SheetError::MissingColumn { .. }, Some(declared)) if !format::is_zip(bytes) => {
            match encoding::decode(bytes) {
                Ok((found, _)) if !found.same_text(declared) => SheetError::OtherEncoding { declared, found },
                _ => error,
            }
        }
        _ => error,
    }
}
