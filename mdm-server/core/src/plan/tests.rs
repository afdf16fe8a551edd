//! What a file would do, one rule a test; and that plans of the longest rows fit what is stored.

mod leavers;

use super::*;
use crate::account::{AccountState, Dated, MAX_HISTORY, StaffNumber};
use crate::batch::LISTED_KINDS;
use crate::batch::{LikeLeave, PrivateUse, Rejection, RowProblem, shown};
use crate::identity::MAX_DECIDED;
use crate::sheet::MAX_COLUMNS;
use crate::testing::book::{Book, source};
use crate::testing::{LONGEST_HEADER, longest_row, noon, rng};
use proptest::prelude::*;
use shared::ids::{AccountId, OperatorId};

const HEADER: &str = "職員番号,氏名,所属,職名,利用\n";

fn file(rows: &str) -> String {
    format!("{HEADER}{rows}")
}

/// A book in which the rows are in force.
fn known(rows: &str) -> Book {
    let mut book = Book::default();
    book.upload(&file(rows), Mode::Roster, noon(), &mut rng());
    book
}

fn planned(book: &Book, rows: &str, mode: Mode) -> Plan {
    book.plan(&file(rows), mode, noon(), &mut rng())
}

fn kinds(plan: &Plan) -> Vec<&'static str> {
    let name = |item: &PlanItem| match &item.kind {
        PlanKind::Join { .. } => "join",
        PlanKind::Move { .. } => "move",
        PlanKind::Change { .. } => "change",
        PlanKind::Return { .. } => "return",
        PlanKind::Leave => "leave",
        PlanKind::Unchanged => "unchanged",
        PlanKind::Rejected(_) => "rejected",
        PlanKind::SeatBack => "seat-back",
        PlanKind::NotUndone(_) => "not-undone",
    };
    plan.items.iter().map(name).collect()
}

fn problems(plan: &Plan) -> Vec<(u32, RowProblem)> {
    let rejected = plan.items.iter().filter_map(|item| match &item.kind {
        PlanKind::Rejected(all) => Some(all.iter().map(|one| (item.row.unwrap(), one.problem))),
        _ => None,
    });
    rejected.flatten().collect()
}

#[test]
fn each_difference_has_its_kind_and_leavers_come_last() {
    let mut book =
        known("1,山田,税務課,主事,\n2,佐藤,税務課,主事,\n3,鈴木,税務課,主事,\n4,林,税務課,主事,\n");
    let away = book.by_number("4").id;
    book.change_account(away, |account| account.state = AccountState::Suspended);
    let rows = "5,森,農政課,主事,○\n3,鈴木,税務課,主事,\n2,佐藤,農政課,主事,\n4,林,税務課,主事,\n";
    let plan = planned(&book, rows, Mode::Roster);
    assert_eq!(kinds(&plan), ["join", "unchanged", "move", "return", "leave"]);
    assert_eq!(plan.items[4].account, Some(book.by_number("1").id));
    let rows: Vec<Option<u32>> = plan.items.iter().map(|item| item.row).collect();
    assert_eq!(rows, [Some(2), Some(3), Some(4), Some(5), None]);
    let change =
        planned(&book, "1,山本,税務課,主事,\n2,佐藤,税務課,係長,\n3,鈴木,税務課,主事,○\n", Mode::Upsert);
    assert_eq!(kinds(&change), ["change", "change", "change"]);
}

#[test]
fn the_same_file_twice_changes_nothing() {
    let rows = "1,山田,税務課,主事,○\n2,髙橋,農政課,,\n";
    let plan = planned(&known(rows), rows, Mode::Roster);
    assert_eq!(kinds(&plan), ["unchanged", "unchanged"]);
    assert_eq!(plan.batch.summary.seats_wished, 0);
}

#[test]
fn the_same_input_gives_the_same_plan() {
    let book = known("1,山田,税務課,主事,\n");
    let rows = "7,a,x,,\n8,b,x,,\n9,c,x,,\n";
    assert_eq!(planned(&book, rows, Mode::Roster), planned(&book, rows, Mode::Roster));
}

#[test]
fn nobody_leaves_by_an_upsert_or_by_a_file_of_another_source() {
    let mut book = known("1,山田,税務課,主事,\n");
    assert_eq!(kinds(&planned(&book, "2,佐藤,税務課,,\n", Mode::Upsert)), ["join"]);
    let id = book.by_number("1").id;
    book.change_account(id, |account| account.source = SourceName::new("教育委員会").unwrap());
    assert_eq!(kinds(&planned(&book, "1,佐藤,税務課,,\n", Mode::Roster)), ["join"]);
}

