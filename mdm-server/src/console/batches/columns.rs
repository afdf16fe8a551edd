//! What columns of a list are said to be: the fields for it, on the upload form and on a plan's page, and what forgets it. A plan
//! stays as it was made: the fields on its page go with the file to the upload.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::Timestamp;
use mdm_core::assignment::{Assignments, Changes};
use mdm_core::batch::{Batch, Origin};
use mdm_core::sheet::{Assigned, AssignedColumn, Column, Header, MAX_ASSIGNED, Meaning, SheetError};
use serde::Deserialize;

use super::upload::Choice;
use super::{failed, must_see_lines, named, reasons};
use crate::console::Console;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::posted::{Posted, Uploaded};
use crate::console::viewer::Viewer;
use crate::console::words::Language;
use crate::rights::Manage;
use crate::use_cases::{UseCaseError, columns};

/// A header, and what it may be said to be.
pub(super) struct ColumnField {
    pub(super) header: String,
    pub(super) choices: Vec<Choice>,
}

/// A column of which something was said, on the page of the plan that was read so.
pub(super) struct AssignedRow {
    pub(super) header: String,
    pub(super) is: String,
    /// What its header says, if that is something else.
    pub(super) otherwise: Option<String>,
    /// When it was said for an earlier file.
    pub(super) since: Option<Timestamp>,
    /// It is still remembered.
    pub(super) may_forget: bool,
}

/// Fields for headers, in order; no more than is remembered.
pub(super) fn fields(language: Language, headers: Vec<(Header, Option<Meaning>)>) -> Vec<ColumnField> {
    let choices = |chosen: Option<Meaning>| {
        let meanings = Column::ASSIGNABLE.into_iter().map(Meaning::Column);
        let meanings = [Meaning::Ignored].into_iter().chain(meanings);
        let choice = |meaning: Meaning| Choice {
            value: meaning.name(),
            said: said(language, meaning),
            chosen: chosen == Some(meaning),
        };
        meanings.map(choice).collect()
    };
    let field = |(header, chosen): (Header, Option<Meaning>)| ColumnField {
        header: header.to_string(),
        choices: choices(chosen),
    };
    headers.into_iter().take(MAX_ASSIGNED).map(field).collect()
}

fn said(language: Language, meaning: Meaning) -> String {
    match meaning {
        Meaning::Column(column) => reasons::column(language, column),
        Meaning::Ignored => language.say("batches-columns-ignored", &[]),
    }
}

/// What was chosen in the fields; those where nothing was say nothing.
pub(super) fn chosen(uploaded: &Uploaded) -> Assigned {
    let field = |number: usize| {
        let header = Header::new(uploaded.field(&format!("header-{number}"))).ok()?;
        let meaning = uploaded.field(&format!("column-{number}")).parse().ok()?;
        Some((header, meaning))
    };
    (0..MAX_ASSIGNED).filter_map(field).collect()
}

/// What is to be asked again when a file was refused: what was chosen, and the headers that the refusal is about.
pub(super) fn asked_again(chosen: &Assigned, refusal: Option<&SheetError>) -> Vec<(Header, Option<Meaning>)> {
    let named: Vec<&String> = match refusal {
        Some(SheetError::MissingColumn { found, .. }) => found.iter().collect(),
        Some(SheetError::DuplicateColumn { first, second, .. }) => vec![first, second],
        Some(SheetError::IgnoredColumn { header, .. }) => vec![header],
        _ => Vec::new(),
    };
    let mut headers: Vec<(Header, Option<Meaning>)> = Vec::new();
    let named = named.into_iter().filter_map(|header| Header::new(header).ok());
    for header in named.chain(chosen.keys().cloned()) {
        if !headers.iter().any(|(known, _)| *known == header) {
            let meaning = chosen.get(&header).copied();
            headers.push((header, meaning));
        }
    }
    headers
}

/// What can be said on a plan's page: of the columns that are not used, and otherwise of those of which something was said.
pub(super) fn of_plan(language: Language, batch: &Batch) -> Vec<ColumnField> {
    if batch.origin != Origin::File || batch.layout == "cybozu-com-headerless" {
        return Vec::new();
    }
    let said = batch.assigned.iter().map(|column| (column.header.clone(), Some(column.meaning)));
    let unused = batch.unused_columns.iter().filter_map(|header| Some((Header::new(header).ok()?, None)));
    fields(language, said.chain(unused).collect())
}

/// The columns of a plan of which something was said.
pub(super) fn rows(language: Language, batch: &Batch, remembered: Option<&Assignments>) -> Vec<AssignedRow> {
    let is_remembered = |column: &AssignedColumn| {
        let known = remembered.and_then(|table| table.entries.get(&column.header));
        known.is_some_and(|known| known.meaning == column.meaning)
    };
    let row = |column: &AssignedColumn| AssignedRow {
        header: column.header.to_string(),
        is: said(language, column.meaning),
        otherwise: column.otherwise.map(|meaning| said(language, meaning)),
        since: column.since,
        may_forget: is_remembered(column),
    };
    batch.assigned.iter().map(row).collect()
}

/// Which column is forgotten.
#[derive(Deserialize)]
pub(in crate::console) struct ForgetForm {
    header: String,
}

/// The next file of the source is read without what was said of a column.
pub(in crate::console) async fn forget(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted(form): Posted<ForgetForm>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    must_see_lines(&viewer, &console, &batch).await?;
    let header = Header::new(&form.header).map_err(|_| Failure::Malformed(viewer.visit.language))?;
    let wanted = Changes::from([(header.clone(), None)]);
    let done = columns::change(&console.service, &batch.source, &wanted, viewer.actor()).await;
    done.map_err(failed::<UseCaseError>(&viewer.visit))?;
    viewer.notify(&console, Notice::done("batches-columns-forgotten").with("header", header.to_string()));
    Ok(Redirect::to(&format!("/batches/{}#columns", batch.id)).into_response())
}
