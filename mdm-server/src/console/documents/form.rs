//! The form by which a document comes in: what is said of it, then its file, which is received as it comes.

use std::convert::Infallible;

use axum::extract::multipart::Field;
use axum::extract::{FromRequest, Multipart, Request};
use futures_util::StreamExt as _;
use mdm_core::account::SourceName;
use mdm_core::document::{
    Audience, Document, DocumentError, Folder, Label, Level, MAX_NOTICE, MediaType, Title,
};

use crate::console::Console;
use crate::console::failure::Failure;
use crate::console::posted::{TOKEN, check, visit};
use crate::console::refusals;
use crate::console::viewer::Visit;
use crate::console::words::Language;
use crate::directory::Snapshot;
use crate::documents::Received;
use crate::use_cases::UseCaseError;
use crate::use_cases::accounts::Who;
use crate::use_cases::documents::{self, DepartmentWish, ReceiveError, Wish};

/// The most fields besides the file: every department may be one. And the most bytes of them together.
const FIELDS: usize = 1_000;
const FIELDS_BYTES: usize = 256 * 1024;
/// Between source and name in the value of a department's box. No source has a control character.
const BETWEEN: char = '\t';

/// What a form is about.
#[derive(Clone, Copy)]
pub(super) struct What<'a> {
    /// What is replaced.
    pub(super) before: Option<&'a Document>,
    /// お知らせ: text is typed in, and no file chosen.
    pub(super) notice: bool,
}

impl<'a> What<'a> {
    pub(super) fn newer(before: &'a Document) -> Self {
        Self { before: Some(before), notice: before.label.notice }
    }
}

/// Whom somebody chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    Organisation,
    Departments,
    Persons,
}

/// What was filled in, to be shown again.
#[derive(Debug, Clone, Default)]
pub(super) struct Filled {
    pub(super) title: String,
    pub(super) folder: String,
    pub(super) level: Option<Level>,
    pub(super) to: Option<To>,
    pub(super) departments: Vec<String>,
    pub(super) persons: String,
    /// The text of a notice.
    pub(super) body: String,
}

/// What is wrong with it, beside the field.
#[derive(Default)]
pub(super) struct Problems {
    pub(super) title: Option<String>,
    pub(super) folder: Option<String>,
    pub(super) level: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) file: Option<String>,
}

impl Problems {
    pub(super) fn are_there(&self) -> bool {
        [&self.title, &self.folder, &self.level, &self.audience, &self.file].iter().any(|said| said.is_some())
    }
}

/// The value of a department's box.
pub(super) fn department_value(source: &SourceName, name: &str) -> String {
    format!("{source}{BETWEEN}{name}")
}

impl Filled {
    /// As a document is labelled now.
    pub(super) fn of(document: &Document, directory: &Snapshot) -> Self {
        let label = &document.label;
        let mut filled = Self {
            title: label.title.to_string(),
            folder: label.folder.as_str().to_owned(),
            level: Some(label.level),
            ..Self::default()
        };
        filled.to = Some(match &label.audience {
            Audience::Organisation => To::Organisation,
            Audience::Departments(names) => {
                filled.departments =
                    names.iter().map(|name| department_value(&name.source, &name.name)).collect();
                To::Departments
            }
            Audience::Persons(persons) => {
                let known = |id: &_| {
                    let row = directory.person(*id).filter(|row| row.person.account.may_work());
                    row.map(|row| row.person.account.current().staff_number.to_string())
                };
                let mut said: Vec<String> =
                    persons.iter().map(|id| known(id).unwrap_or_else(|| id.to_string())).collect();
                said.sort();
                filled.persons = said.join("\n");
                To::Persons
            }
        });
        filled
    }

    fn take(&mut self, name: &str, value: String) {
        match name {
            "title" => self.title = value,
            "folder" => self.folder = value,
            "level" => self.level = value.parse::<u8>().ok().and_then(|level| level.try_into().ok()),
            "department" => self.departments.push(value),
            "persons" => self.persons = value,
            "body" => self.body = value,
            "to" => {
                self.to = match value.as_str() {
                    "organisation" => Some(To::Organisation),
                    "departments" => Some(To::Departments),
                    "persons" => Some(To::Persons),
                    _ => None,
                }
            }
            _ => {}
        }
    }

    fn wish(&self) -> Result<Option<Wish>, UseCaseError> {
        Ok(match self.to {
            None => None,
            Some(To::Organisation) => Some(Wish::Organisation),
            Some(To::Departments) => {
                let wish = |value: &String| {
                    let (source, name) = value.split_once(BETWEEN).unwrap_or(("", value));
                    DepartmentWish { source: SourceName::new(source).ok(), name: name.to_owned() }
                };
                Some(Wish::Departments(self.departments.iter().map(wish).collect()))
            }
            Some(To::Persons) => {
                let is_between = |c: char| c.is_whitespace() || matches!(c, ',' | '、' | '，');
                let typed = self.persons.split(is_between).filter(|text| !text.is_empty());
                Some(Wish::Persons(typed.map(|text| Who::parse(text, None)).collect::<Result<_, _>>()?))
            }
        })
    }
}

/// What was sent. The file is on the disk by now and goes away with this value unless it is published.
pub(in crate::console) struct DocumentForm {
    pub(super) filled: Filled,
    /// `None` if no file was chosen.
    received: Option<Received>,
    media_type: Option<MediaType>,
    /// Why the file was not received.
    refused: Option<UseCaseError>,
}

