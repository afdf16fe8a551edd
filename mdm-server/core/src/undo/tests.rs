//! Undoing: rule by rule, then any files against what could be seen before them.

mod model;

use std::collections::BTreeSet;

use super::*;
use crate::account::{AccountState, Seat};
use crate::apply::ApplyError;
use crate::apply::tests::{book, file, on_day, rng_of, upload, with_device};
use crate::audit::Happening;
use crate::batch::Mode;
use crate::change::{Changeset, Record};
use crate::device::{BlockedBy, DeviceState};
use crate::testing::book::Book;
use crate::testing::{LONGEST_HEADER, longest_row};
use shared::ids::EnrolmentId;

/// Applies a file and gives its batch.
fn batch(book: &mut Book, rows: &str, day: i64) -> BatchId {
    let (plan, _) = book.upload(&file(rows), Mode::Roster, on_day(day), &mut rng_of(day));
    book.check();
    plan.batch.id
}

fn kinds(book: &Book, plan: &Plan) -> Vec<(String, PlanWord)> {
    let number = |id| book.account(id).value.current().staff_number.to_string();
    plan.items.iter().map(|item| (number(item.account.unwrap()), item.kind.word())).collect()
}

fn sign_in(book: &mut Book, number: &str, day: i64) {
    let id = book.by_number(number).id;
    book.change_account(id, |account| {
        account.signed_in_at = Some(on_day(day));
        account.state = AccountState::Active;
    });
}

/// The batch's blocks are carried out.
fn set_device(book: &mut Book, enrolment: EnrolmentId, change: impl FnOnce(&mut crate::device::Device)) {
    let mut device = book.devices().into_iter().find(|device| device.enrolment == enrolment).unwrap();
    change(&mut device);
    let version = book.version(&crate::change::Key::Device(enrolment));
    let mut changes = Changeset::default();
    changes.update(version, Record::Device(device));
    book.commit(changes);
}

fn blocked_by(book: &mut Book, enrolment: EnrolmentId, batch: BatchId) {
    set_device(book, enrolment, |device| {
        device.state = DeviceState::Blocked;
        device.blocked_by = Some(BlockedBy::Batch(batch));
    });
}

fn chosen(book: &Book, numbers: &[&str]) -> BTreeSet<AccountId> {
    numbers.iter().map(|number| book.by_number(number).id).collect()
}

#[test]
fn who_left_works_again_with_the_seat_the_department_and_the_device_of_before() {
    let mut book = book(1, "1,山田,税務課,,○\n2,b,x,,\n");
    sign_in(&mut book, "1", 0);
    let (phone, id) = (with_device(&mut book, "1", DeviceState::Live), book.by_number("1").id);
    let before = book.account(id).value;
    let wrong = batch(&mut book, "2,b,x,,○\n", 1);
    blocked_by(&mut book, phone, wrong);
    assert!(book.by_number("2").seat.is_some(), "the seat went on");

    let (plan, applied) = book.undo(wrong, None, on_day(2), &mut rng_of(2));
    book.check();
    assert_eq!(plan.batch.undoes(), Some(wrong));
    assert_eq!(kinds(&book, &plan), [("1".to_owned(), PlanWord::Return), ("2".to_owned(), PlanWord::Change)]);
    assert_eq!(book.account(id).value, before);
    assert_eq!((applied.unblock, applied.block), (vec![phone], vec![]));
    assert_eq!(book.usable_codes(id), 0, "a device that is there needs no code");
    let other = book.by_number("2");
    assert!(!other.wishes_seat && other.seat.is_none() && book.usable_codes(other.id) == 0);
}

#[test]
fn who_joined_leaves_and_comes_back_with_a_later_file() {
    let mut book = book(5, "1,a,x,,○\n");
    let wrong = batch(&mut book, "1,a,x,,○\n7,g,x,,○\n", 1);
    let phone = with_device(&mut book, "7", DeviceState::Live);
    let id = book.by_number("7").id;
    let (plan, applied) = book.undo(wrong, None, on_day(3), &mut rng_of(3));
    book.check();
    assert_eq!(kinds(&book, &plan), [("7".to_owned(), PlanWord::Leave)]);
    let gone = book.account(id).value;
    assert_eq!((gone.state, gone.state_since, gone.seat), (AccountState::Suspended, on_day(3), None));
    assert_eq!((applied.block, book.usable_codes(id)), (vec![phone], 0));

    let again = book.plan(&file("1,a,x,,○\n7,g,x,,○\n"), Mode::Roster, on_day(4), &mut rng_of(4));
    assert_eq!(again.batch.summary.returned, 1, "known by the number, with what the device still holds");
    assert_eq!(again.items[1].account, Some(id));
}

