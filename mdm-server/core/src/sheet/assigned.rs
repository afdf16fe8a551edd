//! What somebody says that columns of a file are, where their headers do not say it.
//!
//! Here: headers, what is said of them, and which of it bears on a file. What is remembered for the next file of a source is in
//! [`crate::assignment`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::column::{Column, fold};
use super::rejected;
use crate::batch::shown;

/// Most headers of which something is said at once, and that are remembered for a source.
pub const MAX_ASSIGNED: usize = 60;

/// A header as it is looked up: of its first [`SHOWN`](crate::batch::SHOWN) characters, width, case, blanks, dots, hyphens and
/// underscores make no difference. Two that differ by those only are one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Header {
    text: String,
    folded: String,
}

/// A header in which there is nothing to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a column is named by its header, which has a letter or a digit")]
pub struct InvalidHeader;

impl Header {
    /// Of a cell of the first row.
    pub fn new(text: &str) -> Result<Self, InvalidHeader> {
        let first = shown(text.trim());
        let text: String = first.split_whitespace().collect::<Vec<_>>().join(" ");
        let folded = fold(&text);
        if folded.is_empty() || text.contains(char::is_control) {
            return Err(InvalidHeader);
        }
        Ok(Self { text, folded })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Header {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for Header {}

impl PartialOrd for Header {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Header {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded.cmp(&other.folded)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Header {
    type Error = InvalidHeader;

    fn try_from(text: String) -> Result<Self, InvalidHeader> {
        Self::new(&text)
    }
}

impl From<Header> for String {
    fn from(header: Header) -> Self {
        header.text
    }
}

/// What a column is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Meaning {
    /// It tells this, one of [`Column::ASSIGNABLE`].
    Column(Column),
    /// It is as if it were not there.
    Ignored,
}

/// No name of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a column is `ignored` or one of {names}",
    names = Column::ASSIGNABLE.map(Column::name).join(", ")
)]
pub struct UnknownMeaning;

impl Meaning {
    /// As shown and stored: `staff-number`, `ignored`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Column(column) => column.name(),
            Self::Ignored => "ignored",
        }
    }
}

impl FromStr for Meaning {
    type Err = UnknownMeaning;

    fn from_str(name: &str) -> Result<Self, UnknownMeaning> {
        let meanings = Column::ASSIGNABLE.into_iter().map(Self::Column);
        meanings.chain([Self::Ignored]).find(|meaning| meaning.name() == name).ok_or(UnknownMeaning)
    }
}

impl TryFrom<String> for Meaning {
    type Error = UnknownMeaning;

    fn try_from(name: String) -> Result<Self, UnknownMeaning> {
        name.parse()
    }
}

impl From<Meaning> for String {
    fn from(meaning: Meaning) -> Self {
        meaning.name().to_owned()
    }
}

/// What is said of columns, by their headers. What is said of a header that a file does not have is not of it.
pub type Assigned = BTreeMap<Header, Meaning>;

/// A column of a file of which something was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedColumn {
    /// Its header.
    pub header: Header,
    /// What was said.
    pub meaning: Meaning,
    /// What its header says, where that is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Meaning>,
    /// Since when it is remembered. `None`: it was said with the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// Puts what was said in the place of what the headers say: pairs of position and meaning in order of position, and what was said by position.
pub(super) fn overrule(
    assigned: &Assigned,
    cells: &[&str],
    by_header: Vec<(usize, Column)>,
) -> (Vec<(usize, Column)>, BTreeMap<usize, AssignedColumn>) {
    let mut said = BTreeMap::new();
    let mut columns = by_header;
    for (index, cell) in cells.iter().enumerate() {
        let Some((header, meaning)) = find(assigned, cell) else { continue };
        let known: Vec<Column> = columns.iter().filter(|(at, _)| *at == index).map(|(_, is)| *is).collect();
        let agrees = match meaning {
            // One column of another product may tell several things.
            Meaning::Column(column) => known.contains(&column),
            Meaning::Ignored => known.is_empty(),
        };
        if !agrees {
            columns.retain(|(at, _)| *at != index);
            if let Meaning::Column(column) = meaning {
                columns.push((index, column));
            }
        }
        let otherwise = known.first().copied().filter(|_| !agrees).map(Meaning::Column);
        let header = header.clone();
        said.insert(index, AssignedColumn { header, meaning, otherwise, since: None });
    }
    columns.sort_by_key(|(at, _)| *at);
    (columns, said)
}

fn find<'a>(assigned: &'a Assigned, cell: &str) -> Option<(&'a Header, Meaning)> {
    // Reasons of rejected rows are never a person's.
    if assigned.is_empty() || rejected::is_reason_header(cell) {
        return None;
    }
    let (header, meaning) = assigned.get_key_value(&Header::new(cell).ok()?)?;
    Some((header, *meaning))
}

#[cfg(test)]
mod tests;
