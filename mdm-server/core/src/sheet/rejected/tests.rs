use std::collections::BTreeSet;

use super::*;
use crate::batch::RowProblem;
use crate::sheet::{Sheet, read};

fn declared() -> Declared {
    Declared::default()
}

/// The rejected rows of a file as a file, each with the same reason.
fn handed_back(bytes: &[u8], reason: &str) -> Vec<u8> {
    let sheet = read(bytes, &declared()).unwrap();
    let wanted: BTreeSet<u32> =
        sheet.rows.iter().filter(|row| row.person.is_err()).map(|row| row.number).collect();
    let kept = keep(bytes, &declared(), |row| wanted.contains(&row).then_some(row)).unwrap();
    assert_eq!(kept.rows as usize, wanted.len());
    let written = Written::named(sheet.format.name(), sheet.format.delimiter_name()).unwrap();
    let reasons = wanted.iter().map(|row| (*row, reason.to_owned())).collect();
    write(written, &kept.bytes, REASON_HEADERS[0], &reasons).unwrap()
}

fn problems(sheet: &Sheet) -> Vec<Vec<RowProblem>> {
    let problems = |all: &Vec<crate::batch::Rejection>| all.iter().map(|one| one.problem).collect();
    sheet.rows.iter().filter_map(|row| row.person.as_ref().err().map(problems)).collect()
}

const LIST: &str = "社員証,職員番号,氏名,所属,備考\r\n\
    A1,001,髙橋,総務課,\r\nA2,002,=1+1,税務課,\"一行目\r\n二行目\"\r\nA3,,﨑山,福祉課,+81 3\r\nA4,004,濵田,総務課\r\n";

#[test]
fn all_cells_come_back_as_they_were_with_a_reason_behind() {
    let back = String::from_utf8(handed_back(LIST.as_bytes(), "却下: 直してください")).unwrap();
    assert_eq!(
        back,
        "社員証,職員番号,氏名,所属,備考,却下の理由\r\n\
         A2,002,'=1+1,税務課,\"一行目\r\n二行目\",却下: 直してください\r\n\
         A3,,﨑山,福祉課,+81 3,却下: 直してください\r\n\
         A4,004,濵田,総務課,却下: 直してください\r\n"
    );
}

