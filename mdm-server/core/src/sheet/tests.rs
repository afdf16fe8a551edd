//! Files as offices send them, and every way to spoil one. Malformed files stand in `tests/fixtures`, one a case.

use super::*;
use crate::batch::RowProblem;
use proptest::prelude::*;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/fixtures/", $name)).as_slice()
    };
}

fn read(bytes: &[u8], encoding: Option<Encoding>) -> Result<Sheet, SheetError> {
    super::read(bytes, &Declared { encoding, ..Declared::default() })
}

fn text(encoding: Encoding, delimiter: Delimiter) -> Format {
    Format::Text { encoding, delimiter }
}

fn error(bytes: &[u8]) -> SheetError {
    read(bytes, None).unwrap_err()
}

fn row_problems(bytes: &[u8]) -> Vec<(u32, String, RowProblem)> {
    let sheet = read(bytes, None).unwrap();
    let rejected = sheet.rows.into_iter().filter_map(|row| row.person.err().map(|all| (row.number, all)));
    rejected.flat_map(|(row, all)| all.into_iter().map(move |r| (row, r.column, r.problem))).collect()
}

fn names(sheet: &Sheet) -> Vec<&str> {
    let people = sheet.rows.iter().filter_map(|row| row.person.as_ref().ok());
    people.map(|person| person.attributes.name.as_str()).collect()
}

#[test]
fn a_cp932_file_keeps_the_characters_of_nec_and_ibm() {
    let sheet = read(fixture!("good-cp932.csv"), None).unwrap();
    assert_eq!(sheet.format, text(Encoding::Cp932, Delimiter::Comma));
    assert_eq!(names(&sheet), ["髙橋　花子", "山﨑　濵男"]);
    let first = &sheet.rows[0];
    let person = first.person.as_ref().unwrap();
    assert_eq!((first.number, person.wishes_seat), (2, Some(true)));
    assert_eq!(person.attributes.mail.as_deref(), Some("hanako@example.lg.jp"));
    assert_eq!(person.attributes.departments[0].name, "税務課");
    assert_eq!(sheet.rows[1].person.as_ref().unwrap().wishes_seat, Some(false));
}

#[test]
fn every_encoding_and_delimiter_gives_the_same_rows() {
    let text = "氏名\t職員番号\t所属\r\n𠮷田\t12\t税務課\r\n";
    let little: Vec<u8> =
        "\u{FEFF}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> =
        "\u{FEFF}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    let marked = format!("\u{FEFF}{}", text.replace('\t', ";")).into_bytes();
    for (bytes, encoding, delimiter) in [
        (text.as_bytes(), Encoding::Utf8, Delimiter::Tab),
        (&marked, Encoding::Utf8Bom, Delimiter::Semicolon),
        (&little, Encoding::Utf16, Delimiter::Tab),
        (&big, Encoding::Utf16, Delimiter::Tab),
    ] {
        let sheet = read(bytes, None).unwrap();
        assert_eq!(sheet.format, super::tests::text(encoding, delimiter));
        assert_eq!(names(&sheet), ["𠮷田"]);
        assert_eq!(read(bytes, Some(encoding)).unwrap(), sheet);
    }
}

#[test]
fn a_wrong_declared_encoding_is_named_with_the_first_byte_it_lacks() {
    let error = read(fixture!("wrong-encoding.csv"), Some(Encoding::Utf8)).unwrap_err();
    let SheetError::Undecodable { encoding, at, offset, byte } = error else { panic!("{error}") };
    assert_eq!((encoding, at, offset, byte), (Encoding::Utf8, Place { row: 1, column: 1 }, 0, 0x90));

    let utf8 = "職員番号,氏名,所属\n1,山田,税務課\n".as_bytes();
    let error = read(utf8, Some(Encoding::Cp932)).unwrap_err();
    let named = matches!(error, SheetError::OtherEncoding { .. } | SheetError::Undecodable { .. });
    assert!(named, "{error}");
    assert_eq!(read(utf8, Some(Encoding::Utf16)).unwrap_err(), SheetError::NoMark);
}

