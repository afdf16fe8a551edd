//! What people type into fields, as they type it: full-width digits and separators make no difference.

use mdm_core::account::{InvalidStaffNumber, StaffNumber};
use mdm_core::approval::Consent;
use mdm_core::sheet::half_width;

/// A number.
pub(super) fn number(typed: &str) -> Option<u32> {
    typed.trim().chars().map(half_width).filter(|c| *c != ',').collect::<String>().parse().ok()
}

/// Whom a plan closes, as somebody who consents to it has counted them. What is no number is not the number.
pub(super) fn consent(typed: &str) -> Consent {
    let is_typed = !typed.trim().is_empty();
    Consent { leavers: is_typed.then(|| number(typed).unwrap_or(u32::MAX)) }
}

/// Staff numbers, one a line or with separators between them.
pub(super) fn staff_numbers(typed: &str) -> Result<Vec<StaffNumber>, InvalidStaffNumber> {
    let typed: String = typed.chars().map(half_width).collect();
    let numbers = typed.split(|c: char| c.is_whitespace() || matches!(c, ',' | '、'));
    numbers.filter(|number| !number.is_empty()).map(StaffNumber::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_people_type_it_and_what_is_none_is_not_the_number() {
        assert_eq!(consent(" １,２００ ").leavers, Some(1_200));
        assert_eq!(consent("１，２００").leavers, Some(1_200));
        assert_eq!(consent(" ").leavers, None);
        for wrong in ["all", "-1200", "12人"] {
            assert_eq!(consent(wrong).leavers, Some(u32::MAX), "{wrong:?}");
        }
    }

    #[test]
    fn staff_numbers_are_found_whatever_stands_between_them() {
        let numbers = staff_numbers("１００１、1002\n 1003,１００４　1005").expect("they are numbers");
        let numbers: Vec<&str> = numbers.iter().map(StaffNumber::as_str).collect();
        assert_eq!(numbers, ["1001", "1002", "1003", "1004", "1005"]);
        assert_eq!(staff_numbers(" 、 ").expect("nothing is nobody"), []);
        staff_numbers(&"1".repeat(1_000)).expect_err("it is too long for one");
    }
}
