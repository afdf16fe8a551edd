//! The rows of a sheet (ECMA-376 part 1, 18.3.1): cells by their place, values as a person sees them.

use std::ops::ControlFlow;

use csv::StringRecord;
use quick_xml::events::{BytesStart, Event};

use super::Unreadable;
use super::number;
use super::strings::Strings;
use super::styles::Styles;
use super::xml::{Xml, add_text, attribute, unescaped};
use crate::sheet::rows::Record;
use crate::sheet::{MAX_COLUMNS, SHOWN_OTHERWISE, SheetError};

/// Rows and columns of a sheet, as in Excel's own limits.
const LAST_ROW: u32 = 1_048_576;
const LAST_COLUMN: usize = 16_384;
/// Most bytes that the cells of a row hold together, and those of all rows: a shared text counts each time.
const ROW_TEXT: usize = 4 << 20;
const ALL_TEXT: usize = 512 << 20;

/// What every error is handed on as: which errors there are grows with Excel's versions.
const ERROR: &str = "#N/A";

/// What cells refer to.
pub(super) struct Tables<'w> {
    pub(super) strings: &'w Strings,
    pub(super) styles: &'w Styles,
    pub(super) from_1904: bool,
}

/// A cell that is being read.
#[derive(Default)]
struct Cell {
    at: usize,
    kind: Option<String>,
    style: usize,
    formula: bool,
    text: String,
}

/// The row that is being read.
#[derive(Default)]
struct Line {
    number: u32,
    cells: Vec<String>,
    /// Where the next cell stands that does not say it.
    next: usize,
    text: usize,
}

/// Hands over the rows in order until it is told to stop.
pub(super) fn each(
    xml: &mut Xml<'_>,
    tables: &Tables<'_>,
    take: &mut dyn FnMut(Record) -> Result<ControlFlow<()>, SheetError>,
) -> Result<(), SheetError> {
    let mut line = Line::default();
    let mut cell = Cell::default();
    let (mut in_value, mut phonetic) = (false, false);
    // A row ends at its last filled cell: shorter ones get the empty cells that the widest has.
    let (mut width, mut all_text) = (0, 0_usize);
    loop {
        let event = xml.next()?;
        match &event {
            Event::Start(element) => match element.local_name().as_ref() {
                b"row" => line = begin_row(element, line.number)?,
                b"c" => cell = begin_cell(element, line.next)?,
                b"v" | b"t" => in_value = !phonetic,
                b"rPh" => phonetic = true,
                b"f" => cell.formula = true,
                _ => {}
            },
            Event::End(element) => match element.local_name().as_ref() {
                b"c" => line.put(std::mem::take(&mut cell), tables)?,
                b"v" | b"t" => in_value = false,
                b"rPh" => phonetic = false,
                b"row" => {
                    all_text += line.text;
                    if all_text > ALL_TEXT {
                        return Err(Unreadable::TooLarge.into());
                    }
                    width = width.max(line.cells.len());
                    if !line.cells.is_empty() && take(line.record(width))?.is_break() {
                        return Ok(());
                    }
                }
                _ => {}
            },
            Event::Eof => return Ok(()),
            text if in_value => add_text(text, &mut cell.text)?,
            _ => {}
        }
    }
}

fn begin_row(element: &BytesStart<'_>, before: u32) -> Result<Line, Unreadable> {
    let number = match attribute(element, b"r")? {
        Some(said) => said.parse().map_err(|_| Unreadable::Damaged)?,
        None => before + 1,
    };
    if number <= before || number > LAST_ROW {
        return Err(Unreadable::Damaged);
    }
    Ok(Line { number, ..Line::default() })
}

fn begin_cell(element: &BytesStart<'_>, next: usize) -> Result<Cell, Unreadable> {
    let at = match attribute(element, b"r")? {
        Some(said) => column(&said).ok_or(Unreadable::Damaged)?,
        None => next,
    };
    if at < next || at >= LAST_COLUMN {
        return Err(Unreadable::Damaged);
    }
    let style = attribute(element, b"s")?.map_or(Some(0), |style| style.parse().ok());
    let kind = attribute(element, b"t")?;
    Ok(Cell { at, kind, style: style.ok_or(Unreadable::Damaged)?, formula: false, text: String::new() })
}

/// The column of `BC12`, from 0.
fn column(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_uppercase).take(4);
    let counted = letters.fold(0, |sum, letter| sum * 26 + usize::from(letter - b'A') + 1);
    counted.checked_sub(1)
}

impl Line {
    fn put(&mut self, cell: Cell, tables: &Tables<'_>) -> Result<(), SheetError> {
        let at = cell.at;
        self.next = at + 1;
        let text = cell.shown(tables)?;
        self.text += text.len();
        if self.text > ROW_TEXT {
            return Err(Unreadable::TooLarge.into());
        }
        // A blank, like one typed by mistake at the sheet's very end, makes no row wider.
        if text.trim().is_empty() {
            return Ok(());
        }
        if at >= MAX_COLUMNS {
            return Err(SheetError::TooManyColumns { row: self.number, columns: at + 1 });
        }
        self.cells.resize(at, String::new());
        self.cells.push(text);
        Ok(())
    }

    fn record(&self, width: usize) -> Record {
        let mut cells = StringRecord::new();
        let missing = width.saturating_sub(self.cells.len());
        self.cells.iter().map(String::as_str).chain(std::iter::repeat_n("", missing)).for_each(|cell| {
            cells.push_field(cell);
        });
        Record { number: self.number, cells }
    }
}

impl Cell {
    fn shown(self, tables: &Tables<'_>) -> Result<String, Unreadable> {
        Ok(match self.kind.as_deref() {
            Some("s") => {
                let index = self.text.trim().parse().map_err(|_| Unreadable::Damaged)?;
                tables.strings.get(index).ok_or(Unreadable::Damaged)?.to_owned()
            }
            Some("str" | "inlineStr") => unescaped(self.text),
            Some("b") if self.text.trim() == "1" => "TRUE".to_owned(),
            Some("b") => "FALSE".to_owned(),
            // A date of ISO 8601, with a time that no column here has.
            Some("d") => self.text.split('T').next().unwrap_or_default().to_owned(),
            Some("e") => ERROR.to_owned(),
            // Saved without having been reckoned: what it would show is not known.
            _ if self.formula && self.text.trim().is_empty() => ERROR.to_owned(),
            _ if self.text.trim().is_empty() => String::new(),
            _ => number::show(&self.text, tables.styles.get(self.style), tables.from_1904)
                .unwrap_or_else(|| format!("{SHOWN_OTHERWISE} {}", self.text)),
        })
    }
}