impl FromRequest<Console> for DocumentForm {
    type Rejection = Failure;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Failure> {
        let (request, visit) = visit(request).await;
        let malformed = || Failure::Malformed(visit.language);
        let mut parts = Multipart::from_request(request, console).await.map_err(|_| malformed())?;
        let mut form = Self { filled: Filled::default(), received: None, media_type: None, refused: None };
        let (mut token, mut fields, mut bytes) = (String::new(), 0, 0);
        while let Some(part) = parts.next_field().await.map_err(|_| malformed())? {
            if part.file_name().is_some() {
                check(&token, &visit, console)?;
                form.receive(part, console, &visit).await?;
                // The file is the last part: whatever follows is not read.
                return Ok(form);
            }
            let (name, value) = text(part, &visit, &mut bytes).await?;
            fields += 1;
            if fields > FIELDS {
                return Err(malformed());
            }
            if name == TOKEN { token = value } else { form.filled.take(&name, value) }
        }
        check(&token, &visit, console)?;
        Ok(form)
    }
}

impl DocumentForm {
    async fn receive(&mut self, part: Field<'_>, console: &Console, visit: &Visit) -> Result<(), Failure> {
        let is_chosen = part.file_name().is_some_and(|name| !name.is_empty());
        self.media_type = part.content_type().and_then(|said| MediaType::new(said).ok());
        match documents::receive(&console.service, None, part).await {
            // A browser sends an empty file without a name when none was chosen.
            Ok(received) => self.received = is_chosen.then_some(received),
            Err(ReceiveError::Source(_)) => return Err(Failure::Malformed(visit.language)),
            Err(ReceiveError::Refused(error)) => self.refused = Some(error),
        }
        Ok(())
    }

    /// The text of a notice takes the place of a file.
    async fn take_body(&mut self, console: &Console) {
        self.media_type = Some(MediaType::text());
        // A file that came all the same is no notice.
        self.received = None;
        let body = self.filled.body.trim().replace("\r\n", "\n");
        if body.is_empty() {
            return;
        }
        if body.len() as u64 > MAX_NOTICE {
            self.refused = Some(DocumentError::NoticeTooLong.into());
            return;
        }
        let stream = futures_util::stream::iter([Ok::<_, Infallible>(body)]);
        match documents::receive(&console.service, None, stream).await {
            Ok(received) => self.received = Some(received),
            Err(ReceiveError::Refused(error)) => self.refused = Some(error),
            Err(ReceiveError::Source(never)) => match never {},
        }
    }

    /// The label and the file, or what is wrong. `before` is the document that is replaced: its file may stay.
    pub(super) async fn judged(
        mut self,
        console: &Console,
        language: Language,
        what: What<'_>,
    ) -> Result<(Label, Option<Received>), (Filled, Problems)> {
        let service = &console.service;
        let (before, notice) = (what.before, what.notice);
        if notice {
            self.take_body(console).await;
        }
        let say = |key: &str| Some(language.say(key, &[]));
        let mut problems = Problems::default();
        let (title, folder) = (Title::new(&self.filled.title), Folder::new(&self.filled.folder));
        problems.title = if title.is_err() { say("documents-title-wrong") } else { None };
        problems.folder = if folder.is_err() { say("documents-folder-wrong") } else { None };
        problems.level = if self.filled.level.is_none() { say("documents-level-missing") } else { None };
        problems.file = match &self.refused {
            Some(error) => Some(refusals::text(language, error)),
            None if self.received.is_none() && before.is_none() && notice => {
                say("documents-notice-body-missing")
            }
            None if self.received.is_none() && before.is_none() => say("documents-file-missing"),
            None => None,
        };
        let audience = match self.filled.wish() {
            Ok(Some(wish)) => documents::audience(service, &wish).await.map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        let audience = match audience {
            Ok(Some(audience)) => Some(audience),
            Ok(None) => {
                problems.audience = say("documents-to-missing");
                None
            }
            Err(error) => {
                problems.audience = Some(refusals::text(language, &error));
                None
            }
        };
        let media_type = self.media_type.take().filter(|_| self.received.is_some());
        let media_type = media_type.or_else(|| before.map(|document| document.label.media_type.clone()));
        let (Ok(title), Ok(folder), Some(level), Some(audience), false) =
            (title, folder, self.filled.level, audience, problems.are_there())
        else {
            return Err((self.filled, problems));
        };
        let media_type = media_type.unwrap_or_else(MediaType::unknown);
        let label = Label { title, folder, media_type, level, audience, notice };
        match documents::check(service, &label) {
            Ok(()) => Ok((label, self.received.take())),
            Err(error) => {
                let said = Some(refusals::text(language, &error));
                let of_level = level > service.config.documents.highest_level();
                if of_level {
                    problems.level = said
                } else {
                    problems.audience = said
                }
                Err((self.filled, problems))
            }
        }
    }
}

async fn text(mut part: Field<'_>, visit: &Visit, bytes: &mut usize) -> Result<(String, String), Failure> {
    let malformed = || Failure::Malformed(visit.language);
    let name = part.name().ok_or_else(malformed)?.to_owned();
    let mut value = Vec::new();
    while let Some(chunk) = part.next().await {
        let chunk = chunk.map_err(|_| malformed())?;
        *bytes += chunk.len();
        if *bytes > FIELDS_BYTES {
            return Err(malformed());
        }
        value.extend_from_slice(&chunk);
    }
    Ok((name, String::from_utf8(value).map_err(|_| malformed())?))
}