#[test]
fn an_undecodable_byte_is_found_by_row_and_column() {
    let error = error(fixture!("undecodable.csv"));
    let SheetError::Undecodable { at, byte, .. } = error else { panic!("{error}") };
    assert_eq!((at, byte), (Place { row: 2, column: 4 }, 0xFF));
    assert!(error.to_string().starts_with("row 2, column 4: byte 0xFF"), "{error}");
}

#[test]
fn what_is_no_text_is_named_with_what_to_do() {
    assert_eq!(error(fixture!("png.csv")), SheetError::NotText(LooksLike::Png));
    assert_eq!(error(fixture!("workbook.csv")), SheetError::NotText(LooksLike::Zip));
    assert_eq!(error(fixture!("nul-bytes.csv")), SheetError::NotText(LooksLike::Binary));
    assert_eq!(error(fixture!("empty.csv")), SheetError::Empty);
    assert_eq!(error(b"\xEF\xBB\xBF"), SheetError::Empty);
    assert_eq!(error(fixture!("header-only.csv")), SheetError::NoRows);
    let text = error(fixture!("workbook-cut-off.xlsx")).to_string();
    assert!(text.contains("Excel workbook") && text.contains("save it again"), "{text}");
}

#[test]
fn every_limit_is_an_error_that_says_it() {
    let large = vec![b'a'; MAX_BYTES + 1];
    assert!(error(&large).to_string().contains("52428800"));

    let mut many = "職員番号,氏名,所属\n".to_owned();
    many.push_str(&"1,a,b\n".repeat(MAX_ROWS));
    assert_eq!(read(many.as_bytes(), None).unwrap().rows.len(), MAX_ROWS);
    many.push_str("1,a,b\n");
    assert_eq!(error(many.as_bytes()), SheetError::TooManyRows);
    assert!(SheetError::TooManyRows.to_string().contains("100000"));

    let columns = error(fixture!("too-many-columns.csv"));
    assert_eq!(columns, SheetError::TooManyColumns { row: 1, columns: 201 });
    assert!(columns.to_string().contains("200"));
    let cell = error(fixture!("cell-too-long.csv"));
    assert_eq!(cell, SheetError::CellTooLong(Place { row: 2, column: 4 }));
    assert!(cell.to_string().contains("4096"));
}

#[test]
fn a_missing_column_is_named_with_the_headers_that_would_do() {
    let text = error(fixture!("missing-column.csv")).to_string();
    assert!(text.contains("氏名") && text.contains("full_name") && text.contains("所属, 職名"), "{text}");
    let department = error(fixture!("missing-department.csv"));
    assert!(matches!(department, SheetError::MissingColumn { column: Column::Department, .. }));
    assert!(department.to_string().contains("部局"), "{department}");
    let twice = error(fixture!("two-columns-for-one-thing.csv")).to_string();
    assert!(twice.contains("職員番号") && twice.contains("職員No."), "{twice}");
}

#[test]
fn a_quotation_mark_that_would_swallow_rows_stops_the_file_where_it_was_opened() {
    let place = Place { row: 3, column: 2 };
    assert_eq!(error(fixture!("open-quotation.csv")), SheetError::Quotation(place));
    let place = Place { row: 2, column: 2 };
    assert_eq!(error(fixture!("swallowed-row.csv")), SheetError::Quotation(place));
}

#[test]
fn row_errors_name_row_and_column_and_reject_that_row_only() {
    let only = |row, column: &str, problem| vec![(row, column.to_owned(), problem)];
    assert_eq!(row_problems(fixture!("formula.csv")), only(3, "氏名", RowProblem::Formula));
    assert_eq!(row_problems(fixture!("lost-character.csv")), only(2, "氏名", RowProblem::LostCharacter));
    assert_eq!(row_problems(fixture!("line-break-in-name.csv")), only(2, "氏名", RowProblem::NotAcceptable));
    assert_eq!(row_problems(fixture!("too-few-cells.csv")), only(2, "", RowProblem::CellCount));
    let text = Rejection::new("氏名", "=A1", RowProblem::Formula).describe(3);
    assert!(text.starts_with("row 3, column \"氏名\", \"=A1\": begins like a formula"), "{text}");
}

