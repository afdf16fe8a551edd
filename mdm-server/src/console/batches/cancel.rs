//! `/batches/{id}/cancel`: calls a batch off before it takes effect.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use mdm_core::batch::Batch;
use serde::Deserialize;

use super::named;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page};
use crate::console::posted::Posted;
use crate::console::render::render_with;
use crate::console::viewer::Viewer;
use crate::console::{Console, refusals};
use crate::rights::Manage;
use crate::use_cases::batches::release;

#[derive(Template)]
#[template(path = "batches/cancel.html")]
struct CancelPage {
    page: Page,
    batch: Batch,
    reason: String,
    problem: Option<String>,
}

/// What is called off.
pub(in crate::console) async fn form(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    if !batch.state.is_open() {
        return Ok(Redirect::to(&format!("/batches/{}", batch.id)).into_response());
    }
    let page = viewer.page(Nav::Batches, &console);
    Ok(render_with(StatusCode::OK, &CancelPage { page, batch, reason: String::new(), problem: None }))
}

/// What the form sends.
#[derive(Deserialize)]
pub(in crate::console) struct CancelForm {
    #[serde(default)]
    reason: String,
}

/// Calls it off.
pub(in crate::console) async fn cancel(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted(form): Posted<CancelForm>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    match release::cancel(&console.service, batch.id, &form.reason, viewer.actor()).await {
        Ok(_) => {
            viewer.notify(
                &console,
                Notice::done("approval-cancelled-notice").with("source", batch.source.to_string()),
            );
            Ok(Redirect::to(&format!("/batches/{}", batch.id)).into_response())
        }
        Err(error) => {
            let problem = Some(refusals::text(viewer.visit.language, &error));
            let page = viewer.page(Nav::Batches, &console);
            let shown = CancelPage { page, batch, reason: form.reason, problem };
            Ok(render_with(StatusCode::UNPROCESSABLE_ENTITY, &shown))
        }
    }
}
