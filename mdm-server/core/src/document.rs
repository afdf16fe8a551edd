//! Documents: what is published, to whom, and who may read it. Here: the records. The rules over them are in [`rules`]
//! (publish, replace, unpublish) and [`reading`] (who sees what, and the manifest). Contents are the shell's.

pub mod reading;
pub mod rules;
#[cfg(test)]
mod tests;
mod words;

pub use reading::{Manifest, ReadingRules};
pub use rules::{AudienceError, DocumentError};
pub use words::{Folder, InvalidFolder, InvalidMediaType, InvalidTitle, MediaType, Title};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ids::{AccountId, DocumentId};

use crate::account::SourceName;
use crate::audit::Actor;

/// The most departments that a document is published to; more are the organisation or a department above them.
pub const MAX_DEPARTMENTS: usize = 60;
/// The most persons that a document is published to.
pub const MAX_PERSONS: usize = 500;
/// The most bytes of a notice: a few pages of text.
pub const MAX_NOTICE: u64 = 64 * 1024;
/// The most documents that are published at one time.
pub const MAX_PUBLISHED: usize = 5_000;

/// 機密性: how much harm it does when a document is read by others (機密性1情報 to 機密性3情報).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Level {
    /// May be public.
    One,
    /// Not meant to be public.
    Two,
    /// Secret, or close to it.
    Three,
}

/// A number that is no level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a level of confidentiality is 1, 2 or 3")]
pub struct InvalidLevel;

impl Level {
    /// All of them, the least confidential first.
    pub const ALL: [Self; 3] = [Self::One, Self::Two, Self::Three];
}

impl TryFrom<u8> for Level {
    type Error = InvalidLevel;

    fn try_from(number: u8) -> Result<Self, InvalidLevel> {
        Self::ALL.into_iter().find(|level| u8::from(*level) == number).ok_or(InvalidLevel)
    }
}

impl From<Level> for u8 {
    fn from(level: Level) -> Self {
        match level {
            Level::One => 1,
            Level::Two => 2,
            Level::Three => 3,
        }
    }
}

/// A department of one source, and whatever stands below it: 総務部 has 総務部 人事課 in it. The 総務課 of another personnel
/// authority is another department.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DepartmentName {
    /// Whose department.
    pub source: SourceName,
    /// As rosters write it, parts of a split name joined by a blank.
    pub name: String,
}

impl DepartmentName {
    /// Whether a post of that source is in it.
    pub fn has(&self, source: &SourceName, post: &str) -> bool {
        let below = |rest: &str| rest.is_empty() || rest.starts_with(' ');
        *source == self.source && post.strip_prefix(self.name.as_str()).is_some_and(below)
    }
}

/// To whom a document is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Everybody.
    Organisation,
    /// Whoever belongs to one of these by any post, 本務 or 兼務. Sorted, each once, at least one.
    Departments(Vec<DepartmentName>),
    /// These and nobody else. Sorted, each once, at least one.
    Persons(Vec<AccountId>),
}

/// Names the sealed file with the contents of one version; random, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentId(#[serde(with = "serde_bytes")] pub [u8; 16]);

/// The contents of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Where they are.
    pub id: ContentId,
    /// How many bytes.
    pub size: u64,
    /// Their SHA-256.
    #[serde(with = "serde_bytes")]
    pub hash: [u8; 32],
}

/// What a person says of a document when they publish it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Its title.
    pub title: Title,
    /// Where it stands.
    pub folder: Folder,
    /// What it is.
    pub media_type: MediaType,
    /// 機密性.
    pub level: Level,
    /// For whom.
    pub audience: Audience,
    /// お知らせ: shown before documents on phones, and marked until it was read. Its contents are text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub notice: bool,
}

/// One document: its newest version. Earlier ones are in the journal, their contents are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The key, the same in all versions.
    pub id: DocumentId,
    /// From 1; rises with each replacement, also when only the label is another.
    pub version: u32,
    /// What is said of it.
    pub label: Label,
    /// The contents.
    pub content: Content,
    /// When this version was published.
    pub published_at: Timestamp,
    /// By whom.
    pub published_by: Actor,
    /// Since when nobody may read it any more; its contents are gone by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpublished_at: Option<Timestamp>,
}

impl Document {
    /// Whether somebody may read it.
    pub fn is_published(&self) -> bool {
        self.unpublished_at.is_none()
    }
}
