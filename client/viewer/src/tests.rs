//! What each kind of document becomes, and what is refused.

use std::io::{Cursor, Write as _};

use image::{DynamicImage, ImageFormat, RgbaImage};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

const ASK: Ask = Ask { page: 0, width: 600 };

fn viewed(bytes: impl Into<Vec<u8>>, declared: &str) -> Result<Content, ViewError> {
    view(bytes.into(), declared, ASK)
}

fn text(bytes: impl Into<Vec<u8>>) -> Text {
    match viewed(bytes, "text/plain").unwrap() {
        Content::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

fn blocks(markdown: &str) -> Vec<(BlockKind, u8, String)> {
    match viewed(markdown, "text/markdown; charset=utf-8").unwrap() {
        Content::Blocks(blocks) => {
            assert!(!blocks.is_cut);
            blocks.blocks.into_iter().map(|block| (block.kind, block.depth, block.text)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn tables(bytes: impl Into<Vec<u8>>, declared: &str) -> Tables {
    match viewed(bytes, declared).unwrap() {
        Content::Tables(tables) => tables,
        other => panic!("{other:?}"),
    }
}

fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut image = RgbaImage::new(width, height);
    image.put_pixel(0, 0, image::Rgba([255, 0, 0, 255]));
    let image = DynamicImage::ImageRgba8(image);
    let image = if format == ImageFormat::Jpeg { image.into_rgb8().into() } else { image };
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

fn shown(bytes: Vec<u8>) -> Picture {
    match viewed(bytes, "").unwrap() {
        Content::Picture(picture) => picture,
        other => panic!("{other:?}"),
    }
}

/// A workbook of one sheet with this in its `sheetData`.
fn workbook(rows: &str) -> Vec<u8> {
    let parts = [
        (
            "[Content_Types].xml",
            r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#.to_owned(),
        ),
        (
            "_rels/.rels",
            r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#.to_owned(),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#.to_owned(),
        ),
        (
            "xl/workbook.xml",
            r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="四月" sheetId="1" r:id="rId1"/></sheets></workbook>"#.to_owned(),
        ),
        (
            "xl/worksheets/sheet1.xml",
            format!(r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>"#),
        ),
    ];
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A PDF of pages of this size, in points, each with a black square in its lower left corner.
fn pdf(pages: usize, width: u32, height: u32) -> Vec<u8> {
    let mut objects = vec!["<< /Type /Catalog /Pages 2 0 R >>".to_owned()];
    let kids: String = (0..pages).map(|page| format!("{} 0 R ", 4 + page)).collect();
    objects.push(format!("<< /Type /Pages /Kids [{kids}] /Count {pages} >>"));
    let draws = "0 0 0 rg 0 0 50 50 re f";
    objects.push(format!("<< /Length {} >>\nstream\n{draws}\nendstream", draws.len()));
    let page = format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents 3 0 R >>");
    objects.extend(std::iter::repeat_n(page, pages));
    let mut pdf = b"%PDF-1.7\n".to_vec();
    let mut at = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        at.push(pdf.len());
        write!(pdf, "{} 0 obj\n{object}\nendobj\n", number + 1).unwrap();
    }
    let table = pdf.len();
    write!(pdf, "xref\n0 {}\n0000000000 65535 f \n", at.len() + 1).unwrap();
    at.iter().for_each(|at| writeln!(pdf, "{at:010} 00000 n ").unwrap());
    write!(pdf, "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", at.len() + 1).unwrap();
    pdf
}

#[test]
fn texts_are_read_in_the_encodings_of_japanese_offices() {
    let said = "防災の手引\r\n一 水を止める\n";
    let expected = "防災の手引\n一 水を止める\n";
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(said.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let (cp932, _, _) = encoding_rs::SHIFT_JIS.encode(said);
    for bytes in [said.as_bytes().to_vec(), format!("\u{feff}{said}").into(), utf16, cp932.into_owned()] {
        assert_eq!(text(bytes), Text { body: expected.to_owned(), is_cut: false });
    }
    assert_eq!(text("").body, "");
}

#[test]
fn a_long_text_is_cut_at_a_character_and_says_so() {
    let long = text("あ".repeat(MAX_TEXT));
    assert!(long.is_cut && long.body.len() <= MAX_TEXT && long.body.chars().all(|c| c == 'あ'));
    let exactly = text("a".repeat(MAX_TEXT));
    assert_eq!((exactly.body.len(), exactly.is_cut), (MAX_TEXT, false));
}

#[test]
fn markdown_becomes_blocks_and_what_is_not_shown_is_not_lost_in_marks() {
    use BlockKind::{Code, Heading, Item, Paragraph, Quote, Rule, Title};
    let markdown = "# 手引\n\n水を**止める**。\n\n## 順\n\n1. 弁\n2. 元栓\n   - 外\n\n> 急ぐな\n\n```\na*b\n```\n\n---\n\
        <script>x</script>\n\n[庁](https://example.jp) ![図](x.png)\n";
    let expected = [
        (Title, 0, "手引"),
        (Paragraph, 0, "水を**止める**。"),
        (Heading, 0, "順"),
        (Item, 0, "1\\. 弁"),
        (Item, 0, "2\\. 元栓"),
        (Item, 1, "・外"),
        (Quote, 1, "急ぐな"),
        (Code, 0, "a\\*b"),
        (Rule, 0, "―"),
        (Paragraph, 0, "庁 図"),
    ];
    let expected = expected.map(|(kind, depth, text)| (kind, depth, text.to_owned()));
    assert_eq!(blocks(markdown), expected);
    assert_eq!(blocks("a \\* b")[0].2, "a \\* b", "what was no mark is none");
    let Content::Blocks(same) = viewed(markdown, "text/markdown").unwrap() else { panic!("no blocks") };
    let plain: Vec<&str> = same.blocks.iter().map(|block| block.plain.as_str()).collect();
    assert_eq!(plain[..4], ["手引", "水を止める。", "順", "1. 弁"]);
    assert_eq!(plain[7], "a*b");
}

#[test]
fn pictures_of_each_kind_are_shown_and_large_ones_scaled_down() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
        let picture = shown(picture(20, 10, format));
        assert_eq!((picture.width, picture.height), (20, 10), "{format:?}");
    }
    let large = shown(picture(6_000, 1_000, ImageFormat::Png));
    assert_eq!((large.width, large.height), (MAX_SIDE, 427));
}

#[test]
fn a_photo_is_turned_as_its_camera_says() {
    // An APP1 segment behind the first marker: Exif, big-endian, one entry, orientation 6.
    let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let mut photo = picture(20, 10, ImageFormat::Jpeg);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    photo.splice(2..2, [0xff, 0xe1].into_iter().chain(length).chain(exif.iter().copied()));
    let turned = shown(photo);
    assert_eq!((turned.width, turned.height), (10, 20));
}

#[test]
fn a_page_is_as_wide_as_asked_and_has_what_is_drawn_on_it() {
    let at = |page, width| view(pdf(3, 200, 400), "application/pdf", Ask { page, width });
    let Content::Page { of, picture } = at(2, 300).unwrap() else { panic!("no page") };
    assert_eq!((of, picture.width, picture.height), (3, 300, 600));
    let pixel = |x: usize, y: usize| &picture.rgba[(y * 300 + x) * 4..][..4];
    assert_eq!((pixel(10, 590), pixel(200, 10)), (&[0, 0, 0, 255][..], &[255; 4][..]));
    assert_eq!(at(3, 300), Err(ViewError::NoSuchPage));
    let Content::Page { picture, .. } = at(0, 100_000).unwrap() else { panic!("no page") };
    assert_eq!((picture.width, picture.height), (1_280, MAX_SIDE));
}

#[test]
fn tables_are_read_by_their_delimiter_and_cut_where_they_are_too_large() {
    for (delimiter, media_type) in [(",", "text/csv"), ("\t", "text/tab-separated-values"), (";", "text/csv")]
    {
        let file = [["氏名", "数"], ["\"森, 一\"", "2"]].map(|row| row.join(delimiter)).join("\n");
        let tables = tables(file, media_type);
        assert_eq!(tables.table.rows, [["氏名", "数"], ["森, 一", "2"]]);
        assert_eq!((tables.table.columns, tables.table.is_cut), (2, false));
    }
    let long = tables("x\n".repeat(MAX_ROWS + 1), "text/csv").table;
    assert_eq!((long.rows.len(), long.is_cut), (MAX_ROWS, true));
    let wide = tables(",".repeat(MAX_COLUMNS), "text/csv").table;
    assert_eq!((wide.columns as usize, wide.is_cut), (MAX_COLUMNS, true));
    let cell = tables("あ".repeat(MAX_CELL + 1), "text/csv").table;
    assert_eq!((cell.rows[0][0].chars().count(), cell.is_cut), (MAX_CELL, true));
}

#[test]
fn sheets_are_read_cell_by_cell_and_their_declared_size_is_nothing() {
    let inline = |at: &str, text: &str| format!(r#"<c r="{at}" t="inlineStr"><is><t>{text}</t></is></c>"#);
    let rows = format!(
        r#"<row r="1">{}{}</row><row r="3"><c r="B3"><v>12.5</v></c></row>"#,
        inline("A1", "品目"),
        inline("B1", "数")
    );
    let small = tables(workbook(&rows), "");
    assert_eq!(small.sheets, ["四月"]);
    assert_eq!(small.table.rows, [vec!["品目", "数"], vec![], vec!["", "12.5"]]);
    let far = format!(
        r#"<row r="1">{}</row><row r="1048576">{}</row>"#,
        inline("A1", "a"),
        inline("XFD1048576", "z")
    );
    let far = tables(workbook(&far), "").table;
    assert_eq!((far.rows.len(), far.columns, far.is_cut), (1, 1, true));
    assert_eq!(view(workbook(""), "", Ask { page: 1, width: 1 }), Err(ViewError::NoSuchPage));
}

#[test]
fn the_bytes_say_what_a_file_is_and_not_its_media_type() {
    assert!(matches!(viewed(pdf(1, 10, 10), "text/plain"), Ok(Content::Page { .. })));
    assert!(matches!(viewed(picture(1, 1, ImageFormat::Png), "application/pdf"), Ok(Content::Picture(_))));
    assert!(matches!(viewed("a,b", "application/pdf"), Ok(Content::Text(_))));
    assert_eq!(viewed(&b"\x7fELF\x02\x01\0\0\0"[..], "text/plain"), Err(ViewError::Unknown));
}

#[test]
fn what_is_too_large_damaged_or_protected_is_refused_by_its_name() {
    assert_eq!(viewed(vec![b'a'; MAX_SOURCE + 1], ""), Err(ViewError::TooLarge));
    let mut huge = picture(2, 2, ImageFormat::Png);
    // Width and height in the first chunk, whose checksum is behind them.
    huge[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    assert!(matches!(viewed(huge, ""), Err(ViewError::TooLarge | ViewError::Damaged)));
    let whole = picture(200, 200, ImageFormat::Jpeg);
    assert_eq!(viewed(&whole[..8], ""), Err(ViewError::Damaged));
    assert_eq!(viewed(&b"%PDF-1.7\nnothing"[..], ""), Err(ViewError::Damaged));
    assert_eq!(viewed(pdf(0, 10, 10), ""), Err(ViewError::Damaged));
    assert_eq!(viewed(pdf(1, 1, 100_000), ""), Err(ViewError::Damaged));
    assert!(viewed(&b"PK\x03\x04"[..], "").is_err());
}
