use jiff::ToSpan as _;
use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::audit::Actor;
use crate::change::Version;
use crate::testing::{account, noon};

fn acting() -> Acting {
    Acting { actor: Actor::Server, now: noon() }
}

fn absence(from: Date, until: Option<Date>) -> Absence {
    Absence { from, until }
}

fn on(day: i8) -> Date {
    date(2027, 5, day)
}

/// The account after it, or why not.
fn noted(account: Account, absence: Absence) -> Result<Account, AbsenceError> {
    written(note(Stored { version: Version(1), value: account }, absence, on(15), acting())?)
}

fn written(changes: Changeset) -> Result<Account, AbsenceError> {
    let [write] = &changes.writes[..] else { panic!("one account") };
    assert_eq!(changes.events.len(), 1);
    let Some(Record::Account(account)) = write.record.clone() else { panic!("an account") };
    Ok(account)
}

#[test]
fn absences_are_in_order_and_no_day_is_in_two() {
    let one = noted(account(), absence(on(10), None)).unwrap();
    let refused = noted(one.clone(), absence(on(20), Some(on(25))));
    assert_eq!(refused, Err(AbsenceError::Overlaps(absence(on(10), None))));
    let ended = noted(one, absence(on(10), Some(on(12)))).unwrap();
    assert_eq!(ended.absences, [absence(on(10), Some(on(12)))], "the same one gets an end");
    let two = noted(ended, absence(on(1), Some(on(9)))).unwrap();
    assert_eq!(two.absences.iter().map(|absence| absence.from).collect::<Vec<_>>(), [on(1), on(10)]);
    assert_eq!(noted(two.clone(), absence(on(9), Some(on(8)))), Err(AbsenceError::Backwards));
    let stored = Stored { version: Version(1), value: two };
    let removed = written(remove(stored.clone(), on(1), acting()).unwrap()).unwrap();
    assert_eq!(removed.absences, [absence(on(10), Some(on(12)))]);
    assert_eq!(remove(stored, on(2), acting()), Err(AbsenceError::NotThere(on(2))));
}

#[test]
fn the_oldest_that_is_over_makes_room() {
    let days = (1..=8).map(|day| absence(on(day), Some(on(day))));
    let full = days.fold(account(), |account, absence| noted(account, absence).unwrap());
    let more = noted(full, absence(on(20), None)).unwrap();
    assert_eq!((more.absences.len(), more.absences[0].from), (MAX_ABSENCES, on(2)));
    let days = (16..=23).map(|day| absence(on(day), Some(on(day))));
    let full = days.fold(account(), |account, absence| noted(account, absence).unwrap());
    assert_eq!(noted(full, absence(on(25), None)), Err(AbsenceError::TooMany));
}

proptest! {
    #[test]
    fn absent_days_are_those_that_are_counted_one_by_one(
        spans in prop::collection::vec((0_i32..90, prop::option::of(0_i32..40)), 0..8),
        first in 0_i32..100,
        length in 0_i32..60,
    ) {
        let day = |number: i32| date(2027, 4, 1).saturating_add(number.days());
        let mut whose = account();
        for (from, length) in spans {
            let until = length.map(|length| day(from + length));
            if let Ok(changed) = noted(whose.clone(), absence(day(from), until)) {
                whose = changed;
            }
        }
        let counted = (first + 1..=first + length).filter(|n| whose.is_absent_on(day(*n))).count();
        let counted = u32::try_from(counted).unwrap();
        prop_assert_eq!(days_absent(&whose.absences, day(first), day(first + length)), counted);
    }
}
