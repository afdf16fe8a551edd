//! Files that are neither text nor workbook, known by how they begin.

use std::fmt;

use super::SheetError;

/// What a file looks like that is not read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say most of it")]
pub enum LooksLike {
    /// A ZIP archive without the parts of a workbook.
    Zip,
    /// ODS (ISO/IEC 26300), or another document of that kind.
    OpenDocument,
    /// HTML or XML, which some systems write into files that they call .xls.
    Markup,
    /// Also a workbook with a password, which is kept in the same container.
    OldExcel,
    Png,
    Jpeg,
    Gif,
    Pdf,
    Gzip,
    Binary,
}

/// Magic numbers as in the formats' own documents: PKWARE APPNOTE 4.3.7, [MS-CFB] 2.2, PNG (RFC 2083 section 3.1), JPEG
/// (ITU-T T.81 B.1.1.3), GIF89a, PDF (ISO 32000), gzip (RFC 1952 section 2.3.1).
const MAGIC: &[(&[u8], LooksLike)] = &[
    (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", LooksLike::OldExcel),
    (b"\x89PNG", LooksLike::Png),
    (b"\xFF\xD8\xFF", LooksLike::Jpeg),
    (b"GIF8", LooksLike::Gif),
    (b"%PDF-", LooksLike::Pdf),
    (b"\x1F\x8B\x08", LooksLike::Gzip),
];

impl LooksLike {
    pub(super) fn cure(self) -> &'static str {
        match self {
            Self::OpenDocument | Self::Markup => {
                "open it in the spreadsheet program and save it as an Excel workbook (.xlsx)"
            }
            Self::OldExcel => {
                "open it in the spreadsheet program and save it as an Excel workbook (.xlsx) without a password"
            }
            Self::Zip => "unpack it and upload the CSV file or the Excel workbook (.xlsx) inside",
            Self::Gzip => "unpack it and upload the CSV file inside",
            Self::Binary => "export the list again as CSV in UTF-8 or CP932",
            Self::Png | Self::Jpeg | Self::Gif | Self::Pdf => {
                "pick the CSV file that the personnel system wrote"
            }
        }
    }
}

impl fmt::Display for LooksLike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zip => "a ZIP archive that is no Excel workbook",
            Self::OpenDocument => "an OpenDocument spreadsheet (.ods)",
            Self::Markup => "a web page or XML under the name of a workbook",
            Self::OldExcel => "an old Excel workbook (.xls) or one with a password",
            Self::Png => "a PNG picture",
            Self::Jpeg => "a JPEG picture",
            Self::Gif => "a GIF picture",
            Self::Pdf => "a PDF document",
            Self::Gzip => "a gzip archive",
            Self::Binary => "binary data (it holds NUL bytes)",
        })
    }
}

/// Begins like a ZIP archive (PKWARE APPNOTE 4.3.7), which a workbook is.
pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// Begins like HTML or XML. No header of a list begins with `<`.
fn is_markup(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    let begins = |tag: &[u8]| bytes.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag));
    [&b"<!doctype"[..], b"<html", b"<?xml", b"<table", b"<meta", b"<style"].into_iter().any(begins)
}

/// An error for a file that is empty or no text. UTF-16 has NUL bytes and is told by its mark.
pub(super) fn refuse_other_formats(bytes: &[u8]) -> Result<(), SheetError> {
    if let Some((_, looks_like)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(SheetError::NotText(*looks_like));
    }
    let utf16 = bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF");
    if !utf16 && bytes.contains(&0) {
        return Err(SheetError::NotText(LooksLike::Binary));
    }
    if is_markup(bytes) {
        return Err(SheetError::NotText(LooksLike::Markup));
    }
    if bytes.is_empty() { Err(SheetError::Empty) } else { Ok(()) }
}
