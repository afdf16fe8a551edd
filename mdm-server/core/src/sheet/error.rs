//! What stops a file. The texts are for the person who made it: what, where, what to do. No cell's text is in them.

use std::fmt;

use super::workbook::Unreadable;
use super::{Column, Encoding, LooksLike, MAX_BYTES, MAX_CELL, MAX_COLUMNS, MAX_ROWS};

/// A cell, as a spreadsheet counts: both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The header is row 1.
    pub row: u32,
    /// The leftmost is column 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}, column {}", self.row, self.column)
    }
}

/// Why a file is not read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SheetError {
    /// Nothing in it.
    #[error("the file is empty: export the list again and look into the file before uploading it")]
    Empty,
    /// A header only.
    #[error("the file has a header but no rows below it: export the list again")]
    NoRows,
    /// More than [`MAX_BYTES`].
    #[error(
        "the file has {bytes} bytes, the limit is {MAX_BYTES} (50 MiB): remove columns that are not needed, or upload it in parts in upsert mode"
    )]
    TooLarge {
        /// The file's size.
        bytes: usize,
    },
    /// More than [`MAX_ROWS`].
    #[error("the file has more than {MAX_ROWS} rows, which is the limit: upload it in parts in upsert mode")]
    TooManyRows,
    /// More than [`MAX_COLUMNS`].
    #[error(
        "row {row} has {columns} columns, the limit is {MAX_COLUMNS}: remove the columns that are not needed"
    )]
    TooManyColumns {
        /// The row.
        row: u32,
        /// How many it has.
        columns: usize,
    },
    /// More than [`MAX_CELL`] characters.
    #[error(
        "{0}: the cell has more than {MAX_CELL} characters, which is the limit: shorten it, or look for a quotation mark too many"
    )]
    CellTooLong(Place),
    /// The same in a workbook.
    #[error(
        "{0}: the cell has more than {MAX_CELL} characters, which is the limit: shorten it and save the workbook again"
    )]
    WorkbookCellTooLong(Place),
    /// A file of rejected rows as the list of everybody.
    #[error(
        "the file has a column for reasons of rejection: it holds rejected rows only, and as a roster it would make everybody else leave. Upload it in upsert mode"
    )]
    RejectedRowsOnly,
    /// Not a text.
    #[error("the file is neither CSV nor an Excel workbook but looks like {0}: {cure}", cure = .0.cure())]
    NotText(LooksLike),
    /// A workbook that cannot be read.
    #[error("the Excel workbook {0}")]
    Workbook(#[from] Unreadable),
    /// A byte that the encoding does not have.
    #[error("{at}: byte 0x{byte:02X} (at offset {offset} of the file) cannot be read as {encoding}: {cure}", cure = encoding.cure())]
    Undecodable {
        /// The encoding that was declared, or else the one that fitted best.
        encoding: Encoding,
        /// The cell.
        at: Place,
        /// Bytes before it.
        offset: usize,
        /// The byte.
        byte: u8,
    },
    /// UTF-16 was declared, and the file does not begin like it.
    #[error(
        "row 1, column 1: the file does not begin with the mark (BOM) of UTF-16: leave the encoding out, so that it is found by itself, or save the file as UTF-8"
    )]
    NoMark,
    /// The declared encoding gives no sensible header, another one does not fail.
    #[error(
        "row 1, column 1: read as {declared} the header makes no sense, and the file looks like {found}: declare {found}, or leave the encoding out"
    )]
    OtherEncoding {
        /// What was declared.
        declared: Encoding,
        /// What it looks like.
        found: Encoding,
    },
    /// A quotation mark that is not closed, or closed in the middle of a cell.
    #[error(
        "{0}: a quotation mark is opened here and not closed before the next delimiter or line end: remove it, or write it twice where it belongs to the text"
    )]
    Quotation(Place),
    /// A required column is missing.
    #[error("row 1: there is no column for {column}; name it one of {accepted}. Found: {found}", accepted = .column.accepted().join(", "), found = .found.join(", "))]
    MissingColumn {
        /// Which.
        column: Column,
        /// The headers that are there.
        found: Vec<String>,
    },
    /// Two columns for the same thing.
    #[error(
        "row 1: the columns {first:?} and {second:?} both stand for {column}: rename or remove one of them, or say that one is ignored"
    )]
    DuplicateColumn {
        /// For what.
        column: Column,
        /// One header.
        first: String,
        /// The other.
        second: String,
    },
    /// A required column that somebody has said to be something else or nothing.
    #[error(
        "row 1: no column is left for {column}, since {header:?} was said to be something else or to be ignored: take that back, or say which other column it is"
    )]
    IgnoredColumn {
        /// What is required.
        column: Column,
        /// The header that would say it.
        header: String,
    },
    /// Something was said of a column that the file does not have.
    #[error(
        "row 1: there is no column {header:?}, of which it was said what it is: write the header as the file has it"
    )]
    NoSuchColumn {
        /// The header.
        header: String,
    },
}

impl SheetError {
    /// A name that does not change with the wording.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NoRows => "no-rows",
            Self::TooLarge { .. } => "too-large",
            Self::TooManyRows => "too-many-rows",
            Self::TooManyColumns { .. } => "too-many-columns",
            Self::CellTooLong(_) | Self::WorkbookCellTooLong(_) => "cell-too-long",
            Self::RejectedRowsOnly => "rejected-rows-only",
            Self::NotText(_) => "not-text",
            Self::Workbook(why) => why.code(),
            Self::Undecodable { .. } => "undecodable",
            Self::NoMark => "no-utf-16-mark",
            Self::OtherEncoding { .. } => "other-encoding",
            Self::Quotation(_) => "quotation",
            Self::MissingColumn { .. } => "missing-column",
            Self::DuplicateColumn { .. } => "duplicate-column",
            Self::IgnoredColumn { .. } => "ignored-column",
            Self::NoSuchColumn { .. } => "no-such-column",
        }
    }
}
