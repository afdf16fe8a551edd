//! Seats rule by rule, then any order of everything that can happen to them.

use super::*;
use crate::account::AccountState;
use crate::batch::Mode;
use crate::change::{Record, Version};
use crate::code::CodeState;
use crate::testing::book::{Book, acting, code_keys};
use crate::testing::{device, noon, public_key, rng};
use jiff::SignedDuration;
use proptest::prelude::*;

const ALL_WISH: &str = "職員番号,氏名,所属,利用\n1,a,x,○\n2,b,x,○\n3,c,x,○\n4,d,x,\n";

fn on_day(day: i64) -> Timestamp {
    noon() + SignedDuration::from_hours(24 * day)
}

/// Three who wish a seat and one who does not.
fn book(pool: u32) -> Book {
    let mut book = Book::default();
    book.set_pool(pool);
    book.upload(ALL_WISH, Mode::Roster, noon(), &mut rng());
    book
}

fn id(book: &Book, number: &str) -> AccountId {
    book.by_number(number).id
}

type Operation<E> = fn(Holdings, AccountId, Acting<'_>, &mut rand::rngs::StdRng) -> Result<SeatChange, E>;

fn on<E>(book: &mut Book, operation: Operation<E>, number: &str, day: i64) -> Result<SeatChange, E> {
    let account = id(book, number);
    let mut change =
        operation(book.holdings(), account, acting(&code_keys(), on_day(day)), &mut rand_of(day))?;
    book.commit(std::mem::take(&mut change.changes));
    book.check();
    Ok(change)
}

fn resize(book: &mut Book, size: u32, day: i64) -> Result<SeatChange, SeatError> {
    let mut change = set_pool(book.holdings(), size, acting(&code_keys(), on_day(day)), &mut rand_of(day))?;
    book.commit(std::mem::take(&mut change.changes));
    book.check();
    Ok(change)
}

fn take_back(book: &mut Book, days: u16, day: i64) -> SeatChange {
    let mut change =
        reclaim(book.holdings(), all_of(days), acting(&code_keys(), on_day(day)), &mut rand_of(day)).unwrap();
    book.commit(std::mem::take(&mut change.changes));
    book.check();
    change
}

fn all_of(days: u16) -> Rule {
    Rule::unused_for(days)
}

fn rand_of(day: i64) -> rand::rngs::StdRng {
    use rand::SeedableRng;
    rand::rngs::StdRng::seed_from_u64(1_000 + u64::try_from(day).unwrap())
}

fn preview(book: &Book, days: u16, day: i64) -> Vec<Unused> {
    let accounts: Vec<Account> = book.accounts().into_iter().map(|stored| stored.value).collect();
    unused(&accounts, |_| None, all_of(days), on_day(day))
}

fn sign_in(book: &mut Book, number: &str) {
    book.change_account(id(book, number), |account| {
        account.signed_in_at = Some(noon());
        account.state = AccountState::Active;
    });
}

#[test]
fn a_pool_that_grows_serves_the_waiting_list_in_order() {
    let mut book = book(1);
    let waiting = [id(&book, "2"), id(&book, "3")];
    assert_eq!(book.waiting(), waiting);
    let change = resize(&mut book, 2, 1).unwrap();
    assert_eq!(change.given, waiting[..1]);
    assert_eq!((book.usable_codes(waiting[0]), book.waiting()), (1, vec![waiting[1]]));
    resize(&mut book, 9, 2).unwrap();
    assert_eq!((book.waiting().len(), book.pool().value.free()), (0, 6));
}

#[test]
fn a_pool_cannot_be_smaller_than_what_is_given_out() {
    let mut book = book(3);
    let refused = resize(&mut book, 2, 1).unwrap_err();
    assert_eq!(refused, SeatError::BelowAssigned { size: 2, assigned: 3, reserved: 0 });
    assert!(refused.to_string().contains("3 seats are assigned"));
    let mut holdings = book.holdings();
    holdings.pool.value.reserved = 1;
    assert!(set_pool(holdings, 3, acting(&code_keys(), noon()), &mut rng()).is_err());
    assert!(resize(&mut book, 3, 1).unwrap().given.is_empty());
}

#[test]
fn the_first_pool_is_stored_though_there_was_none() {
    let mut book = Book::default();
    resize(&mut book, 5, 0).unwrap();
    assert_eq!((book.pool().version, book.pool().value.size), (Version(1), 5));
    assert_eq!(book.events[0].what, Happening::PoolSet);
}

#[test]
fn reserved_seats_are_given_to_nobody() {
    let mut book = Book::default();
    book.insert(Record::Pool(Pool { size: 2, reserved: 1, assigned: 0, temporary: 0 }));
    book.upload(ALL_WISH, Mode::Roster, noon(), &mut rng());
    assert_eq!(book.pool().value.assigned, 1);
    book.check();
}

#[test]
fn who_asks_gets_a_seat_at_once_or_waits_and_asks_once() {
    let mut book = book(4);
    let change = on(&mut book, wait, "4", 1).unwrap();
    assert_eq!(change.given, [id(&book, "4")]);
    assert!(book.by_number("4").wishes_seat);
    assert_eq!(on(&mut book, wait, "4", 1), Err(SeatError::HasSeat));

    let mut full = self::book(2);
    let change = on(&mut full, wait, "4", 1).unwrap();
    assert_eq!((change.given.len(), change.waiting), (0, vec![id(&full, "4")]));
    assert_eq!(full.waiting(), [id(&full, "3"), id(&full, "4")]);
    assert_eq!(on(&mut full, wait, "4", 2), Err(SeatError::AlreadyWaiting));
    assert_eq!(full.happened(Happening::WaitingAdded, id(&full, "4")), 1);
    let left = id(&full, "1");
    full.change_account(left, |account| account.state = AccountState::Suspended);
    let refused = wait(full.holdings(), left, acting(&code_keys(), noon()), &mut rng());
    assert_eq!(refused, Err(SeatError::AccountMayNotWork));
}

#[test]
fn a_seat_released_by_hand_goes_to_the_next() {
    let mut book = book(1);
    let change = on(&mut book, release, "1", 1).unwrap();
    assert_eq!((change.freed, change.given), (vec![id(&book, "1")], vec![id(&book, "2")]));
    assert!(!book.by_number("1").wishes_seat);
    assert_eq!(on(&mut book, release, "1", 1), Err(SeatError::NoSeat));
    let nobody = AccountId::make(noon(), &mut rng());
    let unknown = release(book.holdings(), nobody, acting(&code_keys(), noon()), &mut rng());
    assert_eq!(unknown, Err(SeatError::NotLoaded(NotLoaded(nobody))));
}

#[test]
fn no_more_are_taken_back_than_the_rule_says_and_the_longest_unused_go_first() {
    let mut book = book(3);
    let first = preview(&book, 0, 1)[0].account;
    let rule = Rule { at_most: Some(1), ..all_of(0) };
    let change = reclaim(book.holdings(), rule, acting(&code_keys(), on_day(1)), &mut rng()).unwrap();
    assert_eq!(change.freed, [first]);
    book.commit(change.changes);
    book.check();
}

#[test]
fn days_unused_count_from_the_latest_of_code_seat_and_effective_time() {
    let mut book = book(3);
    assert_eq!(preview(&book, 30, 29), []);
    let found = preview(&book, 30, 30);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|unused| (unused.since, unused.days) == (noon(), 30)));
    let just_before = on_day(30) - SignedDuration::from_secs(1);
    assert_eq!(unused(&[book.by_number("1")], |_| None, all_of(30), just_before), []);

    sign_in(&mut book, "1");
    let [second, third] = [id(&book, "2"), id(&book, "3")];
    let codes = book.codes();
    let changes = reissue(book.account(second), codes, acting(&code_keys(), on_day(20)), &mut rng()).unwrap();
    book.commit(changes);
    let ids = |found: Vec<Unused>| found.into_iter().map(|unused| unused.account).collect::<Vec<_>>();
    assert_eq!(ids(preview(&book, 30, 49)), [third], "another code starts the days anew");
    assert_eq!(ids(preview(&book, 30, 50)), [third, second], "longest unused first");
    book.change_account(third, |account| account.state_since = on_day(45));
    assert_eq!(ids(preview(&book, 30, 50)), [second], "so does a return");
}

