//! Documents.

use data_encoding::HEXLOWER;
use mdm_core::document::{Audience, Document};

use super::count;
use crate::api::types::{AudienceWord, DepartmentWord, DocumentView};

impl From<&Audience> for AudienceWord {
    fn from(audience: &Audience) -> Self {
        match audience {
            Audience::Organisation => Self::Organisation,
            Audience::Departments(names) => Self::Departments {
                departments: names
                    .iter()
                    .map(|name| DepartmentWord {
                        source: Some(name.source.to_string()),
                        name: name.name.clone(),
                    })
                    .collect(),
            },
            Audience::Persons(persons) => {
                Self::Persons { persons: persons.iter().map(ToString::to_string).collect(), source: None }
            }
        }
    }
}

impl DocumentView {
    pub(in crate::api) fn new(document: &Document, readers: usize) -> Self {
        Self {
            id: document.id,
            version: document.version,
            title: document.label.title.to_string(),
            folder: document.label.folder.as_str().to_owned(),
            media_type: document.label.media_type.as_str().to_owned(),
            size: document.content.size,
            sha256: HEXLOWER.encode(&document.content.hash),
            level: document.label.level,
            audience: AudienceWord::from(&document.label.audience),
            notice: document.label.notice,
            readers: count(readers),
            published_at: document.published_at,
            unpublished_at: document.unpublished_at,
        }
    }
}
