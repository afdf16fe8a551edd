//! Where each used column stands in a file.

use std::collections::{BTreeMap, BTreeSet};

use super::assigned::{AssignedColumn, Meaning, overrule};
use super::column::{Column, DEPARTMENT};
use super::layout::{self, Layout};
use super::rows::Record;
use super::{Declared, SheetError, rejected};
use crate::batch::shown;
use Column::{
    Appointment, Bureau, Deleted, Department, Division, FamilyKana, FamilyName, GivenKana, GivenName, Kana,
    Login, Name, Post, Section, StaffNumber,
};

/// What a list of those who leave tells: who it is, and that they do.
const OF_LEAVERS: [Column; 8] = [StaffNumber, Login, Name, FamilyName, GivenName, Post, Appointment, Deleted];

/// Where each used column stands.
pub(super) struct Columns {
    layout: Layout,
    at: BTreeMap<Column, usize>,
    headers: Vec<String>,
    unused: Vec<String>,
    /// Of which the uploader has said what they are.
    assigned: BTreeMap<usize, AssignedColumn>,
    /// It lists those who leave.
    of_leavers: bool,
    /// The file has a column of reasons, and whether they say that login names stand for staff numbers.
    reasons: Option<bool>,
}

impl Columns {
    /// From the first row that is not empty, and from what was said of its headers.
    pub(super) fn recognise(first: &Record, declared: &Declared) -> Result<Self, SheetError> {
        let Declared { of_leavers, columns: ref assigned, .. } = *declared;
        let cells: Vec<&str> = first.cells.iter().map(str::trim).collect();
        let layout = Layout::of(&cells);
        let headers: Vec<String> = if layout.is_headerless() {
            (0..cells.len()).map(layout::numbered).collect()
        } else {
            cells.iter().map(|cell| (*cell).to_owned()).collect()
        };
        let by_header = layout.columns(&cells);
        let (found, assigned) = if layout.is_headerless() {
            (by_header, BTreeMap::new())
        } else {
            overrule(assigned, &cells, by_header)
        };
        let mut at = BTreeMap::new();
        let is_told = |column: &Column| !of_leavers || OF_LEAVERS.contains(column);
        for (index, column) in found.into_iter().filter(|(_, column)| is_told(column)) {
            if let Some(first) = at.insert(column, index) {
                let (first, second) = (shown(&headers[first]), shown(&headers[index]));
                return Err(SheetError::DuplicateColumn { column, first, second });
            }
        }
        prefer_whole(&mut at);
        let is_reason = |cell: &&&str| {
            if layout.is_headerless() { rejected::is_reason(cell) } else { rejected::is_reason_header(cell) }
        };
        let reasons = cells.iter().find(is_reason).map(|cell| rejected::is_by_login(cell));
        let mut columns = Self { layout, at, headers, unused: Vec::new(), assigned, of_leavers, reasons };
        columns.require()?;
        columns.list_unused();
        Ok(columns)
    }

    fn require(&self) -> Result<(), SheetError> {
        let missing = |column: Column| match self.ignored_as(column) {
            Some(header) => SheetError::IgnoredColumn { column, header },
            None => SheetError::MissingColumn { column, found: listed(&self.headers) },
        };
        let has = |column: &Column| self.at.contains_key(column);
        if !has(&StaffNumber) && !has(&Login) {
            return Err(missing(StaffNumber));
        }
        if self.of_leavers {
            return Ok(());
        }
        let named = has(&Name) || (has(&FamilyName) && has(&GivenName));
        if !named {
            return Err(missing(Name));
        }
        if self.layout.has_departments() && !DEPARTMENT.iter().any(has) {
            return Err(missing(Department));
        }
        Ok(())
    }

    /// The header of a column that would tell it, had it not been said to tell something else or nothing.
    fn ignored_as(&self, column: Column) -> Option<String> {
        let tells = |said: &Column| column.parts().contains(said);
        let overruled = |column: &&AssignedColumn| matches!(column.otherwise, Some(Meaning::Column(said)) if tells(&said));
        self.assigned.values().find(overruled).map(|column| column.header.to_string())
    }

    /// Has the login name stand for the staff number.
    pub(super) fn number_by_login(&mut self) {
        if let Some(login) = self.at.get(&Login).copied() {
            self.at.insert(StaffNumber, login);
        }
        self.list_unused();
    }

    /// The login name stands for the staff number.
    pub(super) fn numbered_by_login(&self) -> bool {
        self.at.contains_key(&Login) && self.at.get(&StaffNumber) == self.at.get(&Login)
    }

    fn list_unused(&mut self) {
        let counts = |column: &Column| *column != Login || self.numbered_by_login();
        let used: BTreeSet<usize> =
            self.at.iter().filter(|(column, _)| counts(column)).map(|(_, index)| *index).collect();
        let ignored = |index: &usize| matches!(self.assigned.get(index), Some(said) if said.meaning == Meaning::Ignored);
        let unused = self.headers.iter().enumerate();
        let unused = unused.filter(|(index, _)| !used.contains(index) && !ignored(index));
        let unused = unused.filter(|(_, header)| !header.is_empty() && !rejected::is_reason_header(header));
        self.unused = unused.map(|(_, header)| shown(header)).collect();
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// The columns that are there, parts of a name or its kana also as the whole.
    pub(super) fn used(&self) -> BTreeSet<Column> {
        let mut used: BTreeSet<Column> = self.at.keys().copied().collect();
        if used.contains(&FamilyName) || used.contains(&GivenName) {
            used.insert(Name);
        }
        if used.contains(&FamilyKana) || used.contains(&GivenKana) {
            used.insert(Kana);
        }
        used
    }

    /// The file lists those who leave.
    pub(super) fn of_leavers(&self) -> bool {
        self.of_leavers
    }

    pub(super) fn unused(&self) -> &[String] {
        &self.unused
    }

    pub(super) fn assigned(&self) -> Vec<AssignedColumn> {
        self.assigned.values().cloned().collect()
    }

    pub(super) fn index(&self, column: Column) -> Option<usize> {
        self.at.get(&column).copied()
    }

    /// Where used cells stand.
    pub(super) fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        self.at.values().copied()
    }

    pub(super) fn header(&self, column: Column) -> &str {
        self.index(column).map_or("", |index| &self.headers[index])
    }

    pub(super) fn header_at(&self, index: usize) -> &str {
        self.headers.get(index).map_or("", String::as_str)
    }

    /// The file has the column that rejected rows are handed back with.
    pub(super) fn has_reasons(&self) -> bool {
        self.reasons.is_some()
    }

    /// They say that login names stand for staff numbers.
    pub(super) fn reasons_by_login(&self) -> bool {
        self.reasons == Some(true)
    }

    pub(super) fn width(&self) -> usize {
        self.headers.len()
    }
}

/// The whole may hold its parts already: joined they would stand there twice.
fn prefer_whole(at: &mut BTreeMap<Column, usize>) {
    let wholes: [(Column, &[Column]); 3] = [
        (Department, &[Bureau, Division, Section]),
        (Name, &[FamilyName, GivenName]),
        (Kana, &[FamilyKana, GivenKana]),
    ];
    for (whole, parts) in wholes {
        if at.contains_key(&whole) {
            parts.iter().for_each(|part| _ = at.remove(part));
        }
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
