//! How the seats were used over time, on the page of the licenses: a chart, and the same in numbers.

use axum::extract::Query;
use jiff::ToSpan as _;
use jiff::civil::Date;
use mdm_core::license::DayOfUse;
use serde::Deserialize;

use super::chart::{self, Canvas, Chart};
use crate::console::page::{Page, grouped};
use crate::directory::Counts;
use crate::service::Service;
use crate::use_cases::UseCaseError;
use crate::use_cases::licenses::series;

/// How many days back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    Quarter,
    Year,
    ThreeYears,
}

const SPANS: [Span; 3] = [Span::Quarter, Span::Year, Span::ThreeYears];

impl Span {
    fn days(self) -> i32 {
        match self {
            Self::Quarter => 90,
            Self::Year => 365,
            Self::ThreeYears => 1_096,
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Quarter => "licenses-series-quarter",
            Self::Year => "licenses-series-year",
            Self::ThreeYears => "licenses-series-three-years",
        }
    }
}

/// How far back to look.
#[derive(Deserialize)]
pub(in crate::console) struct SeriesQuery {
    #[serde(default)]
    days: String,
}

impl SeriesQuery {
    /// What is none of the choices is the shortest.
    fn span(&self) -> Span {
        SPANS.into_iter().find(|span| span.days().to_string() == self.days).unwrap_or(Span::Quarter)
    }
}

/// A choice of how far back.
pub(super) struct Back {
    pub(super) days: i32,
    pub(super) said: String,
    pub(super) chosen: bool,
}

/// The part of the page.
pub(super) struct Series {
    pub(super) spans: Vec<Back>,
    /// One for phones and one for desks.
    pub(super) charts: [(&'static str, Chart); 2],
    /// What the chart shows, for those who do not see it.
    pub(super) told: String,
    /// Days on which a number changed, and the ends of each run, the newest first: all the others are like the day before.
    pub(super) rows: Vec<DayOfUse>,
}

impl Series {
    /// Loads and draws it. Today is as `counts` say: what was counted in the morning is on its way to history.
    pub(super) async fn load(
        service: &Service,
        page: &Page,
        Query(query): &Query<SeriesQuery>,
        counts: &Counts,
    ) -> Result<Self, UseCaseError> {
        let (span, today) = (query.span(), series::day_of(service, page.now));
        let first = today.saturating_sub((span.days() - 1).days());
        let loaded = series::days_of_use(service, first.yesterday().ok()).await?;
        // What a clock that was ahead left behind is not shown before its day.
        let before = loaded.into_iter().map(|stored| stored.value).filter(|day| day.day < today);
        let now = DayOfUse::of(today, &counts.pool, counts.waiting, counts.never_signed_in);
        let days: Vec<DayOfUse> = before.chain([now.clone()]).collect();
        let back =
            |choice: Span| Back { days: choice.days(), said: page.say(choice.key()), chosen: choice == span };
        let draw = |name, canvas| (name, chart::draw(&days, first..=today, canvas));
        Ok(Self {
            spans: SPANS.map(back).into(),
            charts: [draw("narrow", Canvas::NARROW), draw("wide", Canvas::WIDE)],
            told: told(page, &days, first, &now),
            rows: changes(&days),
        })
    }
}

fn told(page: &Page, days: &[DayOfUse], first: Date, now: &DayOfUse) -> String {
    let count = |seats: u32| grouped(seats.into()).into();
    let most = days.iter().map(|day| day.assigned).max().unwrap_or(0);
    let args = [
        ("first", first.to_string().into()),
        ("today", now.day.to_string().into()),
        ("days", grouped(days.len() as u64).into()),
        ("size", count(now.size)),
        ("assigned", count(now.assigned)),
        ("waiting", count(now.waiting)),
        ("most", count(most)),
    ];
    page.language.say("licenses-series-told", &args)
}

fn changes(days: &[DayOfUse]) -> Vec<DayOfUse> {
    let same = |one: &DayOfUse, other: &DayOfUse| DayOfUse { day: other.day, ..one.clone() } == *other;
    let next_to = |one: &DayOfUse, next: &DayOfUse| one.day.tomorrow().is_ok_and(|day| day == next.day);
    let told = |index: usize| {
        let day = &days[index];
        let before = index.checked_sub(1).and_then(|before| days.get(before));
        let begins = !before.is_some_and(|before| next_to(before, day) && same(before, day));
        begins || !days.get(index + 1).is_some_and(|next| next_to(day, next))
    };
    (0..days.len()).rev().filter(|index| told(*index)).map(|index| days[index].clone()).collect()
}
