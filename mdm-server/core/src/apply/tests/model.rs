//! Any rosters, any files: what a batch did is compared with a model that knows only numbers and words, and shares no
//! code with the rules.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{on_day, rng_of};
use crate::account::{AccountState, StaffNumber};
use crate::audit::Actor;
use crate::batch::{Mode, PlanKind, PlanSummary};
use crate::identity::{Decided, Whose};
use crate::testing::book::Book;

/// A row as somebody typed it.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    number: u8,
    name: u8,
    department: u8,
    wish: bool,
    kana: Option<u8>,
    born: Option<u8>,
    hired: Option<u8>,
    /// What is said of the number, if anybody asks.
    whose: Option<Whose>,
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
        let (kana, born, hired, whose) = (None, None, None, None);
        Self { number, name: 0, department, wish, kana, born, hired, whose, damage: Damage::None }
    }

    /// Somebody of whom kana and date of birth are told, and what is said of the number.
    pub(crate) fn who(self, who: u8, whose: Option<Whose>) -> Self {
        Self { kana: Some(who), born: Some(who), whose, ..self }
    }

    pub(crate) fn line(&self) -> String {
        let Self { number, name, department, wish, damage, .. } = self;
        let wish = if *wish { "○" } else { "" };
        let kana = self.kana.map(|kana| ["カトウ", "サトウ"][usize::from(kana)]).unwrap_or_default();
        let day = |day: Option<u8>| day.map(|day| format!("1990/4/{}", day + 1)).unwrap_or_default();
        let (born, hired) = (day(self.born), day(self.hired));
        match damage {
            Damage::None => format!("P{number},n{name},d{department},,{wish},{kana},{born},{hired}\n"),
            Damage::LostName => format!("P{number},?{name},d{department},,{wish},{kana},{born},{hired}\n"),
            Damage::FormulaNumber => {
                format!("=P{number},n{name},d{department},,{wish},{kana},{born},{hired}\n")
            }
            Damage::MissingCell => format!("P{number},n{name},d{department}\n"),
        }
    }

    fn decided(&self) -> Option<Decided> {
        let number = StaffNumber::new(&format!("P{}", self.number)).unwrap();
        let account = shared::ids::AccountId::from_bytes([0; 16]);
        let (row, by, at) = (0, Actor::Server, on_day(0));
        Some(Decided { number, account, row, whose: self.whose?, by, at })
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
    let told = || proptest::option::weighted(0.7, 0_u8..2);
    let whose = proptest::option::weighted(0.7, prop_oneof![Just(Whose::Same), Just(Whose::Another)]);
    let who = (told(), told(), told(), whose);
    (0_u8..14, 0_u8..3, 0_u8..3, any::<bool>(), who, damage).prop_map(
        |(number, name, department, wish, (kana, born, hired, whose), damage)| Typed {
            number,
            name,
            department,
            wish,
            kana,
            born,
            hired,
            whose,
            damage,
        },
    )
}

/// How a file is compared.
pub(crate) fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![2 => Just(Mode::Roster), 2 => Just(Mode::Upsert), 1 => Just(Mode::Remove)]
}

/// A file of these rows.
pub(crate) fn file(rows: &[Typed]) -> String {
    let lines: String = rows.iter().map(Typed::line).collect();
    format!("職員番号,氏名,所属,職名,利用,フリガナ,生年月日,採用年月日\n{lines}")
}

/// What is said of numbers in it: of each what the first row says that says something.
pub(crate) fn decided(rows: &[Typed]) -> Vec<Decided> {
    let mut all: Vec<Decided> = Vec::new();
    for one in rows.iter().filter(|row| row.number_is_readable()).filter_map(Typed::decided) {
        if !all.iter().any(|known| known.number == one.number) {
            all.push(one);
        }
    }
    all
}

/// What the model knows of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Person {
    name: u8,
    department: u8,
    wish: bool,
    kana: Option<u8>,
    born: Option<u8>,
    hired: Option<u8>,
    works: bool,
}

