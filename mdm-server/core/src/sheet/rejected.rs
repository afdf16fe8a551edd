//! Rejected rows as a file: taken out of the upload cell by cell, kept, and written again as the upload was written, with
//! a column of reasons at the end. Mended it comes in again; the column is known by its header and not read.
//!
//! A row that is uploaded unmended is rejected again: it keeps the number of cells that it had, formulas get an
//! apostrophe that is read as theirs, and a reason that has slipped into another column is no value.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use csv::{ReaderBuilder, StringRecord, Terminator, WriterBuilder};

use super::cells::is_formula;
use super::column::fold;
use super::rows::Record;
use super::source::Source;
use super::{Declared, Delimiter, Encoding, SheetError, layout, numbered, text, workbook};

/// Headers of the column with the reasons: Japanese, English.
pub const REASON_HEADERS: [&str; 2] = ["却下の理由", "Reason for rejection"];
/// Begins each reason, so that one is known also where there is no header: Japanese, English.
pub const REASON_BEGINS: [&str; 2] = ["却下: ", "Rejected: "];
/// Ends the first reason, or its header, of a list whose login names stand for staff numbers: of its rejected rows alone
/// that could not be told.
const BY_LOGIN: &str = "[login]";
/// Most bytes that are kept of the rejected rows of a file.
pub const MAX_KEPT: usize = 16 << 20;

/// Tags of what is kept.
const HEAD: &str = "head";
const SEP: &str = "sep";
const LOGIN: &str = "login";

/// Rejected rows as they are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// CSV: of each row its number or what else it is, then its cells.
    pub bytes: Vec<u8>,
    /// How many rejected rows there are in it: less than all, if that would be more than [`MAX_KEPT`].
    pub rows: u32,
}

/// What is kept is not what was written by [`keep`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the kept rows are damaged")]
pub struct Damaged;

/// How a file was written, by the names that are stored with its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// A text.
    Text(Encoding, Delimiter),
    /// XLSX.
    Workbook,
}

impl Written {
    /// By the stored names of encoding and delimiter.
    pub fn named(encoding: &str, delimiter: &str) -> Option<Self> {
        if encoding == "XLSX" {
            return Some(Self::Workbook);
        }
        let encoding = encoding.parse().ok()?;
        Some(Self::Text(encoding, Delimiter::of_name(delimiter)?))
    }
}

/// Whether a header is that of the reasons.
pub(super) fn is_reason_header(header: &str) -> bool {
    let header = fold(header.trim().trim_end_matches(BY_LOGIN));
    REASON_HEADERS.iter().any(|known| fold(known) == header)
}

/// Whether a reason, or its header, says that login names stand for staff numbers.
pub(super) fn is_by_login(cell: &str) -> bool {
    cell.trim().ends_with(BY_LOGIN)
}

/// Whether a cell is a reason.
pub(super) fn is_reason(cell: &str) -> bool {
    let cell = cell.trim_start();
    REASON_BEGINS.iter().any(|begins| cell.starts_with(begins.trim_end()))
}

