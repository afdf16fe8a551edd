//! 文書: what is published, to whom, and how many may read it. Here: the list and what its pages share.

pub(super) mod edit;
mod form;
pub(super) mod show;
#[cfg(test)]
mod tests;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use mdm_core::document::{Audience, Document, Level};
use shared::ids::DocumentId;

use super::Console;
use super::failure::Failure;
use super::page::{Nav, Page, grouped};
use super::pager::{Pager, ROWS, Turned, offset};
use super::render::render;
use super::viewer::{Viewer, Visit};
use super::words::Language;
use crate::directory::{self, Snapshot};
use crate::rights::Read;
use crate::use_cases::UseCaseError;

/// Names that an audience says before it only counts.
const NAMED: usize = 2;

fn failed<E: Into<UseCaseError>>(visit: &Visit) -> impl Fn(E) -> Failure + '_ {
    |error| Failure::of(visit, error.into())
}

/// The level in words.
fn level(language: Language, level: Level) -> String {
    language.say(
        match level {
            Level::One => "documents-level-1",
            Level::Two => "documents-level-2",
            Level::Three => "documents-level-3",
        },
        &[],
    )
}

/// The audience in a few words.
fn audience(language: Language, audience: &Audience, directory: &Snapshot) -> String {
    let names: Vec<String> = match audience {
        Audience::Organisation => return language.say("documents-to-organisation", &[]),
        Audience::Departments(names) => names.iter().map(|department| department.name.clone()).collect(),
        Audience::Persons(persons) => {
            let name = |id: &_| directory.person(*id).map(|row| row.person.account.current().name.clone());
            persons.iter().map(|id| name(id).unwrap_or_else(|| id.to_string())).collect()
        }
    };
    let between = match language {
        Language::Japanese => "、",
        Language::English => ", ",
    };
    let first = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(between);
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => language
            .say("documents-and-more", &[("names", first.into()), ("more", grouped(more as u64).into())]),
    }
}

/// A size as people say it.
pub(super) fn size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes < MIB {
        format!("{} KB", grouped(bytes.div_ceil(1024)))
    } else {
        format!("{}.{} MB", grouped(bytes / MIB), bytes % MIB * 10 / MIB)
    }
}

/// A row of the list.
struct Row {
    id: DocumentId,
    title: String,
    folder: String,
    level: String,
    audience: String,
    readers: usize,
    size: String,
    published_at: Timestamp,
    notice: bool,
}

impl Row {
    fn new(document: &Document, directory: &Snapshot, console: &Console, language: Language) -> Self {
        let (rules, now) = (console.service.config.documents.reading_rules(), console.service.clock.now());
        Self {
            id: document.id,
            title: document.label.title.to_string(),
            folder: document.label.folder.as_str().to_owned(),
            level: level(language, document.label.level),
            audience: audience(language, &document.label.audience, directory),
            readers: directory.readers(document, &rules, now),
            size: size(document.content.size),
            published_at: document.published_at,
            notice: document.label.notice,
        }
    }
}

#[derive(Template)]
#[template(path = "documents/list.html")]
struct ListPage {
    page: Page,
    rows: Vec<Row>,
    pager: Pager,
}

/// The list.
pub(super) async fn list(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Query(query): Query<Turned>,
) -> Result<Response, Failure> {
    let directory = directory::current(&console.service).await.map_err(failed(&viewer.visit))?;
    let all = directory.documents();
    let shown = all.iter().skip(offset(query.page)).take(ROWS);
    let rows = shown.map(|document| Row::new(document, &directory, &console, viewer.visit.language));
    let (rows, pager) = (rows.collect(), Pager::new("/documents", &[], query.page, all.len()));
    Ok(render(&ListPage { page: viewer.page(Nav::Documents, &console), rows, pager }))
}
