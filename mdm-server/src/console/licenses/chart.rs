//! How the seats were used, as lines: samples in, geometry out. Pure; a template draws it, classes colour it.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use jiff::civil::Date;
use mdm_core::license::DayOfUse;

#[cfg(test)]
mod tests;

/// Where labels of numbers stand, left of the plot.
const LEFT: f64 = 64.0;
/// Free at the right, so that the last point is whole.
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
/// Where labels of months stand, below the plot.
const BOTTOM: f64 = 28.0;
/// Half the width of a month's label.
const HALF_LABEL: f64 = 28.0;

/// How large a chart is drawn: in units that are pixels at the narrowest screen it is meant for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Canvas {
    pub(super) width: u16,
    pub(super) height: u16,
    /// Between two labels of the axis of days, at least.
    apart: f64,
}

impl Canvas {
    /// For a phone.
    pub(super) const NARROW: Self = Self { width: 320, height: 240, apart: 60.0 };
    /// For a screen on a desk.
    pub(super) const WIDE: Self = Self { width: 720, height: 280, apart: 96.0 };

    fn right(self) -> f64 {
        f64::from(self.width) - RIGHT
    }

    fn bottom(self) -> f64 {
        f64::from(self.height) - BOTTOM
    }
}

/// A number on the axis of seats.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Level {
    pub(super) y: f64,
    pub(super) seats: u64,
}

/// The first of a month on the axis of days.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Month {
    pub(super) x: f64,
    /// `2027-04`.
    pub(super) label: String,
}

/// A day between two days without a sample: a line of one point would not be seen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lone {
    pub(super) x: f64,
    pub(super) size: f64,
    pub(super) assigned: f64,
    pub(super) waiting: f64,
}

/// What there is to draw. Paths are for the attribute `d`; between two runs of days they have a gap.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) canvas: Canvas,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
    pub(super) levels: Vec<Level>,
    pub(super) months: Vec<Month>,
    /// Below the line of assigned seats.
    pub(super) area: String,
    pub(super) assigned: String,
    pub(super) waiting: String,
    /// In steps: a pool has one size until it has another.
    pub(super) size: String,
    pub(super) lone: Vec<Lone>,
}

/// Draws `days`, which are in order and each once; those outside `shown` are left out.
pub(super) fn draw(days: &[DayOfUse], shown: RangeInclusive<Date>, canvas: Canvas) -> Chart {
    let days: Vec<&DayOfUse> = days.iter().filter(|day| shown.contains(&day.day)).collect();
    let highest = days.iter().flat_map(|day| [day.size, day.assigned, day.waiting]).max().unwrap_or(0);
    let (step, top) = scale(highest);
    let place =
        Place { first: *shown.start(), days: days_between(*shown.start(), *shown.end()), top, canvas };
    let level = |seats| Level { y: place.y(seats), seats };
    let mut chart = Chart {
        canvas,
        left: LEFT,
        right: canvas.right(),
        bottom: canvas.bottom(),
        levels: (0..=top / step).map(|n| level(n * step)).collect(),
        months: months(&place, *shown.end()),
        area: String::new(),
        assigned: String::new(),
        waiting: String::new(),
        size: String::new(),
        lone: Vec::new(),
    };
    for run in days.chunk_by(|one, next| days_between(one.day, next.day) == 1) {
        chart.add(run, &place);
    }
    chart
}

impl Chart {
    fn add(&mut self, run: &[&DayOfUse], place: &Place) {
        let points = |of: fn(&DayOfUse) -> u32| -> Vec<(f64, f64)> {
            run.iter().map(|day| (place.x(day.day), place.y(of(day).into()))).collect()
        };
        let (size, assigned) = (points(|day| day.size), points(|day| day.assigned));
        let waiting = points(|day| day.waiting);
        if let [(x, alone)] = assigned[..] {
            self.lone.push(Lone { x, size: size[0].1, assigned: alone, waiting: waiting[0].1 });
            return;
        }
        line(&mut self.assigned, &assigned);
        line(&mut self.waiting, &waiting);
        steps(&mut self.size, &size);
        line(&mut self.area, &assigned);
        if let [(first, _), .., (last, _)] = assigned[..] {
            let bottom = self.bottom;
            write(&mut self.area, format_args!("L{last:.1} {bottom:.1}L{first:.1} {bottom:.1}Z"));
        }
    }
}

