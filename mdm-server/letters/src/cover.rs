//! 受領簿: who gets a letter of this group, with room for a day and a seal. It has no code.

use crate::sheet::{BLACK, GREY, LIGHT, Press, Sheet, TINT, at, bold, drawn, plain, quiet};
use crate::{Group, Letter, Words};

const LEFT: f32 = 20.0;
const WIDTH: f32 = 170.0;
/// The upper edge of the table.
const TABLE: f32 = 66.0;
const HEAD: f32 = 8.0;
const ROW: f32 = 10.0;
const ROWS: usize = 20;
/// Where the columns begin, from the left edge of the table, and where the last ends.
const COLUMNS: [f32; 6] = [0.0, 12.0, 44.0, 104.0, 136.0, WIDTH];
/// Between a cell's edge and its text.
const CELL: f32 = 2.5;

/// The pages of one group's list.
pub(crate) fn print(press: &mut Press<'_>, group: &Group, words: &Words) {
    let pages = group.letters.chunks(ROWS).count();
    for (page, letters) in group.letters.chunks(ROWS).enumerate() {
        press.page(|sheet| {
            head(sheet, group, words);
            table(sheet, letters, page * ROWS, words);
            sheet.flush_right(&format!("{} / {pages}", page + 1), quiet(9.0), at(LEFT, 280.0, WIDTH));
            sheet.fitted(&words.cover.printed, quiet(9.0), at(LEFT, 280.0, WIDTH / 2.0));
        });
    }
}

fn head(sheet: &mut Sheet<'_, '_>, group: &Group, words: &Words) {
    sheet.fitted(&words.organisation, quiet(10.0), at(LEFT, 16.0, WIDTH));
    sheet.fitted(&words.cover.title, bold(18.0), at(LEFT, 22.0, WIDTH));
    sheet.fitted(&group.department, bold(14.0), at(LEFT, 36.0, 110.0));
    sheet.flush_right(&group.count, plain(11.0), at(LEFT + 110.0, 37.0, WIDTH - 110.0));
    sheet.rule((LEFT, 46.0), (LEFT + WIDTH, 46.0), drawn(1.0, BLACK));
    sheet.paragraph(&words.cover.about, plain(9.0), at(LEFT, 48.5, WIDTH));
    sheet.fitted(&words.cover.handed_by, plain(9.0), at(LEFT, 58.5, WIDTH));
}

fn table(sheet: &mut Sheet<'_, '_>, letters: &[Letter], first: usize, words: &Words) {
    let count = u8::try_from(letters.len()).map_or(0.0, f32::from);
    let bottom = TABLE + HEAD + count * ROW;
    sheet.block((LEFT, TABLE), (WIDTH, HEAD), TINT);
    for (column, word) in words.cover.columns.iter().enumerate() {
        sheet.fitted(word, quiet(9.0), cell(column, TABLE + 1.5));
    }
    for (row, letter) in letters.iter().enumerate() {
        let y = TABLE + HEAD + u8::try_from(row).map_or(0.0, f32::from) * ROW;
        sheet.rule((LEFT, y), (LEFT + WIDTH, y), drawn(0.5, LIGHT));
        sheet.flush_right(&(first + row + 1).to_string(), plain(10.0), cell(0, y + 2.2));
        sheet.fitted(&letter.staff_number, plain(10.0), cell(1, y + 2.2));
        sheet.fitted(&letter.name, bold(12.0), cell(2, y + 1.6));
    }
    for x in &COLUMNS[1..5] {
        sheet.rule((LEFT + x, TABLE), (LEFT + x, bottom), drawn(0.5, LIGHT));
    }
    sheet.frame((LEFT, TABLE), (WIDTH, bottom - TABLE), drawn(0.8, GREY));
}

fn cell(column: usize, y: f32) -> crate::sheet::Place {
    let (from, until) = (COLUMNS[column], COLUMNS[column + 1]);
    at(LEFT + from + CELL, y, until - from - 2.0 * CELL)
}
