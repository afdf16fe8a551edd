//! What each cell may hold. A cell is read once; all that is wrong with it is noted.

use jiff::civil::Date;

use super::columns::{Column, Columns, half_width};
use super::date;
use super::rows::Record;
use crate::account::StaffNumber;
use crate::batch::{PrivateUse, Rejection, RowProblem};

/// Problems kept of one row: more do not help, and a plan's rows must fit their chunk.
const MAX_PROBLEMS: usize = 4;

const YES: [&str; 14] =
    ["○", "〇", "◯", "◎", "1", "yes", "y", "true", "希望", "希望する", "利用する", "有", "要", "はい"];
const NO: [&str; 15] = [
    "×",
    "✕",
    "x",
    "0",
    "no",
    "n",
    "false",
    "希望しない",
    "利用しない",
    "無",
    "不要",
    "いいえ",
    "-",
    "ー",
    "―",
];

/// The cells of one row.
pub(super) struct Cells<'a> {
    record: &'a Record,
    columns: &'a Columns,
    private_use: &'a mut Vec<PrivateUse>,
    /// All that is wrong.
    pub(super) problems: Vec<Rejection>,
    /// A used cell has a line break in it.
    pub(super) broken_line: bool,
}

impl<'a> Cells<'a> {
    pub(super) fn new(
        record: &'a Record,
        columns: &'a Columns,
        private_use: &'a mut Vec<PrivateUse>,
    ) -> Self {
        let used = columns.used().into_iter().filter_map(|column| columns.index(column));
        let mut cells = used.filter_map(|index| record.cells.get(index));
        let broken_line = cells.any(|cell| cell.trim().contains(['\n', '\r']));
        Self { record, columns, private_use, problems: Vec::new(), broken_line }
    }

    /// The staff number, and whether it was written in full width.
    pub(super) fn staff_number(&mut self) -> Option<(StaffNumber, bool)> {
        let written = self.required(Column::StaffNumber, usize::MAX)?;
        let narrow = |c: char| if half_width(c).is_ascii_alphanumeric() { half_width(c) } else { c };
        let number: String = written.chars().map(narrow).collect();
        match StaffNumber::new(&number) {
            Ok(read) if !is_scientific(&number) => Some((read, number != written)),
            _ => self.refuse(Column::StaffNumber, RowProblem::NotAcceptable),
        }
    }

    pub(super) fn name(&mut self) -> Option<String> {
        let name = self.required(Column::Name, 60)?;
        self.nothing_lost(Column::Name, name)
    }

    pub(super) fn kana(&mut self) -> Option<String> {
        let kana = self.text(Column::Kana, 60)?;
        self.nothing_lost(Column::Kana, kana)
    }

    pub(super) fn mail(&mut self) -> Option<String> {
        let mail = self.text(Column::Mail, 200)?.to_lowercase();
        if is_mail(&mail) { Some(mail) } else { self.refuse(Column::Mail, RowProblem::Mail) }
    }

    pub(super) fn date(&mut self, column: Column) -> Option<Date> {
        let text = self.text(column, 40)?;
        date::parse(&text).or_else(|| self.refuse(column, RowProblem::Date))
    }

