//! `/batches/{id}/decided`: whether a row whose number is known is about the same person or about another one.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use mdm_core::identity::Whose;
use serde::Deserialize;

use super::{failed, must_see_lines, named, reasons};
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::posted::Posted;
use crate::console::viewer::Viewer;
use crate::console::{Console, refusals};
use crate::rights::Manage;
use crate::use_cases::UseCaseError;
use crate::use_cases::batches::UploadError;
use crate::use_cases::batches::mend::decide as say;

/// What the form beside a row sends.
#[derive(Deserialize)]
pub(in crate::console) struct DecideForm {
    row: u32,
    whose: Whose,
}

/// Makes a plan with what is said. The lines of that one are shown, or of this one if it was refused.
pub(in crate::console) async fn decide(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted(form): Posted<DecideForm>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    must_see_lines(&viewer, &console, &batch).await?;
    let said = vec![(form.row, form.whose)];
    let (notice, shown) = match say(&console.service, batch.id, said, viewer.actor()).await {
        Ok(whole) => {
            let source = whole.source.to_string();
            (Notice::done("batches-decided-notice").with("source", source), whole.id)
        }
        Err(UploadError::Sheet(error)) => {
            let why = reasons::file(viewer.visit.language, &error);
            (Notice::refused("batches-decided-refused").with("why", why), batch.id)
        }
        Err(UploadError::Other(error @ UseCaseError::Refused(_))) => {
            let why = refusals::text(viewer.visit.language, &error);
            (Notice::refused("batches-decided-refused").with("why", why), batch.id)
        }
        Err(UploadError::Other(error)) => return Err(failed::<UseCaseError>(&viewer.visit)(error)),
    };
    viewer.notify(&console, notice);
    Ok(Redirect::to(&format!("/batches/{shown}?kind=rejected#lines")).into_response())
}
