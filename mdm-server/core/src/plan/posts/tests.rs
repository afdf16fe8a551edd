//! What several rows of one person, stars and leaving rows make of a plan.

use jiff::Timestamp;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::batch::{LostZeros, Mode, PlanItem, PlanKind, PlanWord, RowProblem};
use crate::plan::Plan;
use crate::sheet::{Declared, Format, read};
use crate::testing::book::Book;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/fixtures/", $name)).as_slice()
    };
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

fn planned(book: &Book, file: &[u8], mode: Mode) -> Plan {
    let sheet = read(file, &Declared::default()).unwrap();
    book.plan_sheet(&sheet, mode, Timestamp::UNIX_EPOCH, &mut rng())
}

/// Row, kind and first problem of each line.
fn lines(plan: &Plan) -> Vec<(Option<u32>, PlanWord, Option<RowProblem>)> {
    let problem = |item: &PlanItem| match &item.kind {
        PlanKind::Rejected(all) => Some(all[0].problem),
        _ => None,
    };
    plan.items.iter().map(|item| (item.row, item.kind.word(), problem(item))).collect()
}

fn known(file: &str) -> Book {
    let mut book = Book::default();
    book.upload(file, Mode::Roster, Timestamp::UNIX_EPOCH, &mut rng());
    book
}

#[test]
fn what_libreoffice_writes_gives_the_same_plan_in_all_three_forms() {
    let files = [
        fixture!("libreoffice-7.4.7/staff-cp932.csv"),
        fixture!("libreoffice-7.4.7/staff-utf8.csv"),
        fixture!("libreoffice-7.4.7/staff.xlsx"),
    ];
    let book = known("職員番号,氏名,所属\n000030,鈴木　一,総務部\n000099,林,総務部\n");
    let plans = files.map(|file| planned(&book, file, Mode::Roster));
    let [cp932, utf8, workbook] = &plans;
    assert_eq!(cp932.items, utf8.items);
    assert_eq!(cp932.items, workbook.items);
    assert_eq!(cp932.batch.summary, workbook.batch.summary);
    let names = plans.each_ref().map(|plan| plan.batch.encoding.as_str());
    assert_eq!(names, ["CP932", "UTF-8", "XLSX"]);
    assert_eq!(workbook.batch.unused_sheets, ["メモ"]);

    use PlanWord::{Join, Leave, Move};
    let kinds: Vec<_> = lines(cp932).into_iter().map(|(row, word, _)| (row, word)).collect();
    assert_eq!(kinds, [(Some(2), Join), (Some(3), Join), (Some(5), Move), (None, Leave)]);
    let PlanKind::Join { attributes, .. } = &workbook.items[1].kind else { panic!() };
    assert_eq!(attributes.staff_number.as_str(), "001202");
    assert_eq!((attributes.name.as_str(), attributes.title.as_deref()), ("山﨑　濵男", Some("技師")));
    assert_eq!(attributes.term_ends, Some(jiff::civil::date(2028, 3, 31)));
    let posts: Vec<_> = attributes.departments.iter().map(|post| (post.name.as_str(), post.main)).collect();
    assert_eq!(posts, [("農政部 畜産課 技術係", true), ("総務部 防災課", false)]);
}

#[test]
fn the_sheet_that_is_read_is_named() {
    let sheet = read(fixture!("libreoffice-7.4.7/staff.xlsx"), &Declared::default()).unwrap();
    let others = vec!["メモ".to_owned()];
    assert_eq!(sheet.format, Format::Workbook { sheet: "名簿".to_owned(), others });
}

#[test]
fn rows_of_one_person_that_do_not_agree_are_all_rejected() {
    let rejected = |file: &[u8]| {
        let plan = planned(&Book::default(), file, Mode::Roster);
        lines(&plan).into_iter().filter_map(|(_, _, problem)| problem).collect::<Vec<_>>()
    };
    use RowProblem::{
        DuplicateStaffNumber, LeaverUnknown, LostCharacter, NoMainPost, OtherPost, Post, PostsDisagree,
        SpreadsheetError,
    };
    assert_eq!(rejected(fixture!("two-main-posts.csv")), [DuplicateStaffNumber; 2]);
    assert_eq!(rejected(fixture!("posts-with-two-names.csv")), [PostsDisagree; 2]);
    assert_eq!(rejected(fixture!("further-posts-only.csv")), [NoMainPost]);
    assert_eq!(rejected(fixture!("further-post-of-a-rejected-row.csv")), [LostCharacter, OtherPost]);
    assert_eq!(rejected(fixture!("unknown-post.csv")), [Post]);
    assert_eq!(rejected(fixture!("spreadsheet-error.csv")), [SpreadsheetError]);
    assert_eq!(rejected(fixture!("unknown-leaver.csv")), [LeaverUnknown]);
}

