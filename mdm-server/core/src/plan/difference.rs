//! What two plans of one source say differently of people: a newer file against the one before. Neither is changed by it.

use std::collections::{HashMap, HashSet};

use shared::ids::AccountId;

use crate::batch::{PlanItem, PlanKind};

/// A person of whom the plans do not say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Different {
    /// Which line of the older plan is about them, from 0. `None`: none, they stay as they are.
    pub older: Option<usize>,
    /// Which line of the newer plan, likewise.
    pub newer: Option<usize>,
}

/// In which of the plans somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DifferenceWord {
    /// Only the newer plan has a line about them.
    New,
    /// Only the older plan has one.
    Gone,
    /// Both have, and the lines are not the same.
    Changed,
}

impl DifferenceWord {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::New, Self::Gone, Self::Changed];

    /// Of somebody's lines in the two plans.
    pub fn of<T>(older: Option<&T>, newer: Option<&T>) -> Self {
        match (older, newer) {
            (None, _) => Self::New,
            (_, None) => Self::Gone,
            _ => Self::Changed,
        }
    }

    /// Its name in addresses and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::Changed => "changed",
        }
    }
}

impl Different {
    /// In which of the plans they are.
    pub fn word(&self) -> DifferenceWord {
        DifferenceWord::of(self.older.as_ref(), self.newer.as_ref())
    }
}

/// All of them: first in the order of the newer plan, then who is in the older one only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// The people.
    pub people: Vec<Different>,
    /// Of how many people the plans say the same.
    pub same: usize,
    /// Rejected rows that are about nobody who is known: of these only the reasons can be compared, by a person.
    pub unknown_older: usize,
    /// The same in the newer plan.
    pub unknown_newer: usize,
}

/// Whom a line is about: who is new has an account in one plan only, but the same staff number in both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whom<'a> {
    Known(AccountId),
    New(&'a str),
}

fn whom(item: &PlanItem) -> Option<Whom<'_>> {
    match &item.kind {
        PlanKind::Join { attributes, .. } => Some(Whom::New(attributes.staff_number.as_str())),
        _ => item.account.map(Whom::Known),
    }
}

impl Difference {
    /// Of how many people it is so.
    pub fn count(&self, word: DifferenceWord) -> usize {
        self.people.iter().filter(|one| one.word() == word).count()
    }
}

/// Compares two plans line by line.
pub fn difference(older: &[PlanItem], newer: &[PlanItem]) -> Difference {
    let mut difference = Difference {
        people: Vec::new(),
        same: 0,
        unknown_older: older.iter().filter(|item| whom(item).is_none()).count(),
        unknown_newer: newer.iter().filter(|item| whom(item).is_none()).count(),
    };
    let before = by_person(older);
    let mut seen = HashSet::new();
    for (at, item) in newer.iter().enumerate() {
        let Some(person) = whom(item) else { continue };
        let old = before.get(&person).copied();
        if seen.insert(person) && !same(old.and_then(|old| older.get(old)), Some(item)) {
            difference.people.push(Different { older: old, newer: Some(at) });
        }
    }
    for (at, item) in older.iter().enumerate() {
        let Some(person) = whom(item) else { continue };
        if seen.insert(person) && !same(Some(item), None) {
            difference.people.push(Different { older: Some(at), newer: None });
        }
    }
    difference.same = seen.len() - difference.people.len();
    difference
}

/// The first line of each. Of several rows of one person that are rejected, one stands for all.
fn by_person(items: &[PlanItem]) -> HashMap<Whom<'_>, usize> {
    let mut people = HashMap::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        if let Some(person) = whom(item) {
            people.entry(person).or_insert(at);
        }
    }
    people
}

