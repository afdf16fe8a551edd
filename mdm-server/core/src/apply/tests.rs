//! Applying: rule by rule, then any files against a model of the people in them.

pub(crate) mod model;
mod succession;

use super::*;
use crate::account::AccountState;
use crate::batch::Mode;
use crate::code::CodeState;
use crate::device::DeviceState;
use crate::testing::book::{Book, acting, code_keys};
use crate::testing::{device, noon, public_key, rng};
use jiff::SignedDuration;

const HEADER: &str = "職員番号,氏名,所属,職名,利用\n";

pub(crate) fn file(rows: &str) -> String {
    format!("{HEADER}{rows}")
}

pub(crate) fn book(pool: u32, rows: &str) -> Book {
    let mut book = Book::default();
    book.set_pool(pool);
    upload(&mut book, rows, 0);
    book
}

pub(crate) fn on_day(day: i64) -> Timestamp {
    noon() + SignedDuration::from_hours(24 * day)
}

pub(crate) fn upload(book: &mut Book, rows: &str, day: i64) -> Applied {
    let applied = book.upload(&file(rows), Mode::Roster, on_day(day), &mut rng_of(day)).1;
    book.check();
    applied
}

pub(crate) fn rng_of(day: i64) -> rand::rngs::StdRng {
    use rand::SeedableRng;
    rand::rngs::StdRng::seed_from_u64(u64::try_from(day).unwrap())
}

pub(crate) fn with_device(book: &mut Book, number: &str, state: DeviceState) -> EnrolmentId {
    let mut device = device(&book.by_number(number), public_key(), state);
    device.enrolment = EnrolmentId::make(noon(), &mut rand::thread_rng());
    let enrolment = device.enrolment;
    book.insert(Record::Device(device));
    enrolment
}

#[test]
fn joins_get_seats_and_codes_in_the_order_of_the_file_and_the_others_wait() {
    let book = book(2, "4,a,x,,○\n3,b,x,,\n2,c,x,,○\n1,d,x,,○\n0,e,x,,○\n");
    let numbers: Vec<String> = ["4", "3", "2", "1", "0"].map(str::to_owned).to_vec();
    let seats: Vec<bool> = numbers.iter().map(|number| book.by_number(number).seat.is_some()).collect();
    assert_eq!(seats, [true, false, true, false, false]);
    for number in &numbers {
        let account = book.by_number(number);
        assert_eq!(account.state, AccountState::Provisional);
        assert_eq!(book.usable_codes(account.id), usize::from(account.seat.is_some()));
        assert_eq!(account.code_issued_at.is_some(), account.seat.is_some());
        assert_eq!(book.happened(Happening::AccountJoined, account.id), 1);
    }
    assert_eq!(book.waiting(), [book.by_number("1").id, book.by_number("0").id]);
    assert_eq!(book.happened(Happening::CodeIssued, book.by_number("4").id), 1);
    assert_eq!(book.happened(Happening::WaitingAdded, book.by_number("1").id), 1);
}

#[test]
fn the_code_of_a_seat_can_be_read_under_the_master_key() {
    let book = book(1, "1,a,x,,○\n");
    let account = book.by_number("1");
    let code = book.codes().remove(0).value;
    assert_eq!((code.account, code.valid_from), (account.id, noon()));
    let opened = code_keys().open(&code).unwrap();
    assert_eq!(code_keys().index(&opened.lookup_id()), code.index);
}

#[test]
fn moves_and_changes_are_dated_and_keep_what_was_before() {
    let mut book = book(0, "1,山田,税務課,主事,\n");
    upload(&mut book, "1,山本,農政課,係長,\n", 7);
    let account = book.by_number("1");
    let names: Vec<(Timestamp, &str)> =
        account.history.iter().map(|dated| (dated.from, dated.value.name.as_str())).collect();
    assert_eq!(names, [(noon(), "山田"), (on_day(7), "山本")]);
    assert_eq!(account.current().departments[0].name, "農政課");
    assert_eq!(book.happened(Happening::AccountChanged, account.id), 1);
}