#[test]
fn a_row_that_says_so_lets_somebody_leave_once() {
    let book = known("職員番号,氏名,所属\n1,山田,税務課\n2,林,税務課\n");
    let file = "職員番号,氏名,所属,発令区分\n1,山田,税務課,定年退職\n2,林,防災課,異動\n";
    let plan = planned(&book, file.as_bytes(), Mode::Upsert);
    assert_eq!(lines(&plan), [(Some(2), PlanWord::Leave, None), (Some(3), PlanWord::Move, None)]);
    let mut gone = book;
    gone.upload(file, Mode::Upsert, Timestamp::from_second(60).unwrap(), &mut rng());
    let again = planned(&gone, file.as_bytes(), Mode::Upsert);
    assert_eq!(lines(&again), [(Some(2), PlanWord::Unchanged, None), (Some(3), PlanWord::Unchanged, None)]);
}

#[test]
fn a_star_leaves_what_is_known_and_a_new_person_needs_a_name() {
    let book = known(
        "職員番号,氏名,所属,メールアドレス\n001202,山﨑,畜産課,old@example.lg.jp\n001203,鈴木,農政課,\n",
    );
    for file in [fixture!("layouts/cybozu-com.csv"), fixture!("layouts/cybozu-com-headerless.csv")] {
        let plan = planned(&book, file, Mode::Upsert);
        let words: Vec<_> = plan.items.iter().map(|item| item.kind.word()).collect();
        assert_eq!(words, [PlanWord::Join, PlanWord::Unchanged, PlanWord::Leave]);
    }
    let plan = planned(&Book::default(), fixture!("layouts/cybozu-com.csv"), Mode::Upsert);
    assert_eq!(lines(&plan)[1], (Some(3), PlanWord::Rejected, Some(RowProblem::Missing)));
    let garoon = planned(&book, fixture!("layouts/garoon.csv"), Mode::Upsert);
    let words: Vec<_> = garoon.items.iter().map(|item| item.kind.word()).collect();
    assert_eq!(words, [PlanWord::Join, PlanWord::Change, PlanWord::Leave]);
    let PlanKind::Change { attributes, .. } = &garoon.items[1].kind else { panic!() };
    assert_eq!((attributes.name.as_str(), attributes.departments[0].name.as_str()), ("山﨑", "畜産課"));
    assert_eq!(attributes.mail.as_deref(), Some("old@example.lg.jp"));
}

#[test]
fn a_file_that_lost_its_zeros_is_flagged_until_the_numbers_are_padded() {
    let book = known("職員番号,氏名,所属\n001201,山田,税務課\n001202,林,税務課\n");
    let eaten = "職員番号,氏名,所属\n1201,山田,税務課\n1203,森,防災課\nA1,関,防災課\n".as_bytes();
    let plan = planned(&book, eaten, Mode::Upsert);
    assert_eq!(plan.batch.lost_zeros, Some(LostZeros { rows: 1, length: Some(6) }));

    let declared = Declared { pad_numbers_to: Some(6), ..Declared::default() };
    let sheet = read(eaten, &declared).unwrap();
    assert_eq!(sheet.normalised, [2, 3]);
    let padded = book.plan_sheet(&sheet, Mode::Upsert, Timestamp::UNIX_EPOCH, &mut rng());
    assert_eq!(padded.batch.lost_zeros, None);
    let words: Vec<_> = padded.items.iter().map(|item| item.kind.word()).collect();
    assert_eq!(words, [PlanWord::Unchanged, PlanWord::Join, PlanWord::Join]);
    let PlanKind::Join { attributes, .. } = &padded.items[1].kind else { panic!() };
    assert_eq!(attributes.staff_number.as_str(), "001203");
}

#[test]
fn more_posts_than_a_person_may_have_are_not_looked_at_one_by_one() {
    let rows = "1,山,課,兼務\n".repeat(8);
    let file = format!("職員番号,氏名,所属,本務兼務区分\n{rows}1,山?,課,兼務\n");
    let plan = planned(&Book::default(), file.as_bytes(), Mode::Roster);
    let problems: Vec<_> = lines(&plan).into_iter().filter_map(|(_, _, problem)| problem).collect();
    assert_eq!(problems[..8], [RowProblem::DuplicateStaffNumber; 8]);
}

