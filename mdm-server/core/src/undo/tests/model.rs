//! Any rosters, any files, any pool: what is seen after a batch and its undo is what was seen before the batch.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;
use shared::ids::{AccountId, BatchId};

use crate::account::{AccountState, Attributes, NumberPassed, Seat};
use crate::apply::tests::model::{Typed, decided, file, mode, typed};
use crate::apply::tests::{on_day, rng_of};
use crate::batch::{Mode, PlanWord};
use crate::identity::Whose;
use crate::testing::book::Book;
use crate::undo::Before;

/// All that anybody can see of one person.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Person {
    said: Attributes,
    /// Those who may not work are one: who was closed and came back by mistake closes again only in 14 days.
    state: Option<AccountState>,
    state_since: Option<Timestamp>,
    wish: bool,
    seat: Option<Seat>,
    returned_at: Option<Timestamp>,
    signed_in_at: Option<Timestamp>,
    usable_codes: usize,
    number_passed: Option<NumberPassed>,
}

/// All that anybody can see of a roster and its seats.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    people: BTreeMap<AccountId, Person>,
    waiting: Vec<AccountId>,
    assigned: u32,
}

impl Seen {
    /// Of these people, or of all.
    fn of(book: &Book, only: Option<&BTreeSet<AccountId>>) -> Self {
        let mut people = BTreeMap::new();
        for stored in book.accounts() {
            let account = stored.value;
            let works = account.may_work();
            let person = Person {
                said: account.current().clone(),
                state: works.then_some(account.state),
                state_since: works.then_some(account.state_since),
                wish: account.wishes_seat,
                seat: account.seat,
                returned_at: account.returned_at,
                signed_in_at: account.signed_in_at,
                // Who has used theirs is not given another.
                number_passed: account.number_passed,
                usable_codes: book.usable_codes(account.id) * usize::from(account.signed_in_at.is_none()),
            };
            if only.is_none_or(|only| only.contains(&account.id)) {
                people.insert(account.id, person);
            }
        }
        Self { people, waiting: book.waiting(), assigned: book.pool().value.assigned }
    }
}

fn ids(book: &Book) -> BTreeSet<AccountId> {
    book.accounts().into_iter().map(|stored| stored.value.id).collect()
}

/// Uploads the files day by day; some people sign in, and of those who left some are closed.
fn history(pool: u32, files: &[(Vec<Typed>, Mode)], lucky: &[usize]) -> Book {
    let mut book = Book::default();
    book.set_pool(pool);
    for (day, (rows, mode)) in (0..).zip(files) {
        upload(&mut book, rows, *mode, day);
        events(&mut book, lucky, day);
    }
    book
}

fn upload(book: &mut Book, rows: &[Typed], mode: Mode, day: i64) -> BatchId {
    book.decided = decided(rows);
    book.upload(&file(rows), mode, on_day(day), &mut rng_of(day)).0.batch.id
}

fn events(book: &mut Book, lucky: &[usize], day: i64) {
    for which in lucky {
        let Some(id) = book.accounts().get(*which).map(|stored| stored.value.id) else { continue };
        book.change_account(id, |account| match account.state {
            AccountState::Provisional if account.seat.is_some() => {
                account.signed_in_at = Some(on_day(day));
                account.state = AccountState::Active;
            }
            AccountState::Suspended if which % 3 == 0 => account.state = AccountState::Closed,
            _ => {}
        });
    }
}

type Files = Vec<(Vec<Typed>, Mode)>;

fn files() -> impl Strategy<Value = Files> {
    proptest::collection::vec((proptest::collection::vec(typed(), 1..16), mode()), 1..5)
}

/// Applies a file and undoes it, with the record of what people were before changed by `mistake`; says whether what is
/// seen is the same.
fn comes_back(book: &mut Book, rows: &[Typed], mode: Mode, mistake: impl Fn(&mut Before)) -> bool {
    let known = ids(book);
    let before = Seen::of(book, None);
    let batch = upload(book, rows, mode, 10);
    book.check();
    book.change_befores(batch, mistake);
    book.undo(batch, None, on_day(11), &mut rng_of(11));
    let joined: Vec<AccountId> = ids(book).difference(&known).copied().collect();
    let gone = |id: &AccountId| {
        let account = book.account(*id).value;
        !account.may_work() && account.seat.is_none() && book.usable_codes(*id) == 0
    };
    Seen::of(book, Some(&known)) == before && joined.iter().all(gone)
}