#[test]
fn a_file_comes_back_in_its_own_encoding_and_with_its_own_delimiter() {
    let text = format!("sep=;\r\n{}", LIST.replace(',', ";"));
    let utf_16: Vec<u8> = format!("\u{FEFF}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = format!("\u{FEFF}{text}").into_bytes();
    for bytes in [text.clone().into_bytes(), marked, utf_16, Encoding::Cp932.encode(&text)] {
        let back = handed_back(&bytes, "却下: ①");
        let (before, after) = (read(&bytes, &declared()).unwrap(), read(&back, &declared()).unwrap());
        assert_eq!(after.format, before.format);
        assert!(after.is_rejected_rows && !before.is_rejected_rows);
        assert_eq!(problems(&after), problems(&before));
        assert_eq!(after.unused_columns, before.unused_columns, "the reasons are not listed as a column");
    }
}

#[test]
fn what_was_not_mended_is_rejected_again_however_often_it_goes_round() {
    let mut file = LIST.as_bytes().to_vec();
    let before = problems(&read(&file, &declared()).unwrap());
    for round in 0..3 {
        let back = handed_back(&file, &format!("{}{round}", REASON_BEGINS[0]));
        assert_eq!(problems(&read(&back, &declared()).unwrap()), before);
        let columns = String::from_utf8(back.clone()).unwrap().lines().next().unwrap().split(',').count();
        assert_eq!(columns, 6, "one column of reasons");
        file = back;
    }
}

#[test]
fn what_was_mended_is_accepted() {
    let back = String::from_utf8(handed_back(LIST.as_bytes(), "却下: x")).unwrap();
    let mended = back
        .replace("'=1+1", "髙木")
        .replace("A3,,", "A3,003,")
        .replace("濵田,総務課,却下", "濵田,総務課,,却下")
        .replace("\"一行目\r\n二行目\"", "");
    let sheet = read(mended.as_bytes(), &declared()).unwrap();
    let names: Vec<&str> =
        sheet.rows.iter().map(|row| row.person.as_ref().unwrap().attributes.name.as_str()).collect();
    assert_eq!(names, ["髙木", "﨑山", "濵田"]);
}

#[test]
fn a_spreadsheet_that_fills_up_short_rows_does_not_make_a_reason_a_value() {
    // Excel writes the empty cells at the end that a short row had not.
    let filled = "職員番号,氏名,所属,職名,却下の理由\n001,髙橋 総務課,主事,却下: セルの数,\n";
    let sheet = read(filled.as_bytes(), &declared()).unwrap();
    assert_eq!(problems(&sheet), [[RowProblem::CellCount]]);
    assert!(sheet.rows[0].staff_number.is_none());
    // Without the mark it would be a title.
    let sheet = read(filled.replace("却下: ", "").as_bytes(), &declared()).unwrap();
    assert!(sheet.rows[0].person.is_ok());
}

#[test]
fn a_note_that_begins_like_a_reason_stays_where_there_is_no_column_for_reasons() {
    let list = "職員番号,備考,氏名,所属,内線\r\n001,却下: 前回,,総務課,11\r\n";
    let back = String::from_utf8(handed_back(list.as_bytes(), "却下: x")).unwrap();
    assert!(back.ends_with("001,却下: 前回,,総務課,11,却下: x\r\n"), "{back}");
    // Also once there is one.
    let again = String::from_utf8(handed_back(back.as_bytes(), "却下: y")).unwrap();
    assert!(again.ends_with("001,却下: 前回,,総務課,11,却下: y\r\n"), "{again}");
}

#[test]
fn a_column_of_reasons_that_was_moved_or_emptied_takes_no_other_cell_with_it() {
    for (header, row) in [
        ("却下の理由,職員番号,氏名,所属,内線", ",001,,総務課,11"),
        ("却下の理由,職員番号,氏名,所属,内線", "却下: x,001,,総務課,11"),
        ("職員番号,氏名,却下の理由,所属,内線", "001,,,総務課,11"),
        ("職員番号,氏名,所属,内線,却下の理由", "001,,総務課,11,"),
        ("職員番号,氏名,所属,内線,却下の理由", "001,,総務課,11"),
    ] {
        let back = handed_back(format!("{header}\r\n{row}\r\n").as_bytes(), "却下: y");
        let back = String::from_utf8(back).unwrap();
        assert_eq!(back, "職員番号,氏名,所属,内線,却下の理由\r\n001,,総務課,11,却下: y\r\n", "{row}");
    }
}

#[test]
fn one_reason_is_enough_to_know_the_rejected_rows_of_a_list_without_header() {
    let mut cells = vec!["*"; 25];
    (cells[0], cells[1], cells[12], cells[24]) = ("taro", "山?", "ja", "0");
    let list = format!("{0}\r\n{0}\r\n", cells.join(","));
    let back = String::from_utf8(handed_back(list.as_bytes(), "却下: x")).unwrap();
    let emptied = back.replacen("却下: x [login]", "", 1);
    assert_eq!(emptied.matches("却下").count(), 1);
    assert!(read(emptied.as_bytes(), &declared()).unwrap().is_rejected_rows);
    // The control: nothing but the reasons tells it.
    assert!(!read(list.as_bytes(), &declared()).unwrap().is_rejected_rows);
}

#[test]
fn a_workbook_comes_back_as_a_workbook_of_texts() {
    let rows = [
        vec!["職員番号", "氏名", "所属", "備考"],
        vec!["0012", "髙橋?", "総務課", "a<b & \"c\" _x0041_\u{B}\t."],
        vec!["0013", "林", "税務課", ""],
    ];
    let rows: Vec<StringRecord> = rows.into_iter().map(StringRecord::from).collect();
    let book = workbook::write("名簿", &rows);
    let back = handed_back(&book, "却下: 文字");
    let sheet = read(&back, &declared()).unwrap();
    assert!(sheet.is_rejected_rows);
    assert_eq!(sheet.format.name(), "XLSX");
    assert_eq!(sheet.rows.len(), 1);
    assert_eq!(sheet.rows[0].staff_number.as_ref().unwrap().as_str(), "0012");
    // Every cell as it was, read as what any XLSX is.
    let again = keep(&back, &declared(), |row| (row == 2).then_some(row)).unwrap();
    let kept = String::from_utf8(again.bytes).unwrap();
    assert!(kept.ends_with("2,0012,髙橋?,総務課,\"a<b & \"\"c\"\" _x0041_\u{B}\t.\"\n"), "{kept:?}");
}

#[test]
fn other_products_lists_come_back_with_all_that_they_need() {
    let entra = "version:v1.0\r\nName [displayName] Required,User name [userPrincipalName] Required,Department [department]\r\n,a@example.jp,x\r\n";
    let back = String::from_utf8(handed_back(entra.as_bytes(), "却下: x")).unwrap();
    assert!(back.starts_with("version:v1.0\r\nName [displayName] Required,"), "{back}");
    assert!(read(back.as_bytes(), &declared()).unwrap().is_rejected_rows);
    // Without a header the reasons are known by how they begin.
    let mut cells = vec!["*"; 25];
    (cells[0], cells[1], cells[12], cells[24]) = ("taro", "山?", "ja", "0");
    let back = handed_back(format!("{}\r\n", cells.join(",")).as_bytes(), "却下: x");
    let text = String::from_utf8(back.clone()).unwrap();
    assert_eq!(text, format!("{},却下: x [login]\r\n", cells.join(",")));
    let sheet = read(&back, &declared()).unwrap();
    assert!(sheet.is_rejected_rows);
    assert_eq!(sheet.layout, crate::sheet::Layout::CybozuComHeaderless);
}

#[test]
fn a_missing_employee_id_does_not_become_a_login_name_on_the_way() {
    let header = "First Name [Required],Last Name [Required],Email Address [Required],Employee ID,Department";
    let list =
        format!("{header}\r\n太郎,山田,taro@example.jp,001,総務課\r\n花子,林,hanako@example.jp,,総務課\r\n");
    let back = handed_back(list.as_bytes(), "却下: x");
    let sheet = read(&back, &declared()).unwrap();
    assert_eq!((problems(&sheet), sheet.rows.len()), (vec![vec![RowProblem::Missing]], 1));

    // Where login names stood for the numbers of the whole list, they do so for the rest of it.
    let list = list.replace("001", "").replace(",総務課\r\n花", ",\r\n花");
    let back = handed_back(list.as_bytes(), "却下: x");
    let mended = String::from_utf8(back).unwrap().replace(",,,却下", ",,総務課,却下");
    let sheet = read(mended.as_bytes(), &declared()).unwrap();
    assert_eq!(sheet.rows[0].staff_number.as_ref().unwrap().as_str(), "taro");
    assert!(sheet.rows[0].person.is_ok() && sheet.is_rejected_rows);
}

#[test]
fn no_more_is_kept_than_the_limit() {
    let cell = "あ".repeat(4_000);
    let mut list = "職員番号,氏名,所属,備考\n".to_owned();
    for _ in 0..2_000 {
        list.push_str(&format!(",x,y,{cell}\n"));
    }
    let all: BTreeSet<u32> = (2..2_002).collect();
    let kept = keep(list.as_bytes(), &declared(), |row| all.contains(&row).then_some(row)).unwrap();
    assert!(
        kept.bytes.len() <= MAX_KEPT + (64 << 10) && kept.rows > 1_000 && kept.rows < 2_000,
        "{}",
        kept.rows
    );
}

#[test]
fn what_is_not_kept_rows_is_an_error() {
    for damaged in [&b"x,y\n"[..], b"\xFF,y\n", b"-1,y\n"] {
        let written = Written::named("UTF-8", "comma").unwrap();
        assert_eq!(write(written, damaged, "r", &BTreeMap::new()), Err(Damaged));
    }
}
