//! `/substitutes`: what stands for private-use characters of names.

use axum::Json;
use axum::extract::State;
use mdm_core::account::SourceName;
use mdm_core::substitute::{Changes, CodePoint, Substitute, Substitutes};

use super::auth::May;
use super::extract;
use super::types::{SubstituteView, SubstitutesRequest};
use super::{Api, ApiError};
use crate::rights::{Manage, Read};
use crate::use_cases::substitutes;

pub(super) async fn list(
    _: May<Read>,
    State(api): State<Api>,
) -> Result<Json<Vec<SubstituteView>>, ApiError> {
    let tables = substitutes::all(&api.service).await?;
    Ok(Json(tables.iter().flat_map(views).collect()))
}

pub(super) async fn change(
    may: May<Manage>,
    State(api): State<Api>,
    extract::Json(request): extract::Json<SubstitutesRequest>,
) -> Result<Json<Vec<SubstituteView>>, ApiError> {
    let source = SourceName::new(&request.source);
    let source = source.map_err(|error| ApiError::bad_request(format!("`source`: {error}")))?;
    let wanted = request.substitutes.iter().map(|(code, text)| entry(code, text.as_deref()));
    let wanted: Changes = wanted.collect::<Result<_, _>>()?;
    substitutes::change(&api.service, &source, &wanted, may.actor()).await?;
    let tables = substitutes::all(&api.service).await?;
    Ok(Json(tables.iter().filter(|table| table.source == source).flat_map(views).collect()))
}

fn entry(code: &str, text: Option<&str>) -> Result<(CodePoint, Option<Substitute>), ApiError> {
    let wrong = |error: String| ApiError::bad_request(format!("`substitutes`: {error}"));
    let code = code.parse::<CodePoint>().map_err(|error| wrong(error.to_string()))?;
    let substitute = text.map(Substitute::new).transpose();
    Ok((code, substitute.map_err(|error| wrong(format!("{code}: {error}")))?))
}

fn views(table: &Substitutes) -> impl Iterator<Item = SubstituteView> {
    table.entries.iter().map(|(code, substitute)| SubstituteView {
        source: table.source.to_string(),
        code_point: code.to_string(),
        substitute: substitute.as_str().to_owned(),
    })
}
