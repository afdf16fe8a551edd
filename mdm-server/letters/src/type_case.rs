//! A font: which glyphs a text has, how wide it is, where its lines end, and what of it the font does not have. Characters
//! become glyphs one by one, a variation sequence as one; kana and Latin need no shaping beyond that.

use std::sync::Arc;

use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::charmap::MapVariant;
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider as _};
use unicode_linebreak::{BreakOpportunity, linebreaks};

/// What stands for a character that the font does not have: the sign of printers for a missing type.
const MISSING: char = '〓';
/// The unit of the file's widths: one em.
const EM: f32 = 1.0;

/// Why a font cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FontError {
    /// The bytes are no font.
    #[error("it is no TrueType or OpenType font, or has no font of that index")]
    NoFont,
    /// It has no kana or not the sign that stands for what is missing.
    #[error("it has no Japanese characters")]
    NotJapanese,
}

/// Something of a text that the font does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// As it is written: one character, or one and its variation selector.
    pub written: String,
    /// What is printed for it: the character without its variation, or 〓.
    pub printed: char,
}

/// A font and its glyphs.
#[derive(Clone)]
pub struct TypeCase {
    bytes: Arc<Vec<u8>>,
    index: u32,
    font: Font,
}

/// A line of glyphs, in units of the font's size.
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) glyphs: Vec<KrillaGlyph>,
    pub(crate) width: f32,
}

impl TypeCase {
    /// Reads a font; `index` is its place in a collection, and 0 outside of one.
    pub fn new(bytes: Vec<u8>, index: u32) -> Result<Self, FontError> {
        let bytes = Arc::new(bytes);
        let font = Font::new(bytes.clone().into(), index).ok_or(FontError::NoFont)?;
        let case = Self { bytes, index, font };
        if case.lost("のア職〓").is_empty() { Ok(case) } else { Err(FontError::NotJapanese) }
    }

    /// What of a text it does not have.
    pub fn lost(&self, text: &str) -> Vec<Lost> {
        let Ok(font) = self.read() else { return Vec::new() };
        let glyphs = Glyphs::new(&font);
        let lost =
            clusters(text).filter_map(|(written, first, selector)| match glyphs.find(first, selector) {
                Found::Glyph(_) => None,
                Found::Base(_) => Some(Lost { written: written.to_owned(), printed: first }),
                Found::Nothing => Some(Lost { written: written.to_owned(), printed: MISSING }),
            });
        lost.collect()
    }

    /// Whether it has all of a text.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.lost(text).is_empty()
    }

    pub(crate) fn font(&self) -> Font {
        self.font.clone()
    }

    /// One line, whatever its length.
    pub(crate) fn line(&self, text: &str) -> Line {
        let mut line = Line { text: String::new(), glyphs: Vec::new(), width: 0.0 };
        let Ok(font) = self.read() else { return line };
        let glyphs = Glyphs::new(&font);
        for (written, first, selector) in clusters(text) {
            let (glyph, printed) = match glyphs.find(first, selector) {
                Found::Glyph(glyph) => (Some(glyph), written.to_owned()),
                Found::Base(glyph) => (Some(glyph), first.to_string()),
                Found::Nothing => (glyphs.charmap.map(MISSING), MISSING.to_string()),
            };
            let glyph = glyph.unwrap_or_default();
            let advance = glyphs.metrics.advance_width(glyph).unwrap_or(EM);
            let start = line.text.len();
            line.text.push_str(&printed);
            line.width += advance;
            line.glyphs.push(KrillaGlyph {
                glyph_id: GlyphId::new(glyph.to_u32()),
                text_range: start..line.text.len(),
                x_advance: advance,
                x_offset: 0.0,
                y_offset: 0.0,
                y_advance: 0.0,
                location: None,
            });
        }
        line
    }

    /// Lines no wider than `width`, in units of the font's size, ended where Unicode allows it (UAX #14); a word that is wider
    /// than that is cut.
    pub(crate) fn lines(&self, text: &str, width: f32) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut current = String::new();
        let mut from = 0;
        for (until, opportunity) in linebreaks(text) {
            let piece = &text[from..until];
            from = until;
            let longer = format!("{current}{piece}");
            if self.line(longer.trim_end()).width <= width {
                current = longer;
            } else {
                if !current.is_empty() {
                    lines.push(self.line(current.trim_end()));
                }
                current = self.cut(piece, width, &mut lines);
            }
            if opportunity == BreakOpportunity::Mandatory && !current.is_empty() {
                lines.push(self.line(current.trim_end()));
                current.clear();
            }
        }
        lines
    }

    /// What is left of a piece after all full lines of it.
    fn cut(&self, piece: &str, width: f32, lines: &mut Vec<Line>) -> String {
        let mut rest = String::new();
        for (written, _, _) in clusters(piece) {
            let longer = format!("{rest}{written}");
            if !rest.is_empty() && self.line(longer.trim_end()).width > width {
                lines.push(self.line(&rest));
                rest = written.to_owned();
            } else {
                rest = longer;
            }
        }
        rest
    }

    fn read(&self) -> Result<FontRef<'_>, skrifa::raw::ReadError> {
        FontRef::from_index(&self.bytes, self.index)
    }
}

/// A font that is being asked.
struct Glyphs<'a> {
    charmap: skrifa::charmap::Charmap<'a>,
    metrics: skrifa::metrics::GlyphMetrics<'a>,
}

enum Found {
    Glyph(skrifa::GlyphId),
    /// Without the variation that was asked for.
    Base(skrifa::GlyphId),
    Nothing,
}

impl<'a> Glyphs<'a> {
    fn new(font: &FontRef<'a>) -> Self {
        let metrics = font.glyph_metrics(Size::new(EM), LocationRef::default());
        Self { charmap: font.charmap(), metrics }
    }

    fn find(&self, first: char, selector: Option<char>) -> Found {
        // Glyph 0 is the box for what is not there.
        let base = self.charmap.map(first).filter(|glyph| glyph.to_u32() != 0);
        let variant = selector.and_then(|selector| self.charmap.map_variant(first, selector));
        match (base, selector, variant) {
            (_, Some(_), Some(MapVariant::Variant(glyph))) => Found::Glyph(glyph),
            (Some(glyph), None, _) | (Some(glyph), Some(_), Some(MapVariant::UseDefault)) => {
                Found::Glyph(glyph)
            }
            (Some(glyph), Some(_), None) => Found::Base(glyph),
            (None, ..) => Found::Nothing,
        }
    }
}

/// Characters, each with the variation selector behind it.
fn clusters(text: &str) -> impl Iterator<Item = (&str, char, Option<char>)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut chars = rest.chars();
        let first = chars.next()?;
        let selector = chars.next().filter(|next| is_selector(*next));
        let length = first.len_utf8() + selector.map_or(0, char::len_utf8);
        let (cluster, behind) = rest.split_at(length);
        rest = behind;
        Some((cluster, first, selector))
    })
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' | '\u{180B}'..='\u{180D}')
}

impl Lost {
    /// Its characters by number, as U+20BB7 U+E0100.
    pub fn code_points(&self) -> String {
        let each: Vec<String> = self.written.chars().map(|c| format!("U+{:04X}", u32::from(c))).collect();
        each.join(" ")
    }
}