/// Rows may stand elsewhere, and a line that changes nothing is as good as none.
fn same(older: Option<&PlanItem>, newer: Option<&PlanItem>) -> bool {
    match (older.map(|item| &item.kind), newer.map(|item| &item.kind)) {
        (None | Some(PlanKind::Unchanged), None | Some(PlanKind::Unchanged)) => true,
        (older, newer) => older == newer,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::batch::{Mode, PlanWord};
    use crate::testing::book::Book;
    use crate::testing::{noon, rng};

    const KNOWN: &str =
        "職員番号,氏名,所属\n001,髙橋,総務課\n002,﨑山,税務課\n003,濵田,福祉課\n004,林,福祉課\n";

    /// The kinds of somebody's lines: in the older plan, in the newer one.
    type Words = (Option<PlanWord>, Option<PlanWord>);

    /// The lines of whom the plans say different things, and how many they say the same of.
    fn words(older: &str, newer: &str, mode: Mode) -> (Vec<Words>, usize) {
        let mut book = Book::default();
        book.upload(KNOWN, Mode::Roster, noon(), &mut rng());
        let plan = |file: &str| book.plan(file, mode, noon(), &mut rng()).items;
        let (older, newer) = (plan(older), plan(newer));
        let word = |items: &[PlanItem], at: Option<usize>| at.map(|at| items[at].kind.word());
        let found = difference(&older, &newer);
        let people = found.people.iter();
        let people = people.map(|one| (word(&older, one.older), word(&newer, one.newer))).collect();
        (people, found.same)
    }

    #[test]
    fn who_is_new_who_is_gone_and_whose_line_differs() {
        let older = "職員番号,氏名,所属\n001,髙橋,防災課\n002,﨑山,税務課\n003,濵田,福祉課\n005,森,総務課\n006,関,総務課\n";
        // 001 moves elsewhere, 002 is gone, 003 is as before, 004 is back in the list, 005 has moved up, 006 is gone.
        let newer = "職員番号,氏名,所属\n005,森,総務課\n001,髙橋,税務課\n003,濵田,福祉課\n004,林,福祉課\n007,原,総務課\n";
        assert_eq!(
            words(older, newer, Mode::Roster),
            (
                vec![
                    (Some(PlanWord::Move), Some(PlanWord::Move)),
                    (Some(PlanWord::Leave), Some(PlanWord::Unchanged)),
                    (None, Some(PlanWord::Join)),
                    (Some(PlanWord::Unchanged), Some(PlanWord::Leave)),
                    (Some(PlanWord::Join), None),
                ],
                2
            )
        );
    }

    #[test]
    fn a_row_that_was_mended_is_a_difference_and_one_that_says_nothing_new_is_none() {
        let older = "職員番号,氏名,所属\n001,髙?,総務課\n002,﨑山,税務課\n";
        let newer = "職員番号,氏名,所属\n001,髙橋,防災課\n";
        let mended = (Some(PlanWord::Rejected), Some(PlanWord::Move));
        assert_eq!(words(older, newer, Mode::Upsert), (vec![mended], 1));
    }

    #[test]
    fn rows_about_nobody_who_is_known_are_counted() {
        let mut book = Book::default();
        book.upload(KNOWN, Mode::Roster, noon(), &mut rng());
        let plan = |file: &str| book.plan(file, Mode::Upsert, noon(), &mut rng()).items;
        let older = plan("職員番号,氏名,所属\n,髙橋,総務課\n077,?,総務課\n");
        let found = difference(&older, &plan("職員番号,氏名,所属\n001,髙橋,総務課\n"));
        assert_eq!((found.people.len(), found.unknown_older, found.unknown_newer), (0, 2, 0));
    }

    proptest! {
        #[test]
        fn a_plan_does_not_differ_from_itself_and_both_ways_name_the_same_people(
            older in proptest::collection::vec((1..9_u8, 0..3_u8), 1..12),
            newer in proptest::collection::vec((1..9_u8, 0..3_u8), 1..12),
        ) {
            let mut book = Book::default();
            book.upload(KNOWN, Mode::Roster, noon(), &mut rng());
            let plan = |rows: &[(u8, u8)]| {
                let mut file = "職員番号,氏名,所属\n".to_owned();
                for (number, department) in rows {
                    file += &format!("00{number},職員{number},{department}課\n");
                }
                book.plan(&file, Mode::Roster, noon(), &mut rng()).items
            };
            let (older, newer) = (plan(&older), plan(&newer));
            prop_assert!(difference(&older, &older).people.is_empty());
            let (there, back) = (difference(&older, &newer), difference(&newer, &older));
            prop_assert_eq!((there.people.len(), there.same), (back.people.len(), back.same));
            prop_assert_eq!(there.count(DifferenceWord::New), back.count(DifferenceWord::Gone));
            prop_assert_eq!(there.count(DifferenceWord::Changed), back.count(DifferenceWord::Changed));
            for one in &there.people {
                let turned = back.people.iter().any(|other| other.newer == one.older && other.older == one.newer);
                prop_assert!(turned);
            }
        }
    }
}
