//! Notice, grace and restoring step by step, then any order of them against a model of one page.

use std::collections::BTreeMap;

use super::*;
use crate::apply::tests::{book, file, on_day, rng_of, with_device};
use crate::batch::Mode;
use crate::change::{Changeset, Key, Record};
use crate::code::CodeState;
use crate::device::{BlockedBy, DeviceState};
use crate::seats::{reclaim, reissue, unused};
use crate::testing::book::{Book, acting, code_keys};
use proptest::prelude::*;
use shared::ids::EnrolmentId;

const TWO: &str = "1,a,x,,○\n2,b,x,,○\n";

fn steps(notice_days: u16, grace_days: u16) -> Rule {
    Rule { notice_days, grace_days, ..Rule::unused_for(30) }
}

fn date(day: i64) -> Date {
    day_of(on_day(day))
}

fn give(book: &mut Book, rule: Rule, day: i64) -> SeatChange {
    let keys = code_keys();
    let change = reclaim(book.holdings(), rule, acting(&keys, on_day(day)), &mut rng_of(day)).unwrap();
    kept(book, change)
}

/// A pass on a day, of a server that has lived those.
fn pass(book: &mut Book, lived: &[i64], day: i64) -> SeatChange {
    let lived: Vec<Date> = lived.iter().copied().map(date).collect();
    let keys = code_keys();
    let change = advance(book.holdings(), &lived, acting(&keys, on_day(day)), &mut rng_of(day)).unwrap();
    kept(book, change)
}

fn restored(book: &mut Book, number: &str, day: i64) -> Result<SeatChange, SeatError> {
    let keys = code_keys();
    let account = book.by_number(number).id;
    Ok(kept(book, restore(book.holdings(), account, acting(&keys, on_day(day)))?))
}

fn kept(book: &mut Book, mut change: SeatChange) -> SeatChange {
    book.commit(std::mem::take(&mut change.changes));
    book.check();
    change
}

fn happened(book: &Book, what: Happening, number: &str) -> usize {
    book.happened(what, book.by_number(number).id)
}

fn block_by_grace(book: &mut Book, enrolment: EnrolmentId) {
    let mut device = book.devices().into_iter().find(|device| device.enrolment == enrolment).unwrap();
    (device.state, device.blocked_by) = (DeviceState::Blocked, Some(BlockedBy::Grace));
    let mut changes = Changeset::default();
    changes.update(book.version(&Key::Device(enrolment)), Record::Device(device));
    book.commit(changes);
}

#[test]
fn a_seat_is_noticed_then_held_then_given_to_the_next_with_a_code() {
    let mut book = book(1, TWO);
    let noticed = give(&mut book, steps(2, 1), 30);
    let (one, two) = (book.by_number("1").id, book.by_number("2").id);
    assert_eq!((noticed.noticed, noticed.freed, noticed.given), (vec![one], vec![], vec![]));
    assert!(book.by_number("1").is_served(), "a notice takes nothing");
    assert_eq!(book.by_number("1").notice().unwrap().not_before(), date(33));
    assert_eq!(give(&mut book, steps(2, 1), 30).noticed, [], "once");

    pass(&mut book, &[30, 31], 31);
    assert!(book.by_number("1").is_served());
    pass(&mut book, &[30, 31, 32], 32);
    let held = book.by_number("1");
    assert!(!held.is_served() && held.seat.is_some() && book.pool().value.free() == 0);
    assert_eq!(held.notice().unwrap().not_before(), date(33));
    pass(&mut book, &[30, 31, 32], 32);
    assert_eq!(happened(&book, Happening::SeatHeld, "1"), 1);

    let taken = pass(&mut book, &[30, 31, 32, 33], 33);
    assert_eq!((taken.freed, taken.given), (vec![one], vec![two]));
    assert_eq!(book.usable_codes(two), 1);
    let ended = book.codes().into_iter().find(|code| code.value.account == one).unwrap();
    assert_eq!(ended.value.state, CodeState::Replaced);
}

