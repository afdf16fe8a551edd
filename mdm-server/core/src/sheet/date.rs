//! Dates as they stand in staff files: `2027/4/1`, `2027-04-01`, `2027年4月1日`, `令和9年4月1日`, `R9.4.1`.

use jiff::civil::Date;

use super::column::half_width;

/// Eras by name, letter and the year before their first (Act No. 43 of 1979; Cabinet orders of 1989 and 2019).
const ERAS: [(&str, char, i16); 3] = [("令和", 'R', 2018), ("平成", 'H', 1988), ("昭和", 'S', 1925)];

/// Reads a date of the Gregorian or the Japanese calendar; years 1900 to 2199.
pub(super) fn parse(text: &str) -> Option<Date> {
    let text: String = text.chars().map(half_width).collect();
    let (before, rest) = era(text.trim());
    let mut parts = rest.trim_end_matches('日').split(['/', '-', '.', '年', '月']).map(str::trim);
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let year = match (year, before) {
        ("元", Some(_)) => 1,
        (year, _) => number(year)?,
    };
    let year = before.unwrap_or(0).checked_add(year)?;
    let date = Date::new(year, number(month)?.try_into().ok()?, number(day)?.try_into().ok()?).ok()?;
    (1900..2200).contains(&date.year()).then_some(date)
}

fn era(text: &str) -> (Option<i16>, &str) {
    for (name, letter, before) in ERAS {
        let rest =
            text.strip_prefix(name).or_else(|| text.strip_prefix([letter, letter.to_ascii_lowercase()]));
        if let Some(rest) = rest {
            return (Some(before), rest);
        }
    }
    (None, text)
}

fn number(digits: &str) -> Option<i16> {
    let plain = (1..=4).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn dates_are_read_in_every_form_that_staff_files_use() {
        for text in [
            "2027/4/1",
            "2027-04-01",
            "2027年4月1日",
            "令和9年4月1日",
            "R9.4.1",
            "r9/4/1",
            "２０２７／４／１",
        ] {
            assert_eq!(parse(text), Some(date(2027, 4, 1)), "{text}");
        }
        assert_eq!(parse("令和元年5月1日"), Some(date(2019, 5, 1)));
        assert_eq!(parse("平成31年4月30日"), Some(date(2019, 4, 30)));
        assert_eq!(parse("S64.1.7"), Some(date(1989, 1, 7)));
    }

    #[test]
    fn what_is_no_date_is_not_guessed() {
        for text in
            ["", "2027", "2027/4", "2027/2/29", "4/1/27", "令和9年", "R9.4.1.1", "-1/1/1", "元年1月1日"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
