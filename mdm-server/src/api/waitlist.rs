//! `/waitlist`: 割当待ち.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::accounts::source;
use super::auth::May;
use super::extract;
use super::types::{WaitingAdded, WaitingRequest, WaitingView};
use super::{Api, ApiError};
use crate::rights::{Manage, Read};
use crate::use_cases::accounts::Who;
use crate::use_cases::licenses;

pub(super) async fn list(_: May<Read>, State(api): State<Api>) -> Result<Json<Vec<WaitingView>>, ApiError> {
    let waiting = licenses::waiting(&api.service).await?;
    let views =
        (1..).zip(&waiting).map(|(position, (entry, account))| WaitingView::new(position, entry, account));
    Ok(Json(views.collect()))
}

pub(super) async fn add(
    may: May<Manage>,
    State(api): State<Api>,
    extract::Json(request): extract::Json<WaitingRequest>,
) -> Result<(StatusCode, Json<WaitingAdded>), ApiError> {
    let who = Who::parse(&request.account, source(request.source.as_deref())?)?;
    let (account, moved) = licenses::wait(&api.service, &who, may.actor()).await?;
    let assigned = moved.given.iter().any(|given| given.id == account);
    Ok((StatusCode::CREATED, Json(WaitingAdded { account, assigned })))
}
