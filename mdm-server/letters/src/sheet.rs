//! A page of A4 and what is put on it: text, lines, boxes. Millimetres from the upper left corner; sizes of type in points.

use krilla::Document;
use krilla::color::luma;
use krilla::geom::{Path, PathBuilder, Point, Rect};
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule, Stroke, StrokeDash};
use krilla::surface::Surface;

use crate::Fonts;
use crate::type_case::{Line, TypeCase};

/// A4 (ISO 216).
pub(crate) const WIDTH: f32 = 210.0;
pub(crate) const HEIGHT: f32 = 297.0;
/// Lines of a paragraph stand so far apart, in sizes of its type.
const LEADING: f32 = 1.6;
/// The same where several lines share the height of one.
const TIGHT: f32 = 1.2;
/// A text that has to fit on a line becomes no smaller than this part of its size; then it takes more lines.
const SMALLEST: f32 = 0.6;
/// No type is smaller than this many points.
const LEAST: f32 = 3.0;

pub(crate) const BLACK: u8 = 0;
pub(crate) const GREY: u8 = 0x60;
pub(crate) const LIGHT: u8 = 0xB0;
pub(crate) const TINT: u8 = 0xF2;
const WHITE: u8 = 0xFF;

/// Makes pages.
pub(crate) struct Press<'a> {
    pub(crate) document: &'a mut Document,
    pub(crate) fonts: &'a Fonts,
}

impl Press<'_> {
    /// One page; `put` fills it.
    pub(crate) fn page<T>(&mut self, put: impl FnOnce(&mut Sheet<'_, '_>) -> T) -> T {
        let settings = PageSettings::from_wh(points(WIDTH), points(HEIGHT)).expect("A4 has a size");
        let mut page = self.document.start_page_with(settings);
        let mut sheet = Sheet { surface: page.surface(), fonts: self.fonts };
        put(&mut sheet)
    }
}

/// A page that is being filled.
pub(crate) struct Sheet<'p, 'f> {
    surface: Surface<'p>,
    fonts: &'f Fonts,
}

/// How a text looks.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    pub(crate) size: f32,
    pub(crate) bold: bool,
    pub(crate) grey: u8,
}

/// Type for reading.
pub(crate) fn plain(size: f32) -> Style {
    Style { size, bold: false, grey: BLACK }
}

/// Type for names, codes and headings.
pub(crate) fn bold(size: f32) -> Style {
    Style { size, bold: true, grey: BLACK }
}

/// Type for what is read last.
pub(crate) fn quiet(size: f32) -> Style {
    Style { size, bold: false, grey: GREY }
}

/// Where text goes: the upper left corner, and the width that there is.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) width: f32,
}

pub(crate) fn at(x: f32, y: f32, width: f32) -> Place {
    Place { x, y, width }
}

impl Sheet<'_, '_> {
    /// A paragraph. The answer is where the next may begin.
    pub(crate) fn paragraph(&mut self, text: &str, style: Style, place: Place) -> f32 {
        let step = style.size * LEADING;
        let mut y = place.y;
        for line in self.case(style).lines(text, points(place.width) / style.size) {
            self.put(&line, style, place.x, y, step);
            y += millimetres(step);
        }
        y
    }

    /// A text in the height of one line: smaller if it must be, on several lines if that leaves it larger. The answer is where the
    /// next may begin, whatever the text is. What would need type that nobody can read is cut, with an ellipsis.
    pub(crate) fn fitted(&mut self, text: &str, style: Style, place: Place) -> f32 {
        let (room, height) = (points(place.width), style.size * LEADING);
        let next = place.y + millimetres(height);
        let line = self.case(style).line(text);
        let fits = (room / line.width.max(f32::EPSILON)).min(style.size);
        if fits >= style.size * SMALLEST {
            self.put(&line, Style { size: fits, ..style }, place.x, place.y, height);
            return next;
        }
        let mut size = style.size * SMALLEST;
        let mut lines = self.case(style).lines(text, room / size);
        while counted(lines.len()) * size * TIGHT > height && size > LEAST {
            size = (size * 0.95).max(LEAST);
            lines = self.case(style).lines(text, room / size);
        }
        while lines.len() > 1 && counted(lines.len()) * size * TIGHT > height {
            lines.pop();
            let last = lines.pop().map(|line| line.text + "…").unwrap_or_default();
            lines.push(self.case(style).line(&last));
        }
        let step = (height / counted(lines.len())).min(size * LEADING);
        for (at, line) in lines.iter().enumerate() {
            let y = place.y + millimetres(counted(at) * step);
            self.put(line, Style { size, ..style }, place.x, y, step);
        }
        next
    }

    /// The same in the middle of its width.
    pub(crate) fn centred(&mut self, text: &str, style: Style, place: Place) -> f32 {
        let width = millimetres(self.case(style).line(text).width * style.size);
        let indent = ((place.width - width) / 2.0).max(0.0);
        self.fitted(text, style, at(place.x + indent, place.y, place.width - indent))
    }