#[test]
fn a_file_without_further_posts_leaves_them_and_their_order_is_no_news() {
    let posts =
        "職員番号,氏名,所属,本務兼務区分\n1,山田,税務課,本務\n1,山田,防災課,兼務\n1,山田,農政課,兼務\n";
    let book = known(posts);
    let without = |file: &str| planned(&book, file.as_bytes(), Mode::Roster);
    let same = without("職員番号,氏名,所属\n1,山田,税務課\n");
    assert_eq!(lines(&same), [(Some(2), PlanWord::Unchanged, None)]);
    let moved = without("職員番号,氏名,所属\n1,山田,農政課\n");
    let PlanKind::Move { attributes, .. } = &moved.items[0].kind else { panic!("{moved:?}") };
    let told: Vec<_> = attributes.departments.iter().map(|post| (post.name.as_str(), post.main)).collect();
    assert_eq!(told, [("農政課", true), ("防災課", false)]);
    let turned = without(
        "職員番号,氏名,所属,本務兼務区分\n1,山田,農政課,兼務\n1,山田,防災課,兼務\n1,山田,税務課,本務\n",
    );
    assert_eq!(lines(&turned), [(Some(4), PlanWord::Unchanged, None)]);
    let fewer = without("職員番号,氏名,所属,本務兼務区分\n1,山田,税務課,本務\n");
    assert_eq!(
        lines(&fewer),
        [(Some(2), PlanWord::Move, None)],
        "control: a file that tells posts drops them"
    );
}

#[test]
fn numbers_that_differ_by_zeros_only_flag_the_plan_and_let_nobody_leave() {
    let book = known("職員番号,氏名,所属\n001201,山田,税務課\n1201,鈴木,税務課\n1300,林,税務課\n");
    for rows in ["1201,山田,税務課\n1201,鈴木,税務課\n", "1201,鈴木,税務課\n", "001201,山田,税務課\n"]
    {
        let plan = planned(&book, format!("職員番号,氏名,所属\n{rows}").as_bytes(), Mode::Roster);
        let left: Vec<_> = plan.items.iter().filter(|item| item.kind == PlanKind::Leave).collect();
        assert_eq!(left.len(), 1, "{rows}");
        assert_eq!(left[0].account, Some(book.by_number("1300").id));
        assert_eq!(plan.batch.lost_zeros, Some(LostZeros { rows: 1, length: None }), "{rows}");
    }
    let said = "職員番号,氏名,所属,発令区分\n001201,山田,税務課,退職\n1201,鈴木,税務課,\n1300,林,税務課,\n";
    let plan = planned(&book, said.as_bytes(), Mode::Roster);
    assert_eq!((plan.batch.lost_zeros, plan.batch.summary.leave), (None, 1), "a row of their own says it");
}

#[test]
fn zeros_are_advised_by_the_matched_and_put_back_to_no_number_that_is_known() {
    let book = known("職員番号,氏名,所属\n001201,山田,税務課\n5501,林,税務課\n5502,森,税務課\n");
    let eaten = "職員番号,氏名,所属\n1201,山田,税務課\n5501,林,税務課\n5502,森,税務課\n".as_bytes();
    let plan = planned(&book, eaten, Mode::Roster);
    assert_eq!(plan.batch.lost_zeros, Some(LostZeros { rows: 1, length: Some(6) }));
    let sheet = read(eaten, &Declared { pad_numbers_to: Some(6), ..Declared::default() }).unwrap();
    let padded = book.plan_sheet(&sheet, Mode::Roster, Timestamp::UNIX_EPOCH, &mut rng());
    let words: Vec<_> = padded.items.iter().map(|item| item.kind.word()).collect();
    assert_eq!((padded.batch.lost_zeros, words), (None, vec![PlanWord::Unchanged; 3]));
    let letters = known("職員番号,氏名,所属\n00A1,山田,税務課\n");
    let plan = planned(&letters, "職員番号,氏名,所属\nA1,山田,税務課\n".as_bytes(), Mode::Upsert);
    assert_eq!(plan.batch.lost_zeros, Some(LostZeros { rows: 1, length: None }), "flagged without advice");
}

#[test]
fn who_is_named_a_leaver_stays_too_while_a_staff_number_cannot_be_read() {
    let book = known("職員番号,氏名,所属\n1,山田,税務課\n2,林,税務課\n");
    let header = "職員番号,氏名,所属,発令区分";
    let held =
        planned(&book, format!("{header}\n1,山田,税務課,退職\n=2,林,税務課,\n").as_bytes(), Mode::Roster);
    assert!(held.batch.summary.leavers_held_back && held.batch.summary.leave == 0);
    assert_eq!(lines(&held)[0], (Some(2), PlanWord::Unchanged, None));
    let whole =
        planned(&book, format!("{header}\n1,山田,税務課,退職\n2,林,税務課,\n").as_bytes(), Mode::Roster);
    assert_eq!(lines(&whole)[0], (Some(2), PlanWord::Leave, None));
}
