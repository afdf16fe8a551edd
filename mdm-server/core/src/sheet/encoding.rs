//! Encodings: which one a file is in, and where the first byte is that it does not have.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use encoding_rs::{DecoderResult, EncoderResult, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE};
use serde::{Deserialize, Serialize};

use super::{Delimiter, Place, SheetError, delimiter, quoting};

/// How a file's characters are written as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// RFC 3629.
    Utf8,
    /// The same after the bytes EF BB BF, as Excel writes it.
    Utf8Bom,
    /// Windows code page 932 with the extensions of NEC and IBM: `Shift_JIS` of the WHATWG Encoding Standard.
    Cp932,
    /// Either byte order, told by its mark (RFC 2781 section 3.2).
    Utf16,
}

/// Not the name of an encoding that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an encoding that is read here: write utf-8, utf-8-bom, cp932 or utf-16")]
pub struct UnknownEncoding;

impl Encoding {
    /// As shown and stored: `UTF-8`, `UTF-8 with BOM`, `CP932`, `UTF-16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf8Bom => "UTF-8 with BOM",
            Self::Cp932 => "CP932",
            Self::Utf16 => "UTF-16",
        }
    }

    pub(super) fn cure(self) -> &'static str {
        match self {
            Self::Utf8 | Self::Utf8Bom => {
                "if Excel saved the file as plain CSV, declare cp932, or leave the encoding out; otherwise export it again"
            }
            Self::Cp932 => {
                "save the file as \"CSV UTF-8\" and upload it again, without declaring an encoding"
            }
            Self::Utf16 => "the file is cut off or damaged; export it again, best as \"CSV UTF-8\"",
        }
    }

    /// A text in this encoding; UTF-16 with the little end first, after its mark. What the encoding does not have becomes
    /// 〓, the sign of printers for a missing type.
    pub fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Utf8Bom => [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
            Self::Cp932 => {
                text.chars().flat_map(|c| cp932(c).or_else(|| cp932('〓')).unwrap_or_default()).collect()
            }
            Self::Utf16 => {
                "\u{FEFF}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
            }
        }
    }

    pub(super) fn same_text(self, other: Self) -> bool {
        let plain = |encoding| if encoding == Self::Utf8Bom { Self::Utf8 } else { encoding };
        plain(self) == plain(other)
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    fn from_str(text: &str) -> Result<Self, UnknownEncoding> {
        match text.to_ascii_lowercase().replace('_', "-").as_str() {
            "utf-8" | "utf8" => Ok(Self::Utf8),
            "utf-8-bom" | "utf-8 with bom" => Ok(Self::Utf8Bom),
            "cp932" | "ms932" | "windows-31j" | "shift-jis" | "sjis" => Ok(Self::Cp932),
            "utf-16" | "utf16" => Ok(Self::Utf16),
            _ => Err(UnknownEncoding),
        }
    }
}

/// Whether code page 932 has all characters of a text.
pub fn fits_cp932(text: &str) -> bool {
    text.chars().all(|c| cp932(c).is_some())
}

/// One character in code page 932, 外字 included.
fn cp932(c: char) -> Option<Vec<u8>> {
    // User-defined characters: rows 95 to 114 of 188 each, as the WHATWG Encoding Standard decodes them.
    if let Some(place) = u32::from(c).checked_sub(0xE000).filter(|place| *place < 1_880) {
        let (lead, trail) = (0xF0 + place / 188, place % 188);
        let trail = trail + if trail < 0x3F { 0x40 } else { 0x41 };
        return Some(vec![u8::try_from(lead).ok()?, u8::try_from(trail).ok()?]);
    }
    // Characters that JIS and Microsoft assign to different code points.
    let c = match c {
        '〜' => '～',
        '‖' => '∥',
        '−' => '－',
        '¢' => '￠',
        '£' => '￡',
        '¬' => '￢',
        // The encoder would write them as a backslash and a tilde.
        '¥' => '￥',
        '‾' => '￣',
        other => other,
    };
    let (mut text, mut bytes) = ([0; 4], [0; 8]);
    let (result, _, written) = SHIFT_JIS.new_encoder().encode_from_utf8_without_replacement(
        c.encode_utf8(&mut text),
        &mut bytes,
        true,
    );
    (result == EncoderResult::InputEmpty).then(|| bytes[..written].to_vec())
}

