use proptest::prelude::*;

use super::super::{Declared, MAX_COLUMNS, Sheet, SheetError, read};
use super::*;

fn said(columns: &[(&str, &str)]) -> Assigned {
    columns.iter().map(|(header, is)| (Header::new(header).unwrap(), is.parse().unwrap())).collect()
}

fn read_with(file: &str, columns: &[(&str, &str)]) -> Result<Sheet, SheetError> {
    read(file.as_bytes(), &Declared { columns: said(columns), ..Declared::default() })
}

#[test]
fn a_column_with_a_header_that_nobody_knows_is_what_is_said() {
    let file = "個人番号,漢字,所属,備考\n001,髙橋,総務課,主査\n";
    assert!(matches!(read_with(file, &[]), Err(SheetError::MissingColumn { .. })), "control");
    let said = [("個人番号", "staff-number"), ("漢字", "name"), ("備考", "title")];
    let sheet = read_with(file, &said).unwrap();
    let person = sheet.rows[0].person.as_ref().unwrap();
    assert_eq!((person.attributes.name.as_str(), person.attributes.title.as_deref()), ("髙橋", Some("主査")));
    assert_eq!(sheet.rows[0].staff_number.as_ref().unwrap().as_str(), "001");
    assert_eq!(sheet.staff_number_header, "個人番号");
    assert!(sheet.unused_columns.is_empty() && sheet.assigned.len() == 3, "{:?}", sheet.assigned);
    assert!(sheet.assigned.iter().all(|column| column.otherwise.is_none() && column.since.is_none()));
}

#[test]
fn what_overrules_a_known_header_is_told_with_what_it_would_be() {
    let file = "職員番号,氏名,名前,所属\n001,髙橋,はしご,総務課\n";
    let twice = read_with(file, &[]).unwrap_err();
    assert!(matches!(twice, SheetError::DuplicateColumn { column: Column::Name, .. }), "control: {twice:?}");
    let sheet = read_with(file, &[("名前", "ignored")]).unwrap();
    let name = Some(Meaning::Column(Column::Name));
    assert_eq!((sheet.assigned[0].meaning, sheet.assigned[0].otherwise), (Meaning::Ignored, name));
    assert!(sheet.unused_columns.is_empty(), "it is told as ignored");
}

#[test]
fn two_columns_for_one_thing_and_none_for_a_required_one_stop_the_file() {
    let file = "職員番号,氏名,所属,備考\n001,髙橋,総務課,x\n";
    let twice = read_with(file, &[("備考", "name")]).unwrap_err();
    assert!(
        matches!(&twice, SheetError::DuplicateColumn { column: Column::Name, first, second } if first == "氏名" && second == "備考"),
        "{twice:?}"
    );
    for (header, column) in
        [("職員番号", Column::StaffNumber), ("氏名", Column::Name), ("所属", Column::Department)]
    {
        let none = read_with(file, &[(header, "ignored")]).unwrap_err();
        let expected = SheetError::IgnoredColumn { column, header: header.to_owned() };
        assert_eq!(none, expected);
    }
    let elsewhere = read_with(file, &[("氏名", "ignored"), ("備考", "name")]).unwrap();
    assert_eq!(elsewhere.rows[0].person.as_ref().unwrap().attributes.name, "x");
}

#[test]
fn a_header_that_is_not_there_is_told_of() {
    let file = "職員番号,氏名,所属,備 考\n001,髙橋,総務課,x\n";
    let sheet = read_with(file, &[("備考", "ignored")]).unwrap();
    assert_eq!(sheet.has(&said(&[("備考", "ignored")])), Ok(()));
    let missing = SheetError::NoSuchColumn { header: "内線".to_owned() };
    assert_eq!(sheet.has(&said(&[("備考", "ignored"), ("内線", "ignored")])), Err(missing));
}

