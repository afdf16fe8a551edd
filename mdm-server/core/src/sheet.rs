//! Reading a staff file: bytes in, rows out, or one error that says what, where and what to do.
//!
//! Here: limits, encoding, delimiter, columns and what each cell may hold. Not here: what the rows mean for the
//! accounts (`plan`). Errors of the file stop it; errors of a row reject that row only and are kept in it.

mod cells;
mod columns;
mod date;
mod encoding;
mod error;
mod format;
mod quoting;
mod rows;
#[cfg(test)]
mod tests;

pub use columns::{Column, Delimiter};
pub use encoding::{Encoding, UnknownEncoding};
pub use error::{Place, SheetError};
pub use format::LooksLike;

use std::collections::BTreeSet;

use shared::crypto::hazmat::sha256;

use crate::account::{Attributes, StaffNumber};
use crate::batch::{PrivateUse, Rejection};
use columns::Columns;

/// Most bytes of a file.
pub const MAX_BYTES: usize = 50 * 1024 * 1024;
/// Most rows below the header.
pub const MAX_ROWS: usize = 100_000;
/// Most columns.
pub const MAX_COLUMNS: usize = 200;
/// Most characters of any cell, used or not.
pub const MAX_CELL: usize = 4_096;

/// A file that could be read. It holds names: not for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// SHA-256 of the file.
    pub digest: [u8; 32],
    /// The encoding that was found or declared.
    pub encoding: Encoding,
    /// The delimiter that was found.
    pub delimiter: Delimiter,
    /// Columns that are used. What the others would say of a person stays as it is known.
    pub columns: BTreeSet<Column>,
    /// Headers of columns that are not used, in order.
    pub unused_columns: Vec<String>,
    /// Rows that are not empty, in order.
    pub rows: Vec<Row>,
    /// 外字 in used columns: kept, and listed here.
    pub private_use: Vec<PrivateUse>,
    /// Rows whose staff number was written in full-width letters or digits and is kept in half-width ones.
    pub normalised: Vec<u32>,
    /// The staff number column's header, for problems that show when rows are compared.
    pub staff_number_header: String,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// As a spreadsheet counts: the header is row 1, empty rows count.
    pub number: u32,
    /// Whom it is about. `None` if that cannot be told for sure: then nobody can be said to be absent from the file.
    pub staff_number: Option<StaffNumber>,
    /// What it says, or all that is wrong with it.
    pub person: Result<Person, Vec<Rejection>>,
}

/// What an acceptable row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Cells of columns that the file does not have are empty here.
    pub attributes: Attributes,
    /// 利用希望; `None` if the file has no such column. An empty cell is a no.
    pub wishes_seat: Option<bool>,
}

/// Reads a staff file. `declared` overrules the encoding that would be found.
pub fn read(bytes: &[u8], declared: Option<Encoding>) -> Result<Sheet, SheetError> {
    if bytes.len() > MAX_BYTES {
        return Err(SheetError::TooLarge { bytes: bytes.len() });
    }
    format::refuse_other_formats(bytes)?;
    let (encoding, text) = match declared {
        Some(declared) => encoding::decode_as(declared, bytes)?,
        None => encoding::decode(bytes)?,
    };
    let delimiter = columns::find_delimiter(&text);
    let records = rows::records(&text, delimiter)?;
    let columns = Columns::recognise(&records).map_err(|error| blame_encoding(error, declared, bytes))?;
    let mut sheet = Sheet {
        digest: sha256(&[bytes]),
        encoding,
        delimiter,
        columns: columns.used(),
        unused_columns: columns.unused().to_vec(),
        rows: Vec::with_capacity(records.len()),
        private_use: Vec::new(),
        normalised: Vec::new(),
        staff_number_header: columns.header(Column::StaffNumber).to_owned(),
    };
    for record in records.iter().skip(1) {
        let row = rows::read(record, &columns, &mut sheet.private_use, &mut sheet.normalised);
        sheet.rows.push(row);
    }
    if sheet.rows.is_empty() { Err(SheetError::NoRows) } else { Ok(sheet) }
}

/// A header without the required columns, read in a declared encoding, is most likely the wrong encoding.
fn blame_encoding(error: SheetError, declared: Option<Encoding>, bytes: &[u8]) -> SheetError {
    match (&error, declared, encoding::decode(bytes)) {
        (SheetError::MissingColumn { .. }, Some(declared), Ok((found, _))) if !found.same_text(declared) => {
            SheetError::OtherEncoding { declared, found }
        }
        _ => error,
    }
}
