//! What is printed: JSON as it came, or aligned text. Nothing that a server sends can move the cursor.

use std::io::{self, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::failure::Failure;

/// Prints text. A reader that has gone away (`| head`) is no error.
pub(crate) fn print(text: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Here(format!("cannot write the answer: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints an answer in the form that was asked for.
pub(crate) fn answer<T: Serialize>(
    json: bool,
    value: &T,
    human: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    let text = if json {
        let text = serde_json::to_string_pretty(value);
        text.map_err(|error| Failure::Here(format!("cannot write the answer as JSON: {error}")))?
    } else {
        human(value)
    };
    print(format!("{}\n", text.trim_end_matches('\n')).as_bytes())
}

/// Text in one line and without control characters.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A column's contents on the left, padded by display width: a kanji takes two places.
fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// Rows below a header, each column as wide as its widest cell.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(&header)
        .chain(rows)
        .map(|row| row.iter().map(|cell| one_line(cell)).collect())
        .collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width)).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Names and values, the values aligned.
pub(crate) fn fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{}  {}\n", padded(name, width), one_line(value));
    fields.iter().map(line).collect()
}

/// A time in this machine's zone, to the second.
pub(crate) fn time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// A time that may not be.
pub(crate) fn maybe_time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), time)
}

/// A word of the API as it stands in JSON.
pub(crate) fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_by_display_width() {
        let rows = vec![
            vec!["001".into(), "髙﨑 濵子".into(), "x".into()],
            vec!["12".into(), "Abe".into(), "y".into()],
        ];
        let text = table(&["no", "name", "z"], &rows);
        assert_eq!(text, "no   name       z\n001  髙﨑 濵子  x\n12   Abe        y\n");
    }

    #[test]
    fn what_a_server_sends_cannot_move_the_cursor() {
        let rows = vec![vec!["a\u{1b}[2Jb\nc".into()]];
        assert_eq!(table(&["x"], &rows), "x\na [2Jb c\n");
        assert_eq!(fields(&[("name", "a\rb".into())]), "name  a b\n");
    }
}
