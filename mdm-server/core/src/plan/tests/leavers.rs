//! Lists of those who leave.

use super::*;
use crate::sheet::{self, Column, Declared, SheetError};

const KNOWN: &str = "001,山田　太郎,税務課,主事,○\n002,佐藤,税務課,主事,\n003,鈴木,税務課,主事,\n";

fn of_leavers(book: &Book, file: &str) -> Plan {
    book.plan(file, Mode::Remove, noon(), &mut rng())
}

fn by_mode(text: &str, of_leavers: bool) -> Result<sheet::Sheet, SheetError> {
    sheet::read(text.as_bytes(), &Declared { of_leavers, ..Declared::default() })
}

#[test]
fn who_is_on_the_list_leaves_and_a_number_is_enough() {
    let book = known(KNOWN);
    let numbers = "職員番号\n003\n001\n";
    let plan = of_leavers(&book, numbers);
    assert_eq!(kinds(&plan), ["leave", "leave"]);
    assert_eq!((plan.batch.summary.leave, plan.batch.summary.present), (2, 3));
    assert_eq!(plan.batch.summary.seats_freed, 0, "the pool has no seats");
    let accounts: Vec<Option<AccountId>> = plan.items.iter().map(|item| item.account).collect();
    assert_eq!(accounts, [Some(book.by_number("003").id), Some(book.by_number("001").id)]);
    let missing = by_mode(numbers, false).unwrap_err();
    assert!(matches!(missing, SheetError::MissingColumn { column: Column::Name, .. }), "the control");
}

#[test]
fn a_name_on_the_list_must_be_the_known_one() {
    let book = known(KNOWN);
    let list = "職員番号,氏名\n001,山田 太郎\n002,鈴木\n003,\n";
    let plan = of_leavers(&book, list);
    assert_eq!(kinds(&plan), ["leave", "rejected", "leave"]);
    assert_eq!(problems(&plan), [(3, RowProblem::OtherName)]);
    let lost = of_leavers(&book, "職員番号,姓,名\n001,山田,太?\n");
    assert_eq!(problems(&lost), [(2, RowProblem::LostCharacter)]);
}

#[test]
fn a_row_that_says_something_else_makes_nobody_leave() {
    let book = known(KNOWN);
    let list = "職員番号,発令区分\n001,定年退職\n002,異動\n003,\n";
    let plan = of_leavers(&book, list);
    assert_eq!(kinds(&plan), ["leave", "rejected", "leave"]);
    assert_eq!(problems(&plan), [(3, RowProblem::NotLeaving)]);
}

#[test]
fn what_is_no_leaver_is_rejected_and_who_has_left_already_stays_so() {
    let mut book = known(KNOWN);
    let away = book.by_number("002").id;
    book.change_account(away, |account| account.state = AccountState::Suspended);
    let plan = of_leavers(&book, "職員番号\n002\n009\n003\n003\n1\n");
    assert_eq!(kinds(&plan), ["unchanged", "rejected", "rejected", "rejected", "rejected"]);
    use RowProblem::{DuplicateStaffNumber, LeadingZeros, LeaverUnknown};
    assert_eq!(
        problems(&plan),
        [(3, LeaverUnknown), (4, DuplicateStaffNumber), (5, DuplicateStaffNumber), (6, LeadingZeros)]
    );
    assert!(plan.batch.lost_zeros.is_some(), "not to be applied");
}

#[test]
fn other_columns_are_not_looked_at() {
    let book = known(KNOWN);
    let list = "職員番号,氏名,所属,所属,メールアドレス\n001,山田太郎,,農政課,=1+1\n";
    let sheet = by_mode(list, true).unwrap();
    assert_eq!(sheet.columns, [Column::StaffNumber, Column::Name].into());
    assert_eq!(sheet.unused_columns, ["所属", "所属", "メールアドレス"]);
    assert_eq!(kinds(&of_leavers(&book, list)), ["leave"]);
}

#[test]
fn a_second_post_that_ends_is_no_reason_to_leave() {
    let book = known(KNOWN);
    let list = "職員番号,本務兼務区分\n001,本務\n001,兼務\n002,兼務\n";
    let plan = of_leavers(&book, list);
    assert_eq!(kinds(&plan), ["leave", "rejected"]);
    assert_eq!(problems(&plan), [(4, RowProblem::NoMainPost)]);
}
