//! Files that people take along: tables as a spreadsheet reads them, in the encoding that their other files have.

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use encoding_rs::{EncoderResult, SHIFT_JIS};
use unicode_normalization::UnicodeNormalization as _;

/// What stands for a character that the encoding does not have: the sign of printers for a missing type.
const MISSING: char = '〓';
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// UTF-8 after a byte order mark, by which Excel knows it.
    Utf8,
    /// Windows code page 932.
    Cp932,
    /// UTF-16, little end first, after a byte order mark.
    Utf16,
}

impl Encoding {
    /// By the name that a batch keeps of its file's encoding; a new one is written as UTF-8.
    pub(super) fn of_file(name: &str) -> Self {
        match name {
            "CP932" => Self::Cp932,
            "UTF-16" => Self::Utf16,
            _ => Self::Utf8,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Cp932 => "windows-31j",
            Self::Utf16 => "utf-16",
        }
    }

    fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => [BYTE_ORDER_MARK, text.as_bytes()].concat(),
            Self::Cp932 => cp932(text),
            Self::Utf16 => {
                "\u{FEFF}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
            }
        }
    }
}

/// Whether code page 932 has all characters of a text.
pub(super) fn fits_cp932(text: &str) -> bool {
    text.chars().all(|c| cp932_char(c).is_some())
}

fn cp932(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        bytes.extend(cp932_char(c).or_else(|| cp932_char(MISSING)).unwrap_or_default());
    }
    bytes
}

/// One character in code page 932, 外字 included.
fn cp932_char(c: char) -> Option<Vec<u8>> {
    // User-defined characters: rows 95 to 114 of 188 each, as the WHATWG Encoding Standard decodes them.
    if let Some(place) = u32::from(c).checked_sub(0xE000).filter(|place| *place < 1_880) {
        let (lead, trail) = (0xF0 + place / 188, place % 188);
        let trail = trail + if trail < 0x3F { 0x40 } else { 0x41 };
        return Some(vec![u8::try_from(lead).ok()?, u8::try_from(trail).ok()?]);
    }
    // Characters that JIS and Microsoft assign to different code points.
    let c = match c {
        '〜' => '～',
        '‖' => '∥',
        '−' => '－',
        '¢' => '￠',
        '£' => '￡',
        '¬' => '￢',
        // The encoder would write them as a backslash and a tilde.
        '¥' => '￥',
        '‾' => '￣',
        other => other,
    };
    let (mut text, mut bytes) = ([0; 4], [0; 8]);
    let (result, _, written) = SHIFT_JIS.new_encoder().encode_from_utf8_without_replacement(
        c.encode_utf8(&mut text),
        &mut bytes,
        true,
    );
    (result == EncoderResult::InputEmpty).then(|| bytes[..written].to_vec())
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
    fn what_was_read_as_cp932_is_written_as_the_same_bytes() {
        // 髙 and 﨑 of IBM's extensions, ① of NEC's, 〜 as Windows has it, the first and the last 外字, half-width kana.
        let bytes = b"\xFB\xFC\xFA\xB1\x87\x40\x81\x60\xF0\x40\xF9\xFC\xB1\x81\x7C";
        let (text, _, failed) = SHIFT_JIS.decode(bytes);
        assert!(!failed);
        assert_eq!(Encoding::Cp932.encode(&text), bytes);
    }

    #[test]
    fn every_user_defined_character_goes_there_and_back() {
        let all: String = (0xE000..0xE000 + 1_880).filter_map(char::from_u32).collect();
        let encoded = Encoding::Cp932.encode(&all);
        let (back, _, failed) = SHIFT_JIS.decode(&encoded);
        assert!(!failed);
        assert_eq!(back, all);
    }

    #[test]
    fn a_character_that_cp932_does_not_have_is_told_and_marked() {
        assert!(fits_cp932("髙﨑〜太郎"));
        assert!(!fits_cp932("𠮷田"));
        assert_eq!(Encoding::Cp932.encode("𠮷"), Encoding::Cp932.encode("〓"));
    }

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

    #[test]
    fn utf_16_begins_with_its_mark() {
        assert_eq!(Encoding::Utf16.encode("職"), [0xFF, 0xFE, 0x77, 0x80]);
    }
}