#[test]
fn a_rejected_row_counts_as_present() {
    let book = known("1,山田,税務課,主事,\n2,佐藤,税務課,主事,\n");
    let plan = planned(&book, "1,山田,税務課,主事,\n2,佐?,税務課,主事,\n", Mode::Roster);
    assert_eq!(kinds(&plan), ["unchanged", "rejected"]);
    assert_eq!(problems(&plan), [(3, RowProblem::LostCharacter)]);
    assert_eq!(plan.items[1].account, Some(book.by_number("2").id));
}

#[test]
fn two_rows_with_one_number_reject_each_other_only_and_count_as_present() {
    let book = known("1,山田,税務課,主事,\n2,佐藤,税務課,主事,\n");
    let plan =
        planned(&book, "2,佐藤,税務課,係長,\n1,山本,税務課,主事,\n２,佐藤,農政課,主事,\n", Mode::Roster);
    assert_eq!(kinds(&plan), ["rejected", "change", "rejected"]);
    let twice = RowProblem::DuplicateStaffNumber;
    assert_eq!(problems(&plan), [(2, twice), (4, twice)]);

    let fixture = include_str!("../../tests/fixtures/duplicate-number.csv");
    let plan = Book::default().plan(fixture, Mode::Roster, noon(), &mut rng());
    assert_eq!(kinds(&plan), ["rejected", "join", "rejected"]);
    assert_eq!(problems(&plan), [(2, twice), (4, twice)]);
}

#[test]
fn leavers_are_held_back_while_a_staff_number_cannot_be_read() {
    let book = known("1,山田,税務課,主事,\n2,佐藤,税務課,主事,\n");
    for unreadable in ["=2,佐藤,税務課,主事,", ",佐藤,税務課,主事,", "2,佐藤", "2,\"佐\n藤\",税務課,主事,"]
    {
        let plan = planned(&book, &format!("1,山田,税務課,主事,\n{unreadable}\n"), Mode::Roster);
        assert!(plan.batch.summary.leavers_held_back, "{unreadable}");
        assert_eq!(kinds(&plan), ["unchanged", "rejected"], "{unreadable}");
    }
    let whole = planned(&book, "1,山田,税務課,主事,\n", Mode::Roster);
    assert!(!whole.batch.summary.leavers_held_back);
    assert_eq!(kinds(&whole), ["unchanged", "leave"]);
}

#[test]
fn numbers_that_lost_their_zeros_make_nobody_join_or_leave() {
    let eaten = include_str!("../../tests/fixtures/eaten-zeros.csv");
    let mut book = Book::default();
    book.upload(&eaten.replace("100", "00100"), Mode::Roster, noon(), &mut rng());
    let plan = book.plan(eaten, Mode::Roster, noon(), &mut rng());
    assert_eq!(problems(&plan), [(2, RowProblem::LeadingZeros), (3, RowProblem::LeadingZeros)]);
    assert_eq!(plan.items.len(), 2);
    let book = known("001,山田,税務課,主事,\n002,佐藤,税務課,主事,\n");
    let both =
        planned(&book, "001,山田,税務課,主事,\n1,森,税務課,主事,\n002,佐藤,税務課,主事,\n", Mode::Roster);
    assert_eq!(kinds(&both), ["unchanged", "join", "unchanged"], "two numbers, two people");
}

#[test]
fn what_the_file_has_no_column_for_stays_as_it_is_known() {
    let mut book = known("1,山田,税務課,主事,○\n");
    let id = book.by_number("1").id;
    book.change_account(id, |account| {
        account.history[0].value.departments[0].code = Some("0102".to_owned());
    });
    let without = |file: &str| book.plan(file, Mode::Roster, noon(), &mut rng());
    assert_eq!(kinds(&without("職員番号,氏名,所属\n1,山田,税務課\n")), ["unchanged"]);
    assert_eq!(kinds(&without("職員番号,氏名,所属コード\n1,山田,0102\n")), ["unchanged"]);
    assert_eq!(kinds(&without("職員番号,氏名,所属コード\n1,山田,0103\n")), ["move"]);
    assert_eq!(
        kinds(&without("職員番号,氏名,所属,職名\n1,山田,税務課,\n")),
        ["change"],
        "an empty cell says so"
    );
    let joined = without("職員番号,氏名,所属\n9,森,税務課\n");
    assert_eq!(joined.batch.summary.seats_wished, 0, "no column, no wish");
}

