//! `/batches/{id}/approve`: somebody else than the author looks at a plan and lets it take effect; in an emergency the author,
//! with a reason. `/batches/{id}/acknowledge`: an owner takes note of that.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use data_encoding::HEXLOWER;
use mdm_core::approval::Words;
use mdm_core::audit::Actor;
use mdm_core::batch::{Batch, PlanSummary};
use serde::Deserialize;

use super::{Standing, asks_leavers, failed, named, standing};
use crate::console::actors::Actors;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page};
use crate::console::posted::Posted;
use crate::console::render::render_with;
use crate::console::typed::consent;
use crate::console::viewer::{Fresh, Viewer};
use crate::console::{Console, refusals};
use crate::rights::{Approve, Operators};
use crate::use_cases::batches::release;

#[derive(Template)]
#[template(path = "batches/approve.html")]
struct ApprovePage {
    page: Page,
    batch: Batch,
    uploaded_by: String,
    /// Whether the viewer is the author, and approves in an emergency only.
    is_author: bool,
    asks_leavers: bool,
    digest: String,
    problem: Option<String>,
}

impl ApprovePage {
    fn summary(&self) -> &PlanSummary {
        &self.batch.summary
    }
}

async fn show(
    viewer: &Viewer<Approve>,
    console: &Console,
    batch: Batch,
    problem: Option<String>,
) -> Result<Response, Failure> {
    let page = viewer.page(Nav::Batches, console);
    let actors = Actors::load(&console.service).await.map_err(failed(&viewer.visit))?;
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let shown = ApprovePage {
        uploaded_by: actors.name(batch.uploaded_by, page.language),
        is_author: batch.is_by(Actor::Operator(viewer.operator.id)),
        asks_leavers: asks_leavers(console, &batch),
        digest: HEXLOWER.encode(&batch.plan_digest),
        problem,
        page,
        batch,
    };
    Ok(render_with(status, &shown))
}

/// What is to be approved.
pub(in crate::console) async fn form(
    Fresh(viewer): Fresh<Approve>,
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    match standing(&console, &batch).await.map_err(failed(&viewer.visit))? {
        Standing::NeedsApproval => show(&viewer, &console, batch, None).await,
        // Nothing is left to approve.
        _ => Ok(Redirect::to(&format!("/batches/{}", batch.id)).into_response()),
    }
}

/// What the form sends.
#[derive(Deserialize)]
pub(in crate::console) struct ApproveForm {
    /// The plan that the form was shown with.
    #[serde(default)]
    plan: String,
    #[serde(default)]
    count: String,
    #[serde(default)]
    reason: String,
}

/// Approves it.
pub(in crate::console) async fn approve(
    Fresh(viewer): Fresh<Approve>,
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted(form): Posted<ApproveForm>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    let digest = HEXLOWER.decode(form.plan.as_bytes()).ok().and_then(|digest| digest.try_into().ok());
    let looked_at = digest.ok_or(Failure::Malformed(viewer.visit.language))?;
    let is_author = batch.is_by(Actor::Operator(viewer.operator.id));
    let words = Words {
        looked_at,
        consent: consent(&form.count),
        emergency: is_author.then_some(form.reason.as_str()),
    };
    match release::approve(&console.service, batch.id, &viewer.operator, words).await {
        Ok(batch) => {
            viewer.notify(
                &console,
                Notice::done("approval-approved-notice").with("source", batch.source.to_string()),
            );
            Ok(Redirect::to(&format!("/batches/{}", batch.id)).into_response())
        }
        Err(error) => {
            let problem = refusals::text(viewer.visit.language, &error);
            show(&viewer, &console, batch, Some(problem)).await
        }
    }
}

/// Takes note of an emergency approval.
pub(in crate::console) async fn acknowledge(
    viewer: Viewer<Operators>,
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted(()): Posted<()>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    release::acknowledge(&console.service, batch.id, viewer.actor()).await.map_err(failed(&viewer.visit))?;
    viewer.notify(
        &console,
        Notice::done("approval-acknowledged-notice").with("source", batch.source.to_string()),
    );
    Ok(Redirect::to(&format!("/batches/{}", batch.id)).into_response())
}
