//! What is drawn stays inside, goes forward, and has its gaps.

use jiff::ToSpan as _;
use jiff::civil::date;
use mdm_core::license::Pool;
use proptest::prelude::*;

use super::*;

const FIRST: Date = date(2026, 4, 1);

fn day(number: i32, size: u32, assigned: u32, waiting: u32) -> DayOfUse {
    let pool = Pool { size, reserved: 0, assigned, temporary: 0 };
    DayOfUse::of(FIRST.saturating_add(number.days()), &pool, waiting as usize, 0)
}

fn range(days: i32) -> RangeInclusive<Date> {
    FIRST..=FIRST.saturating_add(days.days())
}

/// The points of a path; each inner list is one line without a gap.
fn points(path: &str) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut rest = path;
    while let Some(pen) = rest.chars().next() {
        let end = rest[1..].find(|c: char| c.is_ascii_alphabetic()).map_or(rest.len(), |end| end + 1);
        let numbers: Vec<f64> = rest[1..end].split_whitespace().map(|n| n.parse().unwrap()).collect();
        let last = runs.last().and_then(|run| run.last()).copied();
        match pen {
            'M' => runs.push(vec![(numbers[0], numbers[1])]),
            'L' => runs.last_mut().unwrap().push((numbers[0], numbers[1])),
            'H' => runs.last_mut().unwrap().push((numbers[0], last.unwrap().1)),
            'V' => runs.last_mut().unwrap().push((last.unwrap().0, numbers[0])),
            other => assert_eq!(other, 'Z'),
        }
        rest = &rest[end..];
    }
    runs
}

fn canvas() -> impl Strategy<Value = Canvas> {
    prop_oneof![Just(Canvas::NARROW), Just(Canvas::WIDE)]
}

proptest! {
    #[test]
    fn everything_is_inside_and_goes_forward(
        samples in prop::collection::btree_map(0_i32..1_100, any::<(u32, u32, u32)>(), 0..200),
        span in prop_oneof![Just(89_i32), Just(364), Just(1_095)],
        canvas in canvas(),
    ) {
        let days: Vec<_> = samples.iter().map(|(n, (size, taken, wait))| day(*n, *size, *taken, *wait)).collect();
        let chart = draw(&days, range(span), canvas);
        let inside = |x: f64, y: f64| {
            (chart.left - 0.1..=chart.right + 0.1).contains(&x) && (TOP - 0.1..=chart.bottom + 0.1).contains(&y)
        };
        for path in [&chart.assigned, &chart.waiting, &chart.size] {
            let runs = points(path);
            prop_assert!(runs.iter().flatten().all(|(x, y)| inside(*x, *y)), "{path}");
            prop_assert!(runs.concat().is_sorted_by(|one, next| one.0 <= next.0), "{path}");
        }
        prop_assert!(points(&chart.area).iter().flatten().all(|(x, y)| inside(*x, *y)));
        for lone in &chart.lone {
            prop_assert!([lone.size, lone.assigned, lone.waiting].iter().all(|y| inside(lone.x, *y)));
        }
        prop_assert!((2..=6).contains(&chart.levels.len()), "{:?}", chart.levels);
        prop_assert!(chart.levels.iter().all(|level| inside(chart.left, level.y)));
        let apart = |pair: &[Month]| pair[1].x - pair[0].x > 2.0 * HALF_LABEL;
        prop_assert!(chart.months.windows(2).all(apart), "{:?}", chart.months);
        prop_assert!(!chart.months.is_empty());
    }

    #[test]
    fn the_axis_has_round_numbers_and_room_for_the_highest(highest: u32) {
        let (step, top) = scale(highest);
        prop_assert!(top >= u64::from(highest) && top % step == 0 && top / step <= 5 && top > 0);
        let leading = step.to_string();
        prop_assert!(["1", "2", "5"].contains(&leading.trim_end_matches('0')));
    }
}

#[test]
fn days_without_a_sample_are_a_gap() {
    let days: Vec<_> = [0, 1, 2, 10, 11, 30].map(|n| day(n, 10, 5, 0)).into();
    let chart = draw(&days, range(89), Canvas::WIDE);
    assert_eq!(points(&chart.assigned).len(), 2);
    assert_eq!(points(&chart.size).len(), 2);
    assert_eq!(chart.lone.len(), 1, "one day alone is a dot");
    let runs = points(&chart.assigned);
    let width_of_a_day = (chart.right - chart.left) / 89.0;
    assert!((runs[1][0].0 - runs[0][1].0 - 8.0 * width_of_a_day).abs() < 0.2, "{runs:?}");
}

#[test]
fn the_pool_is_drawn_in_steps() {
    let days: Vec<_> = (0..10).map(|n| day(n, if n < 5 { 100 } else { 200 }, 50, 0)).collect();
    let runs = points(&draw(&days, range(89), Canvas::WIDE).size);
    assert_eq!(runs[0].len(), 4, "along, up, along");
    assert!(runs[0][1].0 == runs[0][2].0 && runs[0][2].1 < runs[0][1].1);
}

#[test]
fn nothing_one_day_and_an_empty_pool_are_charts_as_well() {
    let none = draw(&[], range(89), Canvas::NARROW);
    assert!(none.assigned.is_empty() && none.lone.is_empty() && none.levels.len() == 2);
    let one = draw(&[day(89, 0, 0, 0)], range(89), Canvas::NARROW);
    assert_eq!((one.lone.len(), one.lone[0].assigned), (1, one.bottom));
    assert!((one.lone[0].x - one.right).abs() < 0.1, "today is at the right");
}

#[test]
fn years_of_the_same_are_three_short_lines() {
    let days: Vec<_> = (0..=1_095).map(|n| day(n, 700, 650, 0)).collect();
    let chart = draw(&days, range(1_095), Canvas::NARROW);
    assert_eq!(
        points(&chart.assigned),
        [[(chart.left, points(&chart.assigned)[0][0].1), (chart.right, points(&chart.assigned)[0][0].1)]]
    );
    assert_eq!(points(&chart.size)[0].len(), 2);
    assert_eq!(chart.months.len(), 3, "{:?}", chart.months);
}