impl Person {
    fn of(row: &Typed) -> Self {
        let Typed { name, department, wish, kana, born, hired, .. } = *row;
        Self { name, department, wish, kana, born, hired, works: true }
    }

    fn is_somebody_else(&self, row: &Typed) -> bool {
        let other = |one: Option<u8>, two: Option<u8>| one.is_some() && two.is_some() && one != two;
        let comparable = self.born.is_some() && row.born.is_some();
        other(self.kana, row.kana)
            && if comparable { self.born != row.born } else { other(self.hired, row.hired) }
    }
}

#[derive(Default)]
struct Model {
    people: BTreeMap<u8, Person>,
    /// People who had a number that is another's now.
    former: usize,
}

impl Model {
    /// Takes a file and counts what it did.
    fn take(&mut self, rows: &[Typed], mode: Mode) -> PlanSummary {
        let mut counts = PlanSummary { rows: u32::try_from(rows.len()).unwrap(), ..PlanSummary::default() };
        let readable = |row: &&Typed| row.number_is_readable();
        let times = |number: u8| rows.iter().filter(readable).filter(|row| row.number == number).count();
        let held_back = mode == Mode::Roster && rows.iter().any(|row| !row.number_is_readable());
        for row in rows {
            if row.damage != Damage::None || times(row.number) > 1 {
                counts.rejected += 1;
                continue;
            }
            if mode == Mode::Remove {
                *match self.people.get_mut(&row.number) {
                    Some(known) if known.name == row.name && known.works => {
                        known.works = false;
                        &mut counts.leave
                    }
                    Some(known) if known.name == row.name => &mut counts.unchanged,
                    _ => &mut counts.rejected,
                } += 1;
                continue;
            }
            let mut now = Person::of(row);
            if let Some(before) = self.people.get(&row.number) {
                let said = row.whose.filter(|whose| *whose == Whose::Same || !held_back);
                match (before.is_somebody_else(row), said) {
                    (true, None) => {
                        counts.rejected += 1;
                        continue;
                    }
                    (true, Some(Whose::Another)) => {
                        counts.leave += u32::from(before.works);
                        self.former += 1;
                        self.people.remove(&row.number);
                    }
                    _ => (now.born, now.hired) = (now.born.or(before.born), now.hired.or(before.hired)),
                }
            }
            *match self.people.insert(row.number, now.clone()) {
                None => &mut counts.join,
                Some(before) if !before.works => &mut counts.returned,
                Some(before) if before.department != now.department => &mut counts.moved,
                Some(before) if before != now => &mut counts.change,
                Some(_) => &mut counts.unchanged,
            } += 1;
        }
        if mode == Mode::Roster {
            counts.leavers_held_back = held_back;
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
    assert_eq!(book.accounts().len(), model.people.len() + model.former);
    let former = book.accounts().into_iter().filter(|account| account.value.number_passed.is_some());
    assert!(former.clone().all(|account| !account.value.may_work()));
    assert_eq!(former.count(), model.former);
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
        files in proptest::collection::vec((proptest::collection::vec(typed(), 1..16), mode()), 1..6),
        sign_ins in proptest::collection::vec(0_usize..14, 0..6),
    ) {
        let mut book = Book::default();
        book.set_pool(pool);
        let mut model = Model::default();
        for (day, (rows, mode)) in (0..).zip(&files) {
            let mode = *mode;
            let expected = model.take(rows, mode);
            let text = file(rows);
            book.decided = decided(rows);
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
        let mut book = Book::default();
        book.decided = decided(&after);
        book.upload(&file(&before), Mode::Roster, on_day(0), &mut rng_of(0));
        let leavers = |rows: &[Typed]| book.plan(&file(rows), Mode::Roster, on_day(1), &mut rng_of(1)).batch.summary.leave;
        let whole = leavers(&after);
        let mut damaged = after.clone();
        let at = at % damaged.len();
        prop_assume!(damaged[at].damage == Damage::None);
        damaged[at].damage = damage;
        prop_assert!(leavers(&damaged) <= whole);
    }
}
