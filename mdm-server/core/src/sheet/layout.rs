//! Whole layouts: the exports and import templates of other products, known by their header, or by their shape where
//! they have none. Where the headers come from is said in `docs/formats/staff-sheet.md`.

use super::column::{Column, fold};
use Column::{
    BirthDate, Deleted, Department, Employment, FamilyKana, FamilyName, GivenKana, GivenName, HireDate, Kana,
    Login, Mail, Name, OrgUnit, StaffNumber, Title,
};

/// Whose table a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Layout {
    /// A staff list with headers of its own.
    Own,
    GoogleWorkspace,
    MicrosoftEntra,
    CybozuCom,
    /// The same without a header, which is how cybozu.com wants it back.
    CybozuComHeaderless,
    Garoon,
}

/// By header; one header may tell two things.
const GOOGLE: &[(&str, Column)] = &[
    ("Last Name [Required]", FamilyName),
    ("First Name [Required]", GivenName),
    ("Email Address [Required]", Mail),
    ("Email Address [Required]", Login),
    ("Employee ID", StaffNumber),
    ("Employee Type", Employment),
    ("Employee Title", Title),
    ("Department", Department),
    ("Org Unit Path [Required]", OrgUnit),
];

/// By the property in brackets (import template) or alone (export).
const ENTRA: &[(&str, Column)] = &[
    ("displayName", Name),
    ("userPrincipalName", Mail),
    ("userPrincipalName", Login),
    ("employeeId", StaffNumber),
    ("employeeType", Employment),
    ("jobTitle", Title),
    ("department", Department),
];

/// By position: the order is fixed, the headers differ between versions and languages.
const CYBOZU: &[(usize, Column)] = &[
    (0, Login),
    (1, Name),
    (6, FamilyKana),
    (7, GivenKana),
    (10, Mail),
    (18, StaffNumber),
    (19, HireDate),
    (20, BirthDate),
    (24, Deleted),
];

/// Columns of cybozu.com before those that an organisation adds.
const CYBOZU_WIDTH: usize = 25;

/// The first headers of cybozu.com.
const CYBOZU_BEGINS: [[&str; 3]; 2] =
    [["ログイン名", "表示名", "新ログイン名"], ["Login Name", "Display Name", "New Login Name"]];

const GAROON: &[(&str, Column)] = &[
    ("現ログイン名", Login),
    ("名前", Name),
    ("よみ", Kana),
    ("E-mail", Mail),
    ("役職", Title),
    ("削除フラグ", Deleted),
    ("Current login name", Login),
    ("Name", Name),
    ("Pronunciation", Kana),
    ("Position", Title),
    ("Delete flag", Deleted),
];

impl Layout {
    /// As shown and stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::GoogleWorkspace => "google-workspace",
            Self::MicrosoftEntra => "microsoft-entra",
            Self::CybozuCom => "cybozu-com",
            Self::CybozuComHeaderless => "cybozu-com-headerless",
            Self::Garoon => "garoon",
        }
    }

    /// The layout that a file begins like.
    pub(super) fn of(first: &[&str]) -> Self {
        let has = |header: &str| first.iter().any(|cell| fold(cell) == fold(header));
        let has_property = |name: &str| first.iter().any(|cell| property(cell) == name);
        if has("Email Address [Required]") && has("First Name [Required]") && has("Last Name [Required]") {
            Self::GoogleWorkspace
        } else if has_property("displayName") && has_property("userPrincipalName") {
            Self::MicrosoftEntra
        } else if CYBOZU_BEGINS.iter().any(|begin| begins_with(first, begin)) && first.len() >= CYBOZU_WIDTH {
            Self::CybozuCom
        } else if (has("現ログイン名") && has("名前")) || (has("Current login name") && has("Name")) {
            Self::Garoon
        } else if is_cybozu_row(first) {
            Self::CybozuComHeaderless
        } else {
            Self::Own
        }
    }

    /// What each column tells: pairs of position and meaning.
    pub(super) fn columns(self, first: &[&str]) -> Vec<(usize, Column)> {
        let by = |table: &[(&str, Column)], same: &dyn Fn(&str, &str) -> bool| {
            let of = |cell: &str| -> Vec<Column> {
                table.iter().filter(|(name, _)| same(name, cell)).map(|(_, column)| *column).collect()
            };
            first
                .iter()
                .enumerate()
                .flat_map(|(at, cell)| of(cell).into_iter().map(move |c| (at, c)))
                .collect()
        };
        match self {
            Self::Own => {
                let known = |(at, cell): (usize, &&str)| Some((at, Column::of_header(cell)?));
                first.iter().enumerate().filter_map(known).collect()
            }
            Self::GoogleWorkspace => by(GOOGLE, &|name, cell| fold(name) == fold(cell)),
            Self::MicrosoftEntra => by(ENTRA, &|name, cell| property(cell) == name),
            Self::CybozuCom | Self::CybozuComHeaderless => CYBOZU.to_vec(),
            Self::Garoon => by(GAROON, &|name, cell| fold(name) == fold(cell)),
        }
    }

    /// The first row is a person already.
    pub(super) fn is_headerless(self) -> bool {
        self == Self::CybozuComHeaderless
    }

    /// A cell `*` leaves what is known as it is.
    pub(super) fn has_stars(self) -> bool {
        matches!(self, Self::CybozuCom | Self::CybozuComHeaderless | Self::Garoon)
    }

    /// Tells where people work. Without, that stays as it is known.
    pub(super) fn has_departments(self) -> bool {
        !self.has_stars()
    }
}

/// What stands in a headerless file for the header of a column: its number, as a spreadsheet's user counts.
pub(super) fn numbered(at: usize) -> String {
    format!("#{}", at + 1)
}

/// `version:v1.0`, the line above the header of Microsoft's import template.
pub(super) fn is_version_line(line: &str) -> bool {
    let line = line.trim().trim_matches('"').trim_end_matches([',', ';', '\t']);
    line.get(..8).is_some_and(|head| head.eq_ignore_ascii_case("version:"))
        && !line.contains([',', ';', '\t'])
}

/// A header of one of the layouts.
pub(super) fn is_header(cell: &str) -> bool {
    let folded = fold(cell);
    let named = |table: &[(&str, Column)]| table.iter().any(|(name, _)| fold(name) == folded);
    named(GOOGLE)
        || named(GAROON)
        || ENTRA.iter().any(|(name, _)| property(cell) == *name)
        || CYBOZU_BEGINS.iter().flatten().any(|name| fold(name) == folded)
}

/// `Name [displayName] Required` is `displayName`; an export has it alone.
fn property(header: &str) -> &str {
    let inside = header.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    inside.map_or(header, |(inside, _)| inside).trim()
}

fn begins_with(first: &[&str], begin: &[&str]) -> bool {
    begin.iter().enumerate().all(|(at, name)| first.get(at).is_some_and(|cell| fold(cell) == fold(name)))
}

/// A row of cybozu.com's users: its fixed columns hold what only they may hold.
fn is_cybozu_row(first: &[&str]) -> bool {
    let one_of = |at: usize, allowed: &[&str]| first.get(at).is_some_and(|cell| allowed.contains(cell));
    first.len() >= CYBOZU_WIDTH
        && first.iter().take(3).all(|cell| !cell.is_empty() && Column::of_header(cell).is_none())
        && first[0].is_ascii()
        && one_of(11, &["0", "1", "*"])
        && one_of(12, &["ja", "en", "zh", "zh-TW", "es", "pt-BR", "th", "auto", "*"])
        && one_of(24, &["0", "1", "*"])
}

#[cfg(test)]
mod tests;