#[test]
fn the_summary_counts_what_the_lines_say() {
    let mut book = Book::default();
    book.set_pool(2);
    book.upload(&file("1,a,x,,○\n2,b,x,,○\n3,c,x,,\n"), Mode::Roster, noon(), &mut rng());
    let plan = planned(&book, "2,b,x,,\n3,c,x,,○\n4,d,x,,○\n5,?,x,,○\n", Mode::Roster);
    let summary = &plan.batch.summary;
    assert_eq!(
        (summary.rows, summary.join, summary.change, summary.leave, summary.rejected),
        (4, 1, 2, 1, 1)
    );
    assert_eq!((summary.seats_wished, summary.seats_freed, summary.seats_free), (2, 2, 0));
}

#[test]
fn a_plan_of_1400_rows_is_stored_in_parts_and_noted_once() {
    let rows: String = (0..1400).map(|number| format!("{number},a,x,,○\n")).collect();
    let plan = planned(&Book::default(), &rows, Mode::Roster);
    let mut book = Book::default();
    book.commit(plan.clone().changes());
    assert_eq!(plan.batch.chunks, 44);
    assert_eq!(book.events.len(), 1);
    assert_eq!(book.events[0].what, Happening::BatchUploaded);
}

#[test]
fn a_refused_file_is_noted_by_its_error_only() {
    let changes = refused(&source(), &SheetError::TooManyRows, Actor::Server, noon());
    assert!(changes.writes.is_empty());
    assert!(changes.events[0].facts.contains(&("error".to_owned(), "too-many-rows".to_owned())));
}

fn stored_bytes(record: &Record) -> usize {
    let mut bytes = Vec::new();
    ciborium::into_writer(record, &mut bytes).unwrap();
    bytes.len()
}

const LIMIT: usize = 64 * 1024;

#[test]
fn a_batch_of_which_as_much_as_there_may_be_is_said_fits_a_stored_value() {
    let plan = Book::default().plan(
        &format!("{LONGEST_HEADER}{}", longest_row(1)),
        Mode::Roster,
        noon(),
        &mut rng(),
    );
    let mut batch = plan.batch;
    let long = || shown(&"𠮷".repeat(99));
    batch.unused_columns = vec![long(); MAX_COLUMNS];
    batch.private_use = vec![PrivateUse { row: u32::MAX, column: long(), code: 0x10_fffd }; LISTED];
    batch.normalised_rows = vec![u32::MAX; LISTED];
    batch.like_leave = vec![LikeLeave { said: long(), first: u32::MAX, rows: u32::MAX }; LISTED_KINDS];
    batch.unused_sheets = vec!["𠮷".repeat(31); LISTED_SHEETS];
    let number = StaffNumber::new(&"𠮷".repeat(5)).unwrap();
    let account = AccountId::make(noon(), &mut rng());
    let by = Actor::Operator(OperatorId::make(noon(), &mut rng()));
    let one = Decided { number, account, row: u32::MAX, whose: Whose::Another, by, at: noon() };
    batch.decided = vec![one; MAX_DECIDED];
    assert!(crate::identity::fits(&batch.decided));
    let size = stored_bytes(&Record::Batch(batch));
    assert!((LIMIT / 2..LIMIT).contains(&size), "{size}");
}

#[test]
fn a_part_of_the_longest_rows_or_rejections_fits_a_stored_value() {
    let rows: String = (0..ITEMS_PER_CHUNK).map(longest_row).collect();
    let plan = Book::default().plan(&format!("{LONGEST_HEADER}{rows}"), Mode::Roster, noon(), &mut rng());
    let joins = plan.items.iter().filter(|item| matches!(item.kind, PlanKind::Join { .. })).count();
    assert_eq!((joins, plan.batch.summary.rejected), (ITEMS_PER_CHUNK, 0));
    let mut items = plan.items.clone();
    for item in &mut items {
        let PlanKind::Join { attributes, number_of, .. } = &mut item.kind else { panic!("{item:?}") };
        assert!(attributes.born.is_some() && attributes.hired.is_some());
        *number_of = item.account;
    }
    let part = PlanChunk { batch: plan.batch.id, number: u32::MAX, items };
    let size = stored_bytes(&Record::PlanChunk(part.clone()));
    assert!((LIMIT / 2..LIMIT).contains(&size), "{size}");

    let worst = Rejection::new(&"𠮷".repeat(99), &"𠮷".repeat(99), RowProblem::DuplicateStaffNumber);
    let rejected = PlanItem {
        row: Some(u32::MAX),
        account: Some(AccountId::make(noon(), &mut rng())),
        kind: PlanKind::Rejected(vec![worst; 4]),
        held_back: false,
    };
    let part = PlanChunk { items: vec![rejected; ITEMS_PER_CHUNK], ..part };
    assert!(stored_bytes(&Record::PlanChunk(part)) < LIMIT);

    let PlanKind::Join { attributes, .. } = plan.items[0].kind.clone() else { panic!("{:?}", plan.items[0]) };
    let mut account = crate::testing::account();
    account.history = vec![Dated { from: noon(), value: attributes.clone() }];
    for turn in 0..2 * MAX_HISTORY {
        let staff_number = StaffNumber::new(&format!("{turn}")).unwrap();
        account.learn(noon(), crate::account::Attributes { staff_number, ..attributes.clone() });
    }
    assert_eq!(account.history.len(), MAX_HISTORY);
    assert!(stored_bytes(&Record::Account(account)) < LIMIT);
}

