//! Personnel batches: what was uploaded, and the ways to a plan and into force. Each verb is a module.

pub(super) mod apply;
pub(super) mod approve;
pub(super) mod cancel;
pub(super) mod columns;
pub(super) mod decide;
pub(super) mod difference;
mod kind;
mod line;
pub(super) mod mail;
pub(super) mod mend;
pub(super) mod plan;
mod reasons;
pub(crate) mod rejected;
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
use mdm_core::approval::Guards;
use mdm_core::audit::Actor;
use mdm_core::batch::{Batch, BatchState, HeldReason, Mode, PlanSummary};
use mdm_core::operator::Act;
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
use crate::use_cases::batches::release::may_see_lines;
use crate::use_cases::{UseCaseError, batches};
use work::Job;

/// Where a batch stands for people.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// Planned, and can take effect.
    Ready,
    /// Planned, and somebody else must approve it first.
    NeedsApproval,
    /// Takes effect by itself.
    Scheduled(Timestamp),
    /// Did not take effect at its time.
    Held(HeldReason),
    /// Planned, but another batch of its source took effect since.
    Stale,
    /// Is taking effect.
    Running,
    /// In force since then.
    Applied(Timestamp),
    /// Called off.
    Cancelled { at: Timestamp, by: Actor, why: String },
    /// A newer one took its place.
    Replaced(BatchId),
}

/// Why a batch was held, in words.
fn held_key(why: &HeldReason) -> &'static str {
    match why {
        HeldReason::Stale => "approval-held-stale",
        HeldReason::LostZeros => "approval-held-zeros",
        HeldReason::Damaged => "approval-held-damaged",
    }
}

impl Standing {
    /// Whether it is neither in force nor at another end, nor about to be.
    fn is_open(&self) -> bool {
        matches!(self, Self::Ready | Self::NeedsApproval | Self::Scheduled(_) | Self::Held(_) | Self::Stale)
    }
}

async fn standing(console: &Console, batch: &Batch) -> Result<Standing, UseCaseError> {
    if matches!(console.batches.job(batch.id), Some(Job::Running)) {
        return Ok(Standing::Running);
    }
    match &batch.state {
        BatchState::Applied { at } => return Ok(Standing::Applied(*at)),
        BatchState::Cancelled { at, by, why } => {
            return Ok(Standing::Cancelled { at: *at, by: *by, why: why.clone() });
        }
        BatchState::Replaced { by, .. } => return Ok(Standing::Replaced(*by)),
        BatchState::Planned | BatchState::Approved | BatchState::Scheduled => {}
    }
    if let Some(held) = batch.release.held {
        return Ok(Standing::Held(held.why));
    }
    let roster = console.service.store.roster(&batch.source).await?;
    let version = roster.map_or(0, |roster| roster.value.version);
    if version != batch.roster_version {
        return Ok(Standing::Stale);
    }
    Ok(match batch.due() {
        Some(due) => Standing::Scheduled(due),
        None if needs_approval(console, batch) => Standing::NeedsApproval,
        None => Standing::Ready,
    })
}

fn asks_leavers(console: &Console, batch: &Batch) -> bool {
    Guards::of(&batch.summary, &console.service.config.batches.rules()).leavers.is_some()
}

/// Refuses who may not see a plan that is not in force. The journal hears of it.
async fn must_see_lines<R: Right>(
    viewer: &Viewer<R>,
    console: &Console,
    batch: &Batch,
) -> Result<(), Failure> {
    if may_see_lines(batch, &viewer.operator, console.service.clock.now()) {
        return Ok(());
    }
    console.service.refusals.note(&console.service, &viewer.operator, Act::Approve).await;
    Err(Failure::Forbidden { visit: Box::new(viewer.visit.clone()), role: viewer.operator.role })
}

fn needs_approval(console: &Console, batch: &Batch) -> bool {
    let guards = Guards::of(&batch.summary, &console.service.config.batches.rules());
    guards.approval && batch.release.approval.is_none()
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
        Mode::Remove => "batches-mode-remove",
    };
    language.say(key, &[])
}

/// How many people a plan changes anything for.
fn changes(summary: &PlanSummary) -> u32 {
    summary.changes()
}

struct Row {
    id: BatchId,
    source: String,
    mode: String,
    uploaded_at: Timestamp,
    uploaded_by: String,
    /// Absent for who may not see the plan yet.
    summary: Option<PlanSummary>,
    standing: Standing,
}

impl Row {
    fn changes_nothing(&self) -> bool {
        self.summary.as_ref().is_some_and(|summary| summary.changes() == 0)
    }
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
            summary: may_see_lines(&batch, &viewer.operator, console.service.clock.now())
                .then_some(batch.summary),
        });
    }
    let pager = Pager::new("/batches", &[], query.page, found.total);
    Ok(render(&ListPage { page: viewer.page(Nav::Batches, &console), rows, pager }))
}
