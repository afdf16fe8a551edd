//! Where notes and photos lie in the vault: `notes/<id>`, and `notes/<id of its note>/<id>.jpg`.

use std::fmt;

use shared::ids::NoteId;
use shared::wire::{NOTE_MEDIA_TYPE, NoteEntry, PHOTO_MEDIA_TYPE};

/// All of them begin so.
pub const FOLDER: &str = "notes/";

/// The name of a note's file, or of a photo's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteName {
    /// The note that a photo belongs to.
    pub parent: Option<NoteId>,
    /// Which.
    pub id: NoteId,
}

impl NoteName {
    /// Reads exactly what is written here; other files are no notes.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(FOLDER)?;
        let name = match rest.split_once('/') {
            None => Self { parent: None, id: rest.parse().ok()? },
            Some((parent, photo)) => {
                Self { parent: Some(parent.parse().ok()?), id: photo.strip_suffix(".jpg")?.parse().ok()? }
            }
        };
        (name.to_string() == text).then_some(name)
    }

    /// Where an entry of the server belongs; `None` for what this version does not know, and for what was deleted.
    pub fn of(entry: &NoteEntry) -> Option<Self> {
        let name = Self { parent: entry.parent, id: entry.id };
        let contents = entry.contents.as_ref()?;
        (contents.media_type == name.media_type() && entry.parent != Some(entry.id)).then_some(name)
    }

    /// What lies there.
    pub fn media_type(&self) -> &'static str {
        if self.parent.is_some() { PHOTO_MEDIA_TYPE } else { NOTE_MEDIA_TYPE }
    }
}

impl fmt::Display for NoteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parent {
            None => write!(f, "{FOLDER}{}", self.id),
            Some(parent) => write!(f, "{FOLDER}{parent}/{}.jpg", self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_written_so_are_read() {
        let (one, other) = (NoteId::from_bytes([1; 16]), NoteId::from_bytes([2; 16]));
        for name in [NoteName { parent: None, id: one }, NoteName { parent: Some(other), id: one }] {
            assert_eq!(NoteName::parse(&name.to_string()), Some(name));
        }
        let upper = format!("notes/{}", one.to_string().replace('0', "F").to_uppercase());
        let braced = format!("notes/{{{one}}}");
        let nested = format!("notes/{other}/{one}.jpg/x");
        for strange in ["notes/", "notes/readme", "documents/x", &upper, &braced, &nested] {
            assert_eq!(NoteName::parse(strange), None, "{strange}");
        }
        assert_eq!(NoteName::parse(&format!("notes/{other}/{one}.png")), None);
    }
}