    /// The same at the end of its width.
    pub(crate) fn flush_right(&mut self, text: &str, style: Style, place: Place) -> f32 {
        let width = millimetres(self.case(style).line(text).width * style.size);
        let indent = (place.width - width).max(0.0);
        self.fitted(text, style, at(place.x + indent, place.y, place.width - indent))
    }

    /// How high a paragraph is.
    pub(crate) fn height(&self, text: &str, style: Style, width: f32) -> f32 {
        let lines = self.case(style).lines(text, points(width) / style.size).len();
        counted(lines) * millimetres(style.size * LEADING)
    }

    /// A number in white, in the middle of a black square.
    pub(crate) fn number(&mut self, number: usize, square: Place) {
        let style = Style { size: 10.0, bold: true, grey: WHITE };
        let line = self.case(style).line(&number.to_string());
        let indent = (square.width - millimetres(line.width * style.size)) / 2.0;
        self.put(&line, style, square.x + indent, square.y, points(square.width));
    }

    /// A line of a text; `step` points high, the text in its middle.
    fn put(&mut self, line: &Line, style: Style, x: f32, y: f32, step: f32) {
        // The baseline of Japanese type lies 0.88 em below its top, and the em stands in the middle of the step.
        let baseline = points(y) + (step - style.size) / 2.0 + 0.88 * style.size;
        let font = self.case(style).font();
        self.fill(style.grey);
        let start = Point::from_xy(points(x), baseline);
        self.surface.draw_glyphs(start, &line.glyphs, font, &line.text, style.size, false);
    }

    /// A straight line.
    pub(crate) fn rule(&mut self, from: (f32, f32), to: (f32, f32), look: Rule) {
        let mut path = PathBuilder::new();
        path.move_to(points(from.0), points(from.1));
        path.line_to(points(to.0), points(to.1));
        self.stroke(path, look);
    }

    /// The edges of a box.
    pub(crate) fn frame(&mut self, (x, y): (f32, f32), (width, height): (f32, f32), look: Rule) {
        let mut path = PathBuilder::new();
        path.extend_rect(x, y, width, height);
        self.stroke(path, look);
    }

    /// A box full of a grey.
    pub(crate) fn block(&mut self, (x, y): (f32, f32), (width, height): (f32, f32), grey: u8) {
        let mut path = PathBuilder::new();
        path.extend_rect(x, y, width, height);
        self.filled(path, grey);
    }

    /// What lies inside a path.
    pub(crate) fn filled(&mut self, path: PathBuilder, grey: u8) {
        let Some(path) = path.finish() else { return };
        self.fill(grey);
        self.draw(&path);
    }

    fn stroke(&mut self, path: PathBuilder, look: Rule) {
        let Some(path) = path.finish() else { return };
        let dash = look.dashed.then(|| StrokeDash { array: vec![3.0, 3.0], offset: 0.0 });
        let paint = luma::Color::new(look.grey).into();
        self.surface.set_fill(None);
        self.surface.set_stroke(Some(Stroke { paint, width: look.width, dash, ..Stroke::default() }));
        self.draw(&path);
        self.surface.set_stroke(None);
    }

    fn draw(&mut self, path: &Path) {
        self.surface.draw_path(path);
    }

    fn fill(&mut self, grey: u8) {
        let paint = luma::Color::new(grey).into();
        let fill = Fill { paint, opacity: NormalizedF32::ONE, rule: FillRule::NonZero };
        self.surface.set_fill(Some(fill));
    }

    fn case(&self, style: Style) -> &TypeCase {
        if style.bold { &self.fonts.bold } else { &self.fonts.regular }
    }
}

/// How a line looks; its width is in points.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) width: f32,
    pub(crate) grey: u8,
    pub(crate) dashed: bool,
}

/// A line that is drawn.
pub(crate) fn drawn(width: f32, grey: u8) -> Rule {
    Rule { width, grey, dashed: false }
}

/// A line to cut along.
pub(crate) fn cut() -> Rule {
    Rule { width: 0.4, grey: LIGHT, dashed: true }
}

/// Boxes in millimetres.
pub(crate) trait Boxes {
    /// Adds a box.
    fn extend_rect(&mut self, x: f32, y: f32, width: f32, height: f32);
}

impl Boxes for PathBuilder {
    fn extend_rect(&mut self, x: f32, y: f32, width: f32, height: f32) {
        if let Some(rect) = Rect::from_xywh(points(x), points(y), points(width), points(height)) {
            self.push_rect(rect);
        }
    }
}

/// A count of lines.
fn counted(count: usize) -> f32 {
    u16::try_from(count).map_or(f32::from(u16::MAX), f32::from)
}

fn points(millimetres: f32) -> f32 {
    millimetres * 72.0 / 25.4
}

pub(crate) fn millimetres(points: f32) -> f32 {
    points * 25.4 / 72.0
}