#[test]
fn moves_and_changes_are_taken_back_and_the_history_tells_all_of_it() {
    let mut book = book(0, "1,山田,税務課,主事,\n");
    let wrong = batch(&mut book, "1,山本,農政課,係長,\n", 1);
    book.undo(wrong, None, on_day(2), &mut rng_of(2));
    let account = book.by_number("1");
    assert_eq!(account.current(), &account.history[0].value);
    let days: Vec<Timestamp> = account.history.iter().map(|dated| dated.from).collect();
    assert_eq!(days, [on_day(0), on_day(1), on_day(2)]);
}

#[test]
fn who_came_back_is_gone_again_for_another_14_days() {
    let mut book = book(1, "1,a,x,,○\n2,b,x,,\n");
    batch(&mut book, "2,b,x,,\n", 1);
    let wrong = batch(&mut book, "1,a,neu,,○\n2,b,x,,\n", 10);
    book.undo(wrong, None, on_day(12), &mut rng_of(12));
    book.check();
    let account = book.by_number("1");
    assert_eq!((account.state, account.state_since), (AccountState::Suspended, on_day(12)));
    assert_eq!((account.current().departments[0].name.as_str(), account.returned_at), ("x", None));
}

#[test]
fn who_was_changed_since_is_listed_and_not_touched() {
    let mut book = book(0, "1,a,x,,\n2,b,x,,\n3,c,x,,\n");
    let wrong = batch(&mut book, "1,a,y,,\n2,b,y,,\n", 1);
    batch(&mut book, "1,a,z,,\n2,b,y,,\n3,c,x,,\n", 2);
    let plan = book.plan_undo(wrong, None, on_day(3), &mut rng_of(3)).unwrap();
    assert_eq!(plan.items[0].kind, PlanKind::NotUndone(NotUndone::ChangedSince), "moved on by a newer batch");
    let words = kinds(&book, &plan);
    assert_eq!(words[1], ("2".to_owned(), PlanWord::Move));
    assert_eq!(words.len(), 2, "3 is back already: there is nothing to undo");
    let before = book.by_number("1");
    book.undo(wrong, None, on_day(3), &mut rng_of(3));
    assert_eq!(book.by_number("1"), before);
    assert_eq!(book.by_number("2").current().departments[0].name, "x");
}

#[test]
fn who_is_closed_stays_closed() {
    let mut book = book(0, "1,a,x,,\n2,b,x,,\n");
    let wrong = batch(&mut book, "2,b,x,,\n", 1);
    let id = book.by_number("1").id;
    book.change_account(id, |account| account.state = AccountState::Closed);
    let (plan, _) = book.undo(wrong, None, on_day(2), &mut rng_of(2));
    assert_eq!(plan.items[0].kind, PlanKind::NotUndone(NotUndone::Closed));
    assert_eq!(plan.batch.summary.not_undone, 1);
    assert_eq!(book.account(id).value.state, AccountState::Closed);
}

#[test]
fn a_seat_comes_back_from_who_has_not_signed_in_and_else_its_holder_waits_first() {
    for used in [false, true] {
        let mut book = book(1, "1,a,x,,○\n2,b,x,,○\n3,c,x,,○\n");
        let ids = chosen(&book, &["1"]);
        sign_in(&mut book, "1", 0);
        with_device(&mut book, "1", DeviceState::Blocked);
        let wrong = batch(&mut book, "2,b,x,,○\n3,c,x,,○\n", 1);
        if used {
            sign_in(&mut book, "2", 1);
        }
        let (plan, applied) = book.undo(wrong, Some(&ids), on_day(2), &mut rng_of(2));
        book.check();
        let [one, two, three] = ["1", "2", "3"].map(|number| book.by_number(number));
        assert_eq!(one.state, AccountState::Active);
        if used {
            assert_eq!(kinds(&book, &plan), [("1".to_owned(), PlanWord::Return)]);
            assert!(two.seat.is_some() && applied.unblock.is_empty());
            assert_eq!(book.waiting(), [one.id, three.id], "before everybody else");
        } else {
            assert_eq!(
                kinds(&book, &plan),
                [("1".to_owned(), PlanWord::Return), ("2".to_owned(), PlanWord::SeatBack)]
            );
            assert!(one.seat.is_some() && book.usable_codes(two.id) == 0);
            assert_eq!(book.waiting(), [two.id, three.id], "at the turn that was theirs");
        }
    }
}

#[test]
fn who_signs_in_between_plan_and_undo_keeps_the_seat() {
    let mut book = book(1, "1,a,x,,○\n2,b,x,,○\n");
    let wrong = batch(&mut book, "2,b,x,,○\n", 1);
    let plan = book.plan_undo(wrong, None, on_day(2), &mut rng_of(2)).unwrap();
    assert_eq!(plan.batch.summary.seats_back, 1);
    book.commit(plan.clone().changes());
    sign_in(&mut book, "2", 2);
    book.try_apply(plan.batch.id, on_day(2), &mut rng_of(3)).unwrap();
    book.check();
    assert!(book.by_number("2").seat.is_some());
    assert_eq!(book.waiting(), [book.by_number("1").id]);
}

