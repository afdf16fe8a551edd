//! Any rosters, any files: what a batch did is compared with a model that knows only numbers and words, and shares no
//! code with the rules.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{file, on_day, rng_of};
use crate::account::AccountState;
use crate::batch::{Mode, PlanKind, PlanSummary};
use crate::testing::book::Book;

/// A row as somebody typed it.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    number: u8,
    name: u8,
    department: u8,
    wish: bool,
    damage: Damage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    None,
    LostName,
    FormulaNumber,
    MissingCell,
}

impl Typed {
    /// A row without damage.
    pub(crate) fn whole(number: u8, department: u8, wish: bool) -> Self {
        Self { number, name: 0, department, wish, damage: Damage::None }
    }

    pub(crate) fn line(&self) -> String {
        let Self { number, name, department, wish, damage } = self;
        let wish = if *wish { "○" } else { "" };
        match damage {
            Damage::None => format!("P{number},n{name},d{department},,{wish}\n"),
            Damage::LostName => format!("P{number},?{name},d{department},,{wish}\n"),
            Damage::FormulaNumber => format!("=P{number},n{name},d{department},,{wish}\n"),
            Damage::MissingCell => format!("P{number},n{name},d{department}\n"),
        }
    }

    fn number_is_readable(&self) -> bool {
        matches!(self.damage, Damage::None | Damage::LostName)
    }
}

pub(crate) fn typed() -> impl Strategy<Value = Typed> {
    let damage = prop_oneof![
        24 => Just(Damage::None),
        2 => Just(Damage::LostName),
        1 => Just(Damage::FormulaNumber),
        1 => Just(Damage::MissingCell),
    ];
    (0_u8..14, 0_u8..3, 0_u8..3, any::<bool>(), damage)
        .prop_map(|(number, name, department, wish, damage)| Typed { number, name, department, wish, damage })
}

/// What the model knows of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Person {
    name: u8,
    department: u8,
    wish: bool,
    works: bool,
}

#[derive(Default)]
struct Model {
    people: BTreeMap<u8, Person>,
}

impl Model {
    /// Takes a file and counts what it did.
    fn take(&mut self, rows: &[Typed], mode: Mode) -> PlanSummary {
        let mut counts = PlanSummary { rows: u32::try_from(rows.len()).unwrap(), ..PlanSummary::default() };
        let readable = |row: &&Typed| row.number_is_readable();
        let times = |number: u8| rows.iter().filter(readable).filter(|row| row.number == number).count();
        for row in rows {
            if row.damage != Damage::None || times(row.number) > 1 {
                counts.rejected += 1;
                continue;
            }
            let now = Person { name: row.name, department: row.department, wish: row.wish, works: true };
            *match self.people.insert(row.number, now.clone()) {
                None => &mut counts.join,
                Some(before) if !before.works => &mut counts.returned,
                Some(before) if before.department != now.department => &mut counts.moved,
                Some(before) if before != now => &mut counts.change,
                Some(_) => &mut counts.unchanged,
            } += 1;
        }
        if mode == Mode::Roster {
            counts.leavers_held_back = rows.iter().any(|row| !row.number_is_readable());
            let absent = |number: &u8| !counts.leavers_held_back && times(*number) == 0;
            for (_, person) in
                self.people.iter_mut().filter(|(number, person)| person.works && absent(number))
            {
                person.works = false;
                counts.leave += 1;
            }
        }
        counts
    }
}

fn check_people(book: &Book, model: &Model) {
    assert_eq!(book.accounts().len(), model.people.len());
    for (number, person) in &model.people {
        let account = book.by_number(&format!("P{number}"));
        let said = account.current();
        assert_eq!(said.name, format!("n{}", person.name));
        assert_eq!(said.departments[0].name, format!("d{}", person.department));
        assert_eq!((account.may_work(), account.wishes_seat), (person.works, person.wish));
    }
}

proptest! {
    #[test]
    fn applying_does_exactly_what_the_plan_said(
        pool in 0_u32..10,
        files in proptest::collection::vec((proptest::collection::vec(typed(), 1..16), any::<bool>()), 1..6),
        sign_ins in proptest::collection::vec(0_usize..14, 0..6),
    ) {
        let mut book = Book::default();
        book.set_pool(pool);
        let mut model = Model::default();
        for (day, (rows, whole)) in (0..).zip(&files) {
            let mode = if *whole { Mode::Roster } else { Mode::Upsert };
            let expected = model.take(rows, mode);
            let text = file(&rows.iter().map(Typed::line).collect::<String>());
            let before = book.pool().value;
            let present = book.accounts().iter().filter(|account| account.value.may_work()).count();
            let (plan, applied) = book.upload(&text, mode, on_day(day), &mut rng_of(day));
            let summary = plan.batch.summary.clone();

            prop_assert_eq!(usize::try_from(summary.present).unwrap(), present);
            let free = summary.seats_free + summary.seats_freed;
            prop_assert_eq!(u32::try_from(applied.seats_freed.len()).unwrap(), summary.seats_freed);
            prop_assert_eq!(
                book.pool().value.assigned,
                before.assigned - summary.seats_freed + u32::try_from(applied.seats_given.len()).unwrap()
            );
            prop_assert!(applied.seats_given.len() <= usize::try_from(free).unwrap());
            let seats = |summary: PlanSummary| PlanSummary {
                present: 0,
                seats_wished: 0,
                seats_freed: 0,
                seats_free: 0,
                ..summary
            };
            prop_assert_eq!(seats(summary), expected);
            check_people(&book, &model);
            book.check();

            if let Some(lucky) = sign_ins.get(usize::try_from(day).unwrap()) {
                let accounts = book.accounts();
                if let Some(account) = accounts.get(*lucky).filter(|account| account.value.seat.is_some()) {
                    book.change_account(account.value.id, |account| {
                        account.signed_in_at = Some(on_day(day));
                        account.state = AccountState::Active;
                    });
                }
            }
            let again = book.plan(&text, mode, on_day(day), &mut rng_of(day));
            let nothing_new = |kind: &PlanKind| matches!(kind, PlanKind::Unchanged | PlanKind::Rejected(_));
            prop_assert!(again.items.iter().all(|item| nothing_new(&item.kind)), "the same file changes nothing");
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_never_makes_anybody_leave(
        before in proptest::collection::vec(typed(), 1..16),
        after in proptest::collection::vec(typed(), 1..16),
        at in 0_usize..16,
        damage in prop_oneof![Just(Damage::LostName), Just(Damage::FormulaNumber), Just(Damage::MissingCell)],
    ) {
        let text = |rows: &[Typed]| file(&rows.iter().map(Typed::line).collect::<String>());
        let mut book = Book::default();
        book.upload(&text(&before), Mode::Roster, on_day(0), &mut rng_of(0));
        let leavers = |rows: &[Typed]| book.plan(&text(rows), Mode::Roster, on_day(1), &mut rng_of(1)).batch.summary.leave;
        let whole = leavers(&after);
        let mut damaged = after.clone();
        let at = at % damaged.len();
        prop_assume!(damaged[at].damage == Damage::None);
        damaged[at].damage = damage;
        prop_assert!(leavers(&damaged) <= whole);
    }
}