/// Where days and numbers of seats are on the canvas.
struct Place {
    first: Date,
    /// From the first to the last.
    days: i32,
    top: u64,
    canvas: Canvas,
}

impl Place {
    fn x(&self, day: Date) -> f64 {
        let along = f64::from(days_between(self.first, day)) / f64::from(self.days.max(1));
        LEFT + along * (self.canvas.right() - LEFT)
    }

    #[expect(clippy::cast_precision_loss, reason = "what is drawn is rounded to a tenth of a pixel")]
    fn y(&self, seats: u64) -> f64 {
        let up = seats as f64 / self.top as f64;
        self.canvas.bottom() - up * (self.canvas.bottom() - TOP)
    }
}

/// A round step between two numbers on the axis, and the first of its multiples that nothing is above. One at least: an empty
/// pool has an axis as well.
fn scale(highest: u32) -> (u64, u64) {
    let highest = u64::from(highest.max(1));
    let decades = (0..).map(|power| 10_u64.pow(power));
    let steps = decades.flat_map(|ten| [ten, 2 * ten, 5 * ten]);
    let step = steps.into_iter().find(|step| highest.div_ceil(*step) <= 5).unwrap_or(highest);
    (step, highest.div_ceil(step) * step)
}

/// The firsts of months that are far enough apart to be read, counted from April.
fn months(place: &Place, last: Date) -> Vec<Month> {
    let width = place.canvas.right() - LEFT;
    let a_month = width * 30.0 / f64::from(place.days.max(1));
    let step = [1, 2, 3, 6, 12].into_iter().find(|step| a_month * f64::from(*step) >= place.canvas.apart);
    let step = step.unwrap_or(12);
    let firsts = place.first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last);
    let labelled = firsts.filter(|day| day.day() == 1 && (day.month() - 4).rem_euclid(step) == 0);
    let month = |day: Date| Month { x: place.x(day), label: day.strftime("%Y-%m").to_string() };
    // A label that does not fit is left out: its month is read from its neighbours.
    labelled.map(month).filter(|month| month.x + HALF_LABEL <= f64::from(place.canvas.width)).collect()
}

fn days_between(one: Date, other: Date) -> i32 {
    one.until(other).map_or(0, |span| span.get_days())
}

/// From point to point; points between two of the same height say nothing.
fn line(path: &mut String, points: &[(f64, f64)]) {
    for (index, (x, y)) in points.iter().enumerate() {
        let same = |other: Option<&(f64, f64)>| other.is_some_and(|other| (other.1 - y).abs() < f64::EPSILON);
        let before = index.checked_sub(1).and_then(|before| points.get(before));
        if same(before) && same(points.get(index + 1)) {
            continue;
        }
        let pen = if index == 0 { 'M' } else { 'L' };
        write(path, format_args!("{pen}{x:.1} {y:.1}"));
    }
}

/// Along to the next day, then up or down.
fn steps(path: &mut String, points: &[(f64, f64)]) {
    let mut height = None;
    for (index, (x, y)) in points.iter().enumerate() {
        match height {
            None => write(path, format_args!("M{x:.1} {y:.1}")),
            Some(before) if before != *y => write(path, format_args!("H{x:.1}V{y:.1}")),
            Some(_) if index + 1 == points.len() => write(path, format_args!("H{x:.1}")),
            Some(_) => {}
        }
        height = Some(*y);
    }
}

fn write(path: &mut String, said: std::fmt::Arguments<'_>) {
    path.write_fmt(said).expect("a text takes what is written to it");
}
