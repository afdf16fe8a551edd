//! Staff files of an invented prefecture, for tests, benches and the demo: the same seed gives the same bytes.
//!
//! A year after the first is the first year's staff after reorganisations: people move, change their family
//! name, rise, leave and join. Names come from lists; nobody in them is a real person, and the mail addresses end
//! in `.example`, which is reserved (RFC 2606, section 2). How a file is read is no business of this module: it
//! shares no code with the reader.

mod departments;
mod encode;
mod names;
mod people;
#[cfg(test)]
mod tests;
mod years;

pub use encode::{EncodeError, Encoding, encode};

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use people::Staff;

/// The year whose file is made from nothing; later ones derive from it.
pub const FIRST_YEAR: u16 = 2026;
/// The last year that can be asked for.
pub const LAST_YEAR: u16 = 2036;
/// The most rows of one file.
pub const MAX_ROWS: usize = 100_000;

/// The column names of the file, in order.
pub const HEADER: [&str; 8] =
    ["職員番号", "氏名", "フリガナ", "所属", "職名", "任用区分", "メールアドレス", "利用"];

/// What file to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RosterSpec {
    /// Everything follows from it.
    pub seed: u64,
    /// People in the file, 1 to [`MAX_ROWS`].
    pub rows: usize,
    /// [`FIRST_YEAR`] to [`LAST_YEAR`].
    pub year: u16,
    /// How many of a hundred wish for a seat, 0 to 100. A file has at least this share, rounded up.
    pub wish_percent: u8,
}

impl RosterSpec {
    /// A file in which 55 of 100 wish for a seat, so that seats for half of the people leave some waiting.
    pub fn new(seed: u64, rows: usize, year: u16) -> Self {
        Self { seed, rows, year, wish_percent: 55 }
    }
}

/// One person of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// 職員番号: six digits with leading zeros, unique, never given twice.
    pub number: String,
    /// 氏名: family and given name with an ideographic space between.
    pub name: String,
    /// フリガナ: full-width katakana, parted like the name.
    pub kana: String,
    /// 所属: 部, 課 and 係 with a space between.
    pub department: String,
    /// 職名.
    pub title: String,
    /// 任用区分: 正規, 再任用 or 会計年度任用職員.
    pub employment: String,
    /// メールアドレス: unique, never given twice, changes with the family name.
    pub mail: String,
    /// 利用: whether they wish for a seat, ○ in the file.
    pub wish: bool,
}

/// The people of a year, in the order of the organisation chart.
///
/// # Panics
/// When a field of the specification is outside its range.
pub fn generate(spec: &RosterSpec) -> Vec<Row> {
    assert!((1..=MAX_ROWS).contains(&spec.rows), "rows: 1 to {MAX_ROWS}, not {}", spec.rows);
    assert!(
        (FIRST_YEAR..=LAST_YEAR).contains(&spec.year),
        "year: {FIRST_YEAR} to {LAST_YEAR}, not {}",
        spec.year
    );
    assert!(spec.wish_percent <= 100, "wish_percent: 0 to 100, not {}", spec.wish_percent);
    let mut rng = StdRng::seed_from_u64(spec.seed);
    let mut staff = Staff::first_year(spec.rows, spec.wish_percent, &mut rng);
    for _ in FIRST_YEAR..spec.year {
        staff.next_year(&mut rng);
    }
    staff.rows()
}
