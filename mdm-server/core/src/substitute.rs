//! 外字の代替文字: what is shown and printed for a private-use character that only the organisation's own systems can draw.
//! Entered once for each source; what is stored of a person stays as it was written. Here: the table and the rule by which it
//! is changed. What shows and prints it is the shell's.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::SourceName;
use crate::audit::{Actor, AuditEvent, Happening, Subject};
use crate::change::{Changeset, Key, Record, Stored, Version};
use crate::characters::{is_invisible, is_private_use, is_variation_selector};

/// Most entries of one source: the table is one record of the store.
pub const MAX_ENTRIES: usize = 1_000;
/// Most entries changed at once, each with its event.
pub const MAX_CHANGES: usize = 200;
/// Most characters that stand for one.
pub const MAX_CHARACTERS: usize = 4;

/// A private-use character by its code point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct CodePoint(char);

/// A number or text that names no private-use character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a private-use character is named by its code point, like U+E000")]
pub struct NotPrivateUse;

impl CodePoint {
    /// Of a character.
    pub fn of(c: char) -> Result<Self, NotPrivateUse> {
        if is_private_use(c) { Ok(Self(c)) } else { Err(NotPrivateUse) }
    }

    /// The character.
    pub fn character(self) -> char {
        self.0
    }
}

impl TryFrom<u32> for CodePoint {
    type Error = NotPrivateUse;

    fn try_from(code: u32) -> Result<Self, NotPrivateUse> {
        char::from_u32(code).ok_or(NotPrivateUse).and_then(Self::of)
    }
}

impl From<CodePoint> for u32 {
    fn from(code: CodePoint) -> Self {
        code.0.into()
    }
}

impl fmt::Display for CodePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U+{:04X}", u32::from(self.0))
    }
}

impl FromStr for CodePoint {
    type Err = NotPrivateUse;

    /// Reads `U+E000`, in whatever case, with the `U+` or without.
    fn from_str(text: &str) -> Result<Self, NotPrivateUse> {
        let text = text.trim();
        let digits = text.strip_prefix("U+").or_else(|| text.strip_prefix("u+")).unwrap_or(text);
        // `from_str_radix` also takes a sign.
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotPrivateUse);
        }
        u32::from_str_radix(digits, 16).map_err(|_| NotPrivateUse)?.try_into()
    }
}

/// What stands for a private-use character: 1 to [`MAX_CHARACTERS`] characters that can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Substitute(String);

/// A text that cannot stand for a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "1 to {MAX_CHARACTERS} visible characters stand for a private-use character, none of them private-use itself"
)]
pub struct InvalidSubstitute;

impl Substitute {
    /// Reads one; blanks around it are not part of it.
    pub fn new(text: &str) -> Result<Self, InvalidSubstitute> {
        let text = text.trim();
        let cannot_stand = |c: char| {
            c.is_control()
                || c.is_whitespace()
                || is_private_use(c)
                || c == char::REPLACEMENT_CHARACTER
                || is_invisible(c)
        };
        let seen = text.chars().filter(|c| !is_variation_selector(*c)).count();
        let begins = text.chars().next().is_some_and(|c| !is_variation_selector(c));
        let fits = (1..=MAX_CHARACTERS).contains(&seen) && text.chars().count() <= 2 * MAX_CHARACTERS;
        if begins && fits && !text.contains(cannot_stand) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSubstitute)
        }
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its characters by number, as `U+9AD9`.
    fn code_points(&self) -> String {
        let each: Vec<String> = self.0.chars().map(|c| format!("U+{:04X}", u32::from(c))).collect();
        each.join(" ")
    }
}

impl TryFrom<String> for Substitute {
    type Error = InvalidSubstitute;

    fn try_from(text: String) -> Result<Self, InvalidSubstitute> {
        Self::new(&text)
    }
}

impl From<Substitute> for String {
    fn from(substitute: Substitute) -> Self {
        substitute.0
    }
}

/// All substitutes of one source. Two systems may have drawn two characters at one code point, so there is a table for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Substitutes {
    /// Whose characters they are.
    pub source: SourceName,
    /// At least one, at most [`MAX_ENTRIES`].
    pub entries: BTreeMap<CodePoint, Substitute>,
}