#[test]
fn a_batch_with_the_most_remarks_fits_a_stored_value() {
    let unused: String = (0..197).map(|n| format!(",{}{n}", "𠮷".repeat(60))).collect();
    let mut text = format!("職員番号,氏名,所属{unused}\n");
    for number in 0..2 * LISTED {
        text.push_str(&format!("Ａ{number},\u{F0000},x{}\n", ",".repeat(197)));
    }
    let plan = Book::default().plan(&text, Mode::Roster, noon(), &mut rng());
    let batch = &plan.batch;
    assert_eq!((batch.private_use.len(), batch.private_use_total), (LISTED, 200));
    assert_eq!((batch.normalised_rows.len(), batch.normalised_total), (LISTED, 200));
    assert!(stored_bytes(&Record::Batch(plan.batch)) < LIMIT);
}

/// Ways to spoil a row, the second of which leaves it about nobody.
const SPOILT: [&str; 7] = [
    "{n},山?,課,,",
    "=1+{n},山田,課,,",
    "{n},山田",
    "{n},山田,課,主事,たぶん",
    "{n},\"山\n田\",課,,",
    "{n},#N/A,課,,",
    "{n},山田,課,,○\n{n},山田,課,,○",
];

proptest! {
    #[test]
    fn whoever_is_in_a_file_that_lost_zeros_never_leaves(
        people in proptest::collection::vec((any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()), 1..8)
    ) {
        // Of each pair of numbers, 00n and n: whether the second is known, who is in the file, who lost the zeros.
        let pairs = (1..).zip(&people);
        let all: String = pairs.clone().map(|(n, (twin, ..))| {
            let second = if *twin { format!("{n},鈴木,課,,○\n") } else { String::new() };
            format!("00{n},山田,課,,○\n{second}")
        }).collect();
        let book = known(&all);
        let (mut file, mut present) = (String::new(), Vec::new());
        for (n, (twin, long, short, lost)) in pairs {
            if *long {
                file += &format!("{}{n},山田,課,,○\n", if *lost { "" } else { "00" });
                present.push(format!("00{n}"));
            }
            if *twin && *short {
                file += &format!("{n},鈴木,課,,○\n");
                present.push(n.to_string());
            }
        }
        prop_assume!(!file.is_empty());
        let plan = planned(&book, &file, Mode::Roster);
        for item in plan.items.iter().filter(|item| item.kind == PlanKind::Leave) {
            let left = book.account(item.account.unwrap()).value.current().staff_number.to_string();
            prop_assert!(!present.contains(&left), "{left} is in the file and leaves");
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_never_closes_anybody(
        rows in proptest::collection::vec(proptest::option::of(0..SPOILT.len() + 1), 1..8)
    ) {
        let all: String = (1..=rows.len()).map(|n| format!("{n},山田,課,,○\n")).collect();
        let book = known(&all);
        let mut file = String::new();
        let mut present = Vec::new();
        for (n, row) in (1..).zip(&rows) {
            let Some(how) = row else { continue };
            let number = n.to_string();
            let whole = "{n},山田,課,,○";
            file += &SPOILT.get(*how).unwrap_or(&whole).replace("{n}", &number);
            file.push('\n');
            present.push(number);
        }
        prop_assume!(!file.is_empty());
        let plan = planned(&book, &file, Mode::Roster);
        for item in plan.items.iter().filter(|item| item.kind == PlanKind::Leave) {
            let left = book.account(item.account.unwrap()).value.current().staff_number.to_string();
            prop_assert!(!present.contains(&left), "{left} is in the file and leaves");
        }
    }
}
