//! Images: size-bounded before they are decoded, turned as their camera says, and scaled to what a screen shows.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits};

use crate::{MAX_PIXELS, MAX_SIDE, Picture, ViewError};

/// Memory that a decoder may use, in bytes: the pixels and as much again for what it does with them.
const MAX_ALLOC: u64 = 2 * 4 * MAX_PIXELS;

/// The first frame.
pub(crate) fn decode(bytes: &[u8], format: ImageFormat) -> Result<Picture, ViewError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(why)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(ViewError::TooLarge);
    }
    let turned = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(why)?;
    let mut image = within(image, MAX_SIDE);
    image.apply_orientation(turned);
    let rgba = image.into_rgba8();
    let picture = Picture { width: rgba.width(), height: rgba.height(), rgba: rgba.into_raw() };
    if picture.is_whole() { Ok(picture) } else { Err(ViewError::Damaged) }
}

fn within(image: DynamicImage, side: u32) -> DynamicImage {
    if image.width().max(image.height()) <= side { image } else { image.thumbnail(side, side) }
}

fn why(error: ImageError) -> ViewError {
    match error {
        ImageError::Limits(_) => ViewError::TooLarge,
        ImageError::Unsupported(_) => ViewError::Unknown,
        _ => ViewError::Damaged,
    }
}
