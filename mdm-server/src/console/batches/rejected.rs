//! `/batches/{id}/rejected`: the rows that were not accepted, as a file to be mended and uploaded again.

use axum::extract::{Path, State};
use axum::response::Response;
use mdm_core::batch::{Batch, Rejection};
use mdm_core::sheet::rejected::{REASON_BEGINS, REASON_HEADERS};

use super::{failed, must_see_lines, named, reasons};
use crate::console::Console;
use crate::console::download::attachment;
use crate::console::failure::Failure;
use crate::console::viewer::Viewer;
use crate::console::words::Language;
use crate::rights::Manage;
use crate::service::Service;
use crate::use_cases::UseCaseError;
use crate::use_cases::batches;

/// A file with its name and media type.
pub(crate) struct File {
    /// ASCII.
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// The rejected rows as the upload was written, with reasons in a language.
pub(crate) async fn file(service: &Service, batch: &Batch, language: Language) -> Result<File, UseCaseError> {
    let place = usize::from(language == Language::English);
    let of_workbook = is_workbook(batch);
    let reason = |rejections: &[Rejection]| {
        let said: Vec<String> =
            rejections.iter().map(|one| reasons::in_one(language, one, of_workbook)).collect();
        format!("{}{}", REASON_BEGINS[place], said.join(" / "))
    };
    let bytes = batches::rejected::file(service, batch, REASON_HEADERS[place], reason).await?;
    let (ending, kind) = if of_workbook {
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    } else {
        ("csv", "text/csv")
    };
    Ok(File { name: format!("rejected-{}.{ending}", batch.id), kind, bytes })
}

/// Whether the upload was a workbook.
pub(super) fn is_workbook(batch: &Batch) -> bool {
    batch.delimiter == "none"
}

/// The rows with all their columns, also those that are not used: for who may upload them again.
pub(in crate::console) async fn download(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    must_see_lines(&viewer, &console, &batch).await?;
    let file = file(&console.service, &batch, viewer.visit.language).await.map_err(failed(&viewer.visit))?;
    Ok(attachment(&file.name, file.kind, file.bytes.into()))
}
