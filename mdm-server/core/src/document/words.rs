//! Texts of a document that cannot be what they should not be: title, folder, media type.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::account::word;

word!(
    /// What a document is called.
    Title, at most 200 characters, else InvalidTitle
    "a title has 1 to 200 characters, none of them a control character"
);

/// The most characters of a folder's path.
const FOLDER: usize = 200;
/// The most bytes of a media type.
const MEDIA_TYPE: usize = 100;

/// Where a document stands: names with `/` between them, without blanks around them; empty at the top.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Folder(String);

/// A text that is no folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a folder is names with `/` between them, together at most 200 characters, none of them a control character"
)]
pub struct InvalidFolder;

impl Folder {
    /// Takes the names without blanks around them; empty names are left out.
    pub fn new(text: &str) -> Result<Self, InvalidFolder> {
        let names: Vec<&str> = text.split('/').map(str::trim).filter(|name| !name.is_empty()).collect();
        let path = names.join("/");
        let is_strange = |name: &&str| *name == "." || *name == ".." || name.chars().any(char::is_control);
        if names.iter().any(is_strange) || path.chars().count() > FOLDER {
            return Err(InvalidFolder);
        }
        Ok(Self(path))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Folder {
    type Error = InvalidFolder;

    fn try_from(text: String) -> Result<Self, InvalidFolder> {
        Self::new(&text)
    }
}

impl From<Folder> for String {
    fn from(folder: Folder) -> Self {
        folder.0
    }
}

/// What contents are: type and subtype without parameters, in lower case (RFC 6838 section 4.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediaType(String);

/// A text that is no media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a media type is a type and a subtype like `application/pdf`")]
pub struct InvalidMediaType;

impl MediaType {
    /// Takes a type without its parameters.
    pub fn new(text: &str) -> Result<Self, InvalidMediaType> {
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
        };
        match essence.split_once('/') {
            Some((kind, subtype)) if is_name(kind) && is_name(subtype) && essence.len() <= MEDIA_TYPE => {
                Ok(Self(essence))
            }
            _ => Err(InvalidMediaType),
        }
    }

    /// Of contents of which nothing is known.
    pub fn unknown() -> Self {
        Self("application/octet-stream".to_owned())
    }

    /// Of plain text, which is all that a notice is.
    pub fn text() -> Self {
        Self("text/plain".to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MediaType {
    type Error = InvalidMediaType;

    fn try_from(text: String) -> Result<Self, InvalidMediaType> {
        Self::new(&text)
    }
}

impl From<MediaType> for String {
    fn from(media_type: MediaType) -> Self {
        media_type.0
    }
}
