//! Workbooks as offices send them, and workbooks that mean harm.

use std::io::Write as _;

use proptest::prelude::*;
use zip::write::SimpleFileOptions;

use super::*;
use crate::sheet::{Declared, Sheet, read};

const RELS: &str = r#"<Relationships><Relationship Id="rId1" Type="x/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const RELATED: &str = r#"<Relationships>
    <Relationship Id="rId1" Type="x/worksheet" Target="worksheets/sheet1.xml"/>
    <Relationship Id="rId2" Type="x/sharedStrings" Target="/xl/sharedStrings.xml"/>
    <Relationship Id="rId3" Type="x/styles" Target="styles.xml"/>
</Relationships>"#;
const BOOK: &str = r#"<workbook><sheets><sheet name="名簿" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
const STYLES: &str = r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="00000"/></numFmts>
    <cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="14"/></cellXfs></styleSheet>"#;
const STRINGS: &str = r#"<sst uniqueCount="18446744073709551615"><si><t>職員番号</t></si><si><r><t>氏</t></r><r><t>名</t></r><rPh><t>シメイ</t></rPh></si>
    <si><t>所属</t></si><si><t>任期満了日</t></si><si><t>髙橋 &amp; &#x82B1;子</t></si></sst>"#;
const SHEET: &str = r#"<worksheet><sheetData>
    <row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2" t="s"><v>1</v></c><c r="C2" t="s"><v>2</v></c><c r="E2" t="s"><v>3</v></c></row>
    <row r="4"><c r="A4" s="1"><v>123</v></c><c r="B4" t="s"><v>4</v></c><c r="C4" t="inlineStr"><is><t>税_x0020_務課</t></is></c><c r="E4" s="2"><f>A1</f><v>46478</v></c></row>
    <row><c><v>7</v></c><c t="str"><f>x</f><v>林</v></c><c t="e"><v>#N/A</v></c></row>
    </sheetData></worksheet>"#;

fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in parts {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A workbook with one part replaced.
fn with(name: &str, content: &str) -> Vec<u8> {
    let parts = [
        ("_rels/.rels", RELS),
        ("xl/_rels/workbook.xml.rels", RELATED),
        ("xl/workbook.xml", BOOK),
        ("xl/styles.xml", STYLES),
        ("xl/sharedStrings.xml", STRINGS),
        ("xl/worksheets/sheet1.xml", SHEET),
    ];
    let parts = parts.map(|(part, own)| (part, if part == name { content } else { own }.as_bytes()));
    zipped(&parts)
}

fn sheet(bytes: &[u8]) -> Result<Sheet, SheetError> {
    read(bytes, &Declared::default())
}

#[test]
fn cells_are_read_as_a_person_sees_them() {
    // The number of texts that this file claims to have would fill all memory: nothing is reserved by it.
    let sheet = sheet(&with("", "")).unwrap();
    assert_eq!(sheet.format, Format::Workbook { sheet: "名簿".to_owned(), others: Vec::new() });
    let first = sheet.rows[0].person.as_ref().unwrap();
    assert_eq!((sheet.rows[0].number, first.attributes.staff_number.as_str()), (4, "00123"));
    assert_eq!(first.attributes.name, "髙橋 & 花子");
    assert_eq!(first.attributes.departments[0].name, "税 務課");
    assert_eq!(first.attributes.term_ends, Some(jiff::civil::date(2027, 4, 1)));
    assert_eq!((sheet.rows[1].number, sheet.rows[1].staff_number.as_ref().unwrap().as_str()), (5, "7"));
    let problem = &sheet.rows[1].person.as_ref().unwrap_err()[0];
    assert_eq!(problem.problem, crate::batch::RowProblem::SpreadsheetError);
}

#[test]
fn a_number_is_what_a_person_sees_in_its_cell_or_nobodys() {
    let sheet = sheet(include_bytes!("../../../tests/fixtures/workbook-number-format.xlsx")).unwrap();
    assert_eq!(sheet.rows[0].staff_number.as_ref().unwrap().as_str(), "12-3456");
    assert_eq!(sheet.rows[1].staff_number, None);
    let problem = |row: usize| sheet.rows[row].person.as_ref().unwrap_err()[0].problem;
    assert_eq!(problem(1), crate::batch::RowProblem::NumberFormat);
    assert_eq!(problem(2), crate::batch::RowProblem::CellCount);
}

#[test]
fn a_cell_that_is_too_long_has_nothing_to_do_with_quotation_marks() {
    let long = SHEET.replace("林", &"林".repeat(crate::sheet::MAX_CELL + 1));
    let error = sheet(&with("xl/worksheets/sheet1.xml", &long)).unwrap_err();
    assert!(matches!(error, SheetError::WorkbookCellTooLong(_)), "{error}");
}

#[test]
fn what_is_no_readable_workbook_is_named() {
    macro_rules! fixture {
        ($name:literal) => {
            sheet(include_bytes!(concat!("../../../tests/fixtures/", $name))).unwrap_err()
        };
    }
    assert_eq!(fixture!("workbook-cut-off.xlsx"), SheetError::Workbook(Unreadable::Damaged));
    assert_eq!(fixture!("workbook-damaged.xlsx"), SheetError::Workbook(Unreadable::Damaged));
    assert_eq!(fixture!("workbook-hidden.xlsx"), SheetError::Workbook(Unreadable::NoSheet));
    assert_eq!(fixture!("workbook-binary.xlsb"), SheetError::Workbook(Unreadable::Binary));
    assert_eq!(fixture!("workbook-bomb.xlsx"), SheetError::Workbook(Unreadable::TooLarge));
    assert_eq!(fixture!("not-a-workbook.xlsx"), SheetError::NotText(LooksLike::Zip));
    assert_eq!(fixture!("spreadsheet.ods"), SheetError::NotText(LooksLike::OpenDocument));
    assert_eq!(fixture!("workbook-old.xls"), SheetError::NotText(LooksLike::OldExcel));
    assert_eq!(fixture!("web-page.xls"), SheetError::NotText(LooksLike::Markup));
}

#[test]
fn a_changed_byte_is_found_by_the_archives_own_sum() {
    let whole = with("", "");
    let at = whole.windows(9).position(|part| part == b"sheet1.xm").unwrap() + 60;
    let mut changed = whole.clone();
    changed[at] ^= 1;
    assert!(sheet(&whole).is_ok());
    assert!(matches!(sheet(&changed), Err(SheetError::Workbook(_))));
}

#[test]
fn what_unfolds_is_bounded_whatever_the_archive_says_of_it() {
    let too_large = |bytes: &[u8]| sheet(bytes).unwrap_err() == SheetError::Workbook(Unreadable::TooLarge);
    let spaces = " ".repeat(5 << 20);
    // More than a part may be; and a single text that is less than that, but more than a cell may be.
    assert!(too_large(&with("xl/workbook.xml", &BOOK.replace("<sheets>", &format!("<sheets>{spaces}")))));
    assert!(too_large(&with("xl/sharedStrings.xml", &format!("<sst><si><t>{spaces}</t></si></sst>"))));
    // The archive's own word for the size is not believed.
    let mut lying = with("xl/workbook.xml", &BOOK.replace("<sheets>", &format!("<sheets>{spaces}")));
    let size = u32::try_from(BOOK.len() + spaces.len()).unwrap().to_le_bytes();
    while let Some(at) = lying.windows(4).position(|four| four == size) {
        lying[at..at + 4].copy_from_slice(&100_u32.to_le_bytes());
    }
    assert!(matches!(sheet(&lying), Err(SheetError::Workbook(_))));
}

#[test]
fn a_shared_text_counts_each_time_that_a_cell_shows_it() {
    let long = "x".repeat(60_000);
    let cells: String = (0..200).map(|_| "<c t=\"s\"><v>0</v></c>").collect();
    let strings = format!("<sst><si><t>{long}</t></si></sst>");
    let row = format!("<worksheet><sheetData><row>{cells}</row></sheetData></worksheet>");
    let (strings, row) = (strings.as_bytes(), row.as_bytes());
    let bytes = zipped(&[
        ("_rels/.rels", RELS.as_bytes()),
        ("xl/_rels/workbook.xml.rels", RELATED.as_bytes()),
        ("xl/workbook.xml", BOOK.as_bytes()),
        ("xl/sharedStrings.xml", strings),
        ("xl/worksheets/sheet1.xml", row),
    ]);
    assert_eq!(sheet(&bytes).unwrap_err(), SheetError::Workbook(Unreadable::TooLarge));
}

#[test]
fn entities_of_the_files_own_are_not_expanded() {
    let own = format!(
        "<!DOCTYPE sst [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]>{}",
        STRINGS.replace("&amp;", "&b;")
    );
    assert_eq!(
        sheet(&with("xl/sharedStrings.xml", &own)).unwrap_err(),
        SheetError::Workbook(Unreadable::Damaged)
    );
}

#[test]
fn cells_out_of_order_or_out_of_the_sheet_are_damage() {
    for (from, to) in [
        ("r=\"B4\"", "r=\"A4\""),
        ("r=\"E4\"", "r=\"XFE4\""),
        ("r=\"E4\"", "r=\"4\""),
        ("row r=\"4\"", "row r=\"2\""),
        ("row r=\"4\"", "row r=\"1048577\""),
        ("<v>4</v>", "<v>5</v>"),
        ("s=\"1\"", "s=\"-1\""),
    ] {
        let bytes = with("xl/worksheets/sheet1.xml", &SHEET.replacen(from, to, 1));
        assert_eq!(sheet(&bytes).unwrap_err(), SheetError::Workbook(Unreadable::Damaged), "{from} {to}");
    }
}

#[test]
fn columns_and_rows_are_limited_as_in_a_text() {
    let wide: String = (0..201).map(|at| format!("<c t=\"str\"><v>{at}</v></c>")).collect();
    let bytes = with(
        "xl/worksheets/sheet1.xml",
        &format!("<worksheet><sheetData><row>{wide}</row></sheetData></worksheet>"),
    );
    assert_eq!(sheet(&bytes).unwrap_err(), SheetError::TooManyColumns { row: 1, columns: 201 });
}

#[test]
fn tags_that_stay_open_are_damage_and_are_not_kept() {
    let damaged = Err(SheetError::Workbook(Unreadable::Damaged));
    let deep = |depth: usize| {
        let (open, close) = ("<a>".repeat(depth), "</a>".repeat(depth));
        sheet(&with(
            "xl/worksheets/sheet1.xml",
            &SHEET.replace("<sheetData>", &format!("{open}{close}<sheetData>")),
        ))
    };
    assert!(deep(60).is_ok());
    assert_eq!(deep(70), damaged);
    // Cut off after a row: what would have followed is not absent.
    let cut = &SHEET[..SHEET.rfind("<row>").unwrap()];
    assert_eq!(sheet(&with("xl/worksheets/sheet1.xml", cut)), damaged);
}

#[test]
fn blanks_far_out_make_no_row_wider_and_values_there_are_refused() {
    let far = |cell: &str| {
        let row = SHEET.replacen("</row>\n    <row>", &format!("{cell}</row>\n    <row>"), 1);
        assert_ne!(row, SHEET);
        sheet(&with("xl/worksheets/sheet1.xml", &row))
    };
    assert!(far("<c r=\"XFD4\" t=\"str\"><v> </v></c>").unwrap().rows.iter().any(|row| row.person.is_ok()));
    let value = far("<c r=\"XFD4\"><v>1</v></c>").unwrap_err();
    assert_eq!(value, SheetError::TooManyColumns { row: 4, columns: 16_384 });
}

#[test]
fn an_error_is_one_whatever_it_is_called_and_so_is_a_formula_without_result() {
    let problem = |cell: &str| {
        let from = "<c t=\"e\"><v>#N/A</v></c>";
        let bytes = with("xl/worksheets/sheet1.xml", &SHEET.replace(from, cell));
        sheet(&bytes).unwrap().rows[1].person.as_ref().unwrap_err()[0].problem
    };
    use crate::batch::RowProblem::{Missing, SpreadsheetError};
    for cell in ["<c t=\"e\"><v>#GETTING_DATA</v></c>", "<c t=\"e\"><v>neu</v></c>", "<c><f>A1</f><v/></c>"] {
        assert_eq!(problem(cell), SpreadsheetError, "{cell}");
    }
    assert_eq!(problem("<c t=\"str\"><f>A1</f><v></v></c>"), Missing, "a result that is an empty text");
}

proptest! {
    #[test]
    fn a_spoilt_workbook_gives_rows_or_an_error_and_never_a_panic(at: prop::sample::Index, byte: u8, cut: bool) {
        let mut bytes = with("", "");
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at.max(4)) } else { bytes[at] = byte }
        if let Err(error) = sheet(&bytes) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn any_parts_give_rows_or_an_error_and_never_a_panic(part in 0_usize..6, junk in "(<[a-z]{1,4}( (r|s|t|id|name)=\"[A-Z0-9]{0,4}\")*/?>|</[a-z]{1,4}>|&[a-z]{1,3};|[0-9]{1,3}){0,12}") {
        let names = ["_rels/.rels", "xl/_rels/workbook.xml.rels", "xl/workbook.xml", "xl/styles.xml", "xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"];
        if let Err(error) = sheet(&with(names[part], &junk)) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
