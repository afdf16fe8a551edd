//! Finding people.

use std::ops::Bound;
use std::sync::Arc;

use mdm_core::account::{AccountState, SourceName};
use shared::ids::AccountId;

use super::Snapshot;
use super::people::{Person, PersonRow};
use super::text::{fold, without_zeros};

/// Which people to list; by default all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Beginning of a staff number, with or without the zeros in front, or a part of a name or its kana. Width, case,
    /// hiragana or katakana, and blanks do not matter.
    pub text: String,
    /// Only in this state.
    pub state: Option<AccountState>,
    /// Only who belongs to the department of this name, by 本務 or 兼務.
    pub department: Option<String>,
    /// Only of this source.
    pub source: Option<SourceName>,
    /// Only who has, or has not, a seat.
    pub seat: Option<SeatFilter>,
}

/// How somebody stands to a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SeatFilter {
    /// Holds one.
    Holds,
    /// Holds one and never signed in.
    Unused,
    /// 割当待ち.
    Waiting,
    /// Neither holds one nor waits.
    Without,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// The rows of this part.
    pub rows: Vec<T>,
    /// How many rows the whole list has.
    pub total: usize,
}

/// What somebody typed, as it is compared.
pub(super) struct Text {
    pub(super) folded: String,
    pub(super) without_zeros: String,
}

impl Text {
    pub(super) fn new(typed: &str) -> Self {
        let folded = fold(typed);
        let without_zeros = without_zeros(&folded).to_owned();
        Self { folded, without_zeros }
    }
}

impl Snapshot {
    /// `limit` people behind the first `offset` that match, and how many match.
    pub fn search(&self, search: &Search, offset: usize, limit: usize) -> Found<PersonRow<'_>> {
        let text = Text::new(&search.text);
        let mut found = Found { rows: Vec::new(), total: 0 };
        for person in self.listed.iter().filter(|person| self.matches(person, search, &text)) {
            if found.total >= offset && found.rows.len() < limit {
                found.rows.push(self.row(person));
            }
            found.total += 1;
        }
        found
    }

    /// The same people in the order of their ids: `limit` of them behind `after`.
    pub fn search_by_id(
        &self,
        search: &Search,
        after: Option<AccountId>,
        limit: usize,
    ) -> Vec<PersonRow<'_>> {
        let text = Text::new(&search.text);
        let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
        let people = self.people.range((behind, Bound::Unbounded)).map(|(_, person)| person);
        let meant = people.filter(|person| self.matches(person, search, &text));
        meant.take(limit).map(|person| self.row(person)).collect()
    }

    fn matches(&self, person: &Arc<Person>, search: &Search, text: &Text) -> bool {
        let account = &person.account;
        search.state.is_none_or(|state| account.state == state)
            && search.source.as_ref().is_none_or(|source| account.source == *source)
            && search.seat.is_none_or(|seat| self.stands(person, seat))
            && search.department.as_deref().is_none_or(|name| belongs(person, name))
            && (text.folded.is_empty() || person.is_meant_by(text))
    }

    fn stands(&self, person: &Person, seat: SeatFilter) -> bool {
        let holds = person.account.seat.is_some();
        let waits = || self.places.contains_key(&person.account.id);
        match seat {
            SeatFilter::Holds => holds,
            SeatFilter::Unused => person.holds_unused_seat(),
            SeatFilter::Waiting => waits(),
            SeatFilter::Without => !holds && !waits(),
        }
    }
}

fn belongs(person: &Person, department: &str) -> bool {
    person.account.current().departments.iter().any(|post| post.name == department)
}
