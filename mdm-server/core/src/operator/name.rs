//! Sign-in names.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most characters of a name.
pub const NAME_MAX: usize = 64;

/// What an operator signs in with: 1 to 64 characters, which are ASCII letters, digits, `.`, `-`, `_`, `@`, kana or kanji.
/// Two names that differ in upper and lower case only are one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OperatorName(String);

/// A text that is no sign-in name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOperatorName {
    /// Nothing but blanks.
    #[error("the name is empty: a sign-in name has 1 to {NAME_MAX} characters")]
    Empty,
    /// Longer than 64 characters.
    #[error("the name is too long: a sign-in name has 1 to {NAME_MAX} characters")]
    TooLong,
    /// A character that cannot be told from others, or is not written the same way by every keyboard.
    #[error("{0:?} cannot stand in a sign-in name: use ASCII letters, digits, . - _ @, kana and kanji")]
    Character(char),
}

impl OperatorName {
    /// Reads a name; blanks around it are not part of it.
    pub fn new(text: &str) -> Result<Self, InvalidOperatorName> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidOperatorName::Empty);
        }
        if text.chars().count() > NAME_MAX {
            return Err(InvalidOperatorName::TooLong);
        }
        match text.chars().find(|c| !is_allowed(*c)) {
            Some(c) => Err(InvalidOperatorName::Character(c)),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is compared: no other operator has the same.
    pub fn folded(&self) -> String {
        // Only ASCII letters have two cases here.
        self.0.to_ascii_lowercase()
    }
}

/// Kana without combining marks, and kanji with those of compatibility, which names of people need (﨑).
fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || ".-_@".contains(c)
        || matches!(c, '々' | '〇' | 'ぁ'..='ゖ' | 'ゝ' | 'ゞ' | 'ァ'..='ヺ' | 'ー'..='ヾ')
        || matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
        || matches!(c, '\u{20000}'..='\u{3134f}')
}

impl fmt::Display for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for OperatorName {
    type Error = InvalidOperatorName;

    fn try_from(text: String) -> Result<Self, InvalidOperatorName> {
        Self::new(&text)
    }
}

impl From<OperatorName> for String {
    fn from(name: OperatorName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_and_mail_addresses_are_names() {
        for name in ["owner", "a.sato-2@city.lg.jp", "佐藤", "濵田﨑子", "ヘルプデスク", "佐々木", "𠮷田"]
        {
            assert_eq!(OperatorName::new(&format!(" {name}\u{3000}")).unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_another_keyboard_writes_otherwise_is_refused() {
        let cases = [
            ("", InvalidOperatorName::Empty),
            (" \u{3000}", InvalidOperatorName::Empty),
            ("ａdmin", InvalidOperatorName::Character('ａ')),
            ("a b", InvalidOperatorName::Character(' ')),
            ("ｻﾄｳ", InvalidOperatorName::Character('ｻ')),
            ("a\u{202e}b", InvalidOperatorName::Character('\u{202e}')),
            ("аdmin", InvalidOperatorName::Character('а')),
            ("が\u{3099}", InvalidOperatorName::Character('\u{3099}')),
        ];
        for (text, error) in cases {
            assert_eq!(OperatorName::new(text), Err(error), "{text:?}");
        }
        assert!(OperatorName::new(&"県".repeat(NAME_MAX)).is_ok());
        assert_eq!(OperatorName::new(&"県".repeat(NAME_MAX + 1)), Err(InvalidOperatorName::TooLong));
    }

    #[test]
    fn upper_and_lower_case_are_one_name() {
        assert_eq!(OperatorName::new("Sato").unwrap().folded(), OperatorName::new("sATO").unwrap().folded());
        assert_ne!(OperatorName::new("Sato").unwrap().folded(), OperatorName::new("Saito").unwrap().folded());
    }
}
