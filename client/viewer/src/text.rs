//! Texts: which encoding they are in, and where they are cut off.

use encoding_rs::{Encoding, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE};

use crate::{MAX_TEXT, Text, ViewError};

/// Bytes that no text has: all controls but tab, line feed, form feed and carriage return.
fn is_control(byte: &u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r')
}

/// Whether it reads as text at all, judged by its beginning.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    let marked = Encoding::for_bom(bytes).is_some_and(|(encoding, _)| encoding != UTF_8);
    marked || !bytes[..bytes.len().min(64 * 1024)].iter().any(is_control)
}

/// The encoding: by its mark, or UTF-8 where that fits, or else CP932, in which files of Japanese offices are.
pub(crate) fn encoding(bytes: &[u8]) -> &'static Encoding {
    match Encoding::for_bom(bytes) {
        Some((marked, _)) if [UTF_8, UTF_16LE, UTF_16BE].contains(&marked) => marked,
        _ if is_utf8(bytes) => UTF_8,
        _ => SHIFT_JIS,
    }
}

/// A file that was cut off in a character is UTF-8 all the same.
fn is_utf8(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true)
}

pub(crate) fn read(bytes: &[u8]) -> Result<Text, ViewError> {
    // Two bytes a character at least in UTF-16, and the end of what is read may be the middle of one: more than is kept.
    let begins = &bytes[..bytes.len().min(2 * MAX_TEXT + 4)];
    let encoding = encoding(begins);
    let (text, _) = encoding.decode_with_bom_removal(begins);
    let mut body = text.replace("\r\n", "\n").replace('\r', "\n");
    let is_cut = begins.len() < bytes.len() || body.len() > MAX_TEXT;
    body.truncate(body.floor_char_boundary(MAX_TEXT));
    // What is invisible or moves the cursor is not drawn.
    body.retain(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    Ok(Text { body, is_cut })
}
