//! A note as it lies in the vault: JSON under `notes/<id>`.

use client_core::outbox::NoteName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ids::NoteId;
use unicode_normalization::UnicodeNormalization as _;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Longest note as stored, in bytes.
pub(crate) const MAX_NOTE: usize = 4 * 1024 * 1024;
/// Longest first line that a list shows, in characters.
const PREVIEW: usize = 80;
const VERSION: u8 = 1;

/// A fresh id.
pub(crate) fn fresh_id() -> NoteId {
    NoteId::from_bytes(*Uuid::now_v7().as_bytes())
}

/// Whether a file of the vault is a note.
pub(crate) fn is_note(name: &str) -> bool {
    NoteName::parse(name).is_some_and(|name| name.parent.is_none())
}

/// Why a stored note cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadNoteError {
    /// Not a note.
    #[error("a note in the vault is not readable")]
    Unreadable,
    /// Of another version.
    #[error("a note in the vault is of version {0}, which is newer than this app")]
    Version(u8),
}

/// A note.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    version: u8,
    pub(crate) title: Zeroizing<String>,
    pub(crate) body: Zeroizing<String>,
    /// When it was last edited.
    pub(crate) changed: Timestamp,
}

impl Note {
    /// A note as it was just edited.
    pub(crate) fn edited(title: &str, body: &str, changed: Timestamp) -> Self {
        let (title, body) = (title.to_owned().into(), body.to_owned().into());
        Self { version: VERSION, title, body, changed }
    }

    /// As stored; `None` if that is over [`MAX_NOTE`].
    pub(crate) fn encode(&self) -> Option<Zeroizing<Vec<u8>>> {
        // Room for escapes: most texts have few, and a buffer that grows leaves copies behind.
        let room = self.title.len() + self.body.len() + self.body.len() / 8 + 256;
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *bytes, self).expect("a note in memory encodes into a vector");
        (bytes.len() <= MAX_NOTE).then_some(bytes)
    }

    /// Reads a stored note.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ReadNoteError> {
        let note: Self = serde_json::from_slice(bytes).map_err(|_| ReadNoteError::Unreadable)?;
        if note.version == VERSION { Ok(note) } else { Err(ReadNoteError::Version(note.version)) }
    }

    /// The first line with something on it, shortened.
    pub(crate) fn preview(&self) -> String {
        let line = self.body.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        line.chars().take(PREVIEW).collect()
    }

    /// Whether title or body contains what is searched.
    pub(crate) fn matches(&self, search: &Search) -> bool {
        search.is_in(&self.title) || search.is_in(&self.body)
    }
}

/// What is searched: full and half width, capitals and small letters are one.
pub(crate) struct Search(Zeroizing<String>);

impl Search {
    /// Searches for `text`; nothing, or blanks, is everywhere.
    pub(crate) fn new(text: &str) -> Self {
        Self(fold(text.trim()))
    }

    /// Whether it is in `text`.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.0.is_empty() || fold(text).contains(self.0.as_str())
    }
}

fn fold(text: &str) -> Zeroizing<String> {
    let mut folded = Zeroizing::new(String::with_capacity(text.len() * 2));
    folded.extend(text.nfkc().flat_map(char::to_lowercase));
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(title: &str, body: &str) -> Note {
        Note::edited(title, body, "2027-04-01T03:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_note_reads_back_as_it_was_written() {
        let written = note("牛舎", "3棟\n\"良好\"\t𠮷田\u{0}");
        let bytes = written.encode().unwrap();
        assert!(Note::decode(&bytes).unwrap() == written);
    }

    #[test]
    fn the_stored_form_is_pinned() {
        let bytes = note("t", "b").encode().unwrap();
        let expected = r#"{"version":1,"title":"t","body":"b","changed":"2027-04-01T03:00:00Z"}"#;
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
    }

    #[test]
    fn what_is_not_a_note_of_this_version_is_an_error() {
        assert!(matches!(Note::decode(b"{}"), Err(ReadNoteError::Unreadable)));
        let newer = br#"{"version":2,"title":"t","body":"b","changed":"2027-04-01T03:00:00Z"}"#;
        assert!(matches!(Note::decode(newer), Err(ReadNoteError::Version(2))));
    }

    #[test]
    fn a_note_over_the_limit_is_not_stored() {
        assert!(note("t", &"あ".repeat(MAX_NOTE / 3)).encode().is_none());
        assert!(note("t", &"あ".repeat(MAX_NOTE / 3 - 100)).encode().is_some());
    }

    #[test]
    fn files_of_notes_are_known_by_their_name() {
        let name = |parent| NoteName { parent, id: fresh_id() }.to_string();
        assert!(is_note(&name(None)));
        assert!(!is_note(&name(Some(fresh_id()))), "a photo");
        assert!(!is_note("documents/notice.txt") && !is_note("notes/readme"));
    }

    #[test]
    fn the_preview_is_the_first_line_with_something_on_it() {
        assert_eq!(note("t", "\n  \n  牛舎 3棟 \n後").preview(), "牛舎 3棟");
        assert_eq!(note("t", &"あ".repeat(200)).preview().chars().count(), PREVIEW);
    }

    #[test]
    fn a_search_finds_in_title_and_body_whatever_the_width() {
        let found = |search| note("ﾀﾏﾃﾊﾞｺ Memo", "第３棟").matches(&Search::new(search));
        assert!(found("タマテバコ") && found("MEMO") && found(" 第3 ") && found(""));
        assert!(!found("第4"));
    }
}
