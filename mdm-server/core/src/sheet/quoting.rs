//! Quotation marks (RFC 4180 section 2) and row numbers. The `csv` crate forgives a mark that is not closed; here that
//! would swallow the rows up to the next one, and their people would count as absent. So it is found before.

use super::{Delimiter, Place, SheetError};

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before the first character of a cell.
    Start,
    Plain,
    Quoted,
    /// After a quotation mark inside a quoted cell: its end, or the first of two.
    Mark,
}

struct Scanner {
    delimiter: u8,
    at: At,
    place: Place,
    /// Where the last quotation mark was opened.
    opened: Place,
    after_return: bool,
    /// Something but a line end was seen since the row began.
    filled: bool,
}

impl Scanner {
    fn new(delimiter: Delimiter) -> Self {
        let first = Place { row: 1, column: 1 };
        Self {
            delimiter: delimiter.byte(),
            at: At::Start,
            place: first,
            opened: first,
            after_return: false,
            filled: false,
        }
    }

    /// Takes a byte. The answer is the row that it ends, if it ends one that is not empty.
    fn step(&mut self, byte: u8) -> Result<Option<u32>, SheetError> {
        let pair = std::mem::replace(&mut self.after_return, byte == b'\r') && byte == b'\n';
        match (self.at, byte) {
            (At::Quoted, b'"') => self.at = At::Mark,
            (At::Quoted, _) => {}
            (At::Mark, b'"') => self.at = At::Quoted,
            (_, b'\n') if pair => {}
            (_, b'\r' | b'\n') => return Ok(self.line_end()),
            (_, byte) if byte == self.delimiter => {
                self.place.column += 1;
                self.at = At::Start;
                self.filled = true;
            }
            (At::Mark, _) => return Err(SheetError::Quotation(self.opened)),
            (At::Start, b'"') => {
                self.opened = self.place;
                self.at = At::Quoted;
                self.filled = true;
            }
            (At::Start | At::Plain, _) => {
                self.at = At::Plain;
                self.filled = true;
            }
        }
        Ok(None)
    }

    fn line_end(&mut self) -> Option<u32> {
        let ended = self.filled.then_some(self.place.row);
        self.place = Place { row: self.place.row + 1, column: 1 };
        self.at = At::Start;
        self.filled = false;
        ended
    }
}

/// The numbers of the rows that are not empty, a spreadsheet's way: a line break inside a cell begins no row.
pub(super) fn rows(text: &str, delimiter: Delimiter) -> Result<Vec<u32>, SheetError> {
    let mut scanner = Scanner::new(delimiter);
    let mut rows = Vec::new();
    for byte in text.bytes() {
        rows.extend(scanner.step(byte)?);
    }
    if scanner.at == At::Quoted {
        return Err(SheetError::Quotation(scanner.opened));
    }
    rows.extend(scanner.line_end());
    Ok(rows)
}

/// The cell in which the text ends.
pub(super) fn end(text: &str, delimiter: Delimiter) -> Place {
    let mut scanner = Scanner::new(delimiter);
    for byte in text.bytes() {
        if scanner.step(byte).is_err() {
            break;
        }
    }
    scanner.place
}
