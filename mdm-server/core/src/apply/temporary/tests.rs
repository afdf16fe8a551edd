//! Temporary accounts: where their seats come from, how they end, and how they come back.

use jiff::civil::Date;
use proptest::prelude::*;

use super::*;
use crate::account::AccountState;
use crate::apply::tests::{file, on_day, rng_of, upload, with_device};
use crate::audit::Happening;
use crate::batch::{Mode, PlanWord};
use crate::change::Record;
use crate::device::DeviceState;
use crate::license::Pool;
use crate::plan::{WrongList, fits_list};
use crate::testing::book::{Book, acting, code_keys};

const STAFF: &str = "1,a,x,,○\n2,b,x,,○\n3,c,x,,○\n";
const SUPPORT: &str = "91,p,y,,○\n92,q,y,,○\n93,r,y,,○\n";

/// [`on_day`] 0 and the days after it.
fn day(number: i64) -> Date {
    crate::license::day_of(on_day(number))
}

fn with_pool(size: u32, reserved: u32) -> Book {
    let mut book = Book::default();
    book.insert(Record::Pool(Pool { size, reserved, ..Pool::default() }));
    book
}

fn support(book: &mut Book, rows: &str, until: Date, on: i64) -> crate::apply::Applied {
    let applied = book.upload_temporary(&file(rows), until, on_day(on), &mut rng_of(on)).1;
    book.check();
    applied
}

fn end(book: &mut Book, on: i64) -> SeatChange {
    let mut change =
        end_temporary(book.holdings(), acting(&code_keys(), on_day(on)), &mut rng_of(on)).unwrap();
    book.commit(std::mem::take(&mut change.changes));
    book.check();
    change
}

fn holds(book: &Book, number: &str) -> bool {
    book.by_number(number).seat.is_some()
}

#[test]
fn the_reserve_is_for_temporary_accounts_and_staff_who_wait_do_not_stand_in_their_way() {
    let mut book = with_pool(4, 2);
    upload(&mut book, STAFF, 0);
    assert_eq!(["1", "2", "3"].map(|number| holds(&book, number)), [true, true, false]);
    support(&mut book, SUPPORT, day(30), 1);
    assert_eq!(["91", "92", "93"].map(|number| holds(&book, number)), [true, true, false]);
    assert!(!holds(&book, "3"), "staff get nothing out of the reserve");
    assert_eq!(book.pool().value.temporary, 2);
}

#[test]
fn they_end_after_their_last_day_and_not_on_it() {
    let mut book = with_pool(4, 2);
    upload(&mut book, STAFF, 0);
    support(&mut book, SUPPORT, day(30), 1);
    let phone = with_device(&mut book, "91", DeviceState::Live);
    assert_eq!(end(&mut book, 30), SeatChange::default());
    let ended = end(&mut book, 31);
    assert_eq!((ended.freed.len(), ended.block.as_slice()), (2, [phone].as_slice()));
    let [ended, staff] = ["91", "1"].map(|number| book.by_number(number));
    assert_eq!((ended.state, staff.state), (AccountState::Suspended, AccountState::Provisional));
    assert_eq!(book.happened(Happening::AccountLeft, ended.id), 1);
    assert!(!holds(&book, "3"), "what comes back is the reserve again");
    assert_eq!(end(&mut book, 32), SeatChange::default(), "they have ended");
}

#[test]
fn a_list_with_a_later_day_keeps_them_and_brings_them_back() {
    let mut book = with_pool(3, 3);
    support(&mut book, SUPPORT, day(30), 1);
    let applied = book.upload_temporary(&file(SUPPORT), day(60), on_day(20), &mut rng_of(20));
    assert!(applied.0.items.iter().all(|item| item.kind.word() == PlanWord::Change), "it is seen before");
    assert_eq!(end(&mut book, 31), SeatChange::default());
    assert_eq!(end(&mut book, 61).freed.len(), 3);
    let (back, _) = book.upload_temporary(&file(SUPPORT), day(90), on_day(62), &mut rng_of(62));
    assert!(back.items.iter().all(|item| item.kind.word() == PlanWord::Return));
    book.check();
    assert!(holds(&book, "93"));
}

#[test]
fn undoing_another_last_day_restores_the_first() {
    let mut book = with_pool(3, 3);
    support(&mut book, SUPPORT, day(30), 1);
    let (later, _) = book.upload_temporary(&file(SUPPORT), day(60), on_day(20), &mut rng_of(20));
    book.undo(later.batch.id, None, on_day(21), &mut rng_of(21));
    book.check();
    assert_eq!(book.by_number("92").current().temporary_until, Some(day(30)));
    assert_eq!(end(&mut book, 31).freed.len(), 3);
}

#[test]
fn a_list_is_of_one_kind() {
    let mut book = with_pool(9, 3);
    upload(&mut book, STAFF, 0);
    let staff = book.accounts();
    assert_eq!(fits_list(&staff, None, day(1)), Ok(()));
    assert_eq!(fits_list(&staff, Some(day(30)), day(1)), Err(WrongList::IsOfStaff));
    assert_eq!(fits_list(&[], Some(day(30)), day(31)), Err(WrongList::HasEnded));
    assert_eq!(fits_list(&[], Some(day(30)), day(30)), Ok(()));
    let mut book = with_pool(9, 3);
    support(&mut book, SUPPORT, day(30), 1);
    assert_eq!(fits_list(&book.accounts(), None, day(2)), Err(WrongList::IsTemporary));
    end(&mut book, 31);
    assert_eq!(fits_list(&book.accounts(), Some(day(40)), day(32)), Ok(()), "nobody of it works");
}

proptest! {
    /// [`Book::check`] counts after each step: seats, temporary ones, and that nobody waits while one is free for them.
    #[test]
    fn seats_of_both_kinds_are_counted_whatever_happens(
        size in 0_u32..8,
        reserved in 0_u32..4,
        steps in prop::collection::vec((0_u8..5, 0_u8..8, 0_i64..40), 1..24),
    ) {
        let mut book = with_pool(size, reserved.min(size));
        let mut last = None;
        for (number, (what, which, ahead)) in (1_i64..).zip(steps) {
            let rows = |first: u8, name: &str| -> String {
                (0..4).filter(|bit| which & (1 << bit) != 0).map(|bit| format!("{},{name},x,,○\n", first + bit)).collect()
            };
            match what {
                0 if which & 15 != 0 => {
                    let applied = book.upload(&file(&rows(1, "a")), Mode::Roster, on_day(number), &mut rng_of(number));
                    last = Some(applied.0.batch.id);
                }
                1 if which & 15 != 0 => {
                    let until = day(number + ahead);
                    let list = file(&rows(51, "p"));
                    last = Some(book.upload_temporary(&list, until, on_day(number), &mut rng_of(number)).0.batch.id);
                }
                2 => drop(end(&mut book, number)),
                3 => {
                    if let Some(of) = last.take() {
                        book.undo(of, None, on_day(number), &mut rng_of(number));
                    }
                }
                _ => {}
            }
            book.check();
        }
    }
}
