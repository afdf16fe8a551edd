//! Rows to the bytes of a CSV file as Japanese office software writes them: CRLF, quotes only where needed.

use clap::ValueEnum;
use encoding_rs::{EncoderResult, SHIFT_JIS};
use thiserror::Error;

use super::{HEADER, Row};

/// How the characters become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Encoding {
    /// Shift_JIS with the NEC and IBM extensions, Windows code page 932: what Excel saves as "CSV".
    Cp932,
    /// UTF-8 without a mark.
    #[value(name = "utf-8")]
    Utf8,
    /// UTF-8 after the bytes EF BB BF: what Excel saves as "CSV UTF-8".
    #[value(name = "utf-8-bom")]
    Utf8Bom,
}

/// Why rows do not become a file.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EncodeError {
    /// The encoding has no bytes for a character; nothing is written in its place.
    #[error("line {line}: {character:?} has no bytes in CP932; take utf-8 or another character")]
    NotInCp932 {
        /// The line of the file, the header being line 1.
        line: usize,
        /// The first such character.
        character: char,
    },
}

/// The whole file, header first.
///
/// # Errors
/// When a value has a character that the encoding lacks. Rows of `generate` have none.
pub fn encode(rows: &[Row], encoding: Encoding) -> Result<Vec<u8>, EncodeError> {
    let text = csv_text(rows);
    match encoding {
        Encoding::Cp932 => cp932(&text),
        Encoding::Utf8 => Ok(text.into_bytes()),
        Encoding::Utf8Bom => Ok([b"\xEF\xBB\xBF", text.as_bytes()].concat()),
    }
}

fn csv_text(rows: &[Row]) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let in_memory = "a Vec takes every write, and every record has the header's eight fields";
    writer.write_record(HEADER).expect(in_memory);
    for row in rows {
        let wish = if row.wish { "○" } else { "" };
        let fields = [
            &row.number,
            &row.name,
            &row.kana,
            &row.department,
            &row.title,
            &row.employment,
            &row.mail,
            wish,
        ];
        writer.write_record(fields).expect(in_memory);
    }
    let bytes = writer.into_inner().expect(in_memory);
    String::from_utf8(bytes).expect("the csv writer adds only ASCII to the text it is given")
}

/// Never lets the encoder write its own stand-in (`&#…;`) for a character that it lacks.
fn cp932(text: &str) -> Result<Vec<u8>, EncodeError> {
    let mut encoder = SHIFT_JIS.new_encoder();
    let most = encoder
        .max_buffer_length_from_utf8_without_replacement(text.len())
        .expect("a file of so few rows is far below the address space");
    let mut bytes = Vec::with_capacity(most);
    let (result, read) = encoder.encode_from_utf8_to_vec_without_replacement(text, &mut bytes, true);
    match result {
        EncoderResult::InputEmpty => Ok(bytes),
        EncoderResult::Unmappable(character) => {
            Err(EncodeError::NotInCp932 { line: text[..read].matches("\r\n").count() + 1, character })
        }
        EncoderResult::OutputFull => unreachable!("the buffer holds the encoder's own upper bound"),
    }
}
