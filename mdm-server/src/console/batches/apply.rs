//! `/batches/{id}/apply`: says what will happen to how many, and lets it happen, at once or at a time.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::Timestamp;
use mdm_core::apply::UNDO_WINDOW;
use mdm_core::approval::may_apply;
use mdm_core::batch::{Batch, PlanSummary};
use serde::Deserialize;
use tokio::time::timeout;

use super::{Standing, asks_leavers, failed, named, standing};
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page};
use crate::console::posted::Posted;
use crate::console::render::render_with;
use crate::console::typed::consent;
use crate::console::viewer::Viewer;
use crate::console::{Console, refusals};
use crate::directory;
use crate::rights::Manage;
use crate::use_cases::batches::release::{self, TimeError, effective_time};
use crate::use_cases::batches::{Outlook, outlook};

/// How long an answer waits for a batch to be in force, before the page follows it.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Template)]
#[template(path = "batches/apply.html")]
struct ApplyPage {
    page: Page,
    batch: Batch,
    standing: Standing,
    asks_leavers: bool,
    outlook: Outlook,
    wiped_at: Timestamp,
    /// As typed, or as it is planned.
    effective_at: String,
    problem: Option<String>,
}

impl ApplyPage {
    fn summary(&self) -> &PlanSummary {
        &self.batch.summary
    }

    fn source_in_query(&self) -> String {
        form_urlencoded::byte_serialize(self.batch.source.as_str().as_bytes()).collect()
    }

    fn needs_approval(&self) -> bool {
        self.standing == Standing::NeedsApproval
    }
}

async fn show(
    viewer: &Viewer<Manage>,
    console: &Console,
    batch: Batch,
    said: Option<(&ApplyForm, String)>,
) -> Result<Response, Failure> {
    let failed = failed(&viewer.visit);
    let page = viewer.page(Nav::Batches, console);
    let index = console.batches.index(&console.service, &batch).await.map_err(&failed)?;
    let directory = directory::current(&console.service).await.map_err(|error| failed(error.into()))?;
    let status = if said.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let planned = batch.release.effective_at.map(|at| page.local(&at)).unwrap_or_default();
    let shown = ApplyPage {
        standing: standing(console, &batch).await.map_err(&failed)?,
        asks_leavers: asks_leavers(console, &batch),
        outlook: outlook(&batch, &index, &directory),
        wiped_at: page.now.checked_add(UNDO_WINDOW).unwrap_or(page.now),
        effective_at: said.as_ref().map_or(planned, |(form, _)| form.effective_at.clone()),
        problem: said.map(|(_, problem)| problem),
        page,
        batch,
    };
    let status = if shown.standing == Standing::Stale { StatusCode::CONFLICT } else { status };
    Ok(render_with(status, &shown))
}

/// What will happen, and when.
pub(in crate::console) async fn form(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    if standing(&console, &batch).await.map_err(failed(&viewer.visit))?.is_open() {
        show(&viewer, &console, batch, None).await
    } else {
        // Nothing is left to decide.
        Ok(Redirect::to(&format!("/batches/{}", batch.id)).into_response())
    }
}

/// What the form sends.
#[derive(Deserialize)]
pub(in crate::console) struct ApplyForm {
    #[serde(default)]
    count: String,
    /// `at`: at [`Self::effective_at`]; anything else: at once.
    #[serde(default)]
    when: String,
    #[serde(default)]
    effective_at: String,
}

/// Lets it happen, once: now, or at its time.
pub(in crate::console) async fn apply(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted(form): Posted<ApplyForm>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    let onward = Redirect::to(&format!("/batches/{}", batch.id)).into_response();
    match standing(&console, &batch).await.map_err(failed(&viewer.visit))? {
        Standing::Stale => return show(&viewer, &console, batch, None).await,
        standing if standing.is_open() => {}
        // Pressed twice.
        _ => return Ok(onward),
    }
    let decided = if form.when == "at" {
        set_time(&viewer, &console, &batch, &form).await
    } else {
        at_once(&viewer, &console, &batch, &form).await
    };
    match decided {
        Ok(()) => Ok(onward),
        Err(problem) => show(&viewer, &console, batch, Some((&form, problem))).await,
    }
}

async fn set_time(
    viewer: &Viewer<Manage>,
    console: &Console,
    batch: &Batch,
    form: &ApplyForm,
) -> Result<(), String> {
    let language = viewer.visit.language;
    let time = effective_time(&form.effective_at, &console.service.config.zone());
    let time = time.map_err(|error| match error {
        TimeError::Form => language.say("approval-time-form", &[]),
        TimeError::NotOnce => language.say("approval-time-not-once", &[]),
    })?;
    let done =
        release::schedule(&console.service, batch.id, time, consent(&form.count), viewer.actor()).await;
    let done = done.map_err(|error| refusals::text(language, &error))?;
    let notice = if done.due().is_some() { "approval-scheduled-notice" } else { "approval-wished-notice" };
    viewer.notify(console, Notice::done(notice).with("source", batch.source.to_string()));
    Ok(())
}

async fn at_once(
    viewer: &Viewer<Manage>,
    console: &Console,
    batch: &Batch,
    form: &ApplyForm,
) -> Result<(), String> {
    // What it asks for is said on this page; what comes up on the way stands on the plan's.
    may_apply(batch, consent(&form.count), &console.service.config.batches.rules())
        .map_err(|error| refusals::text(viewer.visit.language, &error.into()))?;
    if let Some(job) = console.batches.apply(&console.service, batch.id, consent(&form.count), viewer.actor())
    {
        // A small plan is in force before anybody could look; a large one goes on behind the page. What becomes of it is
        // said there, also if the job broke off.
        let _ = timeout(PATIENCE, job).await;
    }
    if let Some(super::Job::Done(_)) = console.batches.job(batch.id) {
        viewer
            .notify(console, Notice::done("batches-applied-notice").with("source", batch.source.to_string()));
    }
    Ok(())
}
