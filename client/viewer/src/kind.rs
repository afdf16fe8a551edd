//! What a file is, by how it begins.

use image::ImageFormat;

use crate::text;

/// Where in the beginning of a file `%PDF-` may stand (ISO 32000-2, annex I of earlier editions).
const PDF_WITHIN: usize = 1_024;

pub(crate) enum Kind {
    Picture(ImageFormat),
    Pdf,
    Workbook,
    Delimited,
    Markdown,
    Text,
    Unknown,
}

/// By the bytes. Texts have no mark of what they are: of these the media type says whether there are columns or marks in it.
pub(crate) fn of(bytes: &[u8], declared: &str) -> Kind {
    match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Gif | ImageFormat::WebP)) => {
            return Kind::Picture(format);
        }
        Ok(_) => return Kind::Unknown,
        Err(_) => {}
    }
    let begins = &bytes[..bytes.len().min(PDF_WITHIN)];
    if begins.windows(5).any(|five| five == b"%PDF-") {
        return Kind::Pdf;
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return Kind::Workbook;
    }
    if !text::is_text(bytes) {
        return Kind::Unknown;
    }
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/csv" | "text/tab-separated-values" => Kind::Delimited,
        "text/markdown" => Kind::Markdown,
        _ => Kind::Text,
    }
}
