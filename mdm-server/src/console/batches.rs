//! Personnel batches: what was uploaded, and the ways to a plan and into force. Each verb is a module.

pub(super) mod apply;
mod kind;
mod line;
pub(super) mod plan;
mod reasons;
pub(super) mod rejected;
#[cfg(test)]
mod tests;
pub(super) mod undo;
pub(super) mod upload;
mod work;

pub(super) use work::Work;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use mdm_core::batch::{Batch, BatchState, Mode, PlanSummary};
use shared::ids::BatchId;

use super::Console;
use super::actors::Actors;
use super::failure::Failure;
use super::page::{Nav, Page};
use super::pager::{Pager, ROWS, Turned, offset};
use super::render::render;
use super::viewer::{Viewer, Visit};
use super::words::Language;
use crate::directory;
use crate::rights::{Read, Right};
use crate::use_cases::{UseCaseError, batches};
use work::Job;

/// Where a batch stands for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Planned, and can take effect.
    Ready,
    /// Planned, but another batch of its source took effect since.
    Stale,
    /// Is taking effect.
    Running,
    /// In force since then.
    Applied(Timestamp),
}

async fn standing(console: &Console, batch: &Batch) -> Result<Standing, UseCaseError> {
    if matches!(console.batches.job(batch.id), Some(Job::Running)) {
        return Ok(Standing::Running);
    }
    if let BatchState::Applied { at } = batch.state {
        return Ok(Standing::Applied(at));
    }
    let roster = console.service.store.roster(&batch.source).await?;
    let version = roster.map_or(0, |roster| roster.value.version);
    Ok(if version == batch.roster_version { Standing::Ready } else { Standing::Stale })
}

/// The batch that an address names.
async fn named<R: Right>(viewer: &Viewer<R>, console: &Console, id: &str) -> Result<Batch, Failure> {
    let id: BatchId = id.parse().map_err(|_| Failure::NoSuchPage(viewer.visit.language))?;
    batches::show(&console.service, id).await.map_err(failed(&viewer.visit))
}

fn failed<E: Into<UseCaseError>>(visit: &Visit) -> impl Fn(E) -> Failure {
    move |error| Failure::of(visit, error.into())
}

fn mode(language: Language, mode: Mode) -> String {
    let key = match mode {
        Mode::Roster => "batches-mode-roster",
        Mode::Upsert => "batches-mode-upsert",
    };
    language.say(key, &[])
}

/// How many people a plan changes anything for.
fn changes(summary: &PlanSummary) -> u32 {
    let PlanSummary { join, moved, change, returned, leave, seats_back, .. } = summary;
    join + moved + change + returned + leave + seats_back
}

struct Row {
    id: BatchId,
    source: String,
    mode: String,
    uploaded_at: Timestamp,
    uploaded_by: String,
    summary: PlanSummary,
    standing: Standing,
}

#[derive(Template)]
#[template(path = "batches/list.html")]
struct ListPage {
    page: Page,
    rows: Vec<Row>,
    pager: Pager,
}

/// All batches, the newest first.
pub(super) async fn list(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Query(query): Query<Turned>,
) -> Result<Response, Failure> {
    let failed = failed(&viewer.visit);
    let directory = directory::current(&console.service).await.map_err(|error| failed(error.into()))?;
    let actors = Actors::load(&console.service).await.map_err(&failed)?;
    let found = directory.batches(offset(query.page), ROWS);
    let mut rows = Vec::with_capacity(found.rows.len());
    for head in found.rows {
        let batch = batches::show(&console.service, head.id).await.map_err(&failed)?;
        rows.push(Row {
            id: batch.id,
            source: batch.source.to_string(),
            mode: mode(viewer.visit.language, batch.mode),
            uploaded_at: batch.uploaded_at,
            uploaded_by: actors.name(batch.uploaded_by, viewer.visit.language),
            standing: standing(&console, &batch).await.map_err(&failed)?,
            summary: batch.summary,
        });
    }
    let pager = Pager::new("/batches", &[], query.page, found.total);
    Ok(render(&ListPage { page: viewer.page(Nav::Batches, &console), rows, pager }))
}
