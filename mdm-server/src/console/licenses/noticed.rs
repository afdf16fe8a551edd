//! `/licenses/noticed`: seats of which notice was given, and restoring one.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::civil::Date;
use mdm_core::license::NoticeReason;
use serde::Deserialize;
use shared::ids::AccountId;

use super::{PersonRow, failed};
use crate::console::Console;
use crate::console::devices::order::id;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page};
use crate::console::pager::{Pager, ROWS, offset};
use crate::console::posted::Posted;
use crate::console::render::render;
use crate::console::viewer::Viewer;
use crate::directory;
use crate::rights::{Manage, Read};
use crate::use_cases::accounts::Who;
use crate::use_cases::{licenses, to_the_end};

struct Row {
    person: PersonRow,
    why: NoticeReason,
    given_on: Date,
    held_on: Option<Date>,
    not_before: Date,
}

#[derive(Template)]
#[template(path = "licenses/noticed.html")]
struct NoticedPage {
    page: Page,
    rows: Vec<Row>,
    pager: Pager,
}

/// Which part of the list.
#[derive(Deserialize)]
pub(in crate::console) struct NoticedQuery {
    #[serde(default)]
    page: usize,
}

/// The list, the first to lose the seat first.
pub(in crate::console) async fn list(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Query(query): Query<NoticedQuery>,
) -> Result<Response, Failure> {
    let directory = directory::current(&console.service).await.map_err(failed(&viewer.visit))?;
    let noticed = directory.noticed();
    let pager = Pager::new("/licenses/noticed", &[], query.page, noticed.len());
    let shown = noticed.into_iter().skip(offset(query.page)).take(ROWS);
    let page = viewer.page(Nav::Licenses, &console);
    let rows = shown.map(|(person, notice)| Row {
        person: PersonRow::new(&person.account, &page),
        why: notice.why,
        given_on: notice.given_on,
        held_on: notice.held_on,
        not_before: notice.not_before(),
    });
    Ok(render(&NoticedPage { rows: rows.collect(), page, pager }))
}

/// Whose seat is not to be taken back.
#[derive(Deserialize)]
pub(in crate::console) struct RestoreForm {
    #[serde(default)]
    account: String,
}

/// Restores a seat.
pub(in crate::console) async fn restore(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Posted(form): Posted<RestoreForm>,
) -> Result<Response, Failure> {
    let id: AccountId = id(&form.account, &viewer.visit)?;
    let (service, actor) = (console.service.clone(), viewer.actor());
    let restored = to_the_end(async move { licenses::restore(&service, &Who::Id(id), actor).await }).await;
    restored.map_err(|error| Failure::of(&viewer.visit, error))?;
    viewer.notify(&console, Notice::done("licenses-restored"));
    Ok(Redirect::to("/licenses/noticed").into_response())
}
