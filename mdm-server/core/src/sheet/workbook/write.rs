//! A workbook with one sheet of texts (ECMA-376 part 1): what is needed to hand rows back, and no more.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use csv::StringRecord;
use quick_xml::escape::escape;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;
const TYPES: &str = r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#;
const RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const RELATED: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#;
/// Format 1 is 49, text: zeros that are typed in front stay.
const STYLES: &str = r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><fonts count="1"><font><sz val="11"/><name val="Yu Gothic"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/><xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs></styleSheet>"#;

/// A workbook whose cells are texts. `name` is the sheet's: at most 31 characters, none of `:\/?*[]`.
pub(in crate::sheet) fn write(name: &str, rows: &[StringRecord]) -> Vec<u8> {
    let book = format!(
        r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="{}" sheetId="1" r:id="rId1"/></sheets></workbook>"#,
        escape(name)
    );
    let parts = [
        ("[Content_Types].xml", TYPES),
        ("_rels/.rels", RELATIONS),
        ("xl/workbook.xml", &book),
        ("xl/_rels/workbook.xml.rels", RELATED),
        ("xl/styles.xml", STYLES),
        ("xl/worksheets/sheet1.xml", &sheet(rows)),
    ];
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        archive.start_file(name, SimpleFileOptions::default()).expect("memory takes any part");
        archive.write_all(DECLARATION.as_bytes()).expect("memory takes any content");
        archive.write_all(content.as_bytes()).expect("memory takes any content");
    }
    archive.finish().expect("memory takes the list of parts").into_inner()
}

fn sheet(rows: &[StringRecord]) -> String {
    let mut xml = String::from(
        r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cols><col min="1" max="16384" width="16" style="1" customWidth="1"/></cols><sheetData>"#,
    );
    for (number, row) in (1..).zip(rows) {
        _ = write!(xml, r#"<row r="{number}">"#);
        for (at, cell) in row.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            let text = escaped(cell);
            _ = write!(
                xml,
                r#"<c r="{}{number}" s="1" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>"#,
                letters(at)
            );
        }
        xml.push_str("</row>");
    }
    xml.push_str("</sheetData></worksheet>");
    xml
}

/// The column's letters: 0 is `A`, 26 is `AA`.
fn letters(mut at: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(char::from(b'A' + u8::try_from(at % 26).unwrap_or_default()));
        match (at / 26).checked_sub(1) {
            Some(rest) => at = rest,
            None => return letters.iter().rev().collect(),
        }
    }
}

/// A text as XML has it, with what XML cannot hold as `_x000B_` (ECMA-376 part 1, 22.4.2.4).
fn escaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let is_escape = c == '_' && text[at + 1..].starts_with('x');
        let unheld = (c.is_control() && !matches!(c, '\t' | '\n')) || matches!(c, '\u{FFFE}' | '\u{FFFF}');
        if is_escape || unheld {
            _ = write!(plain, "_x{:04X}_", u32::from(c));
        } else {
            plain.push(c);
        }
    }
    escape(plain).into_owned()
}
