//! How numbers are shown (ECMA-376 part 1, 18.8): as dates, with zeros in front, or as they are.

use std::collections::HashMap;

use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use quick_xml::events::Event;

use super::Unreadable;
use super::xml::{Xml, attribute};

/// Most cell formats, as in Excel's own limits.
const MAX_FORMATS: usize = 65_536;
/// Longest format code that is looked at.
const MAX_CODE: usize = 256;

/// How a number is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    Plain,
    Date,
    /// `"A"0000`: at least so many digits, with a text before and behind.
    Digits {
        before: String,
        zeros: usize,
        after: String,
    },
}

/// By the number that a cell names.
#[derive(Default)]
pub(super) struct Styles(Vec<u16>, Vec<Shown>);

impl Styles {
    pub(super) fn get(&self, index: usize) -> &Shown {
        self.0.get(index).and_then(|kind| self.1.get(usize::from(*kind))).unwrap_or(&Shown::Plain)
    }
}

pub(super) fn read(xml: &mut Xml<'_>) -> Result<Styles, Unreadable> {
    let mut codes: HashMap<String, Shown> = HashMap::new();
    let mut kinds: HashMap<String, u16> = HashMap::new();
    let mut styles = Styles::default();
    let mut in_formats = false;
    loop {
        match xml.next()? {
            Event::Start(element) => match element.local_name().as_ref() {
                b"numFmt" => {
                    let (id, code) = (attribute(&element, b"numFmtId")?, attribute(&element, b"formatCode")?);
                    if let (Some(id), Some(code)) = (id, code) {
                        codes.insert(id, of_code(&code));
                    }
                    if codes.len() > MAX_FORMATS {
                        return Err(Unreadable::TooLarge);
                    }
                }
                b"cellXfs" => in_formats = true,
                b"xf" if in_formats => {
                    if styles.0.len() >= MAX_FORMATS {
                        return Err(Unreadable::TooLarge);
                    }
                    let id = attribute(&element, b"numFmtId")?.unwrap_or_default();
                    let kind = match kinds.get(&id) {
                        Some(kind) => *kind,
                        None => {
                            let shown = codes.get(&id).cloned().unwrap_or_else(|| built_in(&id));
                            let kind = u16::try_from(styles.1.len()).map_err(|_| Unreadable::TooLarge)?;
                            styles.1.push(shown);
                            kinds.insert(id, kind);
                            kind
                        }
                    };
                    styles.0.push(kind);
                }
                _ => {}
            },
            Event::End(element) if element.local_name().as_ref() == b"cellXfs" => in_formats = false,
            Event::Eof => return Ok(styles),
            _ => {}
        }
    }
}

/// Formats without a code of their own (ECMA-376 part 1, 18.8.30), Japanese ones among them.
fn built_in(id: &str) -> Shown {
    match id.parse() {
        Ok(14..=17 | 22 | 27..=31 | 34..=36 | 50..=54 | 57..=58) => Shown::Date,
        Ok(1) => Shown::Digits { before: String::new(), zeros: 1, after: String::new() },
        _ => Shown::Plain,
    }
}

/// The first section of a format code: what positive numbers look like.
fn of_code(code: &str) -> Shown {
    if code.len() > MAX_CODE || code.eq_ignore_ascii_case("general") {
        return Shown::Plain;
    }
    let (mut signs, mut zeros, mut plain) = (String::new(), 0_usize, true);
    let (mut before, mut after) = (String::new(), String::new());
    let mut rest = code.chars();
    while let Some(c) = rest.next() {
        let literal = match c {
            ';' => break,
            '"' => rest.by_ref().take_while(|c| *c != '"').collect(),
            '\\' => rest.next().map(String::from).unwrap_or_default(),
            '_' | '*' => {
                rest.next();
                String::new()
            }
            '[' => {
                rest.by_ref().find(|c| *c == ']');
                String::new()
            }
            '0' => {
                // Zeros with a text between them are a pattern of its own.
                plain &= after.is_empty();
                zeros += 1;
                String::new()
            }
            other => {
                signs.extend(other.to_lowercase());
                String::new()
            }
        };
        if zeros == 0 { before.push_str(&literal) } else { after.push_str(&literal) }
    }
    let has = |sign| signs.contains(sign);
    if has('y') || has('d') || (has('e') && has('m')) {
        Shown::Date
    } else if plain && zeros > 0 && signs.is_empty() {
        Shown::Digits { before, zeros, after }
    } else {
        Shown::Plain
    }
}

/// A number as it is shown; a text that is no number stays.
pub(super) fn show(number: &str, shown: &Shown, from_1904: bool) -> String {
    let Some(value) = number.trim().parse::<f64>().ok().filter(|value| value.is_finite()) else {
        return number.to_owned();
    };
    let whole = value.fract() == 0.0 && value.abs() < 1e15;
    match shown {
        Shown::Date => match day(value, from_1904) {
            Some(day) => format!("{}/{}/{}", day.year(), day.month(), day.day()),
            None => plain(value, whole),
        },
        Shown::Digits { before, zeros, after } if whole && value >= 0.0 => {
            format!("{before}{value:0>zeros$.0}{after}")
        }
        Shown::Digits { .. } | Shown::Plain => plain(value, whole),
    }
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

    fn shown(number: &str, code: &str) -> String {
        show(number, &of_code(code), false)
    }

    #[test]
    fn numbers_are_read_as_they_are_shown() {
        assert_eq!(shown("123", "General"), "123");
        assert_eq!(shown("123", "00000"), "00123");
        assert_eq!(shown("7", "\"A\"000"), "A007");
        assert_eq!(shown("7", "000\\号"), "007号");
        assert_eq!(shown("1234567", "#,##0"), "1234567");
        assert_eq!(shown("12345678901", "0"), "12345678901");
        assert_eq!(shown("0.30000000000000004", "General"), "0.3");
        assert_eq!(shown("-5", "000"), "-5");
        assert_eq!(shown("1E+2", "General"), "100");
        assert_eq!(shown("x", "000"), "x");
        assert_eq!(shown("NaN", "General"), "NaN");
    }

    #[test]
    fn dates_are_read_by_their_format_in_both_calendars_of_workbooks() {
        for code in ["yyyy/m/d", "[$-411]ggge\"年\"m\"月\"d\"日\"", "mm-dd-yy", "d-mmm-yy;@", "[$-F800]dddd"]
        {
            assert_eq!(shown("46478", code), "2027/4/1", "{code}");
        }
        assert_eq!(show("46478", &built_in("14"), false), "2027/4/1");
        assert_eq!(show("45016.5", &built_in("57"), true), "2027/4/1");
        assert_eq!(shown("46478", "h:mm"), "46478");
        assert_eq!(shown("46478", "[Red]0"), "46478");
        assert_eq!(shown("1", "yyyy/m/d"), "1900/1/1");
        assert_eq!(shown("61", "yyyy/m/d"), "1900/3/1");
        assert_eq!(shown("99999999", "yyyy/m/d"), "99999999");
    }
}