/// A piece of a text as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// As written.
    Written(&'a str),
    /// What stands for a private-use character.
    Substituted(CodePoint, &'a str),
    /// A private-use character that nothing stands for.
    Unknown(CodePoint),
}

/// The tables of all sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables(BTreeMap<SourceName, BTreeMap<CodePoint, Substitute>>);

impl FromIterator<Substitutes> for Tables {
    fn from_iter<I: IntoIterator<Item = Substitutes>>(tables: I) -> Self {
        Self(tables.into_iter().map(|table| (table.source, table.entries)).collect())
    }
}

impl Tables {
    /// What stands for a character of a source.
    pub fn find(&self, source: &SourceName, code: CodePoint) -> Option<&Substitute> {
        self.0.get(source)?.get(&code)
    }

    /// A text of a source with what stands for its private-use characters; those that nothing stands for stay.
    pub fn printed<'a>(&self, source: &SourceName, text: &'a str) -> Cow<'a, str> {
        if !text.contains(is_private_use) {
            return Cow::Borrowed(text);
        }
        let piece = |piece| match piece {
            Piece::Written(text) | Piece::Substituted(_, text) => text.to_owned(),
            Piece::Unknown(code) => code.character().to_string(),
        };
        Cow::Owned(self.pieces(source, text).into_iter().map(piece).collect())
    }

    /// A text of a source in pieces, in their order.
    pub fn pieces<'a>(&'a self, source: &SourceName, text: &'a str) -> Vec<Piece<'a>> {
        let table = self.0.get(source);
        let mut pieces = Vec::new();
        let mut from = 0;
        for (at, c) in text.char_indices() {
            let Ok(code) = CodePoint::of(c) else { continue };
            if from < at {
                pieces.push(Piece::Written(&text[from..at]));
            }
            from = at + c.len_utf8();
            pieces.push(match table.and_then(|table| table.get(&code)) {
                Some(substitute) => Piece::Substituted(code, substitute.as_str()),
                None => Piece::Unknown(code),
            });
        }
        if from < text.len() {
            pieces.push(Piece::Written(&text[from..]));
        }
        pieces
    }

    /// Whether a text of a source has a private-use character that nothing stands for.
    pub fn lacks(&self, source: &SourceName, text: &str) -> bool {
        let mut codes = text.chars().filter_map(|c| CodePoint::of(c).ok());
        codes.any(|code| self.find(source, code).is_none())
    }
}

/// Why the table stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubstituteError {
    /// Not a private-use character.
    #[error(transparent)]
    CodePoint(#[from] NotPrivateUse),
    /// Nothing that could stand for one.
    #[error(transparent)]
    Text(#[from] InvalidSubstitute),
    /// More than are changed at once.
    #[error("at most {MAX_CHANGES} substitutes are changed at once")]
    TooManyChanges,
    /// More than a source has.
    #[error("a source has at most {MAX_ENTRIES} substitutes")]
    TooMany,
}

/// Who changes the table, and when.
#[derive(Debug, Clone, Copy)]
pub struct Acting {
    /// Who.
    pub actor: Actor,
    /// When.
    pub now: Timestamp,
}

/// What is to stand for which characters from now on; `None` takes an entry away.
pub type Changes = BTreeMap<CodePoint, Option<Substitute>>;

/// Changes the table of a source; an empty changeset where that changes nothing.
pub fn change(
    stored: Option<Stored<Substitutes>>,
    source: &SourceName,
    wanted: &Changes,
    acting: Acting,
) -> Result<Changeset, SubstituteError> {
    let (version, mut entries) =
        stored.map_or_else(|| (Version(0), BTreeMap::new()), |stored| (stored.version, stored.value.entries));
    let mut changes = Changeset::default();
    for (code, substitute) in wanted {
        if entries.get(code) == substitute.as_ref() {
            continue;
        }
        changes.note(event(source, *code, substitute.as_ref(), acting));
        match substitute {
            Some(substitute) => entries.insert(*code, substitute.clone()),
            None => entries.remove(code),
        };
    }
    if changes.events.len() > MAX_CHANGES {
        return Err(SubstituteError::TooManyChanges);
    }
    if entries.len() > MAX_ENTRIES {
        return Err(SubstituteError::TooMany);
    }
    match (changes.events.is_empty(), entries.is_empty()) {
        (true, _) => {}
        (false, true) => changes.delete(version, Key::Substitutes(source.clone())),
        (false, false) => {
            changes.update(version, Record::Substitutes(Substitutes { source: source.clone(), entries }));
        }
    }
    Ok(changes)
}

/// Code points only: what somebody typed is not for a chain that nothing is taken out of.
fn event(
    source: &SourceName,
    code: CodePoint,
    substitute: Option<&Substitute>,
    acting: Acting,
) -> AuditEvent {
    let what = match substitute {
        Some(_) => Happening::SubstituteSet,
        None => Happening::SubstituteRemoved,
    };
    let event = AuditEvent::new(acting.now, acting.actor, what, Subject::default())
        .fact("source", source)
        .fact("code-point", code);
    match substitute {
        Some(substitute) => event.fact("stands-for-it", substitute.code_points()),
        None => event,
    }
}
