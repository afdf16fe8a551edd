//! A QR code (ISO/IEC 18004) as vectors.

use krilla::geom::PathBuilder;
use qrcode::{Color, EcLevel, QrCode};

use crate::PrintError;
use crate::sheet::{BLACK, Boxes as _, Sheet};

/// Light modules around the code, as the standard wants them.
const QUIET: usize = 4;

/// Draws `payload` into a square of `side` millimetres, the quiet zone included.
pub(crate) fn draw(
    sheet: &mut Sheet<'_, '_>,
    payload: &str,
    (x, y): (f32, f32),
    side: f32,
) -> Result<(), PrintError> {
    let code = QrCode::with_error_correction_level(payload, EcLevel::M).map_err(|_| PrintError::Payload)?;
    let width = code.width();
    let modules = u16::try_from(width + 2 * QUIET).map_err(|_| PrintError::Payload)?;
    let module = side / f32::from(modules);
    let mut path = PathBuilder::new();
    let place =
        |modules: usize| u16::try_from(modules + QUIET).map_or(side, |modules| f32::from(modules) * module);
    for (row, colors) in code.to_colors().chunks(width).enumerate() {
        let mut column = 0;
        for run in colors.chunk_by(|a, b| a == b) {
            if run[0] == Color::Dark {
                let (left, right) = (place(column), place(column + run.len()));
                // A little of the next row, so that no reader of PDF leaves a light seam between the two.
                path.extend_rect(x + left, y + place(row), right - left, module * 1.02);
            }
            column += run.len();
        }
    }
    sheet.filled(path, BLACK);
    Ok(())
}
