//! Staff files.

use std::collections::BTreeSet;
use std::io::{Cursor, Write as _};

use mdm_core::sheet::rejected::{self, REASON_BEGINS, REASON_HEADERS, Written};
use mdm_core::sheet::{
    self, Column, Declared, Encoding, Format, MAX_CELL, MAX_COLUMNS, MAX_ROWS, Person, Row, Sheet,
};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::encodings::read_as;

/// The first byte declares an encoding, or none, and whether it is a list of leavers; the rest is the file.
pub(crate) fn staff_sheet(bytes: &[u8]) {
    let Some((first, file)) = bytes.split_first() else { return };
    if file.starts_with(b"PK") {
        // For the target `workbook`, with the allowance of what unfolds.
        return;
    }
    let encoding = match first % 5 {
        0 => None,
        1 => Some(Encoding::Utf8),
        2 => Some(Encoding::Utf8Bom),
        3 => Some(Encoding::Cp932),
        _ => Some(Encoding::Utf16),
    };
    check(file, Declared { encoding, of_leavers: first / 5 % 2 == 1, ..Declared::default() });
}

/// The first byte is 0 for a whole file, or else says which part of a workbook the rest is, the others being sound.
pub(crate) fn workbook(bytes: &[u8]) {
    let Some((part, rest)) = bytes.split_first() else { return };
    match usize::from(*part).checked_sub(1) {
        None => check(rest, Declared::default()),
        Some(part) => check(&with_part(part % PARTS.len(), rest), Declared::default()),
    }
}

/// A sound workbook, part by part.
pub(crate) const PARTS: [(&str, &str); 6] = [
    (
        "_rels/.rels",
        r#"<Relationships><Relationship Id="rId1" Type="x/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
    ),
    (
        "xl/_rels/workbook.xml.rels",
        r#"<Relationships><Relationship Id="rId1" Type="x/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="x/sharedStrings" Target="sharedStrings.xml"/><Relationship Id="rId3" Type="x/styles" Target="styles.xml"/></Relationships>"#,
    ),
    (
        "xl/workbook.xml",
        r#"<workbook><workbookPr date1904="0"/><sheets><sheet name="s" sheetId="1" r:id="rId1"/></sheets></workbook>"#,
    ),
    (
        "xl/styles.xml",
        r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="00000"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="14"/></cellXfs></styleSheet>"#,
    ),
    (
        "xl/sharedStrings.xml",
        "<sst><si><t>職員番号</t></si><si><r><t>氏</t></r><r><t>名</t></r></si><si><t>所属</t></si><si><t>任期満了日</t></si></sst>",
    ),
    (
        "xl/worksheets/sheet1.xml",
        r#"<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c><c r="D1" t="s"><v>3</v></c></row><row r="2"><c r="A2" s="1"><v>12</v></c><c r="B2" t="inlineStr"><is><t>甲</t></is></c><c r="C2" t="str"><f>1</f><v>乙</v></c><c r="D2" s="2"><v>46478</v></c></row></sheetData></worksheet>"#,
    ),
];

fn with_part(replaced: usize, content: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (at, (name, sound)) in PARTS.into_iter().enumerate() {
        archive.start_file(name, stored).expect("memory takes any part");
        let content = if at == replaced { content } else { sound.as_bytes() };
        archive.write_all(content).expect("memory takes any content");
    }
    archive.finish().expect("memory takes the list of parts").into_inner()
}

/// Reads a file, and looks whether what is read keeps its promises.
fn check(file: &[u8], declared: Declared) {
    let sheet = match sheet::read(file, &declared) {
        Ok(sheet) => sheet,
        Err(error) => {
            assert!(error.to_string().len() < 16 * 1024, "an error that nobody reads to its end");
            return;
        }
    };
    read_as(sheet.format.name());
    read_as(sheet.layout.name());
    assert!(!sheet.rows.is_empty() && sheet.rows.len() <= MAX_ROWS);
    assert!(sheet.unused_columns.len() <= MAX_COLUMNS);
    assert!(sheet.rows.is_sorted_by(|a, b| a.number < b.number), "rows are in order, each once");
    sheet.rows.iter().for_each(within_limits);
    let known = |number: &u32| sheet.rows.iter().any(|row| row.number == *number);
    assert!(sheet.normalised.iter().all(known));
    assert!(sheet.private_use.iter().all(|character| known(&character.row)));
    rejected_again(file, declared.clone(), &sheet);
    if let Format::Text { encoding, delimiter } = sheet.format {
        let as_found = Declared { encoding: Some(encoding), delimiter: Some(delimiter), ..declared };
        assert!(sheet::read(file, &as_found).is_ok_and(|again| again == sheet), "declared as found");
    }
}

/// Rejected rows that are handed back and not mended are no longer a list of everybody, and are rejected again.
fn rejected_again(file: &[u8], declared: Declared, sheet: &Sheet) {
    let wanted: BTreeSet<u32> =
        sheet.rows.iter().filter(|row| row.person.is_err()).map(|row| row.number).collect();
    let kept = rejected::keep(file, &declared, |row| wanted.contains(&row).then_some(row))
        .expect("a file that was read is read again");
    assert!(kept.rows as usize <= wanted.len());
    if kept.rows == 0 {
        return;
    }
    let written = match sheet.format {
        Format::Text { encoding, delimiter } => Written::Text(encoding, delimiter),
        Format::Workbook { .. } => Written::Workbook,
    };
    let reasons = wanted.iter().map(|row| (*row, format!("{}x", REASON_BEGINS[0]))).collect();
    let back =
        rejected::write(written, &kept.bytes, REASON_HEADERS[0], &reasons).expect("kept rows are whole");
    let declared = match sheet.format {
        Format::Text { encoding, delimiter } => {
            Declared { encoding: Some(encoding), delimiter: Some(delimiter), ..declared }
        }
        Format::Workbook { .. } => declared,
    };
    // An apostrophe may make a cell too long, and a first row that is no example of its product makes no layout.
    if let Ok(again) = sheet::read(&back, &declared) {
        read_as("rejected rows");
        assert!(again.is_rejected_rows);
        assert_eq!(again.rows.len(), kept.rows as usize);
        assert!(again.rows.iter().all(|row| row.person.is_err()), "accepted without being mended");
    }
}

fn within_limits(row: &Row) {
    assert!(row.number >= 1);
    match &row.person {
        Ok(person) => {
            read_as("person");
            acceptable(person);
        }
        Err(problems) => assert!((1..=4).contains(&problems.len()), "{} problems", problems.len()),
    }
    assert!(row.staff_number.is_some() || row.person.is_err(), "an accepted row is about somebody");
}

fn acceptable(person: &Person) {
    let attributes = &person.attributes;
    // Of a leaver a number is enough.
    let untold = person.kept.contains(&Column::Name) || (person.leaves && attributes.name.is_empty());
    let name = Some(&attributes.name).filter(|_| !untold);
    let texts = [name, attributes.kana.as_ref(), attributes.mail.as_ref()];
    for text in texts.into_iter().flatten() {
        assert!(!text.is_empty() && text.chars().count() <= MAX_CELL);
        assert!(!text.contains(char::is_control) && !text.contains(char::REPLACEMENT_CHARACTER));
        assert_eq!(text.trim(), text);
    }
}
