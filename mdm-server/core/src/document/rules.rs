//! Publishing, replacing, unpublishing.

use shared::ids::DocumentId;

use super::{
    Audience, Content, Document, Label, MAX_DEPARTMENTS, MAX_NOTICE, MAX_PERSONS, MAX_PUBLISHED, MediaType,
};
use crate::audit::{AuditEvent, Happening, PersonalValue, Subject};
use crate::change::{Changeset, Record, Stored};
use crate::operator::rules::Acting;

/// Why documents stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It was unpublished before.
    #[error("the document {0} is not published any more: publish it anew")]
    Unpublished(DocumentId),
    /// There are as many as there may be.
    #[error("{MAX_PUBLISHED} documents are published, which is the most: unpublish one first")]
    TooMany,
    /// Something else than text.
    #[error("a notice is plain text: publish the file as a document, and name it in a notice")]
    NoticeIsNotText,
    /// Longer than [`MAX_NOTICE`].
    #[error("a notice has at most {MAX_NOTICE} bytes: publish the rest as a document")]
    NoticeTooLong,
    /// For nobody, or for too many one by one.
    #[error(transparent)]
    Audience(#[from] AudienceError),
}

/// An audience that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AudienceError {
    /// No department and nobody is named.
    #[error("the document is for nobody: name departments or persons, or publish it to the organisation")]
    Nobody,
    /// More than [`MAX_DEPARTMENTS`].
    #[error("at most {MAX_DEPARTMENTS} departments can be named: name one above them, or the organisation")]
    TooManyDepartments,
    /// More than [`MAX_PERSONS`].
    #[error("at most {MAX_PERSONS} persons can be named: name their departments")]
    TooManyPersons,
}

impl Audience {
    /// In order, each once, neither empty nor too long.
    fn in_order(self) -> Result<Self, AudienceError> {
        let (ordered, length, most, too_many) = match self {
            Self::Organisation => return Ok(self),
            Self::Departments(mut names) => {
                names.sort();
                names.dedup();
                let length = names.len();
                (Self::Departments(names), length, MAX_DEPARTMENTS, AudienceError::TooManyDepartments)
            }
            Self::Persons(mut persons) => {
                persons.sort();
                persons.dedup();
                let length = persons.len();
                (Self::Persons(persons), length, MAX_PERSONS, AudienceError::TooManyPersons)
            }
        };
        match length {
            0 => Err(AudienceError::Nobody),
            length if length > most => Err(too_many),
            _ => Ok(ordered),
        }
    }

    /// The kind's name in the journal and how many are named.
    fn in_short(&self) -> (&'static str, usize) {
        match self {
            Self::Organisation => ("organisation", 1),
            Self::Departments(names) => ("departments", names.len()),
            Self::Persons(persons) => ("persons", persons.len()),
        }
    }
}

fn event(document: &Document, what: Happening, acting: Acting) -> AuditEvent {
    let (audience, named) = document.label.audience.in_short();
    let event = AuditEvent::new(acting.now, acting.actor, what, Subject::document(document.id))
        .fact("version", document.version)
        .fact("level", u8::from(document.label.level))
        .fact("audience", audience)
        .fact("named", named)
        .fact("bytes", document.content.size)
        .fact("file-sha256", data_encoding::HEXLOWER.encode(&document.content.hash));
    if document.label.notice { event.fact("kind", "notice") } else { event }
}

/// Whether a label can be kept.
pub fn check(label: &Label) -> Result<(), DocumentError> {
    in_order(label.clone()).map(drop)
}

/// The label as it is kept.
fn in_order(label: Label) -> Result<Label, DocumentError> {
    if label.notice && label.media_type != MediaType::text() {
        return Err(DocumentError::NoticeIsNotText);
    }
    Ok(Label { audience: label.audience.in_order()?, ..label })
}

/// The same of a label with its contents.
fn in_order_with(label: Label, content: &Content) -> Result<Label, DocumentError> {
    let label = in_order(label)?;
    if label.notice && content.size > MAX_NOTICE {
        return Err(DocumentError::NoticeTooLong);
    }
    Ok(label)
}

/// Publishes a new document. `published` is how many there are; `title` is its title for the journal's personal part.
pub fn publish(
    id: DocumentId,
    label: Label,
    content: Content,
    published: usize,
    title: PersonalValue,
    acting: Acting,
) -> Result<(Document, Changeset), DocumentError> {
    if published >= MAX_PUBLISHED {
        return Err(DocumentError::TooMany);
    }
    let label = in_order_with(label, &content)?;
    let document = Document {
        id,
        version: 1,
        label,
        content,
        published_at: acting.now,
        published_by: acting.actor,
        unpublished_at: None,
    };
    let mut changes = Changeset::default();
    changes.note(event(&document, Happening::DocumentPublished, acting).personal(title));
    changes.insert(Record::Document(document.clone()));
    Ok((document, changes))
}

/// Puts a newer version in the place of a document: another label, and other contents if there are any.
pub fn replace(
    stored: Stored<Document>,
    label: Label,
    content: Option<Content>,
    title: PersonalValue,
    acting: Acting,
) -> Result<(Document, Changeset), DocumentError> {
    let Stored { version, value: before } = stored;
    if !before.is_published() {
        return Err(DocumentError::Unpublished(before.id));
    }
    let content = content.unwrap_or(before.content);
    let label = in_order_with(label, &content)?;
    let document = Document {
        version: before.version.saturating_add(1),
        label,
        content,
        published_at: acting.now,
        published_by: acting.actor,
        ..before
    };
    let mut changes = Changeset::default();
    changes.note(event(&document, Happening::DocumentReplaced, acting).personal(title));
    changes.update(version, Record::Document(document.clone()));
    Ok((document, changes))
}

/// Takes a document back: from this commit on it is in no manifest, and no byte of it is sent.
pub fn unpublish(stored: Stored<Document>, acting: Acting) -> Result<(Document, Changeset), DocumentError> {
    let Stored { version, value: mut document } = stored;
    if !document.is_published() {
        return Err(DocumentError::Unpublished(document.id));
    }
    document.unpublished_at = Some(acting.now);
    let mut changes = Changeset::default();
    changes.note(event(&document, Happening::DocumentUnpublished, acting));
    changes.update(version, Record::Document(document.clone()));
    Ok((document, changes))
}

/// Notes that somebody took the contents out through console or API.
pub fn opened(document: &Document, acting: Acting) -> Changeset {
    let mut changes = Changeset::default();
    changes.note(event(document, Happening::DocumentOpened, acting));
    changes
}