#[test]
fn days_that_the_server_did_not_live_count_for_nothing() {
    let mut book = book(1, TWO);
    give(&mut book, steps(2, 2), 30);
    // An outage, and a clock that jumps by a year: one day each.
    pass(&mut book, &[30, 90], 90);
    assert!(book.by_number("1").is_served());
    pass(&mut book, &[30, 90, 455], 455);
    assert!(book.by_number("1").seat.unwrap().is_held());
    pass(&mut book, &[30, 31, 32, 33, 34, 90, 455], 34);
    assert!(book.by_number("1").seat.is_some(), "nor do days before the seat was held");
}

#[test]
fn a_rule_may_leave_out_either_step() {
    let mut book = book(1, TWO);
    give(&mut book, steps(0, 3), 30);
    assert!(book.by_number("1").seat.unwrap().is_held(), "no notice");
    restored(&mut book, "1", 30).unwrap();

    give(&mut book, steps(1, 0), 60);
    assert!(book.by_number("1").is_served());
    assert_eq!(pass(&mut book, &[60, 61], 61).freed, [book.by_number("1").id], "no grace");
    assert_eq!(happened(&book, Happening::SeatHeld, "1"), 1);
}

#[test]
fn who_signs_in_or_gets_another_code_keeps_the_seat() {
    let mut book = book(2, TWO);
    give(&mut book, steps(1, 1), 30);
    let (one, two) = (book.by_number("1").id, book.by_number("2").id);
    book.change_account(one, |account| account.signed_in_at = Some(on_day(31)));
    let keys = code_keys();
    let another = || acting(&keys, on_day(31));
    let changes = reissue(book.account(two), book.codes(), another(), &mut rng_of(31)).unwrap();
    book.commit(changes);
    assert_eq!(happened(&book, Happening::SeatNoticeEnded, "2"), 1);
    assert_eq!(pass(&mut book, &[31], 31).freed, []);
    assert_eq!(happened(&book, Happening::SeatNoticeEnded, "1"), 1);
    assert!(["1", "2"].iter().all(|number| book.by_number(number).notice().is_none()));
    pass(&mut book, &[31, 32, 33], 33);
    assert!(["1", "2"].iter().all(|number| book.by_number(number).is_served()));
}

#[test]
fn a_held_seat_gets_no_code_and_ends_with_its_reason() {
    let mut book = book(1, TWO);
    give(&mut book, steps(0, 5), 30);
    let one = book.by_number("1").id;
    let refused = reissue(book.account(one), book.codes(), acting(&code_keys(), on_day(30)), &mut rng_of(1));
    assert_eq!(refused, Err(crate::seats::ReissueError::Held));
    book.change_account(one, |account| account.signed_in_at = Some(on_day(30)));
    pass(&mut book, &[], 30);
    assert!(book.by_number("1").is_served());
}

#[test]
fn a_restored_seat_counts_as_unused_from_that_day_on() {
    let mut book = book(1, TWO);
    assert_eq!(restored(&mut book, "1", 30), Err(SeatError::NoNotice));
    give(&mut book, steps(1, 5), 30);
    pass(&mut book, &[31], 31);
    restored(&mut book, "1", 33).unwrap();
    assert!(book.by_number("1").is_served());
    assert_eq!(happened(&book, Happening::SeatRestored, "1"), 1);
    let listed = |day| unused([&book.by_number("1")], |_| None, steps(0, 0), on_day(day)).len();
    assert_eq!((listed(62), listed(63)), (0, 1));
}