#[test]
fn accounts_without_a_wish_or_a_seat_are_never_unused() {
    let mut book = book(2);
    book.change_account(id(&book, "1"), |account| account.wishes_seat = false);
    let found: Vec<AccountId> = preview(&book, 0, 99).into_iter().map(|unused| unused.account).collect();
    assert_eq!(found, [id(&book, "2")]);
}

#[test]
fn a_reclaimed_seat_goes_to_the_next_with_a_code_in_the_same_changeset() {
    let mut book = book(1);
    let (first, second) = (id(&book, "1"), id(&book, "2"));
    let mut phone = device(&book.by_number("1"), public_key(), DeviceState::Live);
    phone.enrolment = EnrolmentId::make(noon(), &mut rng());
    book.insert(Record::Device(phone.clone()));
    book.events.clear();
    assert_eq!(preview(&book, 30, 31).len(), 1);
    let change = take_back(&mut book, 30, 31);

    assert_eq!((change.freed, change.given), (vec![first], vec![second]));
    assert_eq!(change.block, [phone.enrolment]);
    let whats: Vec<Happening> = book.events.iter().map(|event| event.what).collect();
    assert_eq!(whats, [Happening::SeatReclaimed, Happening::SeatAssigned, Happening::CodeIssued]);
    let ended = book.codes().into_iter().find(|code| code.value.account == first).unwrap().value;
    assert_eq!((ended.state, book.usable_codes(second)), (CodeState::Replaced, 1));
    assert_eq!(book.waiting(), [id(&book, "3")]);
    assert_eq!(take_back(&mut book, 30, 31).freed, [], "who has just got a seat has 30 days");
}

