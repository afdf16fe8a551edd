//! `/batches/{id}/difference`: what a plan says differently than an older one of its source, person by person. Nothing is
//! decided here.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use jiff::Timestamp;
use mdm_core::account::SourceName;
use mdm_core::batch::{Batch, PlanKind};
use mdm_core::plan::difference::DifferenceWord;
use serde::Deserialize;
use shared::ids::{AccountId, BatchId};

use super::line::{Changed, LineRow, changed, line_row, said};
use super::{failed, must_see_lines, named, reasons};
use crate::console::Console;
use crate::console::failure::Failure;
use crate::console::page::{Nav, Page};
use crate::console::pager::{Pager, ROWS, offset};
use crate::console::printed::Printed;
use crate::console::render::render;
use crate::console::viewer::Viewer;
use crate::rights::Read;
use crate::use_cases::batches::Line;
use crate::use_cases::batches::compare::{Compared, Comparison, Wanted, compare};

/// One count and the way to its people.
struct Tab {
    name: &'static str,
    said: String,
    count: usize,
    chosen: bool,
}

/// One of the two plans.
struct Plan {
    id: BatchId,
    uploaded_at: Timestamp,
}

/// What one plan does to somebody.
#[derive(Default)]
struct Side {
    /// In words; empty if it has no line about them.
    kind: String,
    /// 所属, as they are by it.
    posts: Printed,
    /// Why the row is rejected.
    rejected: Vec<String>,
}

/// A person of whom the plans do not say the same.
struct Row {
    word: String,
    account: Option<AccountId>,
    number: String,
    name: Printed,
    older: Side,
    newer: Side,
    changes: Vec<Changed>,
}

impl Row {
    /// Each under the key of its column's words.
    fn sides(&self) -> [(&'static str, &Side); 2] {
        [("batches-difference-older", &self.older), ("batches-difference-newer", &self.newer)]
    }
}

#[derive(Template)]
#[template(path = "batches/difference.html")]
struct DifferencePage {
    page: Page,
    source: String,
    older: Plan,
    newer: Plan,
    found: Comparison,
    tabs: Vec<Tab>,
    chosen: String,
    rows: Vec<Row>,
    pager: Pager,
}

/// With which plan, and which people.
#[derive(Deserialize)]
pub(in crate::console) struct DifferenceQuery {
    older: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    page: usize,
}

/// The comparison, for who may see both plans.
pub(in crate::console) async fn show(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Path(id): Path<String>,
    Query(query): Query<DifferenceQuery>,
) -> Result<Response, Failure> {
    let newer = named(&viewer, &console, &id).await?;
    let older = named(&viewer, &console, &query.older).await?;
    for batch in [&older, &newer] {
        must_see_lines(&viewer, &console, batch).await?;
    }
    let only = DifferenceWord::ALL.into_iter().find(|word| word.name() == query.kind);
    let wanted = Wanted { only, after: offset(query.page), limit: ROWS };
    let found = compare(&console.service, &older, &newer, wanted).await.map_err(failed(&viewer.visit))?;
    let page = viewer.page(Nav::Batches, &console);
    let path = format!("/batches/{}/difference", newer.id);
    let asked = [("older", &*older.id.to_string()), ("kind", only.map_or("", DifferenceWord::name))];
    let pager = Pager::new(&path, &asked, query.page, found.count(only));
    Ok(render(&DifferencePage {
        rows: found.people.iter().map(|one| row(&page, &older, &newer, one)).collect(),
        tabs: tabs(&page, &found, only),
        chosen: page.say(key(only)),
        source: newer.source.to_string(),
        older: Plan { id: older.id, uploaded_at: older.uploaded_at },
        newer: Plan { id: newer.id, uploaded_at: newer.uploaded_at },
        page,
        found,
        pager,
    }))
}

fn key(only: Option<DifferenceWord>) -> &'static str {
    match only {
        None => "batches-difference-all",
        Some(DifferenceWord::New) => "batches-difference-new",
        Some(DifferenceWord::Gone) => "batches-difference-gone",
        Some(DifferenceWord::Changed) => "batches-difference-changed",
    }
}

fn tabs(page: &Page, found: &Comparison, only: Option<DifferenceWord>) -> Vec<Tab> {
    let all = [None].into_iter().chain(DifferenceWord::ALL.map(Some));
    all.map(|word| Tab {
        name: word.map_or("", DifferenceWord::name),
        said: page.say(key(word)),
        count: found.count(word),
        chosen: word == only,
    })
    .collect()
}

fn row(page: &Page, older: &Batch, newer: &Batch, one: &Compared) -> Row {
    let before = one.older.as_ref().map(|line| (line, line_of(page, older, line)));
    let now = one.newer.as_ref().map(|line| (line, line_of(page, newer, line)));
    let changes = changes(page, &newer.source, before.as_ref(), now.as_ref());
    let person = now.as_ref().or(before.as_ref()).map(|(_, row)| row);
    Row {
        word: page.say(match one.word() {
            DifferenceWord::New => "batches-difference-one-new",
            DifferenceWord::Gone => "batches-difference-one-gone",
            DifferenceWord::Changed => "batches-difference-one-changed",
        }),
        account: person.and_then(|row| row.account),
        number: person.map(|row| row.number.clone()).unwrap_or_default(),
        name: person.map(|row| row.name.clone()).unwrap_or_default(),
        older: before.map(|(line, row)| side(page, line, row)).unwrap_or_default(),
        newer: now.map(|(line, row)| side(page, line, row)).unwrap_or_default(),
        changes,
    }
}

fn line_of(page: &Page, batch: &Batch, line: &Line) -> LineRow {
    line_row(page, &batch.source, line, batch.in_force_since(), false, batch.undoes().is_some())
}

fn side(page: &Page, line: &Line, row: LineRow) -> Side {
    let rejected = match &line.item.kind {
        PlanKind::Rejected(rejections) => {
            rejections.iter().map(|one| reasons::row_why(page.language, one.problem)).collect()
        }
        _ => Vec::new(),
    };
    Side { kind: row.kind, posts: if row.after.is_empty() { row.before } else { row.after }, rejected }
}

/// What else than the departments becomes different between the plans. One that says nothing of it leaves what is known.
fn changes(
    page: &Page,
    source: &SourceName,
    before: Option<&(&Line, LineRow)>,
    now: Option<&(&Line, LineRow)>,
) -> Vec<Changed> {
    let attributes =
        |side: Option<&(&Line, LineRow)>| side.and_then(|(line, _)| said(&line.item.kind).cloned());
    match (attributes(before), attributes(now)) {
        (Some(was), Some(is)) => {
            let mut changes = changed(page, source, &was, &is);
            let wishes = [before, now].map(|side| side.is_some_and(|(line, _)| line.item.kind.wishes_seat()));
            if wishes[0] != wishes[1] {
                let said = |wish| page.say(if wish { "batches-wished" } else { "batches-not-wished" });
                let [before, after] = wishes.map(|wish| page.printed(source, &said(wish)));
                changes.push(Changed { what: page.say("batches-wish"), before, after });
            }
            changes
        }
        (None, Some(_)) => now.map(|(_, row)| row.changes.clone()).unwrap_or_default(),
        (Some(_), None) => {
            let changes = before.map(|(_, row)| row.changes.clone()).unwrap_or_default();
            let back = |one: Changed| Changed { what: one.what, before: one.after, after: one.before };
            changes.into_iter().map(back).collect()
        }
        (None, None) => Vec::new(),
    }
}
