//! `/batches/new`: a staff file comes in.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::civil::Date;
use mdm_core::account::SourceName;
use mdm_core::batch::Mode;
use mdm_core::sheet::{Assigned, Declared, Delimiter, Encoding, MAX_PADDING, SheetError};
use serde::Deserialize;

use super::columns::{self, ColumnField};
use super::{failed, reasons};
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page};
use crate::console::posted::Uploaded;
use crate::console::render::render_with;
use crate::console::viewer::Viewer;
use crate::console::{Console, refusals};
use crate::rights::Manage;
use crate::use_cases::batches::{self, Upload, UploadError};
use crate::use_cases::{Refusal, UseCaseError};

/// What was filled in, to be shown again.
#[derive(Default)]
struct Filled {
    source: String,
    mode: Option<Mode>,
    encoding: Option<Encoding>,
    delimiter: Option<Delimiter>,
    pad: String,
    until: String,
    columns: Assigned,
}

/// What is wrong with it, beside the field.
#[derive(Default)]
struct Problems {
    source: Option<String>,
    mode: Option<String>,
    file: Option<String>,
    pad: Option<String>,
    until: Option<String>,
    /// What the file was refused for.
    sheet: Option<SheetError>,
}

/// Something to choose.
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) said: String,
    pub(super) chosen: bool,
}

#[derive(Template)]
#[template(path = "batches/new.html")]
struct NewPage {
    page: Page,
    sources: BTreeSet<String>,
    filled: Filled,
    encodings: Vec<Choice>,
    delimiters: Vec<Choice>,
    columns: Vec<ColumnField>,
    problems: Problems,
}

const ENCODINGS: [(&str, Encoding); 3] =
    [("utf-8", Encoding::Utf8), ("cp932", Encoding::Cp932), ("utf-16", Encoding::Utf16)];

const DELIMITERS: [(&str, Delimiter); 3] =
    [("comma", Delimiter::Comma), ("tab", Delimiter::Tab), ("semicolon", Delimiter::Semicolon)];

async fn show(
    viewer: &Viewer<Manage>,
    console: &Console,
    status: StatusCode,
    filled: Filled,
    problems: Problems,
) -> Result<Response, Failure> {
    let rosters = console.service.store.rosters().await.map_err(failed(&viewer.visit))?;
    let page = viewer.page(Nav::Batches, console);
    let encodings = ENCODINGS.map(|(value, encoding)| Choice {
        value,
        said: reasons::encoding(page.language, encoding),
        chosen: filled.encoding == Some(encoding),
    });
    let delimiters = DELIMITERS.map(|(value, delimiter)| Choice {
        value,
        said: page.say(&format!("batches-delimiter-{value}")),
        chosen: filled.delimiter == Some(delimiter),
    });
    let sources = rosters.into_iter().map(|roster| roster.value.source.to_string()).collect();
    let (encodings, delimiters) = (encodings.into(), delimiters.into());
    let asked = columns::asked_again(&filled.columns, problems.sheet.as_ref());
    let columns = columns::fields(page.language, asked);
    Ok(render_with(status, &NewPage { page, sources, filled, encodings, delimiters, columns, problems }))
}

/// What may be filled in beforehand.
#[derive(Deserialize)]
pub(in crate::console) struct NewQuery {
    #[serde(default)]
    source: String,
    #[serde(default)]
    pad: String,
}

/// The form.
pub(in crate::console) async fn form(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Query(query): Query<NewQuery>,
) -> Result<Response, Failure> {
    let filled = Filled { source: query.source, pad: query.pad, ..Filled::default() };
    show(&viewer, &console, StatusCode::OK, filled, Problems::default()).await
}

/// The length that staff numbers are padded to; nothing typed is none.
fn padding(typed: &str) -> Result<Option<u8>, ()> {
    if typed.is_empty() {
        return Ok(None);
    }
    typed.parse().ok().filter(|width| (1..=MAX_PADDING).contains(width)).map(Some).ok_or(())
}

/// The last day of temporary accounts, as a browser writes it; nothing chosen is none.
fn last_day(typed: &str) -> Result<Option<Date>, jiff::Error> {
    if typed.is_empty() { Ok(None) } else { typed.parse().map(Some) }
}

/// Makes a plan of the file.
pub(in crate::console) async fn upload(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    uploaded: Uploaded,
) -> Result<Response, Failure> {
    let language = viewer.visit.language;
    let filled = Filled {
        source: uploaded.field("source").to_owned(),
        mode: Mode::of_name(uploaded.field("mode")),
        encoding: uploaded.field("encoding").parse().ok(),
        delimiter: Delimiter::of_name(uploaded.field("delimiter")),
        pad: uploaded.field("pad").trim().to_owned(),
        until: uploaded.field("until").trim().to_owned(),
        columns: columns::chosen(&uploaded),
    };
    // A browser sends the field without a name when nothing was chosen; an empty file has one.
    let no_file = uploaded.file_name.as_deref().is_none_or(str::is_empty);
    let pad = padding(&filled.pad);
    let until = last_day(&filled.until);
    let (source, mode) = match (SourceName::new(&filled.source), filled.mode) {
        (Ok(source), Some(mode)) if !no_file && pad.is_ok() && until.is_ok() => (source, mode),
        (source, mode) => {
            let say = |is_wrong: bool, key: &str| is_wrong.then(|| language.say(key, &[]));
            let problems = Problems {
                source: say(source.is_err(), "batches-source-wrong"),
                mode: say(mode.is_none(), "batches-mode-missing"),
                file: say(no_file, "batches-file-missing"),
                pad: say(pad.is_err(), "batches-pad-wrong"),
                until: say(until.is_err(), "batches-until-wrong"),
                sheet: None,
            };
            return show(&viewer, &console, StatusCode::UNPROCESSABLE_ENTITY, filled, problems).await;
        }
    };
    let pad_numbers_to = pad.unwrap_or_default();
    let (encoding, delimiter) = (filled.encoding, filled.delimiter);
    let declared = Declared {
        encoding,
        delimiter,
        pad_numbers_to,
        columns: filled.columns.clone(),
        ..Declared::default()
    };
    let temporary_until = until.unwrap_or_default();
    let file_name = uploaded.file_name;
    let upload = Upload { source, mode, declared, file_name, effective_at: None, temporary_until };
    match batches::upload(&console.service, uploaded.file, upload, viewer.actor()).await {
        Ok(batch) => {
            viewer.notify(
                &console,
                Notice::done("batches-uploaded-notice").with("source", batch.source.to_string()),
            );
            Ok(Redirect::to(&format!("/batches/{}", batch.id)).into_response())
        }
        Err(UploadError::Sheet(error)) => {
            let file = Some(reasons::file(language, &error));
            let problems = Problems { file, sheet: Some(error), ..Problems::default() };
            show(&viewer, &console, StatusCode::UNPROCESSABLE_ENTITY, filled, problems).await
        }
        Err(UploadError::Other(error @ UseCaseError::Refused(Refusal::WrongList(_)))) => {
            let problems = Problems { until: Some(refusals::text(language, &error)), ..Problems::default() };
            show(&viewer, &console, StatusCode::UNPROCESSABLE_ENTITY, filled, problems).await
        }
        Err(UploadError::Other(error @ UseCaseError::Refused(Refusal::Columns(_)))) => {
            let problems = Problems { file: Some(refusals::text(language, &error)), ..Problems::default() };
            show(&viewer, &console, StatusCode::UNPROCESSABLE_ENTITY, filled, problems).await
        }
        Err(UploadError::Other(error)) => Err(failed::<UseCaseError>(&viewer.visit)(error)),
    }
}