/// Takes rows out of a file that has been read, with all that stands above its rows. `wanted` says under which number a
/// row is kept, if at all.
pub fn keep(
    bytes: &[u8],
    declared: &Declared,
    wanted: impl Fn(u32) -> Option<u32>,
) -> Result<Kept, SheetError> {
    let source = Source::open(bytes, declared)?;
    let mut writer = WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let mut kept = 0;
    let put = |writer: &mut csv::Writer<Vec<u8>>, tag: &str, cells: &StringRecord| {
        let row = std::iter::once(tag).chain(cells);
        writer.write_record(row).expect("a vector takes any row");
    };
    let columns = numbered(&source, declared)?;
    if source.has_sep_line() {
        put(&mut writer, SEP, &StringRecord::new());
    }
    if columns.numbered_by_login() {
        put(&mut writer, LOGIN, &StringRecord::new());
    }
    let headerless = columns.layout().is_headerless();
    let mut first = None;
    source.each(&mut |record| {
        if record.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        if first.is_none() && text::is_version(&record) {
            put(&mut writer, HEAD, &record.cells);
            return Ok(ControlFlow::Continue(()));
        }
        let is_first = first.is_none();
        let width = *first.get_or_insert_with(|| Width::of(&record, headerless));
        let own = width.without_reason(&record);
        if is_first && !headerless {
            put(&mut writer, HEAD, &own);
            return Ok(ControlFlow::Continue(()));
        }
        // Without a header nothing would tell any more that a row has too many or too few cells.
        let fits = !headerless || width.own() == own.len();
        if let Some(number) = wanted(record.number).filter(|_| fits) {
            // The writer's buffer counts as soon as it is full.
            if writer.get_ref().len() + own.as_slice().len() > MAX_KEPT {
                return Ok(ControlFlow::Break(()));
            }
            put(&mut writer, &number.to_string(), &own);
            kept += 1;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let bytes = writer.into_inner().expect("a vector takes what is left");
    Ok(Kept { bytes, rows: kept })
}

/// Cells of the first row, and where it has a reason or the header of the reasons.
#[derive(Clone, Copy)]
struct Width {
    whole: usize,
    reason: Option<usize>,
}

impl Width {
    fn of(first: &Record, headerless: bool) -> Self {
        let reason = if headerless {
            reason_at_end(first)
        } else {
            let headers = first.cells.iter().enumerate();
            headers.filter(|(_, cell)| is_reason_header(cell)).last().map(|(at, _)| at)
        };
        Self { whole: first.cells.len(), reason }
    }

    fn own(self) -> usize {
        self.whole - usize::from(self.reason.is_some())
    }

    /// The cells but for the reason of the time before, and but for empty ones beyond the header.
    fn without_reason(self, record: &Record) -> StringRecord {
        let mut own: Vec<&str> = record.cells.iter().collect();
        if let Some(reason) = self.reason_in(record) {
            own.remove(reason);
        }
        while own.len() > self.own() && own.last().is_some_and(|cell| cell.trim().is_empty()) {
            own.pop();
        }
        StringRecord::from(own)
    }

    /// Where a row has its reason, if there is a column for it: there; behind too few or too many cells; or there, emptied.
    fn reason_in(self, record: &Record) -> Option<usize> {
        let column = self.reason?;
        if record.cells.get(column).is_some_and(is_reason) {
            return Some(column);
        }
        reason_at_end(record).or_else(|| (record.cells.len() == self.whole).then_some(column))
    }
}

/// Where a row has a reason behind everything else.
fn reason_at_end(record: &Record) -> Option<usize> {
    let (last, cell) = record.cells.iter().enumerate().filter(|(_, cell)| !cell.trim().is_empty()).last()?;
    is_reason(cell).then_some(last)
}

/// Whether a row ends in a reason, as one of a list without header does that was handed back.
pub(super) fn ends_in_reason(record: &Record) -> bool {
    reason_at_end(record).is_some()
}

/// Writes kept rows as the upload was written, with the reason of each behind it. `header` is that of the reasons.
pub fn write(
    written: Written,
    kept: &[u8],
    header: &str,
    reasons: &BTreeMap<u32, String>,
) -> Result<Vec<u8>, Damaged> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(kept);
    let mut rows: Vec<StringRecord> = Vec::new();
    let (mut sep, mut by_login) = (false, false);
    for row in reader.records() {
        let row = row.map_err(|_| Damaged)?;
        let tag = row.get(0).ok_or(Damaged)?;
        let mut own: StringRecord = row.iter().skip(1).collect();
        match tag {
            SEP => {
                sep = true;
                continue;
            }
            LOGIN => {
                by_login = true;
                continue;
            }
            HEAD if layout::is_version_line(own.get(0).unwrap_or_default()) => {}
            HEAD => own.push_field(header),
            number => {
                let number: u32 = number.parse().map_err(|_| Damaged)?;
                own.push_field(reasons.get(&number).map_or("", String::as_str));
            }
        }
        rows.push(own);
    }
    if by_login {
        say_by_login(&mut rows);
    }
    Ok(match written {
        Written::Workbook => workbook::write(header, &rows),
        Written::Text(encoding, delimiter) => {
            let text = as_text(&rows, delimiter);
            encoding.encode(&if sep {
                format!("sep={}\r\n{text}", char::from(delimiter.byte()))
            } else {
                text
            })
        }
    })
}

/// In the first row that has a cell for it.
fn say_by_login(rows: &mut [StringRecord]) {
    let first = rows.iter_mut().find(|row| !text::is_version_row(row));
    let Some(first) = first else { return };
    let last = first.len().saturating_sub(1);
    *first = first
        .iter()
        .enumerate()
        .map(|(at, cell)| if at == last { format!("{cell} {BY_LOGIN}") } else { cell.to_owned() })
        .collect();
}

fn as_text(rows: &[StringRecord], delimiter: Delimiter) -> String {
    let mut writer = WriterBuilder::new()
        .flexible(true)
        .delimiter(delimiter.byte())
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    for row in rows {
        writer.write_record(row.iter().map(harmless)).expect("a vector takes any row");
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// A spreadsheet would run what begins like a formula (CWE-1236).
fn harmless(cell: &str) -> String {
    if !cell.starts_with('\'') && is_formula(cell.trim()) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests;
