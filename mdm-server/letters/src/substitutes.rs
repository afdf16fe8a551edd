//! Whose names could not be printed as written, in front of everything: for who completes them by hand.

use crate::sheet::{BLACK, LIGHT, Press, Sheet, at, bold, drawn, plain, quiet};
use crate::{Group, Letter, Lost, Words};

const LEFT: f32 = 20.0;
const WIDTH: f32 = 170.0;
const TABLE: f32 = 56.0;
const ROW: f32 = 9.0;
const ROWS: usize = 24;
const COLUMNS: [(f32, f32); 3] = [(0.0, 38.0), (40.0, 58.0), (100.0, 70.0)];

/// The list, if anybody is on it.
pub(crate) fn print(press: &mut Press<'_>, groups: &[Group], words: &Words) {
    let fonts = press.fonts;
    let listed: Vec<(&Letter, Vec<Lost>)> = groups
        .iter()
        .flat_map(|group| {
            let department = fonts.lost(&group.department);
            group.letters.iter().map(move |letter| {
                let mut lost = fonts.lost(&letter.name);
                lost.extend(fonts.lost(&letter.staff_number));
                lost.extend(department.iter().cloned());
                (letter, lost)
            })
        })
        .filter(|(_, lost)| !lost.is_empty())
        .collect();
    for page in listed.chunks(ROWS) {
        press.page(|sheet| {
            sheet.fitted(&words.organisation, quiet(10.0), at(LEFT, 16.0, WIDTH));
            sheet.fitted(&words.substitutes.title, bold(18.0), at(LEFT, 22.0, WIDTH));
            sheet.paragraph(&words.substitutes.about, plain(10.0), at(LEFT, 34.0, WIDTH));
            table(sheet, page, words);
        });
    }
}

fn table(sheet: &mut Sheet<'_, '_>, rows: &[(&Letter, Vec<Lost>)], words: &Words) {
    for ((x, width), word) in COLUMNS.iter().zip(&words.substitutes.columns) {
        sheet.fitted(word, quiet(9.0), at(LEFT + x, TABLE + 1.5, *width));
    }
    sheet.rule((LEFT, TABLE + ROW), (LEFT + WIDTH, TABLE + ROW), drawn(0.8, BLACK));
    for (row, (letter, lost)) in rows.iter().enumerate() {
        let y = TABLE + ROW + u8::try_from(row).map_or(0.0, f32::from) * ROW;
        let characters: Vec<String> = lost.iter().map(Lost::code_points).collect();
        let cells = [letter.staff_number.as_str(), letter.name.as_str(), &characters.join(", ")];
        for ((x, width), text) in COLUMNS.iter().zip(cells) {
            sheet.fitted(text, plain(10.0), at(LEFT + x, y + 1.8, *width));
        }
        sheet.rule((LEFT, y + ROW), (LEFT + WIDTH, y + ROW), drawn(0.5, LIGHT));
    }
}
