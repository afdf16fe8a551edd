//! What each cell may hold. A cell is read once; all that is wrong with it is noted.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::column::{Column, DEPARTMENT, fold, half_width};
use super::columns::Columns;
use super::rows::{Notes, Record};
use super::{Post, SHOWN_OTHERWISE, date};
use crate::account::StaffNumber;
use crate::batch::{Rejection, RowProblem};
use crate::characters::{is_invisible, is_private_use};

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

/// 本務, and what else says so.
const MAIN: [&str; 5] = ["本務", "主務", "本", "主", "main"];
/// 兼務, and what else says so.
const FURTHER: [&str; 6] = ["兼務", "兼", "兼職", "併任", "further", "concurrent"];
/// What a 発令区分 ends in by which a person leaves: 定年退職, 依願退職, 懲戒免職 and their like.
const LEAVES_ENDING: [&str; 3] = ["退職", "免職", "失職"];
/// The same, if there is no more than that.
const LEAVES: [&str; 3] = ["死亡", "任期満了", "leave"];
/// In what else a word of leaving occurs, like 退職予定 or 早期退職募集. Nobody leaves by it; it is listed.
const SOUNDS_LIKE_LEAVE: [&str; 11] =
    ["退職", "免職", "失職", "離職", "辞職", "解職", "解雇", "死亡", "任期満了", "leave", "retire"];
/// Longest staff number, as in [`StaffNumber`].
const LONGEST_NUMBER: usize = 32;
/// Longest login name with its domain (RFC 5321, 4.5.3.1: 64 and 255 bytes, and the `@`).
const LONGEST_LOGIN: usize = 320;
/// What a spreadsheet shows for a formula without a result, where it does not end like the others.
const SPREADSHEET_ERRORS: [&str; 2] = ["#N/A", "#GETTING_DATA"];

/// The cells of one row.
pub(super) struct Cells<'a> {
    record: &'a Record,
    columns: &'a Columns,
    notes: &'a mut Notes,
    /// All that is wrong.
    pub(super) problems: Vec<Rejection>,
    /// Columns whose cell says that what is known stays.
    pub(super) kept: BTreeSet<Column>,
    /// The staff number without the zeros that were put back, if any were.
    pub(super) unpadded: Option<StaffNumber>,
    /// Where the first used cell stands that has a line break in it.
    pub(super) broken_line: Option<usize>,
}

impl<'a> Cells<'a> {
    pub(super) fn new(record: &'a Record, columns: &'a Columns, notes: &'a mut Notes) -> Self {
        let broken =
            |index: &usize| record.cells.get(*index).is_some_and(|cell| cell.trim().contains(['\n', '\r']));
        let broken_line = columns.indices().find(broken);
        Self {
            record,
            columns,
            notes,
            problems: Vec::new(),
            kept: BTreeSet::new(),
            unpadded: None,
            broken_line,
        }
    }

    /// The staff number; if need be in half width, from a login name without its domain, and with zeros put back.
    pub(super) fn staff_number(&mut self, pad_to: Option<u8>) -> Option<StaffNumber> {
        let by_login = self.columns.numbered_by_login();
        let longest = if by_login { LONGEST_LOGIN } else { LONGEST_NUMBER };
        let Some(written) = self.required(Column::StaffNumber, longest) else {
            let unsaid = self.kept.remove(&Column::StaffNumber);
            return if unsaid { self.refuse(Column::StaffNumber, RowProblem::Missing) } else { None };
        };
        let narrow = |c: char| if half_width(c).is_ascii_alphanumeric() { half_width(c) } else { c };
        let own = if by_login { written.split('@').next().unwrap_or_default() } else { &written };
        let bare: String = own.chars().map(narrow).collect();
        let digits_only = bare.bytes().all(|byte| byte.is_ascii_digit());
        let number = match pad_to.filter(|_| digits_only) {
            Some(width) => format!("{bare:0>width$}", width = usize::from(width)),
            None => bare.clone(),
        };
        self.unpadded = StaffNumber::new(&bare).ok().filter(|_| bare != number);
        // A login name is listed even where it is kept as it is: it may be nobody's staff number.
        if by_login || number != written {
            self.notes.normalised.push(self.record.number);
        }
        let spaced = by_login && number.contains(char::is_whitespace);
        match StaffNumber::new(&number) {
            Ok(read) if !is_scientific(&number) && !spaced => Some(read),
            _ => self.refuse(Column::StaffNumber, RowProblem::NotAcceptable),
        }
    }

    pub(super) fn name(&mut self) -> Option<String> {
        if self.columns.index(Column::Name).is_some() {
            let name = self.required(Column::Name, 60)?;
            return self.nothing_lost(Column::Name, name);
        }
        let family = self.required(Column::FamilyName, 40);
        let given = self.required(Column::GivenName, 40);
        let family = self.nothing_lost(Column::FamilyName, family?)?;
        let given = self.nothing_lost(Column::GivenName, given?)?;
        Some(joined(&family, &given))
    }

    /// The name, if there is a column for it with something in it.
    pub(super) fn name_if_told(&mut self) -> Option<String> {
        let is_there = |column: &Column| !self.cell(*column).is_empty();
        let columns = [Column::Name, Column::FamilyName, Column::GivenName];
        if columns.iter().any(is_there) { self.name() } else { None }
    }

