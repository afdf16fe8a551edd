//! `/licenses/waiting`: 割当待ち in its order, and asking for somebody.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::Timestamp;
use mdm_core::account::SourceName;
use serde::Deserialize;

use super::{PersonRow, failed};
use crate::console::choice::{self, Choice};
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page};
use crate::console::pager::{Pager, ROWS, offset};
use crate::console::posted::Posted;
use crate::console::render::render_with;
use crate::console::viewer::Viewer;
use crate::console::{Console, refusals};
use crate::directory;
use crate::rights::{Manage, Read, Right};
use crate::use_cases::accounts::Who;
use crate::use_cases::{UseCaseError, licenses};

struct Row {
    position: usize,
    since: Timestamp,
    person: PersonRow,
}

#[derive(Template)]
#[template(path = "licenses/waiting.html")]
struct WaitingPage {
    page: Page,
    rows: Vec<Row>,
    pager: Pager,
    free: u32,
    sources: Vec<Choice>,
    typed: String,
    problem: Option<String>,
}

/// Which part of the list.
#[derive(Deserialize)]
pub(in crate::console) struct WaitingQuery {
    #[serde(default)]
    page: usize,
}

async fn show<R: Right>(
    viewer: &Viewer<R>,
    console: &Console,
    number: usize,
    form: WaitForm,
    problem: Option<String>,
) -> Result<Response, Failure> {
    let directory = directory::current(&console.service).await.map_err(failed(&viewer.visit))?;
    let total = directory.counts().waiting;
    let page = viewer.page(Nav::Licenses, console);
    let rows = directory.waiting().skip(offset(number)).take(ROWS).map(|row| Row {
        position: row.position,
        since: row.since,
        person: PersonRow::new(&row.person.account, &page),
    });
    let sources = directory.sources().into_iter().map(ToString::to_string);
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let shown = WaitingPage {
        rows: rows.collect(),
        page,
        pager: Pager::new("/licenses/waiting", &[], number, total),
        free: directory.pool().free(),
        sources: choice::of_names(sources, &form.source),
        typed: form.number,
        problem,
    };
    Ok(render_with(status, &shown))
}

/// The list.
pub(in crate::console) async fn list(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Query(query): Query<WaitingQuery>,
) -> Result<Response, Failure> {
    show(&viewer, &console, query.page, WaitForm::default(), None).await
}

/// Whom to ask for.
#[derive(Default, Deserialize)]
pub(in crate::console) struct WaitForm {
    #[serde(default)]
    number: String,
    #[serde(default)]
    source: String,
}

/// Asks for a seat for somebody.
pub(in crate::console) async fn add(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Posted(form): Posted<WaitForm>,
) -> Result<Response, Failure> {
    // No source chosen: the number alone says whom, unless several sources have it.
    let asked = async {
        let who = Who::parse(&form.number, SourceName::new(&form.source).ok())?;
        licenses::wait(&console.service, &who, viewer.actor()).await
    };
    match asked.await {
        Ok((account, moved)) => {
            let given = moved.given.iter().any(|given| given.id == account);
            viewer.notify(
                &console,
                Notice::done(if given { "licenses-wait-given" } else { "licenses-wait-waits" }),
            );
            Ok(Redirect::to("/licenses/waiting").into_response())
        }
        Err(error @ (UseCaseError::Refused(_) | UseCaseError::NotFound(_))) => {
            let problem = refusals::text(viewer.visit.language, &error);
            show(&viewer, &console, 1, form, Some(problem)).await
        }
        Err(error) => Err(failed::<UseCaseError>(&viewer.visit)(error)),
    }
}
