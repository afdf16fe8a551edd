//! One letter a page.

use crate::sheet::{self, BLACK, GREY, Press, Sheet, TINT, at, bold, cut, drawn, millimetres, plain, quiet};
use crate::{Group, Letter, PrintError, Words, chart};

const LEFT: f32 = 22.0;
const WIDTH: f32 = 166.0;
/// The box of QR code and typed code.
const BOX: f32 = 82.0;
const BOX_HEIGHT: f32 = 55.0;
const QR: f32 = 48.0;
/// Where the slip is cut off.
const SLIP: f32 = 265.0;

/// A page for each of a group.
pub(crate) fn print(press: &mut Press<'_>, group: &Group, words: &Words) -> Result<(), PrintError> {
    for letter in &group.letters {
        press.page(|sheet| {
            head(sheet, group, letter, words);
            code(sheet, letter, words)?;
            let y = steps(sheet, words);
            let y = promise(sheet, words, y);
            foot(sheet, words, y);
            if let Some(loss) = &letter.loss {
                slip(sheet, letter, loss, words);
            }
            Ok::<(), PrintError>(())
        })?;
    }
    Ok(())
}

fn head(sheet: &mut Sheet<'_, '_>, group: &Group, letter: &Letter, words: &Words) {
    sheet.fitted(&group.department, plain(11.0), at(LEFT, 18.0, WIDTH * 0.6));
    sheet.fitted(&letter.addressee, bold(18.0), at(LEFT, 24.0, WIDTH * 0.6));
    let number = format!("{} {}", words.staff_number, letter.staff_number);
    sheet.fitted(&number, quiet(10.0), at(LEFT, 35.0, WIDTH * 0.6));
    sheet.flush_right(&words.organisation, plain(11.0), at(LEFT + WIDTH * 0.6, 18.0, WIDTH * 0.4));
    sheet.rule((LEFT, 48.0), (LEFT + WIDTH, 48.0), drawn(1.0, BLACK));
    sheet.fitted(&words.title, bold(18.0), at(LEFT, 52.0, WIDTH));
    sheet.paragraph(&words.lead, plain(10.5), at(LEFT, 66.0, WIDTH));
}

fn code(sheet: &mut Sheet<'_, '_>, letter: &Letter, words: &Words) -> Result<(), PrintError> {
    sheet.frame((LEFT, BOX), (WIDTH, BOX_HEIGHT), drawn(1.2, BLACK));
    chart::draw(sheet, &letter.payload, (LEFT + 1.0, BOX + 1.0), QR)?;
    sheet.centred(&words.scan, quiet(9.0), at(LEFT + 3.0, BOX + QR, QR - 4.0));
    let (x, width) = (LEFT + QR + 6.0, WIDTH - QR - 12.0);
    let y = sheet.fitted(&words.code, quiet(10.0), at(x, BOX + 5.0, width));
    let y = sheet.fitted(&letter.code, bold(19.0), at(x, y, width));
    let y = sheet.fitted(&letter.valid_until, plain(10.5), at(x, y + 4.0, width));
    let y = sheet.fitted(&words.server, quiet(10.0), at(x, y + 4.0, width));
    sheet.fitted(&words.address, plain(10.5), at(x, y, width));
    Ok(())
}

fn steps(sheet: &mut Sheet<'_, '_>, words: &Words) -> f32 {
    let mut y = sheet.fitted(&words.steps_title, bold(12.0), at(LEFT, BOX + BOX_HEIGHT + 6.0, WIDTH)) + 1.0;
    for (number, step) in words.steps.iter().enumerate() {
        sheet.block((LEFT, y + 0.4), (6.0, 6.0), BLACK);
        sheet.number(number + 1, at(LEFT, y + 0.4, 6.0));
        y = sheet.paragraph(step, plain(10.5), at(LEFT + 10.0, y + 0.3, WIDTH - 10.0)) + 2.0;
    }
    y
}

fn promise(sheet: &mut Sheet<'_, '_>, words: &Words, y: f32) -> f32 {
    let top = y + 2.0;
    // Measured by setting it: how high the box is depends on the words.
    let mut bottom = top + 4.0 + millimetres(11.0 * 1.6) + 1.0;
    for line in &words.promise {
        bottom += sheet.height(line, plain(9.5), WIDTH - 18.0) + 1.0;
    }
    sheet.block((LEFT, top), (WIDTH, bottom + 3.0 - top), TINT);
    let mut y = sheet.fitted(&words.promise_title, bold(11.0), at(LEFT + 6.0, top + 4.0, WIDTH - 12.0)) + 1.0;
    for line in &words.promise {
        sheet.block((LEFT + 6.5, y + 2.2), (1.4, 1.4), GREY);
        y = sheet.paragraph(line, plain(9.5), at(LEFT + 12.0, y, WIDTH - 18.0)) + 1.0;
    }
    bottom + 3.0
}

fn foot(sheet: &mut Sheet<'_, '_>, words: &Words, y: f32) {
    let y = sheet.paragraph(&words.secret, plain(9.5), at(LEFT, y + 3.0, WIDTH));
    if let Some(helpdesk) = &words.helpdesk {
        sheet.fitted(helpdesk, bold(10.0), at(LEFT, y + 0.5, WIDTH));
    }
}

/// What is torn off and kept apart from the device.
fn slip(sheet: &mut Sheet<'_, '_>, letter: &Letter, loss: &str, words: &Words) {
    sheet.rule((0.0, SLIP), (sheet::WIDTH, SLIP), cut());
    let half = WIDTH * 0.46;
    let y = sheet.fitted(&words.loss.title, bold(11.0), at(LEFT, SLIP + 3.0, half));
    let y = sheet.fitted(loss, bold(15.0), at(LEFT, y, half));
    let owner = format!("{} {}", letter.staff_number, letter.name);
    sheet.fitted(&owner, quiet(9.0), at(LEFT, y + 1.0, half));
    let (x, width) = (LEFT + half + 6.0, WIDTH - half - 6.0);
    let y = sheet.paragraph(&words.loss.about, plain(8.5), at(x, SLIP + 3.2, width));
    sheet.fitted(&words.loss.address, bold(9.0), at(x, y + 0.5, width));
}
