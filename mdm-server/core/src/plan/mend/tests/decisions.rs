//! What is said of rows that are possibly about another person, and the plan that is made with it.

use super::*;
use crate::audit::Happening;
use crate::batch::{PlanWord, RowProblem};

const HEAD: &str = "職員番号,氏名,フリガナ,生年月日,所属,本務兼務区分";

fn text(rows: &[&str]) -> String {
    format!("{HEAD}\n{}\n", rows.join("\n"))
}

fn back(rows: &[&str]) -> String {
    let rows: Vec<String> = rows.iter().map(|row| format!("{row},却下: 確認してください")).collect();
    format!("{HEAD},{}\n{}\n", REASON_HEADERS[0], rows.join("\n"))
}

fn known() -> Book {
    let mut book = Book::default();
    let rows = [
        "7,佐藤,サトウ,S40.5.1,税務課,本務",
        "8,森,モリ,1980/1/1,税務課,本務",
        "9,林,ハヤシ,1981/1/1,税務課,本務",
    ];
    book.upload(&text(&rows), Mode::Roster, noon(), &mut rng());
    book
}

/// 7 has two posts and is asked about, as is 9.
const NEXT: [&str; 4] = [
    "7,鈴木,スズキ,平成16年9月30日,総務課,兼務",
    "7,鈴木,スズキ,平成16年9月30日,農政課,本務",
    "8,森,モリ,1980/1/1,税務課,本務",
    "9,原,ハラ,2005/1/1,税務課,本務",
];
const ASKED: [&str; 3] = [NEXT[0], NEXT[1], NEXT[3]];

fn first(book: &Book) -> Plan {
    let mut plan = book.plan(&text(&NEXT), Mode::Roster, noon(), &mut rng());
    plan.keep(Kept { bytes: Vec::new(), rows: count(plan.rejected_rows().len()) });
    plan
}

fn decided(book: &Book, plan: &Plan, rows: &[&str], said: &[(u32, Whose)]) -> Result<Plan, MendError> {
    let mending = Mending { batch: &plan.batch, items: &plan.items };
    let decided = decide(mending, said, Actor::Server, noon())?;
    let sheet = sheet::read(back(rows).as_bytes(), &Declared::default()).unwrap();
    let input = PlanInput {
        source: source(),
        mode: Mode::Upsert,
        sheet: &sheet,
        accounts: &book.accounts(),
        temporary_until: None,
        decided: &decided,
        dates: &date_key(),
        roster_version: plan.batch.roster_version,
        pool: &book.pool().value,
        actor: Actor::Server,
        now: noon(),
    };
    let (mut plan, _) = mend(mending, &input, &mut rng())?;
    plan.keep(Kept { bytes: Vec::new(), rows: count(plan.rejected_rows().len()) });
    Ok(plan)
}

fn words(plan: &Plan) -> Vec<(Option<u32>, PlanWord)> {
    plan.items.iter().map(|item| (item.row, item.kind.word())).collect()
}

#[test]
fn who_is_asked_about_is_rejected_with_all_posts_and_nobody_leaves() {
    let plan = first(&known());
    let problem = |row: u32| {
        let item = plan.items.iter().find(|item| item.row == Some(row)).unwrap();
        let PlanKind::Rejected(rejections) = &item.kind else { panic!("{item:?}") };
        rejections[0].problem
    };
    let problems = [problem(2), problem(3), problem(5)];
    use RowProblem::{OtherPost, PossiblyAnother};
    assert_eq!(problems, [OtherPost, PossiblyAnother, PossiblyAnother]);
    assert_eq!(plan.batch.summary.leave, 0);
}

#[test]
fn what_is_said_makes_a_plan_of_the_whole_and_is_kept_with_it() {
    let book = known();
    let plan = first(&book);
    let second = decided(&book, &plan, &ASKED, &[(3, Whose::Another)]).unwrap();
    use PlanWord::{Join, Leave, Rejected, Unchanged};
    let expected = [(Some(3), Join), (Some(4), Unchanged), (Some(5), Rejected), (None, Leave)];
    assert_eq!(words(&second), expected);
    let PlanKind::Join { attributes, number_of, .. } = &second.items[0].kind else { panic!() };
    let posts: Vec<&str> = attributes.departments.iter().map(|post| post.name.as_str()).collect();
    assert_eq!((posts, *number_of), (vec!["農政課", "総務課"], Some(book.by_number("7").id)));
    assert_eq!(second.batch.mends, Some(plan.batch.id));

    // The other one: the first answer holds on.
    let third = decided(&book, &second, &ASKED[2..], &[(5, Whose::Same)]).unwrap();
    let expected = [(Some(3), Join), (Some(4), Unchanged), (Some(5), PlanWord::Change), (None, Leave)];
    assert_eq!(words(&third), expected);
    let said: Vec<_> = third.batch.decided.iter().map(|one| (one.row, one.whose, one.account)).collect();
    let account = |number| book.by_number(number).id;
    assert_eq!(said, [(3, Whose::Another, account("7")), (5, Whose::Same, account("9"))]);
}

#[test]
fn each_answer_has_its_event() {
    let book = known();
    let said = [(3, Whose::Another), (5, Whose::Same)];
    let plan = decided(&book, &first(&book), &ASKED, &said).unwrap();
    let events = plan.changes().events;
    let decided: Vec<_> = events.iter().filter(|event| event.what == Happening::NumberDecided).collect();
    let facts: Vec<_> = decided.iter().map(|event| event.facts[1].1.as_str()).collect();
    assert_eq!(facts, ["another", "same"]);
    assert_eq!(decided[0].subject.account, Some(book.by_number("7").id));
}

#[test]
fn only_rows_that_are_asked_about_are_answered() {
    let book = known();
    let plan = first(&book);
    for row in [2, 4, 6] {
        let refused = decided(&book, &plan, &ASKED, &[(3, Whose::Same), (row, Whose::Same)]);
        assert_eq!(refused.unwrap_err(), MendError::NotAsked { row });
    }
    let mut held = plan.clone();
    held.batch.summary.leavers_held_back = true;
    let refused = decided(&book, &held, &ASKED, &[(3, Whose::Another)]);
    assert_eq!(refused.unwrap_err(), MendError::HeldBack { row: 3 });
    let mut full = plan;
    let one = decide(
        Mending { batch: &full.batch, items: &full.items },
        &[(3, Whose::Same)],
        Actor::Server,
        noon(),
    );
    let one = one.unwrap().remove(0);
    let number = |n: usize| StaffNumber::new(&format!("n{n}")).unwrap();
    full.batch.decided = (0..MAX_DECIDED).map(|n| Decided { number: number(n), ..one.clone() }).collect();
    let refused = decided(&book, &full, &ASKED, &[(3, Whose::Same)]);
    assert_eq!(refused.unwrap_err(), MendError::TooManyDecided);
}
