//! `/columns`: what columns of a source's files are said to be.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use mdm_core::account::SourceName;
use mdm_core::assignment::{Assignments, Changes};
use mdm_core::sheet::{Assigned, Header, Meaning};

use super::auth::May;
use super::extract;
use super::types::{ColumnView, ColumnsRequest};
use super::{Api, ApiError};
use crate::rights::{Manage, Read};
use crate::use_cases::columns;

pub(super) async fn list(_: May<Read>, State(api): State<Api>) -> Result<Json<Vec<ColumnView>>, ApiError> {
    let tables = columns::all(&api.service).await?;
    Ok(Json(tables.iter().flat_map(views).collect()))
}

pub(super) async fn change(
    may: May<Manage>,
    State(api): State<Api>,
    extract::Json(request): extract::Json<ColumnsRequest>,
) -> Result<Json<Vec<ColumnView>>, ApiError> {
    let source = SourceName::new(&request.source);
    let source = source.map_err(|error| ApiError::bad_request(format!("`source`: {error}")))?;
    let mut wanted = Changes::new();
    for (header, name) in &request.columns {
        let meaning = name.as_deref().map(meaning).transpose()?;
        once(wanted.insert(self::header(header)?, meaning), header)?;
    }
    columns::change(&api.service, &source, &wanted, may.actor()).await?;
    let table = columns::of_source(&api.service, &source).await?;
    Ok(Json(table.iter().flat_map(views).collect()))
}

/// What is said of columns with an upload: a JSON object of headers and names.
pub(super) fn said(columns: Option<&str>) -> Result<Assigned, ApiError> {
    let Some(columns) = columns else { return Ok(Assigned::new()) };
    let columns: BTreeMap<String, String> = serde_json::from_str(columns).map_err(|_| {
        wrong("write a JSON object like {\"個人番号\": \"staff-number\", \"備考\": \"ignored\"}")
    })?;
    let mut said = Assigned::new();
    for (text, name) in &columns {
        once(said.insert(header(text)?, meaning(name)?), text)?;
    }
    Ok(said)
}

fn wrong(why: &str) -> ApiError {
    ApiError::bad_request(format!("`columns`: {why}"))
}

fn header(text: &str) -> Result<Header, ApiError> {
    Header::new(text).map_err(|error| wrong(&format!("{text:?}: {error}")))
}

fn meaning(name: &str) -> Result<Meaning, ApiError> {
    name.parse().map_err(|error| wrong(&format!("{name:?}: {error}")))
}

/// Two headers that differ by blanks or width only are one.
fn once<T>(before: Option<T>, header: &str) -> Result<(), ApiError> {
    match before {
        None => Ok(()),
        Some(_) => Err(wrong(&format!("{header:?}: something else is said of this header as well"))),
    }
}

fn views(table: &Assignments) -> impl Iterator<Item = ColumnView> {
    table.entries.iter().map(|(header, remembered)| ColumnView {
        source: table.source.to_string(),
        header: header.to_string(),
        is: remembered.meaning.name().to_owned(),
        said_at: remembered.said_at,
    })
}
