//! What columns of a source's files are said to be, remembered for the next file. Here: the record and the rule by which it is
//! changed. What a file is read with is in [`crate::sheet`]; a batch keeps what it was read with, whatever is remembered later.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::SourceName;
use crate::audit::{Actor, AuditEvent, Happening, Subject};
use crate::change::{Changeset, Key, Record, Stored, Version};
use crate::sheet::{Assigned, AssignedColumn, Header, MAX_ASSIGNED, Meaning};

/// What is remembered of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// What was said.
    pub meaning: Meaning,
    /// When.
    pub said_at: Timestamp,
}

/// What is remembered of the headers of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignments {
    /// Whose files have them.
    pub source: SourceName,
    /// At least one, at most [`MAX_ASSIGNED`].
    pub entries: BTreeMap<Header, Remembered>,
}

/// More headers than are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "of a source at most {MAX_ASSIGNED} headers are remembered: forget some that its files no longer have"
)]
pub struct TooManyHeaders;

/// Who changes what is remembered, and when.
#[derive(Debug, Clone, Copy)]
pub struct Acting {
    /// Who.
    pub actor: Actor,
    /// When.
    pub now: Timestamp,
}

/// What is to be remembered of which headers from now on; `None` forgets.
pub type Changes = BTreeMap<Header, Option<Meaning>>;

impl Assignments {
    /// What a file is read with: what is said with it, and what is remembered of all other headers.
    pub fn beside(remembered: Option<&Self>, said: &Assigned) -> Assigned {
        let entries = remembered.into_iter().flat_map(|table| &table.entries);
        let mut all: Assigned =
            entries.map(|(header, remembered)| (header.clone(), remembered.meaning)).collect();
        for (header, meaning) in said {
            all.remove(header);
            all.insert(header.clone(), *meaning);
        }
        all
    }

    /// Notes in a file's columns since when they are remembered; those that were said with it stay without.
    pub fn date(remembered: Option<&Self>, said: &Assigned, columns: &mut [AssignedColumn]) {
        for column in columns.iter_mut().filter(|column| !said.contains_key(&column.header)) {
            column.since = remembered.and_then(|table| Some(table.entries.get(&column.header)?.said_at));
        }
    }
}

/// Changes what is remembered for a source; an empty changeset where that changes nothing.
pub fn change(
    stored: Option<Stored<Assignments>>,
    source: &SourceName,
    wanted: &Changes,
    acting: Acting,
) -> Result<Changeset, TooManyHeaders> {
    let (version, mut entries) =
        stored.map_or_else(|| (Version(0), BTreeMap::new()), |stored| (stored.version, stored.value.entries));
    let (mut said, mut forgotten) = (Vec::new(), Vec::new());
    for (header, meaning) in wanted {
        let known = entries.get(header).map(|known: &Remembered| known.meaning);
        match (known, *meaning) {
            (known, Some(meaning)) if known != Some(meaning) => {
                said.push(meaning);
                entries.remove(header);
                entries.insert(header.clone(), Remembered { meaning, said_at: acting.now });
            }
            (Some(known), None) => {
                forgotten.push(known);
                entries.remove(header);
            }
            _ => {}
        }
    }
    if entries.len() > MAX_ASSIGNED {
        return Err(TooManyHeaders);
    }
    let mut changes = Changeset::default();
    if said.is_empty() && forgotten.is_empty() {
        return Ok(changes);
    }
    for (what, meanings) in [(Happening::ColumnsAssigned, said), (Happening::ColumnsForgotten, forgotten)] {
        if !meanings.is_empty() {
            changes.note(event(what, source, &meanings, acting));
        }
    }
    if entries.is_empty() {
        changes.delete(version, Key::Assignments(source.clone()));
    } else {
        changes.update(version, Record::Assignments(Assignments { source: source.clone(), entries }));
    }
    Ok(changes)
}

/// How many headers, and which attributes: what a list has for headers is not for a chain that nothing is taken out of.
fn event(what: Happening, source: &SourceName, meanings: &[Meaning], acting: Acting) -> AuditEvent {
    let names: BTreeSet<&str> = meanings.iter().map(|meaning| meaning.name()).collect();
    AuditEvent::new(acting.now, acting.actor, what, Subject::default())
        .fact("source", source)
        .fact("headers", meanings.len())
        .fact("attributes", names.into_iter().collect::<Vec<_>>().join(" "))
}