#[test]
fn a_row_whose_borders_are_in_doubt_is_about_nobody_for_sure() {
    for bytes in [fixture!("line-break-in-name.csv"), fixture!("too-few-cells.csv")] {
        let sheet = read(bytes, None).unwrap();
        assert_eq!(sheet.rows[0].staff_number, None);
        assert!(sheet.rows[1].staff_number.is_some() && sheet.rows[1].person.is_ok());
    }
    // In a login name no other rule would notice it: the domain is not read.
    let mut cells = vec!["*"; 25];
    (cells[0], cells[1], cells[24]) = ("\"hanako@example.lg.jp\ntaro\"", "山田", "0");
    let sheet = read(format!("{}\n", cells.join(",")).as_bytes(), None).unwrap();
    assert!(sheet.rows[0].staff_number.is_none());
    assert_eq!(sheet.rows[0].person.as_ref().unwrap_err()[0].problem, RowProblem::NotAcceptable);
}

#[test]
fn each_cell_is_held_to_its_rule() {
    let header = "職員番号,氏名,所属,メールアドレス,任期満了日,利用\n";
    let problem = |row: &str| row_problems(format!("{header}{row}\n").as_bytes());
    let one = |column: &str, problem| vec![(2, column.to_owned(), problem)];
    assert_eq!(problem("1,山田,税務課,,,"), []);
    assert_eq!(problem(",山田,税務課,,,"), one("職員番号", RowProblem::Missing));
    assert_eq!(problem("1,　,税務課,,,"), one("氏名", RowProblem::Missing));
    assert_eq!(problem("1,山田,,,,"), one("所属", RowProblem::Missing));
    assert_eq!(problem("1,山田,@税務課,,,"), one("所属", RowProblem::Formula));
    assert_eq!(problem("=1+1,山田,税務課,,,"), one("職員番号", RowProblem::Formula));
    assert_eq!(problem("＝cmd,山田,税務課,,,"), one("職員番号", RowProblem::Formula));
    assert_eq!(problem("1.2E+05,山田,税務課,,,"), one("職員番号", RowProblem::NotAcceptable));
    assert_eq!(problem("1\u{200B},山田,税務課,,,"), one("職員番号", RowProblem::NotAcceptable));
    assert_eq!(problem("1,山田,税務課,taro,,"), one("メールアドレス", RowProblem::Mail));
    assert_eq!(problem("1,山田,税務課,a@b@c.jp,,"), one("メールアドレス", RowProblem::Mail));
    assert_eq!(problem("1,山田,税務課,,来年,"), one("任期満了日", RowProblem::Date));
    assert_eq!(problem("1,山田,税務課,,R9.3.31,"), []);
    assert_eq!(problem("1,山田,税務課,,,たぶん"), one("利用", RowProblem::YesNo));
    assert_eq!(problem("1,山田,税務課,,,-"), []);
    assert_eq!(problem("-5,山田,税務課,,,"), []);
    let long = format!("1,{},税務課,,,", "あ".repeat(61));
    assert_eq!(problem(&long), one("氏名", RowProblem::NotAcceptable));
    assert_eq!(problem("=a,=b,=c,=d,=e,=f").len(), 4);
}

#[test]
fn private_use_characters_are_kept_and_listed_with_their_code() {
    let sheet = read(fixture!("private-use.csv"), None).unwrap();
    assert_eq!(names(&sheet)[0], "\u{E000}橋　花子");
    let listed = PrivateUse { row: 2, column: "氏名".to_owned(), code: 0xE000 };
    assert_eq!(sheet.private_use, [listed]);

    let mut gaiji = "職員番号,氏名,所属\n1,".as_bytes().to_vec();
    gaiji = encoding_rs::SHIFT_JIS.encode(std::str::from_utf8(&gaiji).unwrap()).0.into_owned();
    gaiji.extend_from_slice(b"\xF0\x40,a\n");
    assert_eq!(read(&gaiji, None).unwrap().private_use[0].code, 0xE000);
}

