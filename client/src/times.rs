//! Times and sizes as the screens show them: the same in every language.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A time of today as `15:30`, of another day with its date before it.
pub(crate) fn moment(at: Timestamp, now: &Zoned) -> String {
    let at = local(at, now);
    let form = if at.date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    at.strftime(form).to_string()
}

/// A time to wait for: with its seconds, and of another day with its date.
pub(crate) fn second(at: Timestamp, now: &Zoned) -> String {
    let at = local(at, now);
    let form = if at.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    at.strftime(form).to_string()
}

/// When something was changed: today the time, before that the day.
pub(crate) fn changed(at: Timestamp, now: &Zoned) -> String {
    let at = local(at, now);
    let form = if at.date() == now.date() { "%H:%M" } else { "%Y-%m-%d" };
    at.strftime(form).to_string()
}

fn local(at: Timestamp, now: &Zoned) -> Zoned {
    at.to_zoned(TimeZone::clone(now.time_zone()))
}

/// A size in bytes as `12 KB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 3] = ["KB", "MB", "GB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1000.0, 0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1000.0, unit + 1);
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_another_day_has_its_date() {
        let now: Zoned = "2027-04-01T09:00:00+09:00[Asia/Tokyo]".parse().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(moment(at("2027-04-01T06:30:00Z"), &now), "15:30");
        assert_eq!(moment(at("2027-04-01T15:30:00Z"), &now), "2027-04-02 00:30");
        assert_eq!(second(at("2027-04-01T06:30:20Z"), &now), "15:30:20");
        assert_eq!(second(at("2027-04-01T15:30:20Z"), &now), "2027-04-02 00:30:20");
        assert_eq!(changed(at("2027-03-31T15:00:00Z"), &now), "00:00");
        assert_eq!(changed(at("2027-03-31T14:59:59Z"), &now), "2027-03-31");
    }

    #[test]
    fn sizes_have_two_or_three_figures() {
        let shown: Vec<_> =
            [0, 999, 1000, 9_949, 9_950, 999_499, 999_500, 12_000_000, 3_000_000_000_000].map(size).to_vec();
        assert_eq!(
            shown,
            ["0 B", "999 B", "1.0 KB", "9.9 KB", "10 KB", "999 KB", "1.0 MB", "12 MB", "3000 GB"]
        );
    }
}