#[test]
fn a_leaver_is_suspended_and_the_seat_goes_on_with_a_code_in_the_same_commit() {
    let mut book = book(1, "1,a,x,,○\n2,b,x,,○\n3,c,x,,○\n");
    let phone = with_device(&mut book, "1", DeviceState::Live);
    with_device(&mut book, "1", DeviceState::Blocked);
    let (leaver, second) = (book.by_number("1").id, book.by_number("2").id);
    let applied = upload(&mut book, "4,d,x,,○\n2,b,x,,○\n3,c,x,,○\n", 1);

    assert_eq!(applied.block, [phone], "what is blocked already is not blocked again");
    assert_eq!((applied.seats_freed, applied.seats_given), (vec![leaver], vec![second]));
    let left = book.account(leaver).value;
    assert_eq!((left.state, left.state_since, left.seat), (AccountState::Suspended, on_day(1), None));
    let ended = book.codes().into_iter().find(|code| code.value.account == leaver).unwrap().value;
    assert_eq!((ended.state, ended.sealed.len()), (CodeState::Replaced, 0));
    assert_eq!(book.usable_codes(second), 1);
    assert_eq!(
        book.waiting(),
        [book.by_number("3").id, book.by_number("4").id],
        "who waited before goes first"
    );
}

#[test]
fn a_leaver_who_waits_waits_no_longer() {
    let mut book = book(0, "1,a,x,,○\n2,b,x,,○\n");
    upload(&mut book, "2,b,x,,○\n", 1);
    assert_eq!(book.waiting(), [book.by_number("2").id]);
}

#[test]
fn a_return_is_provisional_again_and_asks_for_a_seat_like_a_join() {
    let mut book = book(1, "1,a,x,,○\n2,b,x,,\n");
    let id = book.by_number("1").id;
    book.change_account(id, |account| account.signed_in_at = Some(noon()));
    upload(&mut book, "2,b,x,,\n", 1);
    upload(&mut book, "1,a,x,,○\n2,b,x,,\n", 2);
    let account = book.account(id).value;
    assert_eq!((account.state, account.state_since), (AccountState::Provisional, on_day(2)));
    assert_eq!((account.signed_in_at, account.seat.is_some()), (None, true));
    assert_eq!((book.usable_codes(id), book.codes().len()), (1, 2));
    assert_eq!(book.happened(Happening::AccountReturned, id), 1);
}

#[test]
fn a_wish_withdrawn_before_the_first_sign_in_frees_the_seat_and_afterwards_keeps_it() {
    let mut book = book(2, "1,a,x,,○\n2,b,x,,○\n3,c,x,,○\n");
    let phone = with_device(&mut book, "1", DeviceState::Live);
    let (unused, used, next) = (book.by_number("1").id, book.by_number("2").id, book.by_number("3").id);
    book.change_account(used, |account| account.signed_in_at = Some(noon()));
    let applied = upload(&mut book, "1,a,x,,\n2,b,x,,\n3,c,x,,○\n", 1);
    assert_eq!((applied.seats_freed, applied.seats_given), (vec![unused], vec![next]));
    assert_eq!((applied.seats_kept, applied.block), (vec![used], vec![phone]));
    assert!(book.account(used).value.seat.is_some() && !book.account(used).value.wishes_seat);
}

#[test]
fn a_wish_added_later_asks_once() {
    let mut book = book(0, "1,a,x,,\n");
    upload(&mut book, "1,a,x,,○\n", 1);
    upload(&mut book, "1,a,x,係長,○\n", 2);
    assert_eq!(book.waiting(), [book.by_number("1").id]);
    upload(&mut book, "1,a,x,係長,\n", 3);
    assert_eq!(book.waiting(), []);
}

#[test]
fn a_plan_is_applied_once_and_only_to_the_roster_it_was_made_against() {
    let mut book = book(0, "1,a,x,,\n");
    let first = book.plan(&file("1,a,x,,\n2,b,x,,\n"), Mode::Roster, on_day(1), &mut rng_of(1));
    let second = book.plan(&file("1,a,x,,\n3,c,x,,\n"), Mode::Roster, on_day(1), &mut rng_of(2));
    book.commit(first.clone().changes());
    book.commit(second.clone().changes());
    book.try_apply(first.batch.id, on_day(1), &mut rng()).unwrap();
    let error = book.try_apply(second.batch.id, on_day(2), &mut rng()).unwrap_err();
    assert_eq!(error, ApplyError::StalePlan { planned: 1, now: 2 });
    let error = book.try_apply(first.batch.id, on_day(2), &mut rng()).unwrap_err();
    assert_eq!(error, ApplyError::AlreadyApplied(on_day(1)));
}