/// Finds the encoding: by its mark, else UTF-8 if that fits, else CP932. Of a file that neither fits, the one that
/// reads further is named.
pub(super) fn decode(bytes: &[u8]) -> Result<(Encoding, Cow<'_, str>), SheetError> {
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return decode_as(Encoding::Utf16, bytes);
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return decode_as(Encoding::Utf8, bytes);
    }
    let utf8 = match decode_as(Encoding::Utf8, bytes) {
        Err(error) => error,
        decoded => return decoded,
    };
    decode_as(Encoding::Cp932, bytes).map_err(|cp932| match (&utf8, &cp932) {
        (SheetError::Undecodable { offset: far, .. }, SheetError::Undecodable { offset: near, .. })
            if far > near =>
        {
            utf8
        }
        _ => cp932,
    })
}

/// Reads the file in one encoding.
pub(super) fn decode_as(declared: Encoding, bytes: &[u8]) -> Result<(Encoding, Cow<'_, str>), SheetError> {
    let mark = |mark: &[u8]| bytes.strip_prefix(mark);
    let (encoding, codec, skipped) = match declared {
        Encoding::Utf8 | Encoding::Utf8Bom => match mark(b"\xEF\xBB\xBF") {
            Some(_) => (Encoding::Utf8Bom, UTF_8, 3),
            None => (Encoding::Utf8, UTF_8, 0),
        },
        Encoding::Cp932 => (Encoding::Cp932, SHIFT_JIS, 0),
        Encoding::Utf16 if mark(b"\xFF\xFE").is_some() => (Encoding::Utf16, UTF_16LE, 2),
        Encoding::Utf16 if mark(b"\xFE\xFF").is_some() => (Encoding::Utf16, UTF_16BE, 2),
        Encoding::Utf16 => return Err(SheetError::NoMark),
    };
    let body = &bytes[skipped..];
    match codec.decode_without_bom_handling_and_without_replacement(body) {
        Some(text) => Ok((encoding, text)),
        None => Err(undecodable(encoding, codec, body, skipped)),
    }
}

fn undecodable(
    encoding: Encoding,
    codec: &'static encoding_rs::Encoding,
    body: &[u8],
    skipped: usize,
) -> SheetError {
    let mut decoder = codec.new_decoder_without_bom_handling();
    let room = decoder.max_utf8_buffer_length_without_replacement(body.len()).unwrap_or(body.len());
    let mut before = String::with_capacity(room);
    let (result, read) = decoder.decode_to_string_without_replacement(body, &mut before, true);
    let behind = match result {
        DecoderResult::Malformed(length, further) => usize::from(length) + usize::from(further),
        DecoderResult::InputEmpty | DecoderResult::OutputFull => 0,
    };
    let at = read.saturating_sub(behind);
    let (declared, before) = delimiter::declared(&before);
    let delimiter: Delimiter = declared.unwrap_or_else(|| delimiter::find(before));
    let place: Place = quoting::end(before, delimiter);
    let byte = body.get(at).copied().unwrap_or_default();
    SheetError::Undecodable { encoding, at: place, offset: at + skipped, byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_as_cp932_is_written_as_the_same_bytes() {
        // 髙 and 﨑 of IBM's extensions, ① of NEC's, 〜 as Windows has it, the first and the last 外字, half-width kana.
        let bytes = b"\xFB\xFC\xFA\xB1\x87\x40\x81\x60\xF0\x40\xF9\xFC\xB1\x81\x7C";
        let (text, _, failed) = SHIFT_JIS.decode(bytes);
        assert!(!failed);
        assert_eq!(Encoding::Cp932.encode(&text), bytes);
    }

    #[test]
    fn every_user_defined_character_goes_there_and_back() {
        let all: String = (0xE000..0xE000 + 1_880).filter_map(char::from_u32).collect();
        let encoded = Encoding::Cp932.encode(&all);
        let (back, _, failed) = SHIFT_JIS.decode(&encoded);
        assert!(!failed);
        assert_eq!(back, all);
    }

    #[test]
    fn a_character_that_cp932_does_not_have_is_told_and_marked() {
        assert!(fits_cp932("髙﨑〜太郎"));
        assert!(!fits_cp932("𠮷田"));
        assert_eq!(Encoding::Cp932.encode("𠮷"), Encoding::Cp932.encode("〓"));
    }

    #[test]
    fn utf_16_begins_with_its_mark() {
        assert_eq!(Encoding::Utf16.encode("職"), [0xFF, 0xFE, 0x77, 0x80]);
    }
}
