//! Exports of other products, one fixture each.

use std::collections::BTreeSet;

use super::*;
use crate::sheet::{Declared, Person, Sheet, read};

macro_rules! fixture {
    ($name:literal) => {
        read(include_bytes!(concat!("../../../tests/fixtures/layouts/", $name)), &Declared::default())
            .unwrap()
    };
}

fn person(sheet: &Sheet, index: usize) -> &Person {
    sheet.rows[index].person.as_ref().unwrap()
}

/// Number, name, mail, title and department of each row.
fn told(sheet: &Sheet) -> Vec<[String; 5]> {
    let told = |at: usize| {
        let of = &person(sheet, at).attributes;
        let department = of.departments.first().map(|post| post.name.clone()).unwrap_or_default();
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        [of.staff_number.to_string(), of.name.clone(), optional(&of.mail), optional(&of.title), department]
    };
    (0..sheet.rows.len()).map(told).collect()
}

const HANAKO: [&str; 5] = ["001201", "髙橋　花子", "hanako@example.lg.jp", "主事", "税務課"];
const HAMAO: [&str; 5] = ["001202", "山﨑　濵男", "hamao@example.lg.jp", "技師", "農政部 畜産課"];

/// The same people in a directory whose login names are the staff numbers.
fn by_login(told: [&'static str; 5]) -> [String; 5] {
    let mut told = told.map(str::to_owned);
    told[2] = format!("{}@example.lg.jp", told[0]);
    told
}

#[test]
fn google_workspace_tells_both_people() {
    let sheet = fixture!("google-workspace.csv");
    assert_eq!(sheet.layout, Layout::GoogleWorkspace);
    assert_eq!(told(&sheet), [HANAKO, HAMAO]);
    assert!(sheet.unused_columns.iter().any(|header| header == "Password [Required]"));
    assert_eq!(sheet.staff_number_header, "Employee ID");
}

#[test]
fn without_employee_ids_the_login_name_is_the_staff_number_and_that_is_listed() {
    let sheet = fixture!("google-workspace-without-ids.csv");
    assert_eq!(told(&sheet), [by_login(HANAKO), by_login(HAMAO)]);
    assert_eq!(sheet.staff_number_header, "Email Address [Required]");
    assert_eq!(sheet.normalised, [2, 3]);
}

#[test]
fn microsoft_entra_is_read_with_and_without_its_version_line() {
    let plain = fixture!("microsoft-entra.csv");
    assert_eq!(plain.layout, Layout::MicrosoftEntra);
    assert_eq!(told(&plain), [by_login(HANAKO), by_login(HAMAO)]);
    let versioned = fixture!("microsoft-entra-with-version.csv");
    assert_eq!(told(&versioned), told(&plain));
    assert_eq!((plain.rows[0].number, versioned.rows[0].number), (2, 3));
}

#[test]
fn the_example_row_of_microsofts_template_is_nobody() {
    let sheet = fixture!("microsoft-entra-with-example.csv");
    assert!(sheet.rows[0].person.is_err() && sheet.rows[0].staff_number.is_none());
    assert_eq!(person(&sheet, 1).attributes.staff_number.as_str(), "001201");
}

#[test]
fn an_export_of_microsoft_entra_tells_the_employee_ids() {
    assert_eq!(told(&fixture!("microsoft-entra-export.csv")), [HANAKO, HAMAO]);
}

#[test]
fn cybozu_com_is_read_with_header_without_and_with_columns_of_the_organisation() {
    let with = fixture!("cybozu-com.csv");
    let without = fixture!("cybozu-com-headerless.csv");
    let own = fixture!("cybozu-com-with-own-columns.csv");
    assert_eq!((with.layout, without.layout), (Layout::CybozuCom, Layout::CybozuComHeaderless));
    assert_eq!(with.rows.iter().map(|row| row.number).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(without.rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2, 3]);
    for sheet in [&with, &without, &own] {
        let first = person(sheet, 0);
        assert_eq!(first.attributes.kana.as_deref(), Some("たかはし　はなこ"));
        assert_eq!(first.attributes.staff_number.as_str(), "001201");
        assert!(first.attributes.departments.is_empty() && !first.leaves);
        let kept = [Column::Name, Column::Kana, Column::Mail, Column::BirthDate, Column::HireDate];
        assert_eq!(person(sheet, 1).kept, BTreeSet::from(kept));
        assert!(person(sheet, 2).leaves);
    }
    let by_login = fixture!("cybozu-com-headerless-without-ids.csv");
    assert_eq!(person(&by_login, 1).attributes.staff_number.as_str(), "001202");
    assert_eq!(by_login.staff_number_header, "#1");
    // The login name is kept as it is, and still listed: it stands for the number.
    let rows: Vec<u32> = by_login.rows.iter().map(|row| row.number).collect();
    assert_eq!((by_login.normalised, with.normalised), (rows, Vec::new()));
}

#[test]
fn cybozu_com_tells_when_people_were_born_and_hired() {
    let header = include_str!("../../../tests/fixtures/layouts/cybozu-com.csv").lines().next().unwrap();
    let row =
        "hanako,髙橋　花子,*,*,*,*,たかはし,はなこ,*,*,*,*,*,*,*,*,*,*,001201,2010-04-01,1987-06-05,*,*,*,*";
    let sheet = read(format!("{header}\n{row}\n").as_bytes(), &Declared::default()).unwrap();
    let first = person(&sheet, 0);
    let dates = (first.hired.unwrap().to_string(), first.born.unwrap().to_string());
    assert_eq!(dates, ("2010-04-01".to_owned(), "1987-06-05".to_owned()));
}

#[test]
fn garoon_is_read_by_its_login_names() {
    let sheet = fixture!("garoon.csv");
    assert_eq!(sheet.layout, Layout::Garoon);
    let first = person(&sheet, 0);
    assert_eq!(first.attributes.staff_number.as_str(), "001201");
    assert_eq!(first.attributes.kana.as_deref(), Some("たかはし　はなこ"));
    assert_eq!(person(&sheet, 1).attributes.title.as_deref(), Some("技師"));
    assert_eq!(person(&sheet, 1).kept, BTreeSet::from([Column::Name, Column::Kana, Column::Mail]));
    assert!(person(&sheet, 2).leaves && !first.leaves);
    assert_eq!(sheet.normalised, sheet.rows.iter().map(|row| row.number).collect::<Vec<_>>());
}

#[test]
fn a_list_with_blank_headers_is_no_list_without_header() {
    let blank = ",".repeat(22);
    let own = format!("番号,氏名欄,配属先{blank}\n1,山田,税務課{blank}\n");
    let ascii = own.replace("番号,", "No,");
    for file in [own, ascii] {
        let error = read(file.as_bytes(), &Declared::default()).unwrap_err();
        assert!(matches!(error, crate::sheet::SheetError::MissingColumn { .. }), "{error}");
    }
}

#[test]
fn a_star_is_a_star_in_a_list_of_ones_own() {
    let sheet = read("職員番号,氏名,所属,職名\n1,*,税務課,*\n".as_bytes(), &Declared::default()).unwrap();
    assert_eq!(person(&sheet, 0).attributes.title.as_deref(), Some("*"));
    assert!(person(&sheet, 0).kept.is_empty());
}