#[test]
fn a_plan_with_a_part_missing_or_of_another_batch_is_not_applied() {
    let rows: String = (0..100).map(|number| format!("{number},a,x,,\n")).collect();
    let plan = Book::default().plan(&file(&rows), Mode::Roster, noon(), &mut rng());
    let parts = |plan: &crate::plan::Plan| -> Vec<PlanChunk> {
        let writes = plan.clone().changes().writes.into_iter();
        let parts = writes.filter_map(|write| match write.record {
            Some(Record::PlanChunk(part)) => Some(part),
            _ => None,
        });
        parts.collect()
    };
    let try_with = |chunks: Vec<PlanChunk>| {
        let batch = Stored { version: Version(1), value: plan.batch.clone() };
        let holdings = Book::default().holdings();
        let input = ApplyInput { batch, chunks, roster: None, holdings, undone: None };
        apply(input, acting(&code_keys(), noon()), &mut rng())
            .map(|(changes, _)| changes.whole().writes.len())
    };
    let mut missing = parts(&plan);
    missing.remove(1);
    assert_eq!(try_with(missing), Err(ApplyError::IncompletePlan { expected: 4, found: 1 }));
    let mut foreign = parts(&plan);
    foreign[3].batch = shared::ids::BatchId::make(noon(), &mut rand::thread_rng());
    assert_eq!(try_with(foreign), Err(ApplyError::IncompletePlan { expected: 4, found: 3 }));
    let mut shuffled = parts(&plan);
    shuffled.reverse();
    assert_eq!(try_with(shuffled), Ok(103), "batch, roster, 100 accounts and what they were before");
}

#[test]
fn a_leaver_without_loss_for_14_days_is_then_wiped_and_closed() {
    let mut book = book(1, "1,a,x,,○\n2,b,x,,\n");
    let phone = with_device(&mut book, "1", DeviceState::Live);
    let id = book.by_number("1").id;
    let (leaver, devices) = (book.account(id).value, book.devices());
    assert_eq!(due_for_wipe(&leaver, &devices, on_day(99)), None, "who works is never due");
    upload(&mut book, "2,b,x,,\n", 1);

    let leaver = book.account(id);
    let end = on_day(15);
    assert_eq!(due_for_wipe(&leaver.value, &devices, end - SignedDuration::from_secs(1)), None);
    assert_eq!(due_for_wipe(&leaver.value, &devices, end), Some(vec![phone]));
    assert_eq!(close(leaver.clone(), &devices, end), Err(CloseError::DeviceLeft(phone)));
    assert_eq!(close(leaver.clone(), &[], on_day(14)), Err(CloseError::NotDue));
    let changes = close(leaver, &[], end).unwrap();
    book.commit(changes);
    assert_eq!(book.account(id).value.state, AccountState::Closed);
    upload(&mut book, "1,a,x,,○\n2,b,x,,\n", 20);
    assert_eq!(book.account(id).value.state, AccountState::Provisional);
}

#[test]
fn the_journal_counts_the_batch_first_and_names_it_in_every_line() {
    let mut book = book(1, "1,a,x,,○\n");
    book.events.clear();
    let applied = upload(&mut book, "2,b,x,,○\n", 1);
    assert_eq!(applied.seats_given, [book.by_number("2").id]);
    let whats: Vec<Happening> = book.events.iter().map(|event| event.what).collect();
    assert_eq!(
        whats,
        [
            Happening::BatchUploaded,
            Happening::BatchApplied,
            Happening::AccountJoined,
            Happening::AccountLeft,
            Happening::SeatReclaimed,
            Happening::SeatAssigned,
            Happening::CodeIssued,
        ]
    );
    assert!(book.events.iter().all(|event| event.subject.batch.is_some() && event.personal.is_empty()));
    assert!(book.events[1].facts.contains(&("seats-assigned".to_owned(), "1".to_owned())));
}

#[test]
fn what_was_approved_is_applied_and_nothing_else() {
    use crate::batch::{Approval, Capacity};
    let mut book = book(2, "1,a,x,,\n");
    let plan = book.plan(&file("1,a,x,,\n2,b,x,,\n"), Mode::Roster, on_day(1), &mut rng_of(1));
    let digest = plan.batch.plan_digest;
    book.commit(plan.clone().changes());
    let approval = Approval {
        by: crate::audit::Actor::Server,
        at: on_day(1),
        capacity: Capacity::Approver,
        plan_digest: digest,
    };
    let tried = |book: &Book, altered: bool| {
        let mut input = book.apply_input(plan.batch.id);
        input.batch.value.release.approval = Some(approval.clone());
        if altered {
            input.chunks[0].items.swap(0, 1);
        }
        apply(input, acting(&code_keys(), on_day(1)), &mut rng_of(1))
    };
    assert_eq!(tried(&book, true).unwrap_err(), ApplyError::NotWhatWasApproved);
    assert!(tried(&book, false).is_ok());
}
