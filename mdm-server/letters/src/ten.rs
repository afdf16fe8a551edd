//! Ten letters a page: two columns of five, with lines to cut along.

use crate::sheet::{HEIGHT, Press, Sheet, WIDTH, at, bold, cut, plain, quiet};
use crate::{Group, Letter, PrintError, Words, chart};

const COLUMNS: usize = 2;
const ROWS: usize = 5;
/// What a printer does not reach of a page's upper and lower edge.
const EDGE: f32 = 4.0;
const SLIP: (f32, f32) = (WIDTH / 2.0, (HEIGHT - 2.0 * EDGE) / 5.0);
/// What a printer does not reach at the sides, and what a knife may miss.
const MARGIN: f32 = 7.0;
const QR: f32 = 30.0;
/// The lower part of a slip, which has the loss code.
const STRIP: f32 = 9.0;

/// Sheets of one group; another group begins another sheet.
pub(crate) fn print(press: &mut Press<'_>, group: &Group, words: &Words) -> Result<(), PrintError> {
    for letters in group.letters.chunks(COLUMNS * ROWS) {
        press.page(|sheet| {
            lines(sheet);
            for (place, letter) in letters.iter().enumerate() {
                let column = u8::try_from(place % COLUMNS).map_or(0.0, f32::from);
                let row = u8::try_from(place / COLUMNS).map_or(0.0, f32::from);
                slip(sheet, (column * SLIP.0, EDGE + row * SLIP.1), (group, letter), words)?;
            }
            Ok::<(), PrintError>(())
        })?;
    }
    Ok(())
}

fn lines(sheet: &mut Sheet<'_, '_>) {
    sheet.rule((SLIP.0, 0.0), (SLIP.0, HEIGHT), cut());
    for row in 1_u8..5 {
        let y = EDGE + f32::from(row) * SLIP.1;
        sheet.rule((0.0, y), (WIDTH, y), cut());
    }
}

fn slip(
    sheet: &mut Sheet<'_, '_>,
    (left, top): (f32, f32),
    (group, letter): (&Group, &Letter),
    words: &Words,
) -> Result<(), PrintError> {
    let (x, width) = (left + MARGIN, SLIP.0 - 2.0 * MARGIN);
    let beside = width - QR + 1.0;
    chart::draw(sheet, &letter.payload, (left + SLIP.0 - MARGIN - QR + 2.0, top + 1.0), QR)?;
    let y = sheet.fitted(&group.department, plain(7.5), at(x, top + 2.0, beside));
    let y = sheet.fitted(&letter.addressee, bold(12.0), at(x, y - 0.6, beside));
    let number = format!("{} {}", words.staff_number, letter.staff_number);
    let mut y = sheet.fitted(&number, quiet(7.0), at(x, y - 0.8, beside)) + 0.3;
    for (number, step) in words.short_steps.iter().enumerate() {
        sheet.fitted(&format!("{}.", number + 1), bold(7.0), at(x, y, 4.0));
        y = sheet.fitted(step, plain(7.0), at(x + 3.5, y, beside - 3.5));
    }
    let y = sheet.fitted(&letter.code, bold(12.5), at(x, top + QR - 1.0, width));
    let server = format!("{} {}: {}", letter.valid_until, words.server, words.address);
    let y = sheet.fitted(&server, plain(7.0), at(x, y - 0.4, width));
    let y = sheet.paragraph(&words.short_promise, plain(6.0), at(x, y - 0.3, width));
    if let Some(helpdesk) = &words.helpdesk {
        sheet.fitted(helpdesk, quiet(6.0), at(x, y - 0.4, width));
    }
    if let Some(loss) = &letter.loss {
        strip(sheet, (left, top + SLIP.1 - STRIP), loss, words);
    }
    Ok(())
}

/// What is cut off and kept apart from the device.
fn strip(sheet: &mut Sheet<'_, '_>, (left, top): (f32, f32), loss: &str, words: &Words) {
    let (x, width) = (left + MARGIN, SLIP.0 - 2.0 * MARGIN);
    sheet.rule((x, top), (x + width, top), cut());
    sheet.fitted(&words.loss.title, plain(7.0), at(x, top + 1.0, width * 0.3));
    sheet.fitted(loss, bold(10.0), at(x + width * 0.3, top + 0.2, width * 0.7));
    sheet.fitted(&words.loss.address, quiet(6.0), at(x, top + 5.3, width));
}