#[test]
fn with_free_seats_nobody_gives_one_back() {
    let mut book = book(1, "1,a,x,,○\n2,b,x,,○\n");
    let ids = chosen(&book, &["1"]);
    let wrong = batch(&mut book, "2,b,x,,○\n", 1);
    book.set_pool(2);
    let (plan, _) = book.undo(wrong, Some(&ids), on_day(2), &mut rng_of(2));
    book.check();
    assert_eq!(plan.batch.summary.seats_back, 0);
    assert!(["1", "2"].iter().all(|number| book.by_number(number).seat.is_some()));
    assert_eq!(book.usable_codes(book.by_number("1").id), 1, "who never signed in needs a new code");
}

#[test]
fn a_device_stays_blocked_if_it_was_before_or_a_copy_of_it_is_suspected() {
    let mut book = book(1, "1,a,x,,○\n2,b,x,,\n");
    sign_in(&mut book, "1", 0);
    let lost = with_device(&mut book, "1", DeviceState::Blocked);
    let copied = with_device(&mut book, "1", DeviceState::Live);
    let wrong = batch(&mut book, "2,b,x,,\n", 1);
    set_device(&mut book, copied, |device| {
        device.state = DeviceState::Blocked;
        device.blocked_by = Some(BlockedBy::Batch(wrong));
        device.copy_suspected_at = Some(on_day(1));
    });
    let (_, applied) = book.undo(wrong, None, on_day(2), &mut rng_of(2));
    assert_eq!(applied.unblock, [], "neither {lost} nor {copied}");
}

#[test]
fn a_wiped_device_is_made_up_for_by_a_code() {
    let mut book = book(1, "1,a,x,,○\n2,b,x,,\n");
    sign_in(&mut book, "1", 0);
    let phone = with_device(&mut book, "1", DeviceState::Live);
    let wrong = batch(&mut book, "2,b,x,,\n", 1);
    set_device(&mut book, phone, |device| {
        device.state = DeviceState::Wiped(crate::device::Wipe {
            command: shared::ids::CommandId::make(on_day(1), &mut rng_of(1)),
            ordered_at: on_day(1),
            sealed_at: None,
            receipt: None,
            further_receipts: 0,
        });
    });
    let (_, applied) = book.undo(wrong, None, on_day(2), &mut rng_of(2));
    assert_eq!(applied.unblock, []);
    assert_eq!(book.usable_codes(book.by_number("1").id), 1);
}

#[test]
fn undone_twice_there_is_nothing_left_and_an_undo_is_not_undone() {
    let mut book = book(3, "1,a,x,,○\n2,b,x,,○\n");
    let wrong = batch(&mut book, "1,a,y,,○\n3,c,x,,○\n", 1);
    let (plan, _) = book.undo(wrong, None, on_day(2), &mut rng_of(2));
    let error = book.plan_undo(plan.batch.id, None, on_day(2), &mut rng_of(3)).unwrap_err();
    assert_eq!(error, UndoError::IsAnUndo);
    let again = book.plan_undo(wrong, None, on_day(2), &mut rng_of(3)).unwrap();
    assert_eq!(kinds(&book, &again), []);
}

#[test]
fn a_batch_is_undone_within_14_days_of_its_application_and_not_before_it() {
    let mut book = book(0, "1,a,x,,\n2,b,x,,\n");
    let planned = book.plan(&file("1,a,y,,\n"), Mode::Roster, on_day(1), &mut rng_of(1));
    book.commit(planned.clone().changes());
    let id = planned.batch.id;
    assert_eq!(book.plan_undo(id, None, on_day(1), &mut rng_of(2)).unwrap_err(), UndoError::NotApplied);
    book.try_apply(id, on_day(1), &mut rng_of(1)).unwrap();
    let undo = book.plan_undo(id, None, on_day(14), &mut rng_of(2)).unwrap();
    book.commit(undo.clone().changes());
    let over = UndoError::WindowOver(on_day(1));
    assert_eq!(book.plan_undo(id, None, on_day(15), &mut rng_of(2)).unwrap_err(), over);
    let late = book.try_apply(undo.batch.id, on_day(15), &mut rng_of(3)).unwrap_err();
    assert_eq!(late, ApplyError::Undo(over), "planned in time, applied too late");
    book.try_apply(undo.batch.id, on_day(14), &mut rng_of(3)).unwrap();
}