#[test]
fn the_same_file_again_gives_nothing_back_to_those_whose_seat_was_reclaimed() {
    let mut book = book(3);
    take_back(&mut book, 30, 31);
    let (plan, applied) = book.upload(ALL_WISH, Mode::Roster, on_day(32), &mut rand_of(32));
    assert_eq!((plan.batch.summary.unchanged, applied.seats_given.len()), (4, 0));
    on(&mut book, wait, "2", 33).unwrap();
    assert!(book.by_number("2").seat.is_some(), "but who asks gets one");
}

#[test]
fn another_code_ends_the_one_before_and_needs_a_seat() {
    let mut book = book(1);
    let (first, second) = (id(&book, "1"), id(&book, "2"));
    let before = book.codes()[0].value.index;
    let changes =
        reissue(book.account(first), book.codes(), acting(&code_keys(), on_day(3)), &mut rng()).unwrap();
    assert_eq!(changes.events.len(), 1);
    book.commit(changes);
    book.check();
    let old = book.codes().into_iter().find(|code| code.value.index == before).unwrap().value;
    assert_eq!((old.state, book.usable_codes(first)), (CodeState::Replaced, 1));
    assert_eq!(book.account(first).value.code_issued_at, Some(on_day(3)));

    let again = |account| reissue(account, Vec::new(), acting(&code_keys(), noon()), &mut rng());
    assert_eq!(again(book.account(second)), Err(ReissueError::NoSeat));
    let mut left = book.account(first);
    left.value.state = AccountState::Suspended;
    assert_eq!(again(left), Err(ReissueError::AccountMayNotWork));
}

#[test]
fn codes_past_their_last_day_expire_and_are_forgotten() {
    let mut book = book(3);
    let code = book.codes()[0].value.clone();
    assert_eq!(expire(book.codes(), code.expires_at - SignedDuration::from_secs(1)), Changeset::default());
    let changes = expire(book.codes(), code.expires_at);
    assert_eq!((changes.writes.len(), changes.events.len()), (3, 3));
    book.commit(changes);
    book.check();
    assert!(book.codes().iter().all(|code| code.value.state == CodeState::Expired));
    assert_eq!(expire(book.codes(), on_day(99)), Changeset::default());
}