#[test]
fn headers_are_bounded_and_told_apart_by_what_makes_a_difference() {
    for nothing in ["", " ", "-", "_ .", "\u{7}a"] {
        assert_eq!(Header::new(nothing), Err(InvalidHeader), "{nothing:?}");
    }
    assert_eq!(Header::new("Ｓtaff_No.").unwrap(), Header::new("staff no").unwrap());
    assert_eq!(Header::new("所属\nコード").unwrap().as_str(), "所属 コード");
    let long = "列".repeat(MAX_COLUMNS);
    assert_eq!(Header::new(&long).unwrap().as_str().chars().count(), crate::batch::SHOWN);
    for wrong in ["login", "deleted", "org-unit", "Name", "", "birthday"] {
        assert_eq!(wrong.parse::<Meaning>(), Err(UnknownMeaning), "{wrong:?}");
    }
}

#[test]
fn all_that_is_assignable_has_headers_of_its_own_and_a_name() {
    for column in Column::ASSIGNABLE {
        assert!(!column.accepted().is_empty(), "{column}");
        assert_eq!(column.name().parse::<Meaning>(), Ok(Meaning::Column(column)));
    }
}

#[test]
fn what_is_said_of_a_file_without_headers_and_of_the_reasons_of_rejected_rows_is_not_heard() {
    let file = "職員番号,氏名,所属,却下の理由\n001,髙橋,総務課,却下: x\n";
    let sheet = read_with(file, &[("却下の理由", "title")]).unwrap();
    assert!(sheet.is_rejected_rows && sheet.assigned.is_empty());
    assert_eq!(sheet.rows[0].person.as_ref().unwrap().attributes.title, None);
}

/// A file of one's own: known headers, each of another thing, and unknown ones.
fn file() -> impl Strategy<Value = (Vec<String>, Vec<Vec<String>>)> {
    let more = prop::sample::subsequence(vec!["職名", "フリガナ", "メール", "利用", "任用区分"], 0..=5);
    let unknown = prop::sample::subsequence(vec!["備考", "内線", "x1", "x2"], 0..=4);
    (more, unknown).prop_flat_map(|(more, unknown)| {
        let mut headers: Vec<String> = ["職員番号", "氏名", "所属"].map(str::to_owned).into();
        headers.extend(more.into_iter().chain(unknown).map(str::to_owned));
        let width = headers.len();
        let rows = prop::collection::vec(prop::collection::vec("[0-9a-z髙橋○]{1,4}", width), 1..5);
        (Just(headers).prop_shuffle(), rows)
    })
}

fn written(headers: &[String], rows: &[Vec<String>], without: Option<usize>) -> String {
    let line = |cells: &[String]| {
        let cells = cells.iter().enumerate().filter(|(at, _)| Some(*at) != without);
        cells.map(|(_, cell)| cell.as_str()).collect::<Vec<_>>().join(",") + "\n"
    };
    line(headers) + &rows.iter().map(|row| line(row)).collect::<String>()
}

proptest! {
    #[test]
    fn what_the_headers_say_anyway_changes_nothing((headers, rows) in file()) {
        let file = written(&headers, &rows, None);
        let columns = headers.iter().filter_map(|header| Some((header, Column::of_header(header)?)));
        let said: Vec<(&str, &str)> = columns.map(|(header, column)| (header.as_str(), column.name())).collect();
        let by_headers = read_with(&file, &[]).unwrap();
        let with = read_with(&file, &said).unwrap();
        prop_assert!(with.assigned.len() == said.len() && with.assigned.iter().all(|said| said.otherwise.is_none()));
        prop_assert_eq!(Sheet { assigned: Vec::new(), ..with }, by_headers);
    }

    #[test]
    fn an_ignored_column_is_as_if_it_were_not_there((headers, rows) in file(), at in any::<prop::sample::Index>()) {
        let at = at.index(headers.len());
        let whole = read_with(&written(&headers, &rows, None), &[(&headers[at], "ignored")]);
        let without = read_with(&written(&headers, &rows, Some(at)), &[]);
        match (whole, without) {
            (Ok(whole), Ok(without)) => {
                prop_assert_eq!(Sheet { assigned: Vec::new(), digest: without.digest, ..whole }, without);
            }
            (Err(SheetError::IgnoredColumn { column, .. }), Err(SheetError::MissingColumn { column: missing, .. })) => {
                prop_assert_eq!(column, missing);
            }
            (whole, without) => prop_assert!(false, "{whole:?} {without:?}"),
        }
    }
}
