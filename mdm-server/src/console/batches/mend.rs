//! `/batches/{id}/mend`: rejected rows come back mended, into the plan that they are from.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use mdm_core::batch::Batch;

use super::{failed, must_see_lines, named, reasons};
use crate::console::Console;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page};
use crate::console::posted::Uploaded;
use crate::console::refusals;
use crate::console::render::render_with;
use crate::console::viewer::Viewer;
use crate::rights::Manage;
use crate::use_cases::UseCaseError;
use crate::use_cases::batches::UploadError;
use crate::use_cases::batches::mend::{Mended, mend as mend_rows};

#[derive(Template)]
#[template(path = "batches/mend.html")]
struct MendPage {
    page: Page,
    batch: Batch,
    problem: Option<String>,
}

async fn planned(viewer: &Viewer<Manage>, console: &Console, id: &str) -> Result<Batch, Failure> {
    let batch = named(viewer, console, id).await?;
    must_see_lines(viewer, console, &batch).await?;
    Ok(batch)
}

/// The form.
pub(in crate::console) async fn form(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let batch = planned(&viewer, &console, &id).await?;
    let page = viewer.page(Nav::Batches, &console);
    Ok(render_with(StatusCode::OK, &MendPage { page, batch, problem: None }))
}

/// Makes a plan of the whole.
pub(in crate::console) async fn mend(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<String>,
    uploaded: Uploaded,
) -> Result<Response, Failure> {
    let batch = planned(&viewer, &console, &id).await?;
    let language = viewer.visit.language;
    let refused = |batch, problem| {
        let page = viewer.page(Nav::Batches, &console);
        Ok(render_with(StatusCode::UNPROCESSABLE_ENTITY, &MendPage { page, batch, problem: Some(problem) }))
    };
    // A browser sends the field without a name when nothing was chosen.
    if uploaded.file_name.as_deref().is_none_or(str::is_empty) {
        return refused(batch, language.say("batches-file-missing", &[]));
    }
    let mended = Mended { file_name: uploaded.file_name, ..Mended::default() };
    match mend_rows(&console.service, batch.id, uploaded.file, mended, viewer.actor()).await {
        Ok(whole) => {
            let source = whole.source.to_string();
            viewer.notify(&console, Notice::done("batches-mended-notice").with("source", source));
            Ok(Redirect::to(&format!("/batches/{}", whole.id)).into_response())
        }
        Err(UploadError::Sheet(error)) => refused(batch, reasons::file(language, &error)),
        Err(UploadError::Other(error @ UseCaseError::Refused(_))) => {
            refused(batch, refusals::text(language, &error))
        }
        Err(UploadError::Other(error)) => Err(failed::<UseCaseError>(&viewer.visit)(error)),
    }
}
