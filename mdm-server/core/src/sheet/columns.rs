//! Columns by the name in their header, Japanese or English, in any order; and the delimiter between them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::SheetError;
use super::rows::Record;
use crate::batch::shown;

/// What a column tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the attribute of its name")]
pub enum Column {
    StaffNumber,
    Name,
    Kana,
    Department,
    DepartmentCode,
    /// 部局.
    Bureau,
    /// 課.
    Division,
    /// 係.
    Section,
    Title,
    Employment,
    TermEnds,
    Mail,
    Wish,
}

use Column::{
    Bureau, Department, DepartmentCode, Division, Employment, Kana, Mail, Name, Section, StaffNumber,
    TermEnds, Title, Wish,
};

/// Accepted headers. Width, case, blanks, dots, hyphens and underscores make no difference.
const ACCEPTED: &[(Column, &[&str])] = &[
    (
        StaffNumber,
        &[
            "職員番号",
            "職員コード",
            "職員No",
            "職員ID",
            "staff_number",
            "staff_no",
            "staff_id",
            "employee_number",
        ],
    ),
    (Name, &["氏名", "職員氏名", "漢字氏名", "名前", "name", "full_name"]),
    (Kana, &["フリガナ", "ふりがな", "カナ氏名", "氏名カナ", "カナ", "kana", "name_kana"]),
    (Department, &["所属", "所属名", "所属名称", "department", "department_name"]),
    (DepartmentCode, &["所属コード", "所属CD", "department_code"]),
    (Bureau, &["部局", "部局名", "部", "bureau"]),
    (Division, &["課", "課名", "所属課", "division"]),
    (Section, &["係", "係名", "section"]),
    (Title, &["職名", "役職", "役職名", "補職名", "title", "job_title"]),
    (Employment, &["任用区分", "employment", "employment_type"]),
    (TermEnds, &["任期満了日", "任期満了年月日", "term_ends", "term_end_date"]),
    (Mail, &["メールアドレス", "メール", "mail", "email", "mail_address", "email_address"]),
    (Wish, &["利用", "利用希望", "利用有無", "wish", "wishes_seat", "use"]),
];

/// Any of these says where a person works.
const DEPARTMENT: [Column; 5] = [Department, DepartmentCode, Bureau, Division, Section];

impl Column {
    /// Headers that are recognised as this column; for the department also those of its parts.
    pub fn accepted(self) -> Vec<&'static str> {
        let wanted: &[Column] = if self == Department { &DEPARTMENT } else { &[self] };
        let names = ACCEPTED.iter().filter(|(column, _)| wanted.contains(column));
        names.flat_map(|(_, names)| names.iter().copied()).collect()
    }

    /// The column of a header, if one is recognised.
    pub fn of_header(header: &str) -> Option<Self> {
        let header = fold(header);
        let found = ACCEPTED.iter().find(|(_, names)| names.iter().any(|name| fold(name) == header));
        found.map(|(column, _)| *column)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StaffNumber => "the staff number (職員番号)",
            Self::Name => "the name (氏名)",
            Self::Kana => "the kana (フリガナ)",
            Self::Department => "the department (所属)",
            Self::DepartmentCode => "the department code (所属コード)",
            Self::Bureau => "the bureau (部局)",
            Self::Division => "the division (課)",
            Self::Section => "the section (係)",
            Self::Title => "the title (職名)",
            Self::Employment => "the kind of employment (任用区分)",
            Self::TermEnds => "the end of the term (任期満了日)",
            Self::Mail => "the mail address (メールアドレス)",
            Self::Wish => "the wish for a seat (利用希望)",
        })
    }
}

/// Full-width letters, digits and signs (U+FF01 to U+FF5E) as ASCII.
pub(super) fn half_width(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        _ => c,
    }
}

fn fold(header: &str) -> String {
    let plain =
        header.chars().map(half_width).filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-' | '.'));
    plain.flat_map(char::to_lowercase).collect()
}

/// What stands between cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Delimiter {
    Comma,
    Tab,
    Semicolon,
}

impl Delimiter {
    /// As shown and stored: `comma`, `tab`, `semicolon`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Tab => "tab",
            Self::Semicolon => "semicolon",
        }
    }

    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Tab => b'\t',
            Self::Semicolon => b';',
        }
    }
}

/// The delimiter under which most headers are recognised; a comma if none is.
pub(super) fn find_delimiter(text: &str) -> Delimiter {
    let header = text.split(['\r', '\n']).find(|line| !line.trim().is_empty()).unwrap_or_default();
    let recognised = |delimiter: &Delimiter| {
        let cells = header.split(char::from(delimiter.byte())).map(|cell| cell.trim().trim_matches('"'));
        cells.filter(|cell| Column::of_header(cell).is_some()).count()
    };
    let mut best = Delimiter::Comma;
    for other in [Delimiter::Tab, Delimiter::Semicolon] {
        if recognised(&other) > recognised(&best) {
            best = other;
        }
    }
    best
}

/// Where each used column stands.
pub(super) struct Columns {
    at: BTreeMap<Column, usize>,
    headers: Vec<String>,
    unused: Vec<String>,
}

impl Columns {
    /// From the header, which is the first row that is not empty.
    pub(super) fn recognise(records: &[Record]) -> Result<Self, SheetError> {
        let header = records.first().ok_or(SheetError::Empty)?;
        let headers: Vec<String> = header.cells.iter().map(|cell| cell.trim().to_owned()).collect();
        let mut at = BTreeMap::new();
        for (index, header) in headers.iter().enumerate() {
            let Some(column) = Column::of_header(header) else { continue };
            if let Some(first) = at.insert(column, index) {
                let (first, second) = (shown(&headers[first]), shown(header));
                return Err(SheetError::DuplicateColumn { column, first, second });
            }
        }
        if at.contains_key(&Department) {
            // The whole name may hold its parts already: joined they would stand there twice.
            [Bureau, Division, Section].iter().for_each(|part| _ = at.remove(part));
        }
        let missing = |column: Column| SheetError::MissingColumn { column, found: listed(&headers) };
        for required in [StaffNumber, Name] {
            at.get(&required).ok_or_else(|| missing(required))?;
        }
        if !DEPARTMENT.iter().any(|column| at.contains_key(column)) {
            return Err(missing(Department));
        }
        let used: BTreeSet<usize> = at.values().copied().collect();
        let unused = headers.iter().enumerate().filter(|(index, _)| !used.contains(index));
        let unused =
            unused.filter(|(_, header)| !header.is_empty()).map(|(_, header)| shown(header)).collect();
        Ok(Self { at, headers, unused })
    }

    pub(super) fn used(&self) -> BTreeSet<Column> {
        self.at.keys().copied().collect()
    }

    pub(super) fn unused(&self) -> &[String] {
        &self.unused
    }

    pub(super) fn index(&self, column: Column) -> Option<usize> {
        self.at.get(&column).copied()
    }

    pub(super) fn header(&self, column: Column) -> &str {
        self.index(column).map_or("", |index| &self.headers[index])
    }

    pub(super) fn width(&self) -> usize {
        self.headers.len()
    }
}

/// A header for an error's text: not more of it than a person reads.
fn listed(headers: &[String]) -> Vec<String> {
    let mut found: Vec<String> = headers.iter().take(20).map(|header| shown(header)).collect();
    if headers.len() > found.len() {
        found.push("…".to_owned());
    }
    found
}