#[test]
fn an_undo_is_stale_when_another_batch_was_applied_in_between() {
    let mut book = book(0, "1,a,x,,\n");
    let wrong = batch(&mut book, "1,a,y,,\n", 1);
    let undo = book.plan_undo(wrong, None, on_day(2), &mut rng_of(2)).unwrap();
    book.commit(undo.clone().changes());
    upload(&mut book, "1,a,z,,\n", 3);
    let error = book.try_apply(undo.batch.id, on_day(3), &mut rng_of(4)).unwrap_err();
    assert_eq!(error, ApplyError::StalePlan { planned: 2, now: 3 });
}

#[test]
fn a_part_of_the_record_that_is_missing_ends_the_undo() {
    let rows: String = (1000..2000).map(|number| format!("{number},a,x,,\n")).collect();
    let mut book = book(0, "1,a,x,,\n");
    let wrong = batch(&mut book, &rows, 1);
    let of = book.batch(wrong);
    let mut chunks = book.befores(wrong);
    let parts = of.befores;
    assert!(parts > 2 && chunks.len() == parts as usize, "{parts}");
    assert_eq!(by_account(&of, &chunks).unwrap().len(), 1001);
    chunks.remove(1);
    let error = by_account(&of, &chunks).unwrap_err();
    assert_eq!(error, UndoError::Incomplete { expected: parts, found: parts - 1 });
}

#[test]
fn the_journal_says_which_batch_was_undone() {
    let mut book = book(0, "1,a,x,,\n2,b,x,,\n");
    let wrong = batch(&mut book, "1,a,y,,\n", 1);
    book.events.clear();
    book.undo(wrong, None, on_day(2), &mut rng_of(2));
    let whats: Vec<Happening> = book.events.iter().map(|event| event.what).collect();
    assert_eq!(
        whats,
        [
            Happening::UndoPlanned,
            Happening::BatchApplied,
            Happening::AccountChanged,
            Happening::AccountReturned
        ]
    );
    for event in &book.events[..2] {
        assert!(event.facts.contains(&("undo-of".to_owned(), wrong.to_string())));
    }
}

#[test]
fn parts_of_the_longest_people_fit_what_is_stored() {
    const PEOPLE: usize = 60;
    let first: String = (0..PEOPLE).map(longest_row).collect();
    let mut book = Book::default();
    book.set_pool(100);
    book.upload(&format!("{LONGEST_HEADER}{first}"), Mode::Roster, on_day(0), &mut rng_of(0));
    let second = first.replace("2027/3/31", "2028/3/31");
    let (plan, _) =
        book.upload(&format!("{LONGEST_HEADER}{second}"), Mode::Roster, on_day(1), &mut rng_of(1));
    assert_eq!((plan.batch.summary.rejected, plan.batch.summary.change), (0, 60));
    let chunks = book.befores(plan.batch.id);
    assert_eq!(chunks.iter().map(|chunk| chunk.items.len()).sum::<usize>(), PEOPLE);
    assert!(chunks.len() > 1);
    for chunk in &chunks {
        let mut bytes = Vec::new();
        ciborium::into_writer(chunk, &mut bytes).unwrap();
        assert!(bytes.len() < 60 * 1024, "{} bytes", bytes.len());
    }
}

/// A wrong batch, then one that takes it back, then one that does the same rightly.
fn three_times(wrong: &str, back: &str, right: &str) -> (Book, BatchId) {
    let mut book = book(2, "1,a,x,,○\n2,b,x,,\n");
    let first = batch(&mut book, wrong, 1);
    batch(&mut book, back, 2);
    batch(&mut book, right, 3);
    (book, first)
}

#[test]
fn who_was_made_the_same_again_by_a_later_batch_stays_as_that_one_left_them() {
    let as_before = "1,a,x,,○\n2,b,x,,\n";
    for again in ["2,b,x,,\n", "1,a,y,,○\n2,b,x,,\n"] {
        let (book, first) = three_times(again, as_before, again);
        let plan = book.plan_undo(first, None, on_day(4), &mut rng_of(4)).unwrap();
        assert_eq!(kinds(&book, &plan), [("1".to_owned(), PlanWord::NotUndone)], "{again:?}");
    }
}

#[test]
fn a_seat_that_the_batch_left_alone_is_not_given_back() {
    let mut book = book(1, "1,a,x,,○\n2,b,x,,○\n");
    let wrong = batch(&mut book, "1,a,y,,○\n2,b,x,,○\n", 1);
    let (one, two) = (book.by_number("1").id, book.by_number("2").id);
    book.change_account(one, |account| account.seat = None);
    book.change_account(two, |account| account.seat = Some(Seat::new(on_day(1))));
    let (plan, _) = book.undo(wrong, None, on_day(2), &mut rng_of(2));
    assert_eq!(kinds(&book, &plan), [("1".to_owned(), PlanWord::Move)]);
    assert!(book.account(one).value.seat.is_none() && book.account(two).value.seat.is_some());
}
