//! From text to records.

use std::ops::ControlFlow;

use csv::{ReaderBuilder, StringRecord};

use super::rows::Record;
use super::{Delimiter, SheetError, layout, quoting};

/// Hands over the rows with something in them, in order, until it is told to stop.
pub(super) fn each(
    text: &str,
    delimiter: Delimiter,
    take: &mut dyn FnMut(Record) -> Result<ControlFlow<()>, SheetError>,
) -> Result<(), SheetError> {
    let numbers = quoting::rows(text, delimiter)?;
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter.byte())
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    for (number, cells) in numbers.into_iter().zip(reader.records()) {
        let cells = cells.expect("text in memory, with rows of any length, reads without errors");
        if take(Record { number, cells })?.is_break() {
            break;
        }
    }
    Ok(())
}

/// `version:v1.0` above the header of Microsoft's template: a row that is counted and says nothing.
pub(super) fn is_version(record: &Record) -> bool {
    is_version_row(&record.cells)
}

/// The same of cells alone.
pub(super) fn is_version_row(cells: &StringRecord) -> bool {
    let mut cells = cells.iter();
    cells.next().is_some_and(layout::is_version_line) && cells.all(|cell| cell.trim().is_empty())
}
