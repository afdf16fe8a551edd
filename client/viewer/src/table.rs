//! Rows and columns: CSV, and sheets of an Excel workbook.

use std::io::Cursor;

use calamine::{Data, Reader as _, Xlsx, XlsxError};
use csv::{ReaderBuilder, StringRecord};
use serde::{Deserialize, Serialize};

use crate::{MAX_CELL, MAX_COLUMNS, MAX_ROWS, MAX_SHEETS, MAX_TEXT, ViewError, text};

/// One table of perhaps several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tables {
    /// The names of the sheets, the first [`MAX_SHEETS`]; of a CSV file none.
    pub sheets: Vec<String>,
    /// The one that was asked for.
    pub table: Table,
}

/// Cells as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Columns of the widest row.
    pub columns: u32,
    /// Row by row; cells that are empty at the end of one may be missing.
    pub rows: Vec<Vec<String>>,
    /// Rows, columns or the ends of cells are not shown.
    pub is_cut: bool,
}

impl Table {
    /// Takes a row, as far as it is shown. Whether another one would be taken.
    fn take<'a>(&mut self, cells: impl ExactSizeIterator<Item = &'a str>) -> bool {
        if self.rows.len() >= MAX_ROWS {
            self.is_cut = true;
            return false;
        }
        self.is_cut |= cells.len() > MAX_COLUMNS;
        let mut row = Vec::with_capacity(cells.len().min(MAX_COLUMNS));
        for cell in cells.take(MAX_COLUMNS) {
            let shown: String = cell.chars().filter(|c| !c.is_control()).take(MAX_CELL).collect();
            self.is_cut |= shown.len() < cell.len() && cell.chars().count() > MAX_CELL;
            row.push(shown);
        }
        self.columns = self.columns.max(u32::try_from(row.len()).unwrap_or(u32::MAX));
        self.rows.push(row);
        true
    }
}

pub(crate) fn delimited(bytes: &[u8]) -> Result<Tables, ViewError> {
    // Of a file that is longer than what is shown the beginning: its last row is most likely not whole.
    let begins = text::read(bytes)?;
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(&begins.body))
        .from_reader(begins.body.as_bytes());
    let mut table = Table { is_cut: begins.is_cut, ..Table::default() };
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|_| ViewError::Damaged)? {
        if !table.take(record.iter().collect::<Vec<_>>().into_iter()) {
            break;
        }
    }
    Ok(Tables { sheets: Vec::new(), table })
}

/// What stands most often in the first line.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    let count = |delimiter: &u8| first.bytes().filter(|byte| byte == delimiter).count();
    [b',', b'\t', b';'].into_iter().rev().max_by_key(count).unwrap_or(b',')
}

pub(crate) fn workbook(bytes: Vec<u8>, sheet: u32) -> Result<Tables, ViewError> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(why)?;
    let names = workbook.sheet_names();
    let name = names.iter().take(MAX_SHEETS).nth(sheet as usize).ok_or(match names.len() {
        0 => ViewError::Damaged,
        _ => ViewError::NoSuchPage,
    })?;
    let name = name.clone();
    let sheets = names.iter().take(MAX_SHEETS).map(|name| name.chars().take(MAX_CELL).collect()).collect();
    // Cell by cell: a range would hold every cell between the first and the last one that something is in.
    let mut cells = workbook.worksheet_cells_reader(&name).map_err(why)?;
    let mut table = Table::default();
    let mut kept = 0;
    while let Some(cell) = cells.next_cell().map_err(why)? {
        let (row, column) = cell.get_position();
        let (row, column) = (row as usize, column as usize);
        let said = Data::from(cell.get_value().clone()).to_string();
        if said.is_empty() {
            continue;
        }
        if row >= MAX_ROWS || column >= MAX_COLUMNS || kept > MAX_TEXT {
            table.is_cut = true;
            if row >= MAX_ROWS || kept > MAX_TEXT {
                break;
            }
            continue;
        }
        if table.rows.len() <= row {
            table.rows.resize_with(row + 1, Vec::new);
        }
        let cells = &mut table.rows[row];
        if cells.len() <= column {
            cells.resize_with(column + 1, String::new);
        }
        let shown: String = said.chars().filter(|c| !c.is_control()).take(MAX_CELL).collect();
        table.is_cut |= said.chars().nth(MAX_CELL).is_some();
        kept += shown.len();
        cells[column] = shown;
        table.columns = table.columns.max(u32::try_from(column + 1).unwrap_or(u32::MAX));
    }
    Ok(Tables { sheets, table })
}

fn why(error: XlsxError) -> ViewError {
    match error {
        XlsxError::Password => ViewError::Protected,
        // A document of another program, or an archive of anything.
        XlsxError::FileNotFound(_) => ViewError::Unknown,
        _ => ViewError::Damaged,
    }
}
