//! Pages of a PDF (ISO 32000).

use hayro::hayro_interpret::InterpreterSettings;
use hayro::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::vello_cpu::peniko::ImageAlphaType;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render as draw};

use crate::{Ask, Content, MAX_SIDE, Picture, ViewError};

pub(crate) fn render(bytes: Vec<u8>, ask: Ask) -> Result<Content, ViewError> {
    let pdf = Pdf::new(bytes).map_err(why)?;
    let of = u32::try_from(pdf.pages().len()).map_err(|_| ViewError::TooLarge)?;
    let page = pdf.pages().get(ask.page as usize).ok_or(match of {
        0 => ViewError::Damaged,
        _ => ViewError::NoSuchPage,
    })?;
    let scale = scale(page.render_dimensions(), ask.width).ok_or(ViewError::Damaged)?;
    let pixmap = draw(
        page,
        &RenderCache::new(),
        &InterpreterSettings::default(),
        &RenderSettings::default(),
        &PixmapSettings { x_scale: scale, y_scale: scale, bg_color: WHITE },
    );
    let (width, height) = (pixmap.width().into(), pixmap.height().into());
    let picture = Picture { width, height, rgba: pixmap.take_rgba8(ImageAlphaType::Alpha) };
    if picture.is_whole() { Ok(Content::Page { of, picture }) } else { Err(ViewError::Damaged) }
}

/// Pixels to a point, so that the page is `wanted` pixels wide and neither side is longer than [`MAX_SIDE`]. `None` of a page
/// without a size, or one so narrow that nothing of it would be left.
fn scale((width, height): (f32, f32), wanted: u32) -> Option<f32> {
    let has_size = |side: f32| side.is_finite() && side > 0.0;
    if !has_size(width) || !has_size(height) {
        return None;
    }
    // Exact: no more than 2,560.
    let (most, wanted) = (f32::from(u16::try_from(MAX_SIDE).ok()?), wanted.clamp(1, MAX_SIDE));
    let wanted = f32::from(u16::try_from(wanted).ok()?);
    let scale = (wanted / width).min(most / width.max(height));
    (width * scale >= 1.0 && height * scale >= 1.0).then_some(scale)
}

fn why(error: LoadPdfError) -> ViewError {
    match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => ViewError::Protected,
        LoadPdfError::Decryption(_) => ViewError::Protected,
        LoadPdfError::Invalid => ViewError::Damaged,
    }
}