#[test]
fn private_use_characters_beyond_the_listed_are_only_counted() {
    let gaiji = "\u{E000}".repeat(30);
    let rows: String = (0..10).map(|n| format!("{n},{gaiji},x\n")).collect();
    let sheet = read(format!("職員番号,氏名,所属\n{rows}").as_bytes(), None).unwrap();
    assert_eq!((sheet.private_use.len(), sheet.private_use_total), (crate::batch::LISTED, 300));
    let number = "\u{E000}".repeat(33);
    let refused = read(format!("職員番号,氏名,所属\n{number},a,x\n").as_bytes(), None).unwrap();
    assert_eq!(refused.private_use_total, 0, "what is refused is not listed");
}

#[test]
fn errors_of_any_spreadsheet_are_no_values() {
    for error in ["#CALC!", "#FIELD!", "#BUSY!", "#GETTING_DATA", "#DIV/0!", "#NAME?", "#N/A", "Err:502"] {
        let file = format!("職員番号,氏名,所属\n{error},山田,課\n");
        let only = vec![(2, "職員番号".to_owned(), RowProblem::SpreadsheetError)];
        assert_eq!(row_problems(file.as_bytes()), only, "{error}");
    }
    for value in ["#12", "Err:a", "#a!", "#!"] {
        assert_eq!(row_problems(format!("職員番号,氏名,所属\n{value},山田,課\n").as_bytes()), [], "{value}");
    }
}

#[test]
fn every_kind_of_leaving_is_one_and_its_opposites_are_none() {
    let leaves = |said: &str| {
        let file = format!("職員番号,氏名,所属,発令区分\n1,山田,課,{said}\n");
        read(file.as_bytes(), None).unwrap().rows[0].person.as_ref().unwrap().leaves
    };
    for said in [
        "退職",
        "依願退職",
        "応募認定退職",
        "割愛退職",
        "希望退職",
        "懲戒免職",
        "分限免職",
        "諭旨免職",
        "失職",
        "退職(定年)",
        "退職（定年）",
        "定年 退職",
        "死亡",
        "任期満了",
        "任期満了退職",
        "Leave",
    ] {
        assert!(leaves(said), "{said}");
    }
    for said in ["", "異動", "退職派遣", "退職取消", "復職", "死亡届", "任期満了予定", "昇任(前任者退職)"]
    {
        assert!(!leaves(said), "{said}");
    }
}

#[test]
fn full_width_staff_numbers_are_narrowed_and_listed() {
    let sheet = read("職員番号,氏名,所属\nＡ００１,山田,税務課\nB2,林,税務課\n".as_bytes(), None).unwrap();
    assert_eq!(sheet.rows[0].staff_number.as_ref().unwrap().as_str(), "A001");
    assert_eq!(sheet.normalised, [2]);
}

#[test]
fn columns_are_found_in_any_order_language_and_width() {
    let text = "備考,課,Full Name,部局,Staff_Number,ﾒﾓ,係,所属コード\nx,税務課,A B,総務部,７,,管理係,0102\n";
    let sheet = read(text.as_bytes(), None).unwrap();
    assert_eq!(sheet.unused_columns, ["備考", "ﾒﾓ"]);
    let department = &sheet.rows[0].person.as_ref().unwrap().attributes.departments[0];
    assert_eq!(
        (department.name.as_str(), department.code.as_deref()),
        ("総務部 税務課 管理係", Some("0102"))
    );

    let both = read("職員No.,氏名,所属名,部局\n7,a,総務部税務課,総務部\n".as_bytes(), None).unwrap();
    assert_eq!(both.unused_columns, ["部局"]);
    assert_eq!(both.rows[0].person.as_ref().unwrap().attributes.departments[0].name, "総務部税務課");
}

