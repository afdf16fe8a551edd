//! `/batches/{id}/apply`: says what will happen to how many, and lets it happen.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::Timestamp;
use mdm_core::apply::UNDO_WINDOW;
use mdm_core::batch::{Batch, PlanSummary};
use serde::Deserialize;
use tokio::time::timeout;

use super::{Standing, changes, failed, named, standing};
use crate::console::Console;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page};
use crate::console::posted::Posted;
use crate::console::render::render_with;
use crate::console::viewer::Viewer;
use crate::directory;
use crate::rights::Manage;
use crate::use_cases::batches::{Outlook, outlook};

/// A plan for so many people is not put into force by a press alone.
const MANY: u32 = 500;
/// How long an answer waits for a batch to be in force, before the page follows it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The number that must be typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// None.
    Nothing,
    /// So many leave.
    Leavers(u32),
    /// Nobody leaves, and for so many something changes.
    Changes(u32),
}

impl Guard {
    fn of(summary: &PlanSummary) -> Self {
        match (summary.leave, changes(summary)) {
            (0, changes) if changes < MANY => Self::Nothing,
            (0, changes) => Self::Changes(changes),
            (leave, _) => Self::Leavers(leave),
        }
    }

    fn is_met_by(self, typed: &str) -> bool {
        match self {
            Self::Nothing => true,
            Self::Leavers(count) | Self::Changes(count) => number(typed) == Some(count),
        }
    }
}

/// A number as somebody types it: full-width digits and separators make no difference.
pub(in crate::console) fn number(typed: &str) -> Option<u32> {
    let half_width = |c: char| match c {
        '０'..='９' => char::from_u32(u32::from(c) - 0xFEE0),
        ',' | '，' => None,
        other => Some(other),
    };
    typed.trim().chars().filter_map(half_width).collect::<String>().parse().ok()
}

#[derive(Template)]
#[template(path = "batches/apply.html")]
struct ApplyPage {
    page: Page,
    batch: Batch,
    standing: Standing,
    guard: Guard,
    outlook: Outlook,
    wiped_at: Timestamp,
    problem: Option<String>,
}

impl ApplyPage {
    fn summary(&self) -> &PlanSummary {
        &self.batch.summary
    }

    fn source_in_query(&self) -> String {
        form_urlencoded::byte_serialize(self.batch.source.as_str().as_bytes()).collect()
    }
}

async fn show(
    viewer: &Viewer<Manage>,
    console: &Console,
    batch: Batch,
    status: StatusCode,
    problem: Option<&str>,
) -> Result<Response, Failure> {
    let failed = failed(&viewer.visit);
    let page = viewer.page(Nav::Batches, console);
    let index = console.batches.index(&console.service, &batch).await.map_err(&failed)?;
    let directory = directory::current(&console.service).await.map_err(|error| failed(error.into()))?;
    let shown = ApplyPage {
        standing: standing(console, &batch).await.map_err(&failed)?,
        guard: Guard::of(&batch.summary),
        outlook: outlook(&index, &directory),
        wiped_at: page.now.checked_add(UNDO_WINDOW).unwrap_or(page.now),
        problem: problem.map(|key| page.say(key)),
        page,
        batch,
    };
    Ok(render_with(status, &shown))
}

/// What will happen.
pub(in crate::console) async fn form(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    match standing(&console, &batch).await.map_err(failed(&viewer.visit))? {
        // Nothing is left to decide.
        Standing::Running | Standing::Applied(_) => {
            Ok(Redirect::to(&format!("/batches/{}", batch.id)).into_response())
        }
        Standing::Ready | Standing::Stale => show(&viewer, &console, batch, StatusCode::OK, None).await,
    }
}

/// What the form sends.
#[derive(Deserialize)]
pub(in crate::console) struct ApplyForm {
    #[serde(default)]
    count: String,
}

/// Lets it happen, once.
pub(in crate::console) async fn apply(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted(form): Posted<ApplyForm>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    let onward = Redirect::to(&format!("/batches/{}", batch.id)).into_response();
    match standing(&console, &batch).await.map_err(failed(&viewer.visit))? {
        // Pressed twice.
        Standing::Running | Standing::Applied(_) => return Ok(onward),
        Standing::Stale => return show(&viewer, &console, batch, StatusCode::CONFLICT, None).await,
        Standing::Ready => {}
    }
    if !Guard::of(&batch.summary).is_met_by(&form.count) {
        let problem = Some("batches-apply-count-differs");
        return show(&viewer, &console, batch, StatusCode::UNPROCESSABLE_ENTITY, problem).await;
    }
    if let Some(job) = console.batches.apply(&console.service, batch.id, viewer.actor()) {
        // A small plan is in force before anybody could look; a large one goes on behind the page. What becomes of it is
        // said there, also if the job broke off.
        let _ = timeout(PATIENCE, job).await;
    }
    if let Some(super::Job::Done(_)) = console.batches.job(batch.id) {
        viewer.notify(
            &console,
            Notice::done("batches-applied-notice").with("source", batch.source.to_string()),
        );
    }
    Ok(onward)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leavers_and_many_changes_are_counted_by_hand() {
        let summary = |join, leave| PlanSummary { join, leave, ..PlanSummary::default() };
        assert_eq!(Guard::of(&summary(499, 0)), Guard::Nothing);
        assert_eq!(Guard::of(&summary(500, 0)), Guard::Changes(500));
        assert_eq!(Guard::of(&summary(500, 1)), Guard::Leavers(1));
        assert!(Guard::Leavers(1_200).is_met_by(" １,２００ "));
        for wrong in ["", "1201", "0", "all", "-1200"] {
            assert!(!Guard::Leavers(1_200).is_met_by(wrong), "{wrong:?}");
        }
    }
}
