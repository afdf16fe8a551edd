//! Files that people take along: tables as a spreadsheet reads them, in the encoding that their other files have.

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use mdm_core::sheet;
pub(super) use mdm_core::sheet::fits_cp932;
use unicode_normalization::UnicodeNormalization as _;

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// UTF-8 after a byte order mark, by which Excel knows it.
    Utf8,
    /// Windows code page 932.
    Cp932,
}

impl Encoding {
    fn label(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Cp932 => "windows-31j",
        }
    }

    fn encode(self, text: &str) -> Vec<u8> {
        let encoding = match self {
            Self::Utf8 => sheet::Encoding::Utf8Bom,
            Self::Cp932 => sheet::Encoding::Cp932,
        };
        encoding.encode(text)
    }
}

/// A table as RFC 4180 wants it.
pub(super) struct Table(csv::Writer<Vec<u8>>);

impl Table {
    /// With its header.
    pub(super) fn new(header: &[String]) -> Self {
        let mut table = Self::without_header();
        table.row(header);
        table
    }

    /// A further part of a table.
    pub(super) fn without_header() -> Self {
        Self(csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new()))
    }

    /// Adds a row.
    pub(super) fn row<T: AsRef<str>>(&mut self, cells: &[T]) {
        let cells = cells.iter().map(|cell| harmless(cell.as_ref()));
        self.0.write_record(cells).expect("a row of as many cells as the header goes into memory");
    }

    /// The text so far.
    pub(super) fn text(self) -> String {
        let bytes = self.0.into_inner().unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// As a file to be kept.
    pub(super) fn download(self, name: &str, encoding: Encoding) -> Response {
        let kind = format!("text/csv; charset={}", encoding.label());
        attachment(name, &kind, encoding.encode(&self.text()).into())
    }
}

/// A spreadsheet runs what begins like a formula, also when it comes from a cell that somebody else filled in, and Excel
/// takes full-width signs as well (CWE-1236).
fn harmless(cell: &str) -> String {
    let first = cell.nfkc().next();
    let runs = first.is_some_and(|first| matches!(first, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n'));
    if runs { format!("'{cell}") } else { cell.to_owned() }
}

/// A file to be kept, not shown. `name` is ASCII without quotation marks.
pub(super) fn attachment(name: &str, kind: &str, body: Body) -> Response {
    let headers =
        [(CONTENT_TYPE, kind.to_owned()), (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))];
    (headers, body).into_response()
}

/// The beginning of a table that is sent part by part in UTF-8.
pub(super) fn begin_utf8(table: Table) -> Vec<u8> {
    Encoding::Utf8.encode(&table.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let mut table = Table::new(&["値".to_owned()]);
        table.row(&["=HYPERLINK(\"http://evil.example\")"]);
        assert_eq!(table.text(), "値\r\n\"'=HYPERLINK(\"\"http://evil.example\"\")\"\r\n");
        for cell in ["＝1+1", "＋1", "－1", "＠SUM(1)", "+1", "\n=1"] {
            assert_eq!(harmless(cell), format!("'{cell}"));
        }
        assert_eq!(harmless("総務課=本庁"), "総務課=本庁");
    }
}
