//! How a number is shown (ECMA-376 part 1, 18.8.31): as a date, in a pattern of digits, or as it is. What none of these
//! shows is not guessed: a person sees something else in the cell than is kept in it.

use jiff::ToSpan as _;
use jiff::civil::{Date, date};

/// Longest format code that is looked at.
const MAX_CODE: usize = 256;

/// How a number is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// As it is kept.
    General,
    /// The same, but rounded to a number of decimals that is not looked at.
    Rounded,
    Date,
    /// Digits with texts between them, like `00\-0000`.
    Pattern(Vec<Part>),
    /// In another way: as a percentage, a time, a fraction, by conditions, or not at all.
    Otherwise,
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// `0`: a digit, or a zero if the number has none there.
    Digit,
    /// `#`: a digit if the number has one there.
    Optional,
    Text(String),
}

/// Formats without a code of their own (ECMA-376 part 1, 18.8.30), Japanese ones among them.
pub(super) fn built_in(id: &str) -> Shown {
    match id.parse() {
        Ok(14..=17 | 22 | 27..=31 | 34..=36 | 50..=54 | 57..=58) => Shown::Date,
        Ok(1..=4 | 37..=44) => Shown::Rounded,
        Ok(9..=13 | 18..=21 | 32..=33 | 45..=48 | 55..=56) => Shown::Otherwise,
        _ => Shown::General,
    }
}

/// What a format code makes of numbers: its first section is for positive ones.
pub(super) fn of_code(code: &str) -> Shown {
    if code.eq_ignore_ascii_case("general") || code == "@" {
        return Shown::General;
    }
    if code.len() > MAX_CODE {
        return Shown::Otherwise;
    }
    let mut section = Section::default();
    let mut rest = code.chars();
    while let Some(c) = rest.next() {
        match c {
            ';' => break,
            '"' => section.text(&rest.by_ref().take_while(|c| *c != '"').collect::<String>()),
            '\\' | '!' => section.text(&rest.next().map(String::from).unwrap_or_default()),
            // A blank as wide as the next character, and one that fills the cell.
            '_' | '*' => _ = rest.next(),
            '[' => section.bracket(&rest.by_ref().take_while(|c| *c != ']').collect::<String>()),
            '0' => section.digit(Part::Digit),
            '#' => section.digit(Part::Optional),
            // These stand for themselves without being marked as a text.
            '-' | '(' | ')' | ' ' | '$' | '¥' | '+' | ':' | '/' if section.signs.is_empty() => {
                section.text(c.encode_utf8(&mut [0; 4]));
            }
            other => {
                section.scaled = other == ',';
                section.signs.extend(other.to_lowercase());
            }
        }
    }
    section.shown()
}

#[derive(Default)]
struct Section {
    /// Characters that are neither digits nor texts.
    signs: String,
    parts: Vec<Part>,
    conditional: bool,
    /// A comma behind the last digit: the number is shown in thousands.
    scaled: bool,
}

impl Section {
    fn digit(&mut self, digit: Part) {
        self.scaled = false;
        self.parts.push(digit);
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.parts.push(Part::Text(text.to_owned()));
        }
    }

    /// A colour or a language says nothing of the digits; all else does.
    fn bracket(&mut self, inside: &str) {
        let inside = inside.to_ascii_lowercase();
        let colour = ["black", "blue", "cyan", "green", "magenta", "red", "white", "yellow"];
        let language = inside.strip_prefix("$-").is_some();
        let numbered = inside.strip_prefix("color").is_some();
        self.conditional |= !(language || numbered || colour.contains(&inside.as_str()));
    }

    fn shown(self) -> Shown {
        let has = |sign| self.signs.contains(sign);
        let digits = self.parts.iter().any(|part| matches!(part, Part::Digit | Part::Optional));
        let texts = self.parts.iter().any(|part| matches!(part, Part::Text(_)));
        if !digits && (has('y') || has('d') || (has('e') && has('m'))) {
            Shown::Date
        } else if self.conditional || !digits {
            Shown::Otherwise
        } else if self.signs.is_empty() {
            Shown::Pattern(self.parts)
        } else if !texts && self.signs.chars().all(|sign| ".,".contains(sign)) && !self.scaled {
            Shown::Rounded
        } else {
            Shown::Otherwise
        }
    }
}

/// A number as it is shown; a text that is no number stays. `None` if a person sees something else that is not reckoned
/// here.
pub(super) fn show(number: &str, shown: &Shown, from_1904: bool) -> Option<String> {
    let Some(value) = number.trim().parse::<f64>().ok().filter(|value| value.is_finite()) else {
        return Some(number.to_owned());
    };
    let whole = value.fract() == 0.0 && value.abs() < 1e15;
    match shown {
        Shown::General => Some(plain(value, whole)),
        Shown::Rounded => whole.then(|| plain(value, whole)),
        Shown::Date => {
            day(value, from_1904).map(|day| format!("{}/{}/{}", day.year(), day.month(), day.day()))
        }
        // Negative numbers and zero may have sections of their own.
        Shown::Pattern(parts) if whole && value > 0.0 => Some(in_pattern(&format!("{value:.0}"), parts)),
        Shown::Pattern(parts) if value == 0.0 && parts.contains(&Part::Digit) => Some(in_pattern("0", parts)),
        Shown::Pattern(_) | Shown::Otherwise => None,
    }
}