#[test]
fn a_notice_comes_back_with_the_seat_when_a_leave_is_undone_and_begins_again() {
    for held in [false, true] {
        let mut book = book(2, TWO);
        let phone = with_device(&mut book, "1", DeviceState::Live);
        let other = book.by_number("2").id;
        book.change_account(other, |account| account.signed_in_at = Some(on_day(1)));
        give(&mut book, steps(2, 2), 30);
        if held {
            pass(&mut book, &[30, 31, 32], 32);
            block_by_grace(&mut book, phone);
        }
        let (plan, _) = book.upload(&file("2,b,x,,○\n"), Mode::Roster, on_day(33), &mut rng_of(33));
        assert!(book.by_number("1").seat.is_none());
        // The seat is gone: the notice with it.
        assert_eq!(pass(&mut book, &[30, 31, 32, 33, 34, 35, 36], 36).freed, []);
        let (_, applied) = book.undo(plan.batch.id, None, on_day(37), &mut rng_of(37));
        book.check();
        let notice = *book.by_number("1").notice().unwrap();
        assert_eq!((notice.given_on, notice.held_on), (date(37), held.then(|| date(37))));
        assert_eq!(book.by_number("1").is_served(), !held);
        if held {
            assert_eq!(applied.unblock, [], "what grace has blocked stays so");
            let device = book.devices().into_iter().find(|device| device.enrolment == phone).unwrap();
            assert_eq!(device.blocked_by, Some(BlockedBy::Grace));
        }
        let lived = [30, 31, 32, 33, 34, 35, 36, 37, 38];
        pass(&mut book, &lived, 38);
        assert!(book.by_number("1").seat.is_some(), "what nobody could act in does not count");
    }
}

#[derive(Debug, Clone)]
enum Event {
    Notice(u16, u16),
    /// So many days go by, of which the last is lived.
    Days(i64),
    SignIn(u8),
    Restore(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0_u16..4, 0_u16..4).prop_map(|(notice, grace)| Event::Notice(notice, grace)),
        (1_i64..4).prop_map(Event::Days),
        (1_i64..4).prop_map(Event::Days),
        (1_u8..5).prop_map(Event::SignIn),
        (1_u8..5).prop_map(Event::Restore),
    ]
}

/// What is expected of one who holds a seat: days lived since the notice, or since it is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Expected {
    noticed: Option<(u16, u16)>,
    held: bool,
    days: u16,
    signed_in: bool,
    gone: bool,
}