#[test]
fn a_waiting_account_that_was_not_loaded_is_an_error_and_not_passed_over() {
    let book = book(1);
    let next = id(&book, "2");
    let mut holdings = book.holdings();
    holdings.accounts.retain(|stored| stored.value.id != next);
    let error = set_pool(holdings, 2, acting(&code_keys(), noon()), &mut rng()).unwrap_err();
    assert_eq!(error, SeatError::NotLoaded(NotLoaded(next)));
}

/// Anything that can happen to seats.
#[derive(Debug, Clone)]
enum Event {
    Resize(u32),
    Wait(u8),
    Release(u8),
    SignIn(u8),
    Reissue(u8),
    Reclaim(u16),
    Expire,
    Upload(Vec<(u8, bool)>),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0_u32..9).prop_map(Event::Resize),
        (0_u8..9).prop_map(Event::Wait),
        (0_u8..9).prop_map(Event::Release),
        (0_u8..9).prop_map(Event::SignIn),
        (0_u8..9).prop_map(Event::Reissue),
        (0_u16..20).prop_map(Event::Reclaim),
        Just(Event::Expire),
        proptest::collection::vec((0_u8..9, any::<bool>()), 1..9).prop_map(Event::Upload),
    ]
}

fn happen(book: &mut Book, event: &Event, day: i64) {
    let known = |number: &u8| {
        let number = format!("N{number}");
        let known = |account: &crate::change::Stored<Account>| {
            account.value.current().staff_number.as_str() == number
        };
        book.accounts().iter().any(known).then_some(number)
    };
    match event {
        Event::Resize(size) => {
            let assigned = book.pool().value.assigned;
            assert_eq!(resize(book, *size, day).is_ok(), *size >= assigned);
        }
        Event::Wait(number) => {
            if let Some(number) = known(number) {
                let before = book.by_number(&number);
                let may = before.may_work() && before.seat.is_none() && !book.waiting().contains(&before.id);
                assert_eq!(on(book, wait, &number, day).is_ok(), may);
            }
        }
        Event::Release(number) => {
            if let Some(number) = known(number) {
                let seated = book.by_number(&number).seat.is_some();
                assert_eq!(on(book, release, &number, day).is_ok(), seated);
            }
        }
        Event::SignIn(number) => {
            if let Some(number) = known(number).filter(|number| book.by_number(number).seat.is_some()) {
                sign_in(book, &number);
            }
        }
        Event::Reissue(number) => {
            if let Some(number) = known(number) {
                let account = book.account(id(book, &number));
                let keys = code_keys();
                if let Ok(changes) =
                    reissue(account, book.codes(), acting(&keys, on_day(day)), &mut rand_of(day))
                {
                    book.commit(changes);
                }
            }
        }
        Event::Reclaim(days) => {
            let listed: Vec<AccountId> =
                preview(book, *days, day).into_iter().map(|unused| unused.account).collect();
            assert_eq!(take_back(book, *days, day).freed, listed, "what was previewed, and nothing else");
        }
        Event::Expire => book.commit(expire(book.codes(), on_day(day))),
        Event::Upload(rows) => {
            let line =
                |(number, wish): &(u8, bool)| format!("N{number},a,x,{}\n", if *wish { "○" } else { "" });
            let file = format!("職員番号,氏名,所属,利用\n{}", rows.iter().map(line).collect::<String>());
            book.upload(&file, Mode::Roster, on_day(day), &mut rand_of(day));
        }
    }
}

proptest! {
    #[test]
    fn the_pool_counts_its_seats_whatever_happens(
        events in proptest::collection::vec(event(), 1..40),
        pace in 1_i64..8,
    ) {
        let mut book = Book::default();
        for (turn, event) in (0..).zip(&events) {
            happen(&mut book, event, turn * pace);
            book.check();
        }
    }
}