proptest! {
    #[test]
    fn applied_and_undone_everything_is_as_it_was(
        pool in 0_u32..10,
        past in files(),
        lucky in proptest::collection::vec(0_usize..14, 0..6),
        last in proptest::collection::vec(typed(), 1..16),
        mode in mode(),
    ) {
        let mut book = history(pool, &past, &lucky);
        let is_as_it_was = comes_back(&mut book, &last, mode, |_| {});
        prop_assert!(is_as_it_was);
        book.check();
    }

    #[test]
    fn an_undo_for_chosen_people_does_what_its_plan_says_and_leaves_the_others_alone(
        pool in 0_u32..10,
        past in files(),
        lucky in proptest::collection::vec(0_usize..14, 0..6),
        last in proptest::collection::vec(typed(), 1..16),
        lucky_then in proptest::collection::vec(0_usize..20, 0..6),
        choice in any::<u32>(),
    ) {
        let mut book = history(pool, &past, &lucky);
        let known = Seen::of(&book, None).people;
        let batch = upload(&mut book, &last, Mode::Roster, 10);
        events(&mut book, &lucky_then, 11);
        let only: BTreeSet<AccountId> =
            (0_u32..).zip(ids(&book)).filter(|(place, _)| choice >> (place % 32) & 1 == 1).map(|(_, id)| id).collect();
        let after = Seen::of(&book, None);
        let (plan, applied) = book.undo(batch, Some(&only), on_day(12), &mut rng_of(12));
        book.check();
        let undone = Seen::of(&book, None);
        prop_assert!(applied.not_undone.is_empty(), "nothing happened between plan and undo");
        let words: BTreeMap<AccountId, PlanWord> =
            plan.items.iter().map(|item| (item.account.unwrap(), item.kind.word())).collect();
        for (id, person) in &undone.people {
            let (was, now) = (&after.people[id], person);
            match words.get(id) {
                Some(PlanWord::SeatBack) => {
                    prop_assert!(!only.contains(id) || known.get(id).is_some_and(|known| known.said == now.said));
                    prop_assert!(was.signed_in_at.is_none() && now.seat.is_none());
                    prop_assert_eq!((&was.said, was.state, was.wish), (&now.said, now.state, now.wish));
                }
                Some(PlanWord::NotUndone) | None => {
                    prop_assert_eq!((&was.said, was.state, was.wish), (&now.said, now.state, now.wish));
                    prop_assert!(was.seat.is_none() || was.seat == now.seat, "nobody else loses a seat");
                    prop_assert!(now.seat == was.seat || after.waiting.contains(id), "it came to who waits");
                }
                Some(_) => {
                    let is_pair = |(from, to): (AccountId, AccountId)| (from == *id && only.contains(&to)) || (to == *id && only.contains(&from));
                    let mut passed = after.people.iter().filter_map(|(from, p)| Some((*from, p.number_passed?.to)));
                    prop_assert!(only.contains(id) || passed.any(is_pair), "only the chosen are restored, and who has their number");
                    match known.get(id) {
                        Some(known) => prop_assert_eq!((&known.said, known.wish, known.number_passed), (&now.said, now.wish, now.number_passed)),
                        None => prop_assert_eq!((now.state, now.seat), (None, None)),
                    }
                }
            }
        }
        let gave_back = words.values().filter(|word| **word == PlanWord::SeatBack).count();
        prop_assert_eq!(gave_back, plan.batch.summary.seats_back as usize);
    }
}

type Mistake = fn(&mut Before);

/// The control: each of these mistakes in the record is seen by the comparison, in a batch that has everything.
#[test]
fn a_mistake_in_what_is_restored_is_noticed() {
    let row = |number: u8, department: u8, wish: bool| Typed::whole(number, department, wish);
    let before = [row(1, 0, true), row(2, 0, true), row(3, 0, true), row(4, 0, false)];
    let past = vec![([before.to_vec(), vec![row(6, 0, false).who(0, None)]].concat(), Mode::Roster)];
    // The number of 6 is another person's, 1 leaves, 2 withdraws the wish, 3 gets a seat, 4 moves, 5 joins.
    let other = row(6, 0, false).who(1, Some(Whose::Another));
    let last = [row(2, 0, false), row(3, 0, true), row(4, 1, false), row(5, 0, true), other];
    let outcome = |mistake: Mistake| comes_back(&mut history(2, &past, &[]), &last, Mode::Roster, mistake);
    assert!(outcome(|_| {}), "without a mistake all is as it was");
    let mistakes: [(&str, Mistake); 6] = [
        ("nobody is restored", |before| before.word = None),
        ("a seat is forgotten", |before| _ = before.was.as_mut().map(|was| was.seat = None)),
        ("a turn is forgotten", |before| before.served = None),
        ("a department is forgotten", |before| _ = before.was.as_mut().map(|was| was.attributes = None)),
        ("a wish is forgotten", |before| _ = before.was.as_mut().map(|was| was.wishes_seat = false)),
        ("a state is another", |before| {
            _ = before.was.as_mut().map(|was| was.state = AccountState::Suspended);
        }),
    ];
    for (what, mistake) in mistakes {
        let caught = std::panic::catch_unwind(|| outcome(mistake));
        assert!(!matches!(caught, Ok(true)), "not noticed: {what}");
    }
}
