//! Documents as the API shows them, and what is said of one that comes in.

use jiff::Timestamp;
use mdm_core::document::Level;
use serde::{Deserialize, Serialize};
use shared::ids::DocumentId;

/// Name of the part of an upload that holds a [`DocumentRequest`]; it comes first.
pub const DOCUMENT_PART: &str = "document";
/// Name of the part of an upload that holds the contents.
pub const FILE_PART: &str = "file";

/// A department.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepartmentWord {
    /// 名簿区分; may be left out where the name occurs in one source only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// 所属, as the staff file writes it. What stands below it is meant as well.
    pub name: String,
}

/// To whom a document is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "snake_case", deny_unknown_fields)]
pub enum AudienceWord {
    /// Everybody.
    Organisation,
    /// Whoever belongs to one of these.
    Departments {
        /// Which.
        departments: Vec<DepartmentWord>,
    },
    /// These and nobody else.
    Persons {
        /// Ids of accounts; in a request also staff numbers.
        persons: Vec<String>,
        /// 名簿区分, where staff numbers occur in several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
}

/// What is said of a document when it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentRequest {
    /// Its title.
    pub title: String,
    /// Where it stands: names with `/` between them.
    #[serde(default)]
    pub folder: String,
    /// What it is; if absent, what the part with the contents says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// 機密性, 1 to 3.
    pub level: Level,
    /// To whom.
    pub audience: AudienceWord,
    /// お知らせ: shown before documents on phones, and marked until it was read. Its contents are plain text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub notice: bool,
    /// How many bytes the contents have, so that too many are refused before they are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentView {
    /// The id, the same in all versions.
    pub id: DocumentId,
    /// From 1.
    pub version: u32,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub folder: String,
    /// What it is.
    pub media_type: String,
    /// Bytes of the contents.
    pub size: u64,
    /// SHA-256 of the contents.
    pub sha256: String,
    /// 機密性.
    pub level: Level,
    /// To whom.
    pub audience: AudienceWord,
    /// It is a notice.
    #[serde(default)]
    pub notice: bool,
    /// How many people may read it by the posts they have now.
    pub readers: u32,
    /// When this version was published.
    pub published_at: Timestamp,
    /// Since when nobody may read it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpublished_at: Option<Timestamp>,
}
