//! 別の人: a staff number that is another person's now, from the row that is asked about to the undo.

use super::{on_day, rng_of, with_device};
use crate::account::{Account, AccountState, StaffNumber};
use crate::audit::Actor;
use crate::batch::{Mode, PlanKind, PlanWord, RowProblem};
use crate::device::DeviceState;
use crate::identity::{Decided, Whose};
use crate::plan::Plan;
use crate::testing::book::Book;
use crate::undo::NotUndone;
use shared::ids::AccountId;

const HANAKO: &str = "7,佐藤　花子,サトウ　ハナコ,1965/5/1,税務課,○\n";
const HAJIME: &str = "7,鈴木　一,スズキ　ハジメ,2004/9/30,農政課,○\n";
const OTHER: &str = "8,森　進,モリ　ススム,1980/1/1,税務課,\n";

fn file(rows: &[&str]) -> String {
    format!("職員番号,氏名,フリガナ,生年月日,所属,利用\n{}", rows.concat())
}

fn planned(book: &Book, rows: &[&str], day: i64) -> Plan {
    book.plan(&file(rows), Mode::Roster, on_day(day), &mut rng_of(day))
}

fn words(plan: &Plan) -> Vec<PlanWord> {
    plan.items.iter().map(|item| item.kind.word()).collect()
}

/// Hanako, who signed in and has a phone, and somebody else.
fn book() -> Book {
    let mut book = Book::default();
    book.set_pool(5);
    book.upload(&file(&[HANAKO, OTHER]), Mode::Roster, on_day(0), &mut rng_of(0));
    let id = book.by_number("7").id;
    book.change_account(id, |account| {
        account.signed_in_at = Some(on_day(0));
        account.state = AccountState::Active;
    });
    book
}

fn say(book: &mut Book, whose: Whose) {
    let number = StaffNumber::new("7").unwrap();
    let account = book.by_number("7").id;
    book.decided = vec![Decided { number, account, row: 2, whose, by: Actor::Server, at: on_day(1) }];
}

fn take_effect(book: &mut Book, rows: &[&str], day: i64) -> (Plan, crate::apply::Applied) {
    let done = book.upload(&file(rows), Mode::Roster, on_day(day), &mut rng_of(day));
    book.check();
    done
}

fn pair(book: &Book, former: AccountId) -> (Account, Account) {
    (book.account(former).value, book.by_number("7"))
}

#[test]
fn a_known_number_with_another_kana_and_date_is_asked_about_and_nobody_leaves() {
    let book = book();
    let plan = planned(&book, &[HAJIME, OTHER], 1);
    assert_eq!(words(&plan), [PlanWord::Rejected, PlanWord::Unchanged]);
    let PlanKind::Rejected(reasons) = &plan.items[0].kind else { panic!() };
    assert_eq!((reasons[0].problem, reasons[0].value.as_str()), (RowProblem::PossiblyAnother, "7"));
    assert_eq!(plan.items[0].asks_whose(), Some("7"));
    assert_eq!(plan.items[0].account, Some(book.by_number("7").id));
}

#[test]
fn the_same_person_is_changed() {
    let mut book = book();
    let id = book.by_number("7").id;
    say(&mut book, Whose::Same);
    take_effect(&mut book, &[HAJIME, OTHER], 1);
    assert_eq!(book.by_number("7").id, id);
    assert_eq!(book.by_number("7").current().name, "鈴木　一");
    book.decided.clear();
    assert_eq!(words(&planned(&book, &[HAJIME, OTHER], 2)), [PlanWord::Unchanged; 2]);
}

#[test]
fn another_person_inherits_nothing_and_the_one_before_leaves() {
    let mut book = book();
    let old = book.by_number("7").id;
    let phone = with_device(&mut book, "7", DeviceState::Live);
    say(&mut book, Whose::Another);
    let (plan, applied) = take_effect(&mut book, &[HAJIME, OTHER], 1);
    assert_eq!(words(&plan), [PlanWord::Join, PlanWord::Unchanged, PlanWord::Leave]);
    assert_eq!((plan.batch.summary.join, plan.batch.summary.leave), (1, 1));
    assert_eq!(applied.block, [phone]);
    let (before, now) = pair(&book, old);
    assert_eq!((before.state, before.seat, before.holds_number()), (AccountState::Suspended, None, false));
    assert_eq!(before.number_passed.map(|passed| passed.to), Some(now.id));
    assert_eq!(before.current().staff_number, now.current().staff_number, "it still shows its number");
    assert_eq!((now.state, now.signed_in_at, now.history.len()), (AccountState::Provisional, None, 1));
    assert!(now.seat.is_some() && book.usable_codes(now.id) == 1 && now.created_at == on_day(1));
    book.decided.clear();
    let again = planned(&book, &[HAJIME, OTHER], 2);
    assert_eq!(words(&again), [PlanWord::Unchanged; 2], "the same file changes nothing");
}

