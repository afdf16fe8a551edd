//! `/licenses/ending`: whose term ends by a day, and whether a new file says what becomes of them.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::civil::Date;
use mdm_core::operator::Act;
use serde::Deserialize;
use shared::ids::BatchId;

use super::{PersonRow, failed};
use crate::console::Console;
use crate::console::failure::Failure;
use crate::console::page::{Nav, Page};
use crate::console::pager::{Pager, ROWS, offset};
use crate::console::render::render;
use crate::console::viewer::Viewer;
use crate::rights::Read;
use crate::use_cases::licenses::ending::{Ending, NewFile, ending, fiscal_year_end};
use crate::use_cases::licenses::series::day_of;

struct Row {
    person: PersonRow,
    last: Date,
    has_seat: bool,
    said: Option<(String, Option<BatchId>)>,
}

#[derive(Template)]
#[template(path = "licenses/ending.html")]
struct EndingPage {
    page: Page,
    until: Date,
    /// Only who is in no new file.
    only_absent: bool,
    sees_plans: bool,
    rows: Vec<Row>,
    pager: Pager,
}

/// Until when, whom, and which part.
#[derive(Deserialize)]
pub(in crate::console) struct EndingQuery {
    #[serde(default)]
    until: String,
    /// `absent`: only who is in no new file.
    #[serde(default)]
    only: String,
    #[serde(default)]
    page: usize,
}

fn key(said: NewFile) -> &'static str {
    match said {
        NewFile::Awaited => "licenses-ending-awaited",
        NewFile::Leaves(_) => "licenses-ending-leaves",
        NewFile::Stays(_) => "licenses-ending-stays",
        NewFile::Rejected(_) => "licenses-ending-rejected",
        NewFile::NotNamed(_) => "licenses-ending-not-named",
    }
}

/// Whether nothing says that they stay.
fn is_absent(one: &Ending) -> bool {
    !matches!(one.new_file, Some(NewFile::Stays(_)))
}

/// The list, the first to end first.
pub(in crate::console) async fn list(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Query(query): Query<EndingQuery>,
) -> Result<Response, Failure> {
    let page = viewer.page(Nav::Licenses, &console);
    let until = query.until.parse().unwrap_or(fiscal_year_end(day_of(&console.service, page.now)));
    let sees_plans = viewer.operator.may(Act::Approve, page.now);
    let only_absent = sees_plans && query.only == "absent";
    let mut found = ending(&console.service, until, sees_plans).await.map_err(failed(&viewer.visit))?;
    found.retain(|one| !only_absent || is_absent(one));
    let parameters = [("until", &*until.to_string()), ("only", if only_absent { "absent" } else { "" })];
    let pager = Pager::new("/licenses/ending", &parameters, query.page, found.len());
    let row = |one: &Ending| Row {
        person: PersonRow::new(&one.account, &page),
        last: one.last,
        has_seat: one.account.seat.is_some(),
        said: one.new_file.map(|said| (page.say(key(said)), said.plan())),
    };
    let rows: Vec<Row> = found.iter().skip(offset(query.page)).take(ROWS).map(row).collect();
    Ok(render(&EndingPage { rows, page, until, only_absent, sees_plans, pager }))
}