/// Digits go to their places from the right; those that are too many stand before the first place.
fn in_pattern(digits: &str, parts: &[Part]) -> String {
    let places = parts.iter().filter(|part| !matches!(part, Part::Text(_))).count();
    let split = digits.len().saturating_sub(places);
    let (surplus, mut rest) = digits.split_at(split);
    let mut empty = places - rest.len();
    let mut text = String::new();
    let mut first = true;
    for part in parts {
        if let Part::Text(said) = part {
            text.push_str(said);
            continue;
        }
        if std::mem::take(&mut first) {
            text.push_str(surplus);
        }
        if empty > 0 {
            empty -= 1;
            text.push_str(if *part == Part::Digit { "0" } else { "" });
        } else {
            let (digit, others) = rest.split_at(1);
            text.push_str(digit);
            rest = others;
        }
    }
    text
}

/// Fifteen digits are what a spreadsheet keeps.
fn plain(value: f64, whole: bool) -> String {
    if whole {
        return format!("{value:.0}");
    }
    let kept = format!("{value:.14e}").parse().unwrap_or(value);
    format!("{kept}")
}

/// The day of a serial number. 1900 is a leap year in a workbook: its days before March are one behind.
fn day(value: f64, from_1904: bool) -> Option<Date> {
    if !(1.0..2_958_466.0).contains(&value) {
        return None;
    }
    let first = match (from_1904, value < 60.0) {
        (true, _) => date(1904, 1, 1),
        (false, true) => date(1899, 12, 31),
        (false, false) => date(1899, 12, 30),
    };
    #[expect(clippy::cast_possible_truncation, reason = "below three million")]
    let days = value as i64;
    first.checked_add(days.days()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(number: &str, code: &str) -> Option<String> {
        show(number, &of_code(code), false)
    }

    #[test]
    fn numbers_are_read_as_they_are_shown() {
        for (number, code, seen) in [
            ("123", "General", "123"),
            ("123", "@", "123"),
            ("123", "00000", "00123"),
            ("7", "\"A\"000", "A007"),
            ("7", "000\\号", "007号"),
            ("123456", "00\\-0000", "12-3456"),
            ("123456", "00-0000", "12-3456"),
            ("1234567", "00\\-0000", "123-4567"),
            ("56", "00\\-0000", "00-0056"),
            ("56", "##\\-0000", "-0056"),
            ("0", "000", "000"),
            ("1234567", "#,##0", "1234567"),
            ("12", "0.00_ ", "12"),
            ("12345678901", "0", "12345678901"),
            ("0.30000000000000004", "General", "0.3"),
            ("-5", "General", "-5"),
            ("1E+2", "General", "100"),
            ("46478", "[Red]0", "46478"),
            ("x", "000", "x"),
            ("NaN", "General", "NaN"),
        ] {
            assert_eq!(shown(number, code).as_deref(), Some(seen), "{number} as {code}");
        }
    }

    #[test]
    fn what_a_person_sees_otherwise_is_not_guessed() {
        for (number, code) in [
            ("0.5", "0%"),
            ("12.6", "0"),
            ("12.6", "0.0"),
            ("1234000", "0,"),
            ("123456", "0.00E+00"),
            ("46478", "h:mm"),
            ("46478", "[h]:mm"),
            ("0.5", "# ?/?"),
            ("12", "[<100]\"A\"0;0"),
            ("12", "[DBNum1]0"),
            ("12", ";;;"),
            ("12", "\"済\""),
            ("-5", "000"),
            ("0", "#"),
            ("12", "#,##0\"円\""),
            ("99999999", "yyyy/m/d"),
            ("0", "yyyy/m/d"),
        ] {
            assert_eq!(shown(number, code), None, "{number} as {code}");
        }
        assert_eq!(show("0.5", &built_in("10"), false), None);
        assert_eq!(show("46478", &built_in("20"), false), None);
        assert_eq!(shown("12", &"0".repeat(MAX_CODE + 1)), None);
    }

    #[test]
    fn dates_are_read_by_their_format_in_both_calendars_of_workbooks() {
        for code in ["yyyy/m/d", "[$-411]ggge\"年\"m\"月\"d\"日\"", "mm-dd-yy", "d-mmm-yy;@", "[$-F800]dddd"]
        {
            assert_eq!(shown("46478", code).as_deref(), Some("2027/4/1"), "{code}");
        }
        assert_eq!(show("46478", &built_in("14"), false).as_deref(), Some("2027/4/1"));
        assert_eq!(show("45016.5", &built_in("57"), true).as_deref(), Some("2027/4/1"));
        assert_eq!(shown("1", "yyyy/m/d").as_deref(), Some("1900/1/1"));
        assert_eq!(shown("61", "yyyy/m/d").as_deref(), Some("1900/3/1"));
    }
}