impl Expected {
    fn lives_a_day(&mut self) {
        let Some((notice, grace)) = self.noticed else { return };
        if self.signed_in {
            (self.noticed, self.held) = (None, false);
            return;
        }
        self.days += 1;
        match self.held {
            false if self.days >= notice && grace > 0 => (self.held, self.days) = (true, 0),
            false if self.days >= notice => self.gone = true,
            true if self.days >= grace => self.gone = true,
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn nobody_loses_a_seat_before_its_days_were_lived(
        events in proptest::collection::vec(event(), 1..40),
    ) {
        let mut book = book(4, "1,a,x,,○\n2,b,x,,○\n3,c,x,,○\n4,d,x,,○\n");
        let mut expected: BTreeMap<String, Expected> =
            (1..5).map(|number| (number.to_string(), Expected::default())).collect();
        let (mut day, mut lived) = (100, vec![100]);
        for event in events {
            match event {
                Event::Notice(notice, grace) => {
                    // At least a day of one of them: otherwise it is done at once.
                    let rule = Rule { notice_days: notice, ..Rule { grace_days: grace.max(1), ..Rule::unused_for(0) } };
                    give(&mut book, rule, day);
                    let open = |one: &&mut Expected| one.noticed.is_none() && !one.signed_in && !one.gone;
                    for one in expected.values_mut().filter(open) {
                        (one.noticed, one.held, one.days) = (Some((notice, rule.grace_days)), notice == 0, 0);
                    }
                }
                Event::Days(days) => {
                    day += days;
                    lived.push(day);
                    pass(&mut book, &lived.clone(), day);
                    expected.values_mut().filter(|one| !one.gone).for_each(Expected::lives_a_day);
                }
                Event::SignIn(number) => {
                    let account = book.by_number(&number.to_string());
                    if account.is_served() {
                        book.change_account(account.id, |account| account.signed_in_at = Some(on_day(day)));
                        expected.get_mut(&number.to_string()).unwrap().signed_in = true;
                    }
                }
                Event::Restore(number) => {
                    let one = expected.get_mut(&number.to_string()).unwrap();
                    let may = one.noticed.is_some() && !one.gone;
                    prop_assert_eq!(restored(&mut book, &number.to_string(), day).is_ok(), may);
                    (one.noticed, one.held) = (one.noticed.filter(|_| one.gone), one.held && one.gone);
                }
            }
            for (number, one) in &expected {
                let account = book.by_number(number);
                prop_assert_eq!(account.seat.is_none(), one.gone, "{} {:?}", number, one);
                prop_assert_eq!(account.seat.is_some_and(|seat| seat.is_held()), one.held && !one.gone);
                prop_assert_eq!(account.notice().is_some(), one.noticed.is_some() && !one.gone);
            }
        }
    }
}

#[test]
fn a_seat_whose_term_has_ended_is_taken_unless_the_term_is_extended() {
    let ends_on = |day: i64| Some(date(day));
    let mut book = book(1, TWO);
    let rule = Rule { why: NoticeReason::TermEnded, notice_days: 1, grace_days: 1, ..Rule::unused_for(0) };
    let holder = book.by_number("1").id;
    // Who has signed in counts as well, and the last day itself is still of the term.
    book.change_account(holder, |account| account.signed_in_at = Some(on_day(0)));
    let set = |book: &mut Book, last: Option<Date>| {
        book.change_account(holder, |account| {
            let mut now = account.current().clone();
            now.term_ends = last;
            account.learn(on_day(1), now);
        });
    };
    for not_yet in [None, ends_on(10), ends_on(11)] {
        set(&mut book, not_yet);
        assert_eq!(give(&mut book, rule, 10).noticed, []);
    }
    set(&mut book, ends_on(9));
    assert_eq!(give(&mut book, rule, 10).noticed, [holder]);
    assert!(pass(&mut book, &[11], 11).freed.is_empty(), "one step");
    set(&mut book, ends_on(400));
    pass(&mut book, &[11, 12], 12);
    assert!(book.by_number("1").is_served(), "the term was extended in its grace");

    set(&mut book, ends_on(12));
    assert_eq!(give(&mut book, rule, 13).noticed, [holder]);
    pass(&mut book, &[13, 14], 14);
    assert_eq!(pass(&mut book, &[13, 14, 15], 15).freed, [holder]);
}

#[test]
fn days_of_leave_do_not_count_and_leave_ends_a_notice() {
    use crate::absence::{Absence, note};
    use crate::approval;
    use crate::audit::Actor;
    let mut book = book(2, TWO);
    let away = |book: &mut Book, number: &str, from: i64, until: Option<i64>, day: i64| {
        let account = book.account(book.by_number(number).id);
        let absence = Absence { from: date(from), until: until.map(date) };
        let acting = approval::Acting { actor: Actor::Server, now: on_day(day) };
        let changes = note(account, absence, date(day), acting).unwrap();
        book.commit(changes);
    };
    away(&mut book, "1", 10, Some(19), 10);
    let days = |book: &Book, day: i64| -> Vec<u32> {
        let accounts: Vec<Account> = book.accounts().into_iter().map(|stored| stored.value).collect();
        unused(&accounts, |_| None, Rule::unused_for(0), on_day(day))
            .into_iter()
            .map(|unused| unused.days)
            .collect()
    };
    let mut counted = days(&book, 30);
    counted.sort_unstable();
    assert_eq!(counted, [20, 30], "ten days of leave");
    assert_eq!(days(&book, 15).len(), 1, "who is away is not listed at all");
    let noticed = give(&mut book, steps(0, 5), 30);
    assert_eq!(noticed.noticed, [book.by_number("2").id]);
    assert!(!book.by_number("2").is_served());
    away(&mut book, "2", 31, None, 31);
    pass(&mut book, &[30, 31], 31);
    assert!(book.by_number("2").is_served() && book.by_number("2").notice().is_none());
    assert_eq!(happened(&book, Happening::SeatNoticeEnded, "2"), 1);
    assert_eq!(pass(&mut book, &(30..90).collect::<Vec<i64>>(), 90).freed, []);
}

fn unlock(book: &mut Book, enrolment: EnrolmentId, day: i64) {
    let mut device = book.devices().into_iter().find(|device| device.enrolment == enrolment).unwrap();
    device.last_unlock = Some(on_day(day));
    let mut changes = Changeset::default();
    changes.update(book.version(&Key::Device(enrolment)), Record::Device(device));
    book.commit(changes);
}

#[test]
fn a_seat_is_dormant_since_the_last_unlock_of_any_device() {
    let mut book = book(2, TWO);
    let rule = Rule { why: NoticeReason::Dormant, notice_days: 1, grace_days: 1, ..Rule::unused_for(90) };
    let (one, two) = (book.by_number("1").id, book.by_number("2").id);
    let old = with_device(&mut book, "1", DeviceState::Live);
    let new = with_device(&mut book, "1", DeviceState::Live);
    assert_eq!(give(&mut book, rule, 400).noticed, [], "who never signed in is no sleeper");
    for id in [one, two] {
        book.change_account(id, |account| account.signed_in_at = Some(on_day(1)));
    }
    unlock(&mut book, old, 5);
    unlock(&mut book, new, 20);
    assert_eq!(give(&mut book, rule, 109).noticed, [two], "whose devices were never unlocked since the seat");
    assert_eq!(give(&mut book, rule, 110).noticed, [one]);

    // The third day of 1 would be the last: an unlock ends it. 2 does nothing and loses the seat.
    unlock(&mut book, old, 110);
    pass(&mut book, &[109, 110], 110);
    assert!(book.by_number("1").notice().is_none());
    assert_eq!(happened(&book, Happening::SeatNoticeEnded, "1"), 1);
    assert_eq!(pass(&mut book, &[109, 110, 111], 111).freed, [two]);
    assert_eq!(give(&mut book, rule, 199).noticed, []);
    assert_eq!(give(&mut book, rule, 200).noticed, [one], "it counts from that unlock on");
}

#[test]
fn a_dormant_seat_counts_anew_from_when_it_was_restored() {
    let mut book = book(1, TWO);
    let rule = Rule { why: NoticeReason::Dormant, notice_days: 0, grace_days: 3, ..Rule::unused_for(90) };
    let one = book.by_number("1").id;
    book.change_account(one, |account| account.signed_in_at = Some(on_day(1)));
    assert_eq!(give(&mut book, rule, 90).noticed, [one]);
    restored(&mut book, "1", 91).unwrap();
    assert_eq!((give(&mut book, rule, 180).noticed, give(&mut book, rule, 181).noticed), (vec![], vec![one]));
}

#[test]
fn a_dormant_seat_counts_anew_from_the_end_of_a_leave() {
    use crate::absence::Absence;
    let mut book = book(1, TWO);
    let rule = Rule { why: NoticeReason::Dormant, notice_days: 5, grace_days: 0, ..Rule::unused_for(90) };
    let one = book.by_number("1").id;
    let away = |from: i64, until: i64| Absence { from: date(from), until: Some(date(until)) };
    book.change_account(one, |account| {
        account.signed_in_at = Some(on_day(1));
        account.absences = vec![away(50, 99), away(300, 320)];
    });
    assert_eq!(give(&mut book, rule, 95).noticed, [], "who is away is not listed");
    assert_eq!(give(&mut book, rule, 189).noticed, []);
    assert_eq!(give(&mut book, rule, 191).noticed, [one]);
    pass(&mut book, &[191, 300], 300);
    assert!(book.by_number("1").notice().is_none(), "the next leave ends the notice");
}