#[test]
fn rows_are_counted_as_a_spreadsheet_counts_them() {
    let text = "\r\n職員番号,氏名,所属,備考\r\n1,a,x,\"two\r\nlines\"\r\n\r\n,,,\r\n2,?,x,\r\n";
    assert_eq!(row_problems(text.as_bytes()), [(6, "氏名".to_owned(), RowProblem::LostCharacter)]);
    let old_mac = "職員番号,氏名,所属\r1,a,x\r2,?,x\r";
    assert_eq!(row_problems(old_mac.as_bytes())[0].0, 3);
}

#[test]
fn a_sep_line_says_the_delimiter_and_is_not_counted() {
    let sheet = read(fixture!("sep-line.csv"), None).unwrap();
    assert_eq!(sheet.format, text(Encoding::Utf8, Delimiter::Semicolon));
    assert_eq!(row_problems(fixture!("sep-line.csv")), [(3, "氏名".to_owned(), RowProblem::LostCharacter)]);
}

#[test]
fn a_declared_delimiter_overrules_what_would_be_found() {
    let file = "職員番号,氏名,所属\n1,山田,税務課\n".as_bytes();
    assert!(read(file, None).is_ok());
    let declared = Declared { delimiter: Some(Delimiter::Semicolon), ..Declared::default() };
    assert!(matches!(super::read(file, &declared), Err(SheetError::MissingColumn { .. })));
}

#[test]
fn split_names_are_one_and_era_dates_are_days() {
    let text = "職員番号,姓,名,セイ,メイ,所属,任期満了日\n1,髙橋,花子,タカハシ,ハナコ,税務課,令和9年3月31日\n2,Doe,Jo,,,x,R9.4.1\n3,林,,,,x,\n";
    let sheet = read(text.as_bytes(), None).unwrap();
    let of = |at: usize| &sheet.rows[at].person.as_ref().unwrap().attributes;
    assert_eq!((of(0).name.as_str(), of(0).kana.as_deref()), ("髙橋　花子", Some("タカハシ　ハナコ")));
    assert_eq!(of(0).term_ends, Some(jiff::civil::date(2027, 3, 31)));
    assert_eq!((of(1).name.as_str(), of(1).kana.as_deref()), ("Doe Jo", None));
    assert_eq!(row_problems(text.as_bytes()), [(4, "名".to_owned(), RowProblem::Missing)]);
    assert!(sheet.columns.contains(&Column::Name) && sheet.columns.contains(&Column::Kana));
}

proptest! {
    #[test]
    fn any_bytes_give_rows_or_an_error_and_never_a_panic(bytes: Vec<u8>, declared in 0_usize..5) {
        let encodings = [None, Some(Encoding::Utf8), Some(Encoding::Utf8Bom), Some(Encoding::Cp932), Some(Encoding::Utf16)];
        let mut file = "職員番号,氏名,所属\n".as_bytes().to_vec();
        file.extend(&bytes);
        for bytes in [&bytes, &file] {
            if let Err(error) = read(bytes, encodings[declared]) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn row_numbers_agree_with_the_csv_reader(text in "[ab,;\"\r\n]{0,60}") {
        if let Ok(numbers) = quoting::rows(&text, Delimiter::Comma) {
            let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            prop_assert_eq!(reader.records().count(), numbers.len());
        }
    }

    #[test]
    fn what_a_csv_writer_quotes_reads_back(names in proptest::collection::vec("[山﨑𠮷\", ;a\t]{1,20}", 1..20)) {
        let names: Vec<String> = names.into_iter().map(|name| format!("x{}x", name.replace('\t', ""))).collect();
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["職員番号", "氏名", "所属"]).unwrap();
        for (number, name) in (1..).zip(&names) {
            writer.write_record([&format!("{number}"), name, "課"]).unwrap();
        }
        let sheet = read(&writer.into_inner().unwrap(), None).unwrap();
        prop_assert_eq!(super::tests::names(&sheet), names);
    }
}