    /// `None` if there is no such column. An empty cell is a no.
    pub(super) fn yes_no(&mut self, column: Column) -> Option<bool> {
        self.columns.index(column)?;
        if self.cell(column).is_empty() {
            return Some(false);
        }
        let answer: String = self.text(column, 20)?.chars().map(half_width).collect();
        let answer = answer.to_lowercase();
        match (YES.contains(&answer.as_str()), NO.contains(&answer.as_str())) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => self.refuse(column, RowProblem::YesNo),
        }
    }

    /// A cell that may be empty, without the blanks around it, of at most `longest` characters.
    pub(super) fn text(&mut self, column: Column, longest: usize) -> Option<String> {
        let cell = self.cell(column).to_owned();
        if cell.is_empty() {
            return None;
        }
        if is_formula(&cell) {
            return self.refuse(column, RowProblem::Formula);
        }
        if cell.chars().count() > longest || cell.chars().any(|c| c.is_control() || is_invisible(c)) {
            return self.refuse(column, RowProblem::NotAcceptable);
        }
        if cell.contains(char::REPLACEMENT_CHARACTER) {
            return self.refuse(column, RowProblem::LostCharacter);
        }
        let header = self.columns.header(column);
        for c in cell.chars().filter(|c| is_private_use(*c)) {
            let (row, column) = (self.record.number, crate::batch::shown(header));
            self.private_use.push(PrivateUse { row, column, code: u32::from(c) });
        }
        Some(cell)
    }

    /// No column says where the person works.
    pub(super) fn missing_department(&mut self) {
        let columns =
            [Column::Department, Column::Division, Column::Bureau, Column::Section, Column::DepartmentCode];
        let at_fault = columns.iter().any(|column| {
            let header = crate::batch::shown(self.columns.header(*column));
            self.problems.iter().any(|problem| problem.column == header)
        });
        let column = columns.into_iter().find(|column| self.columns.index(*column).is_some());
        if let (false, Some(column)) = (at_fault, column) {
            self.refuse::<()>(column, RowProblem::Missing);
        }
    }

    fn required(&mut self, column: Column, longest: usize) -> Option<String> {
        if self.cell(column).is_empty() {
            return self.refuse(column, RowProblem::Missing);
        }
        self.text(column, longest)
    }

    /// `?` is what a program writes for a character that its encoding lacks, 〓 what a printer sets for it.
    fn nothing_lost(&mut self, column: Column, name: String) -> Option<String> {
        if name.contains(['?', '？', '〓']) {
            self.refuse(column, RowProblem::LostCharacter)
        } else {
            Some(name)
        }
    }

    fn cell(&self, column: Column) -> &'a str {
        self.columns.index(column).and_then(|index| self.record.cells.get(index)).unwrap_or_default().trim()
    }

    fn refuse<T>(&mut self, column: Column, problem: RowProblem) -> Option<T> {
        if self.problems.len() < MAX_PROBLEMS {
            let rejection = Rejection::new(self.columns.header(column), self.cell(column), problem);
            self.problems.push(rejection);
        }
        None
    }
}

/// Begins like a formula and is no number, phone number or lone sign (CWE-1236; Excel takes the full-width signs too).
fn is_formula(cell: &str) -> bool {
    let mut chars = cell.chars().map(half_width);
    let first = chars.next();
    let rest: String = chars.collect();
    match first {
        Some('=' | '@') => !rest.trim().is_empty(),
        Some('+' | '-') => !rest.chars().all(|c| c.is_ascii_digit() || " -.,()".contains(c)),
        _ => false,
    }
}

/// `1.23E+05`: what a spreadsheet makes of a long number.
fn is_scientific(number: &str) -> bool {
    let digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let parts = number.split_once("E+").or_else(|| number.split_once("e+"));
    parts.is_some_and(|(mantissa, exponent)| digits(mantissa) && digits(exponent))
}

/// One `@`, a name before it and a domain with a dot after it, in printable ASCII.
fn is_mail(mail: &str) -> bool {
    let domain_like = |domain: &str| {
        domain.contains('.') && domain.split('.').all(|label| !label.is_empty()) && !domain.contains('@')
    };
    mail.bytes().all(|byte| byte.is_ascii_graphic())
        && mail.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && domain_like(domain))
}

/// The three private-use areas (Unicode 17, section 23.5).
fn is_private_use(c: char) -> bool {
    matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{FFFFD}' | '\u{100000}'..='\u{10FFFD}')
}

/// Characters that only change how others are read: zero width, direction, byte order mark. Variation selectors are
/// part of a name and not among them.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{00AD}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
    )
}
