//! `/licenses`: the pool and 回収.

use axum::Json;
use axum::extract::State;
use mdm_core::seats::Rule;

use super::auth::May;
use super::extract;
use super::types::{LicenseStatus, PoolRequest, ReclaimRequest, Reclaimed};
use super::{Api, ApiError};
use crate::rights::{Manage, Read};
use crate::use_cases::licenses;

async fn current(api: &Api) -> Result<Json<LicenseStatus>, ApiError> {
    Ok(Json(LicenseStatus::from(&licenses::status(&api.service).await?)))
}

pub(super) async fn status(_: May<Read>, State(api): State<Api>) -> Result<Json<LicenseStatus>, ApiError> {
    current(&api).await
}

pub(super) async fn set_pool(
    may: May<Manage>,
    State(api): State<Api>,
    extract::Json(request): extract::Json<PoolRequest>,
) -> Result<Json<LicenseStatus>, ApiError> {
    licenses::set_pool(&api.service, request.size, may.actor()).await?;
    current(&api).await
}

pub(super) async fn reclaim(
    may: May<Manage>,
    State(api): State<Api>,
    extract::Json(request): extract::Json<ReclaimRequest>,
) -> Result<Json<Reclaimed>, ApiError> {
    let ReclaimRequest { never_signed_in_days: days, at_most, dry_run } = request;
    let moved = licenses::reclaim(&api.service, Rule { days, at_most }, dry_run, may.actor()).await?;
    Ok(Json(Reclaimed::new(&moved, dry_run)))
}
