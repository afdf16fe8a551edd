//! Staff files.

use mdm_core::sheet::{self, Encoding, MAX_CELL, MAX_COLUMNS, MAX_ROWS, Person, Row};

use crate::encodings::read_as;

/// The first byte declares an encoding, or none; the rest is the file.
pub(crate) fn staff_sheet(bytes: &[u8]) {
    let Some((declared, file)) = bytes.split_first() else { return };
    let declared = match declared % 5 {
        0 => None,
        1 => Some(Encoding::Utf8),
        2 => Some(Encoding::Utf8Bom),
        3 => Some(Encoding::Cp932),
        _ => Some(Encoding::Utf16),
    };
    let sheet = match sheet::read(file, declared) {
        Ok(sheet) => sheet,
        Err(error) => {
            assert!(error.to_string().len() < 16 * 1024, "an error that nobody reads to its end");
            return;
        }
    };
    read_as(sheet.encoding.name());
    assert!(!sheet.rows.is_empty() && sheet.rows.len() <= MAX_ROWS);
    assert!(sheet.columns.len() + sheet.unused_columns.len() <= MAX_COLUMNS);
    assert!(sheet.rows.is_sorted_by(|a, b| a.number < b.number), "rows are in order, each once");
    sheet.rows.iter().for_each(within_limits);
    let known = |number: &u32| sheet.rows.iter().any(|row| row.number == *number);
    assert!(sheet.normalised.iter().all(known));
    assert!(sheet.private_use.iter().all(|character| known(&character.row)));
    assert!(sheet::read(file, Some(sheet.encoding)).is_ok_and(|again| again == sheet), "declared as found");
}

fn within_limits(row: &Row) {
    assert!(row.number >= 2, "the header is row 1");
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
    let texts = [Some(&attributes.name), attributes.kana.as_ref(), attributes.mail.as_ref()];
    for text in texts.into_iter().flatten() {
        assert!(!text.is_empty() && text.chars().count() <= MAX_CELL);
        assert!(!text.contains(char::is_control) && !text.contains(char::REPLACEMENT_CHARACTER));
        assert_eq!(text.trim(), text);
    }
}
