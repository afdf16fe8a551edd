//! Marks, and the rule, one case a test.

use jiff::civil::date;

use super::*;
use crate::testing::account;

fn key(byte: u8) -> DateKey {
    DateKey::derive(&Secret::from_bytes([byte; 32]))
}

fn mark(day: i8) -> DateMark {
    let account = account();
    key(1).mark(Told::Born, &account.source, &account.current().staff_number, date(1990, 4, day))
}

#[test]
fn a_mark_is_of_one_date_of_one_number_under_one_key() {
    let (source, number) = (SourceName::new("知事部局").unwrap(), StaffNumber::new("1").unwrap());
    let day = date(1990, 4, 1);
    let first = key(1).mark(Told::Born, &source, &number, day);
    assert_eq!(first, key(1).mark(Told::Born, &source, &number, day));
    let other = |mark| assert_ne!(first, mark);
    other(key(2).mark(Told::Born, &source, &number, day));
    other(key(1).mark(Told::Hired, &source, &number, day));
    other(key(1).mark(Told::Born, &source, &number, date(1990, 4, 2)));
    other(key(1).mark(Told::Born, &source, &StaffNumber::new("2").unwrap(), day));
    other(key(1).mark(Told::Born, &SourceName::new("教育委員会").unwrap(), &number, day));
}

#[test]
fn a_mark_stays_what_it_was() {
    let bytes = mark(1).0;
    assert_eq!(data_encoding::HEXLOWER.encode(&bytes), "56d2d7b4650396e3754159f1247ca2a5");
}

type Said = (Option<&'static str>, Option<i8>, Option<i8>);

fn is_asked(known: Said, row: Said) -> bool {
    let mut account = account();
    let with = |(kana, born, hired): Said| Attributes {
        kana: kana.map(str::to_owned),
        born: born.map(mark),
        hired: hired.map(mark),
        ..account.current().clone()
    };
    let (known, row) = (with(known), with(row));
    account.history[0].value = known;
    is_possibly_another(&row, &account)
}

#[test]
fn another_kana_and_another_date_of_birth_or_else_of_hire_are_asked_about() {
    let known = (Some("サトウ　ハナコ"), Some(1), Some(1));
    assert!(is_asked(known, (Some("スズキ ハナコ"), Some(2), Some(1))));
    assert!(is_asked(known, (Some("スズキ ハナコ"), None, Some(2))));
    assert!(!is_asked(known, (Some("スズキ ハナコ"), Some(1), Some(2))), "married, and taken on again");
    assert!(!is_asked(known, (Some("サトウ　ハナコ"), Some(2), Some(2))), "a date was corrected");
    assert!(!is_asked(known, (Some("スズキ ハナコ"), None, None)), "nothing to compare");
    assert!(!is_asked(known, (None, Some(2), Some(2))));
    assert!(!is_asked((None, Some(1), Some(1)), (Some("スズキ"), Some(2), Some(2))));
    assert!(!is_asked((Some("サトウ"), None, None), (Some("スズキ"), Some(2), Some(2))));
}

#[test]
fn the_same_sound_in_other_letters_is_the_same_kana() {
    let known = (Some("さとう はなこ"), Some(1), None);
    assert!(!is_asked(known, (Some("サトウ　ハナコ"), Some(2), None)));
    assert!(is_asked(known, (Some("サトウ　ハナ"), Some(2), None)));
}
