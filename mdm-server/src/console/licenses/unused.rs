//! `/licenses/unused`: who holds a seat and never signed in.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::{DAYS, PersonRow, failed};
use crate::console::Console;
use crate::console::failure::Failure;
use crate::console::page::{Nav, Page};
use crate::console::pager::{Pager, ROWS, offset};
use crate::console::render::render;
use crate::console::typed::number;
use crate::console::viewer::Viewer;
use crate::directory;
use crate::rights::Read;

struct Row {
    person: PersonRow,
    since: Timestamp,
    days: u32,
}

#[derive(Template)]
#[template(path = "licenses/unused.html")]
struct UnusedPage {
    page: Page,
    days: u16,
    rows: Vec<Row>,
    pager: Pager,
}

/// Since how many days, and which part.
#[derive(Deserialize)]
pub(in crate::console) struct UnusedQuery {
    #[serde(default)]
    days: String,
    #[serde(default)]
    page: usize,
}

/// Days as typed; what is no number of days is the usual one.
pub(super) fn days(typed: &str) -> u16 {
    number(typed).map_or(DAYS, |days| u16::try_from(days).unwrap_or(u16::MAX))
}

/// The list, longest unused first.
pub(in crate::console) async fn list(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Query(query): Query<UnusedQuery>,
) -> Result<Response, Failure> {
    let directory = directory::current(&console.service).await.map_err(failed(&viewer.visit))?;
    let page = viewer.page(Nav::Licenses, &console);
    let days = days(&query.days);
    let unused = directory.never_signed_in(days, page.now);
    let pager = Pager::new("/licenses/unused", &[("days", &days.to_string())], query.page, unused.len());
    let shown = unused.into_iter().skip(offset(query.page)).take(ROWS);
    let rows = shown.map(|unused| Row {
        person: PersonRow::new(&unused.person.account, &page),
        since: unused.since,
        days: unused.days,
    });
    Ok(render(&UnusedPage { rows: rows.collect(), page, days, pager }))
}