    /// What else than leaving a row of a list of those who leave says of the person.
    pub(super) fn refuse_other_than_leaving(&mut self) {
        if self.text(Column::Deleted, 40).is_some_and(|said| said != "1") {
            self.refuse::<()>(Column::Deleted, RowProblem::NotLeaving);
        }
        if self.text(Column::Appointment, 40).is_some_and(|said| !is_leave(&said)) {
            self.refuse::<()>(Column::Appointment, RowProblem::NotLeaving);
        }
    }

    pub(super) fn kana(&mut self) -> Option<String> {
        if self.columns.index(Column::Kana).is_some() {
            let kana = self.text(Column::Kana, 60)?;
            return self.nothing_lost(Column::Kana, kana);
        }
        let family = self.text(Column::FamilyKana, 40);
        let given = self.text(Column::GivenKana, 40);
        if self.kept.remove(&Column::FamilyKana) | self.kept.remove(&Column::GivenKana) {
            self.kept.insert(Column::Kana);
            return None;
        }
        match (family, given) {
            (Some(family), Some(given)) => Some(joined(&family, &given)),
            (family, given) => family.or(given),
        }
    }

    /// Which of a person's posts the row tells. An empty cell is the main post.
    pub(super) fn post(&mut self) -> Option<Post> {
        let Some(said) = self.text(Column::Post, 20) else { return Some(Post::Main) };
        let said = fold(&said);
        match (MAIN.contains(&said.as_str()), FURTHER.contains(&said.as_str())) {
            (true, _) => Some(Post::Main),
            (_, true) => Some(Post::Further),
            _ => self.refuse(Column::Post, RowProblem::Post),
        }
    }

    /// The row says that the person leaves.
    pub(super) fn leaves(&mut self) -> bool {
        let deleted = self.text(Column::Deleted, 40).is_some_and(|said| said == "1");
        self.kept.remove(&Column::Deleted);
        let Some(said) = self.text(Column::Appointment, 40) else { return deleted };
        let leaves = is_leave(&said);
        if !leaves && sounds_like_leave(&said) {
            self.notes.like_leave(self.record.number, &said);
        }
        deleted || leaves
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
        if cell == "*" && self.columns.layout().has_stars() {
            self.kept.insert(column);
            return None;
        }
        if cell.starts_with(SHOWN_OTHERWISE) {
            return self.refuse(column, RowProblem::NumberFormat);
        }
        if is_spreadsheet_error(&cell) {
            return self.refuse(column, RowProblem::SpreadsheetError);
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
            self.notes.private_use(self.record.number, header, c);
        }
        Some(cell)
    }

    /// No column says where the person works.
    pub(super) fn missing_department(&mut self) {
        let at_fault = DEPARTMENT.iter().any(|column| {
            let header = crate::batch::shown(self.columns.header(*column));
            self.problems.iter().any(|problem| problem.column == header)
        });
        let column = DEPARTMENT.into_iter().find(|column| self.columns.index(*column).is_some());
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

    /// Says it of the cell with the line break, unless something is said of that row already.
    pub(super) fn refuse_broken_line(&mut self) {
        if let (true, Some(index)) = (self.problems.is_empty(), self.broken_line) {
            let cell = self.record.cells.get(index).unwrap_or_default();
            let header = self.columns.header_at(index);
            self.problems.push(Rejection::new(header, cell, RowProblem::NotAcceptable));
        }
    }

    fn refuse<T>(&mut self, column: Column, problem: RowProblem) -> Option<T> {
        if self.problems.len() < MAX_PROBLEMS {
            let rejection = Rejection::new(self.columns.header(column), self.cell(column), problem);
            self.problems.push(rejection);
        }
        None
    }
}

/// 退職 and its kinds, also with a remark in brackets behind: `退職(定年)`.
fn is_leave(said: &str) -> bool {
    let said = fold(said);
    let kind =
        said.strip_suffix(')').and_then(|said| said.rsplit_once('(')).map_or(said.as_str(), |(kind, _)| kind);
    LEAVES.contains(&kind) || LEAVES_ENDING.iter().any(|ending| kind.ends_with(ending))
}

fn sounds_like_leave(said: &str) -> bool {
    let said = fold(said);
    SOUNDS_LIKE_LEAVE.iter().any(|word| said.contains(word))
}

/// Family and given name as one, with the blank that fits their letters.
fn joined(family: &str, given: &str) -> String {
    let blank = if family.is_ascii() && given.is_ascii() { ' ' } else { '\u{3000}' };
    format!("{family}{blank}{given}")
}

/// Begins like a formula and is no number, phone number or lone sign (CWE-1236; Excel takes the full-width signs too).
///
/// An apostrophe in front is what such a cell gets in a file of rejected rows.
pub(super) fn is_formula(cell: &str) -> bool {
    let cell = cell.trim_start_matches('\'');
    let mut chars = cell.chars().map(half_width);
    let first = chars.next();
    let rest: String = chars.collect();
    match first {
        Some('=' | '@') => !rest.trim().is_empty(),
        Some('+' | '-') => !rest.chars().all(|c| c.is_ascii_digit() || " -.,()".contains(c)),
        _ => false,
    }
}

/// `#REF!`, `#NAME?` and whatever else Excel's versions end so; `Err:502` is LibreOffice's.
fn is_spreadsheet_error(cell: &str) -> bool {
    let named = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"_/".contains(&b))
    };
    let digits = |code: &str| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit());
    let ends = cell.strip_prefix('#').and_then(|rest| rest.strip_suffix(['!', '?']));
    SPREADSHEET_ERRORS.contains(&cell)
        || ends.is_some_and(named)
        || cell.strip_prefix("Err:").is_some_and(digits)
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