#[test]
fn an_undo_gives_the_number_back_and_ends_the_account_that_had_it_in_between() {
    let mut book = book();
    let old = book.by_number("7");
    let phone = with_device(&mut book, "7", DeviceState::Live);
    say(&mut book, Whose::Another);
    let (plan, _) = take_effect(&mut book, &[HAJIME, OTHER], 1);
    let new = book.by_number("7").id;
    // One of the two is chosen: both are undone.
    let (undo, _) = book.undo(plan.batch.id, Some(&[new].into()), on_day(2), &mut rng_of(2));
    book.check();
    assert_eq!(words(&undo), [PlanWord::Return, PlanWord::Leave]);
    assert_eq!(book.by_number("7"), old, "as if nothing had been");
    let gone = book.account(new).value;
    assert_eq!((gone.state, gone.seat, gone.holds_number()), (AccountState::Suspended, None, false));
    assert_eq!(book.usable_codes(new), 0);
    assert_eq!(book.devices()[0].enrolment, phone);
    book.decided.clear();
    let again = planned(&book, &[HAJIME, OTHER], 3);
    assert_eq!(words(&again), [PlanWord::Rejected, PlanWord::Unchanged], "asked again");
}

#[test]
fn who_had_left_before_only_gives_up_the_number_and_gets_it_back() {
    let mut book = book();
    take_effect(&mut book, &[OTHER], 1);
    for state in [AccountState::Suspended, AccountState::Closed] {
        let mut book = book.clone();
        let old = book.by_number("7").id;
        book.change_account(old, |account| account.state = state);
        say(&mut book, Whose::Another);
        let (plan, applied) = take_effect(&mut book, &[HAJIME, OTHER], 2);
        assert_eq!(words(&plan), [PlanWord::Join, PlanWord::Unchanged]);
        assert!(applied.block.is_empty());
        let (before, now) = pair(&book, old);
        assert_eq!((before.state, before.state_since), (state, on_day(1)), "its days go on counting");
        book.undo(plan.batch.id, None, on_day(3), &mut rng_of(3));
        book.check();
        let (before, gone) = (book.account(old).value, book.account(now.id).value);
        assert_eq!((before.state, before.number_passed), (state, None));
        assert_eq!(gone.number_passed.map(|passed| passed.to), Some(old));
    }
}

#[test]
fn a_number_does_not_go_back_while_its_new_holder_stays() {
    let mut book = book();
    let old = book.by_number("7").id;
    say(&mut book, Whose::Another);
    let (plan, _) = take_effect(&mut book, &[HAJIME, OTHER], 1);
    take_effect(&mut book, &[&HAJIME.replace("農政課", "総務課"), OTHER], 2);
    let new = book.by_number("7");
    let (undo, _) = book.undo(plan.batch.id, None, on_day(3), &mut rng_of(3));
    book.check();
    let kinds: Vec<_> = undo.items.iter().map(|item| (item.account.unwrap(), item.kind.clone())).collect();
    assert_eq!(
        kinds,
        [
            (old, PlanKind::NotUndone(NotUndone::NumberTaken)),
            (new.id, PlanKind::NotUndone(NotUndone::ChangedSince))
        ]
    );
    assert_eq!(book.by_number("7"), new);
}

#[test]
fn while_a_number_cannot_be_read_nobody_gives_way() {
    let mut book = book();
    say(&mut book, Whose::Another);
    let unreadable = ",森　進,モリ　ススム,1980/1/1,税務課,\n";
    let plan = planned(&book, &[HAJIME, unreadable], 1);
    assert_eq!(words(&plan), [PlanWord::Rejected; 2]);
}

#[test]
fn a_number_goes_on_a_second_time() {
    let mut book = book();
    say(&mut book, Whose::Another);
    take_effect(&mut book, &[HAJIME, OTHER], 1);
    let second = book.by_number("7").id;
    say(&mut book, Whose::Another);
    let third = "7,林　実,ハヤシ　ミノル,2006/1/1,総務課,\n";
    take_effect(&mut book, &[third, OTHER], 2);
    let now = book.by_number("7");
    assert_eq!(book.account(second).value.number_passed.map(|passed| passed.to), Some(now.id));
    assert_eq!(book.accounts().len(), 4);
    book.decided.clear();
    assert_eq!(words(&planned(&book, &[third, OTHER], 3)), [PlanWord::Unchanged; 2]);
}
