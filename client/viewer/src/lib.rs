//! Documents for the eye: the bytes of a file in, and out what a window can draw. Pure: no files, no clock, no window.
//!
//! What a file is its bytes say, not its name. Everything that is made of them is bounded here; what the decoders of others use
//! meanwhile in memory and time is bounded by the process that calls this (`client::viewer`), which has nothing else in it.

mod kind;
mod markdown;
mod page;
mod picture;
mod table;
mod text;

use serde::{Deserialize, Serialize};

pub use markdown::{Block, BlockKind, Blocks};
pub use table::{Table, Tables};

/// Most bytes of a document that is shown.
pub const MAX_SOURCE: usize = 64 * 1024 * 1024;
/// Most bytes of a text; what is behind them is cut off, and that is said.
pub const MAX_TEXT: usize = 1024 * 1024;
/// Most blocks of a text with headings and lists.
pub const MAX_BLOCKS: usize = 4_000;
/// Most pixels of a picture as it is written: 4 bytes each are decoded, 160 MB.
pub const MAX_PIXELS: u64 = 40_000_000;
/// Longest side of a picture as it is shown; larger ones are scaled down.
pub const MAX_SIDE: u32 = 2_560;
/// Rows of a table that are shown.
pub const MAX_ROWS: usize = 1_000;
/// Columns of a table that are shown.
pub const MAX_COLUMNS: usize = 60;
/// Characters of a cell that are shown.
pub const MAX_CELL: usize = 300;
/// Sheets of a workbook that are shown.
pub const MAX_SHEETS: usize = 30;

/// What is wanted of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Which page, or sheet of a workbook, from 0.
    pub page: u32,
    /// How many pixels wide a page is to be, at most [`MAX_SIDE`].
    pub width: u32,
}

/// What a window can draw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Plain text.
    Text(Text),
    /// Text with headings and lists.
    Blocks(Blocks),
    /// An image.
    Picture(Picture),
    /// A page of a document that has some.
    Page {
        /// How many there are.
        of: u32,
        /// The one that was asked for.
        picture: Picture,
    },
    /// Rows and columns.
    Tables(Tables),
}

/// Text, or the beginning of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// At most [`MAX_TEXT`] bytes.
    pub body: String,
    /// More of it is not shown.
    pub is_cut: bool,
}

/// Pixels, row by row, red, green, blue and opacity, not premultiplied.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Pixels in a row, 1 to [`MAX_SIDE`].
    pub width: u32,
    /// Rows, 1 to [`MAX_SIDE`].
    pub height: u32,
    /// Four bytes a pixel.
    #[serde(with = "serde_bytes")]
    pub rgba: Vec<u8>,
}

impl Picture {
    /// Whether there are as many bytes as pixels, and not too many.
    pub fn is_whole(&self) -> bool {
        let fits = |side: u32| (1..=MAX_SIDE).contains(&side);
        let bytes = self.width as usize * self.height as usize * 4;
        fits(self.width) && fits(self.height) && self.rgba.len() == bytes
    }
}

impl std::fmt::Debug for Picture {
    /// Without its pixels.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} x {})", self.width, self.height)
    }
}

/// Why a document is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum ViewError {
    /// More bytes, pixels or pages than are shown.
    #[error("the document is larger than what is shown")]
    TooLarge,
    /// Not what it begins like.
    #[error("the document is damaged")]
    Damaged,
    /// It wants a password.
    #[error("the document is protected by a password")]
    Protected,
    /// None of the kinds that are known.
    #[error("the document is of a kind that is not shown")]
    Unknown,
    /// There are fewer pages.
    #[error("the document has no such page")]
    NoSuchPage,
}

/// Makes of a file what a window can draw. `declared` is the media type that came with it: it tells texts apart, and nothing else.
pub fn view(bytes: Vec<u8>, declared: &str, ask: Ask) -> Result<Content, ViewError> {
    if bytes.len() > MAX_SOURCE {
        return Err(ViewError::TooLarge);
    }
    match kind::of(&bytes, declared) {
        kind::Kind::Picture(format) => picture::decode(&bytes, format).map(Content::Picture),
        kind::Kind::Pdf => page::render(bytes, ask),
        kind::Kind::Workbook => table::workbook(bytes, ask.page).map(Content::Tables),
        kind::Kind::Delimited => table::delimited(&bytes).map(Content::Tables),
        kind::Kind::Markdown => text::read(&bytes).map(|text| Content::Blocks(markdown::blocks(&text))),
        kind::Kind::Text => text::read(&bytes).map(Content::Text),
        kind::Kind::Unknown => Err(ViewError::Unknown),
    }
}

#[cfg(test)]
mod tests;
