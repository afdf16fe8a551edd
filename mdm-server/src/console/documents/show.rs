//! `/documents/{id}`: one document, its file, and taking it back.

use askama::Template;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use mdm_core::document::{Audience, Document};
use shared::ids::DocumentId;

use super::edit::standing;
use super::{Row, failed};
use crate::console::Console;
use crate::console::actors::Actors;
use crate::console::download::attachment;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page};
use crate::console::posted::Posted;
use crate::console::render::render;
use crate::console::viewer::Viewer;
use crate::directory::{self, Snapshot};
use crate::rights::{Manage, Read};
use crate::use_cases::documents::{self, content_stream};

#[derive(Template)]
#[template(path = "documents/show.html")]
struct ShowPage {
    page: Page,
    row: Row,
    version: u32,
    media_type: String,
    hash: String,
    published_by: String,
    unpublished_at: Option<Timestamp>,
    /// Each department or person by name.
    named: Vec<String>,
}

#[derive(Template)]
#[template(path = "documents/unpublish.html")]
struct UnpublishPage {
    page: Page,
    row: Row,
}

fn named(document: &Document, directory: &Snapshot) -> Vec<String> {
    match &document.label.audience {
        Audience::Organisation => Vec::new(),
        Audience::Departments(names) => {
            names.iter().map(|name| format!("{} ({})", name.name, name.source)).collect()
        }
        Audience::Persons(persons) => persons
            .iter()
            .map(|id| match directory.person(*id) {
                Some(row) => {
                    let current = row.person.account.current();
                    format!("{} ({})", current.name, current.staff_number)
                }
                None => id.to_string(),
            })
            .collect(),
    }
}

/// The page.
pub(in crate::console) async fn show(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Path(id): Path<DocumentId>,
) -> Result<Response, Failure> {
    let document = documents::show(&console.service, id).await.map_err(failed(&viewer.visit))?.value;
    let directory = directory::current(&console.service).await.map_err(failed(&viewer.visit))?;
    let actors = Actors::load(&console.service).await.map_err(failed(&viewer.visit))?;
    let language = viewer.visit.language;
    Ok(render(&ShowPage {
        page: viewer.page(Nav::Documents, &console),
        row: Row::new(&document, &directory, &console, language),
        version: document.version,
        media_type: document.label.media_type.as_str().to_owned(),
        hash: HEXLOWER.encode(&document.content.hash),
        published_by: actors.name(document.published_by, language),
        unpublished_at: document.unpublished_at,
        named: named(&document, &directory),
    }))
}

/// Asks before a document is taken back.
pub(in crate::console) async fn unpublish_form(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<DocumentId>,
) -> Result<Response, Failure> {
    let document = standing(&viewer, &console, id).await?;
    let directory = directory::current(&console.service).await.map_err(failed(&viewer.visit))?;
    let row = Row::new(&document, &directory, &console, viewer.visit.language);
    Ok(render(&UnpublishPage { page: viewer.page(Nav::Documents, &console), row }))
}

/// Takes a document back.
pub(in crate::console) async fn unpublish(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<DocumentId>,
    Posted(()): Posted<()>,
) -> Result<Response, Failure> {
    let unpublished = documents::unpublish(&console.service, id, viewer.actor()).await;
    let document = unpublished.map_err(failed(&viewer.visit))?;
    let title = document.label.title.to_string();
    viewer.notify(&console, Notice::done("documents-unpublished-notice").with("title", title));
    Ok(Redirect::to("/documents").into_response())
}

/// The file, to be kept and not shown: it is whatever somebody uploaded.
pub(in crate::console) async fn content(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<DocumentId>,
) -> Result<Response, Failure> {
    let opened = documents::open(&console.service, id, viewer.actor()).await;
    let (document, reader) = opened.map_err(failed(&viewer.visit))?;
    let name = format!("document-{id}-{}", document.version);
    let body = Body::from_stream(content_stream(reader));
    Ok(attachment(&name, "application/octet-stream", body))
}
