//! Documents made in memory: sound ones, and the parts that hostile ones are put together from.

use std::io::{Cursor, Write as _};

use flate2::{Compress, Compression, FlushCompress};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A PDF of these objects, the first of which is the catalogue.
pub fn pdf_of(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut pdf = b"%PDF-1.7\n".to_vec();
    let mut at = Vec::new();
    for (number, object) in (1..).zip(objects) {
        at.push(pdf.len());
        put(&mut pdf, format!("{number} 0 obj\n"));
        pdf.extend_from_slice(object);
        put(&mut pdf, "\nendobj\n");
    }
    let table = pdf.len();
    put(&mut pdf, format!("xref\n0 {}\n0000000000 65535 f \n", at.len() + 1));
    for at in &at {
        put(&mut pdf, format!("{at:010} 00000 n \n"));
    }
    let size = at.len() + 1;
    put(&mut pdf, format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n"));
    pdf
}

fn put(bytes: &mut Vec<u8>, text: impl AsRef<str>) {
    bytes.extend_from_slice(text.as_ref().as_bytes());
}

/// A stream object: its dictionary, without the length, and its bytes as they are.
pub fn stream(dictionary: &str, bytes: &[u8]) -> Vec<u8> {
    let mut object = format!("<< {dictionary} /Length {} >>\nstream\n", bytes.len()).into_bytes();
    object.extend_from_slice(bytes);
    put(&mut object, "\nendstream");
    object
}

/// So many MiB of equal bytes as zlib makes them small, but for the checksum at the end: one block, over and over.
pub fn deflated(byte: u8, mebibytes: usize) -> Vec<u8> {
    let part = vec![byte; 1 << 20];
    let mut compressor = Compress::new(Compression::best(), true);
    let mut block = || {
        let mut block = Vec::with_capacity(64 * 1024);
        compressor.compress_vec(&part, &mut block, FlushCompress::Sync).expect("room for it");
        block
    };
    let (first, again) = (block(), block());
    let last = [1, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
    first.into_iter().chain(again.repeat(mebibytes - 1)).chain(last).collect()
}

/// A sound PDF: on each A4 page a frame, a street plan, and the page's number in large.
pub fn pdf(pages: usize) -> Vec<u8> {
    let kids: String = (0..pages).map(|page| format!("{} 0 R ", 4 + 2 * page)).collect();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Kids [{kids}] /Count {pages} >>").into_bytes(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>".to_vec(),
    ];
    for page in 0..pages {
        let content = 5 + 2 * page;
        objects.push(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F 3 0 R >> >> /Contents {content} 0 R >>"
            )
            .into_bytes(),
        );
        let mut draws = String::from("0.35 0.4 0.48 RG 2 w 48 48 499 746 re S\n");
        for line in 0..7 {
            let (across, along) = (110 + 90 * line, 90 + 70 * line);
            draws += &format!("0.75 0.78 0.82 RG 10 w 60 {across} m 535 {} l S\n", across + 40);
            draws += &format!("{along} 60 m {} 780 l S\n", along + 30);
        }
        draws += "0 0.09 0.76 RG 8 w 120 150 m 300 330 l 300 560 l 450 640 l S\n";
        draws += "0.8 0 0 rg 435 625 30 30 re f\n";
        draws += &format!("BT /F 40 Tf 70 720 Td 0 g (EVACUATION ROUTE {}) Tj ET", page + 1);
        objects.push(stream("", draws.as_bytes()));
    }
    pdf_of(&objects)
}

/// A ZIP archive.
pub fn archive<'a>(parts: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(name, SimpleFileOptions::default()).expect("a name");
        zip.write_all(&content).expect("a vector takes any bytes");
    }
    zip.finish().expect("an archive").into_inner()
}

const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";

/// A workbook of these sheets, each with a name and its XML.
pub fn workbook(sheets: &[(String, Vec<u8>)]) -> Vec<u8> {
    let numbers = 1..=sheets.len();
    let listed: String = numbers
        .clone()
        .zip(sheets)
        .map(|(n, (name, _))| format!(r#"<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>"#))
        .collect();
    let related: String = numbers
        .clone()
        .map(|n| {
            format!(r#"<Relationship Id="r{n}" Type="{OFFICE}/worksheet" Target="worksheets/s{n}.xml"/>"#)
        })
        .collect();
    let relationships = "http://schemas.openxmlformats.org/package/2006/relationships";
    let root = format!(r#"<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>"#);
    let wrap = |inner: &str| format!(r#"<Relationships xmlns="{relationships}">{inner}</Relationships>"#);
    let book = format!(r#"<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{listed}</sheets></workbook>"#);
    let names: Vec<String> = numbers.map(|n| format!("xl/worksheets/s{n}.xml")).collect();
    let fixed = [
        ("_rels/.rels", wrap(&root)),
        ("xl/_rels/workbook.xml.rels", wrap(&related)),
        ("xl/workbook.xml", book),
    ];
    let fixed = fixed.into_iter().map(|(name, xml)| (name, xml.into_bytes()));
    archive(fixed.chain(names.iter().map(String::as_str).zip(sheets.iter().map(|(_, xml)| xml.clone()))))
}

/// The XML of a sheet with this in its `sheetData`.
pub fn sheet(rows: &str) -> Vec<u8> {
    format!(r#"<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>"#).into_bytes()
}
