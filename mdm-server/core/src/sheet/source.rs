//! A file as a sequence of records, whatever it is written in.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::rows::Record;
use super::workbook::Workbook;
use super::{Declared, Delimiter, Encoding, MAX_BYTES, SheetError, delimiter, encoding, format, text};

/// How a file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// CSV and its kin.
    Text {
        /// Found or declared.
        encoding: Encoding,
        /// Found or declared.
        delimiter: Delimiter,
    },
    /// XLSX (ECMA-376).
    Workbook {
        /// The sheet that is read: the first that is not hidden.
        sheet: String,
        /// The others, which are not.
        others: Vec<String>,
    },
}

impl Format {
    /// As shown and stored: an encoding's name, or `XLSX`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text { encoding, .. } => encoding.name(),
            Self::Workbook { .. } => "XLSX",
        }
    }

    /// The delimiter's name; `none` for a workbook.
    pub fn delimiter_name(&self) -> &'static str {
        match self {
            Self::Text { delimiter, .. } => delimiter.name(),
            Self::Workbook { .. } => "none",
        }
    }
}

/// A file that is opened.
pub(super) enum Source<'a> {
    Text { encoding: Encoding, delimiter: Delimiter, text: Cow<'a, str>, begins: usize },
    Workbook(Workbook<'a>),
}

impl<'a> Source<'a> {
    pub(super) fn open(bytes: &'a [u8], declared: &Declared) -> Result<Self, SheetError> {
        if bytes.len() > MAX_BYTES {
            return Err(SheetError::TooLarge { bytes: bytes.len() });
        }
        if format::is_zip(bytes) {
            return Ok(Self::Workbook(Workbook::open(bytes)?));
        }
        format::refuse_other_formats(bytes)?;
        let (encoding, text) = match declared.encoding {
            Some(declared) => encoding::decode_as(declared, bytes)?,
            None => encoding::decode(bytes)?,
        };
        let (said, rest) = delimiter::declared(&text);
        let delimiter = declared.delimiter.or(said).unwrap_or_else(|| delimiter::find(rest));
        let begins = text.len() - rest.len();
        Ok(Self::Text { encoding, delimiter, text, begins })
    }

    /// Hands over the rows in order until it is told to stop.
    pub(super) fn each(
        &self,
        take: &mut dyn FnMut(Record) -> Result<ControlFlow<()>, SheetError>,
    ) -> Result<(), SheetError> {
        match self {
            Self::Text { delimiter, text, begins, .. } => text::each(&text[*begins..], *delimiter, take),
            Self::Workbook(workbook) => workbook.each(take),
        }
    }

    /// The text begins with a line that says the delimiter.
    pub(super) fn has_sep_line(&self) -> bool {
        matches!(self, Self::Text { begins, .. } if *begins > 0)
    }

    pub(super) fn format(self) -> Format {
        match self {
            Self::Text { encoding, delimiter, .. } => Format::Text { encoding, delimiter },
            Self::Workbook(workbook) => workbook.format(),
        }
    }
}
