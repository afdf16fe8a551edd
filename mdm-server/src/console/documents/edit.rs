//! `/documents/new` and `/documents/{id}/replace`: a document comes in, or a newer version of it.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use mdm_core::document::{Document, Level, MAX_NOTICE};
use shared::ids::DocumentId;

use super::form::{DocumentForm, Filled, Problems, To, What, department_value};
use super::{failed, level};
use crate::console::Console;
use crate::console::choice::Choice;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page, grouped};
use crate::console::render::render_with;
use crate::console::viewer::Viewer;
use crate::directory::{self, Snapshot};
use crate::rights::Manage;
use crate::use_cases::{UseCaseError, documents};

/// The departments of one source.
struct Group {
    source: String,
    departments: Vec<DepartmentChoice>,
}

/// A department's box.
struct DepartmentChoice {
    value: String,
    name: String,
    people: usize,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "documents/edit.html")]
struct EditPage {
    page: Page,
    /// The title of the document that is replaced, and its id.
    before: Option<(DocumentId, String)>,
    filled: Filled,
    problems: Problems,
    levels: Vec<Choice>,
    groups: Vec<Group>,
    most: String,
    handover_days: u16,
    notice: bool,
}

impl EditPage {
    fn heading(&self) -> &'static str {
        match (self.notice, self.before.is_some()) {
            (false, false) => "documents-new",
            (false, true) => "documents-replace",
            (true, false) => "documents-notice-new",
            (true, true) => "documents-notice-replace",
        }
    }

    fn is_to(&self, to: &str) -> bool {
        match to {
            "organisation" => self.filled.to == Some(To::Organisation),
            "departments" => self.filled.to == Some(To::Departments),
            _ => self.filled.to == Some(To::Persons),
        }
    }
}

fn groups(directory: &Snapshot, filled: &Filled) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for department in directory.audience_departments() {
        let value = department_value(&department.name.source, &department.name.name);
        let chosen = filled.departments.contains(&value);
        let source = department.name.source.to_string();
        if groups.last().is_none_or(|group| group.source != source) {
            groups.push(Group { source, departments: Vec::new() });
        }
        let choice =
            DepartmentChoice { value, name: department.name.name, people: department.people, chosen };
        groups.last_mut().expect("one was just pushed if there was none").departments.push(choice);
    }
    groups
}

async fn show(
    viewer: &Viewer<Manage>,
    console: &Console,
    what: What<'_>,
    filled: Filled,
    problems: Problems,
) -> Result<Response, Failure> {
    let directory = directory::current(&console.service).await.map_err(failed(&viewer.visit))?;
    let language = viewer.visit.language;
    let settings = &console.service.config.documents;
    let levels = Level::ALL.into_iter().filter(|level| *level <= settings.highest_level());
    let levels = levels.map(|each| Choice {
        value: u8::from(each).to_string(),
        text: level(language, each),
        chosen: filled.level == Some(each),
    });
    let status = if problems.are_there() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let shown = EditPage {
        page: viewer.page(Nav::Documents, console),
        before: what.before.map(|document| (document.id, document.label.title.to_string())),
        levels: levels.collect(),
        groups: groups(&directory, &filled),
        most: grouped(if what.notice { MAX_NOTICE / 1024 } else { settings.largest_mib.into() }),
        notice: what.notice,
        handover_days: settings.handover_days,
        filled,
        problems,
    };
    Ok(render_with(status, &shown))
}

const DOCUMENT: What<'_> = What { before: None, notice: false };
const NOTICE: What<'_> = What { before: None, notice: true };

/// The form for a new document.
pub(in crate::console) async fn new_form(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
) -> Result<Response, Failure> {
    show(&viewer, &console, DOCUMENT, Filled::default(), Problems::default()).await
}

/// The form for a new notice.
pub(in crate::console) async fn new_notice_form(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
) -> Result<Response, Failure> {
    show(&viewer, &console, NOTICE, Filled::default(), Problems::default()).await
}

/// Publishes a new document.
pub(in crate::console) async fn publish(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    form: DocumentForm,
) -> Result<Response, Failure> {
    publish_as(&viewer, &console, form, DOCUMENT).await
}

/// Publishes a new notice.
pub(in crate::console) async fn publish_notice(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    form: DocumentForm,
) -> Result<Response, Failure> {
    publish_as(&viewer, &console, form, NOTICE).await
}

async fn publish_as(
    viewer: &Viewer<Manage>,
    console: &Console,
    form: DocumentForm,
    what: What<'_>,
) -> Result<Response, Failure> {
    match form.judged(console, viewer.visit.language, what).await {
        Ok((label, Some(received))) => {
            let title = label.title.to_string();
            let published = documents::publish(&console.service, label, received, viewer.actor()).await;
            let document = published.map_err(failed::<UseCaseError>(&viewer.visit))?;
            viewer.notify(console, Notice::done("documents-published-notice").with("title", title));
            Ok(Redirect::to(&format!("/documents/{}", document.id)).into_response())
        }
        Ok((_, None)) => Err(Failure::Malformed(viewer.visit.language)),
        Err((filled, problems)) => show(viewer, console, what, filled, problems).await,
    }
}

/// The form for a newer version, as the document stands now.
pub(in crate::console) async fn replace_form(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<DocumentId>,
) -> Result<Response, Failure> {
    let before = standing(&viewer, &console, id).await?;
    let directory = directory::current(&console.service).await.map_err(failed(&viewer.visit))?;
    let filled = Filled::of(&before, &directory);
    show(&viewer, &console, What::newer(&before), filled, Problems::default()).await
}

/// Publishes a newer version.
pub(in crate::console) async fn replace(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<DocumentId>,
    form: DocumentForm,
) -> Result<Response, Failure> {
    let before = standing(&viewer, &console, id).await?;
    match form.judged(&console, viewer.visit.language, What::newer(&before)).await {
        Ok((label, received)) => {
            let title = label.title.to_string();
            let replaced = documents::replace(&console.service, id, label, received, viewer.actor()).await;
            replaced.map_err(failed::<UseCaseError>(&viewer.visit))?;
            viewer.notify(&console, Notice::done("documents-replaced-notice").with("title", title));
            Ok(Redirect::to(&format!("/documents/{id}")).into_response())
        }
        Err((filled, problems)) => show(&viewer, &console, What::newer(&before), filled, problems).await,
    }
}

/// The document as it is now, if it is published.
pub(super) async fn standing(
    viewer: &Viewer<Manage>,
    console: &Console,
    id: DocumentId,
) -> Result<Document, Failure> {
    let stored = documents::show(&console.service, id).await.map_err(failed(&viewer.visit))?;
    if stored.value.is_published() {
        return Ok(stored.value);
    }
    let gone = mdm_core::document::DocumentError::Unpublished(id);
    Err(Failure::of(&viewer.visit, gone.into()))
}
