//! What stands between cells: said by the file in a line `sep=`, or found by the headers.

use super::column::Column;
use super::layout;

/// What stands between cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Delimiter {
    Comma,
    Tab,
    Semicolon,
}

const ALL: [Delimiter; 3] = [Delimiter::Comma, Delimiter::Tab, Delimiter::Semicolon];

impl Delimiter {
    /// As shown and stored: `comma`, `tab`, `semicolon`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Tab => "tab",
            Self::Semicolon => "semicolon",
        }
    }

    /// The delimiter of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        ALL.into_iter().find(|delimiter| delimiter.name() == name)
    }

    /// The character.
    pub fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Tab => b'\t',
            Self::Semicolon => b';',
        }
    }
}

/// Takes off a first line `sep=;`, which tells Excel the delimiter. A spreadsheet does not count it as a row.
pub(super) fn declared(text: &str) -> (Option<Delimiter>, &str) {
    let end = text.find(['\r', '\n']).unwrap_or(text.len());
    let line = text[..end].trim_end_matches([',', ';']).trim().trim_matches('"').trim_start();
    let Some(_) = line.get(..4).filter(|head| head.eq_ignore_ascii_case("sep=")) else { return (None, text) };
    // The delimiter itself may have been trimmed: it is read from the untrimmed line.
    let at = text.find('=').map_or(end, |at| at + 1);
    let said = text[at..end].bytes().next();
    let rest = text[end..].strip_prefix("\r\n").or_else(|| text[end..].strip_prefix(['\r', '\n']));
    (ALL.into_iter().find(|delimiter| Some(delimiter.byte()) == said), rest.unwrap_or_default())
}

/// The delimiter under which most headers are recognised; without a header the one that gives most cells.
pub(super) fn find(text: &str) -> Delimiter {
    let header = text.split(['\r', '\n']).filter(|line| !line.trim().is_empty());
    let header = header.clone().find(|line| !layout::is_version_line(line)).unwrap_or_default();
    let cells = |delimiter: &Delimiter| {
        header.split(char::from(delimiter.byte())).map(|cell| cell.trim().trim_matches('"'))
    };
    let known = |cell: &&str| Column::of_header(cell).is_some() || layout::is_header(cell);
    let fits = |delimiter: &Delimiter| (cells(delimiter).filter(known).count(), cells(delimiter).count());
    let mut best = Delimiter::Comma;
    for other in [Delimiter::Tab, Delimiter::Semicolon] {
        if fits(&other) > fits(&best) {
            best = other;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sep_line_is_taken_off_and_obeyed() {
        assert_eq!(declared("sep=;\r\na;b"), (Some(Delimiter::Semicolon), "a;b"));
        assert_eq!(declared("SEP=\t\na\tb"), (Some(Delimiter::Tab), "a\tb"));
        assert_eq!(declared("\"sep=,\"\ra,b"), (Some(Delimiter::Comma), "a,b"));
        assert_eq!(declared("sep=|\na|b"), (None, "a|b"));
        assert_eq!(declared("sep="), (None, ""));
        assert_eq!(declared("a,b\nsep=;"), (None, "a,b\nsep=;"));
    }
}
