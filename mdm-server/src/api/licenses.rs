//! `/licenses`: the pool and 回収.

use axum::Json;
use axum::extract::State;
use mdm_core::license::{NoticeReason, PoolSize};
use mdm_core::operator::Act;
use mdm_core::seats::Rule;

use super::accounts::source;
use super::auth::May;
use super::extract::{self, Asked};
use super::types::{
    DayView, DaysQuery, EndingQuery, EndingView, LicenseStatus, NeedView, NoticedSeat, PoolRequest,
    ReclaimRequest, Reclaimed, ReclaimedSeat, RestoreRequest,
};
use super::{Api, ApiError};
use crate::directory;
use crate::rights::{Approve, Manage, Read};
use crate::use_cases::accounts::Who;
use crate::use_cases::licenses::ending::{self, fiscal_year_end};
use crate::use_cases::licenses::series::{self, day_of};
use crate::use_cases::{UseCaseError, licenses};

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
    let PoolRequest { size, reserved } = request;
    licenses::set_pool(&api.service, PoolSize { size, reserved }, may.actor()).await?;
    current(&api).await
}

pub(super) async fn reclaim(
    may: May<Manage>,
    State(api): State<Api>,
    extract::Json(request): extract::Json<ReclaimRequest>,
) -> Result<Json<Reclaimed>, ApiError> {
    let ReclaimRequest { at_most, notice_days, grace_days, dry_run, .. } = request;
    let (why, days) = asked_rule(&request).ok_or_else(|| {
        ApiError::bad_request("write one of `never_signed_in_days`, `no_sign_in_days` and `term_ended_days`")
    })?;
    let rule = Rule { why, days, at_most, notice_days, grace_days };
    let moved = licenses::reclaim(&api.service, rule, dry_run, may.actor()).await?;
    Ok(Json(Reclaimed::new(&moved, dry_run)))
}

/// The one rule that is asked for.
fn asked_rule(request: &ReclaimRequest) -> Option<(NoticeReason, u16)> {
    let ReclaimRequest { never_signed_in_days, no_sign_in_days, term_ended_days, .. } = *request;
    let rules = [
        (NoticeReason::NeverSignedIn, never_signed_in_days),
        (NoticeReason::Dormant, no_sign_in_days),
        (NoticeReason::TermEnded, term_ended_days),
    ];
    let mut asked = rules.into_iter().filter_map(|(why, days)| Some((why, days?)));
    asked.next().filter(|_| asked.next().is_none())
}

pub(super) async fn noticed(
    _: May<Read>,
    State(api): State<Api>,
) -> Result<Json<Vec<NoticedSeat>>, ApiError> {
    let directory = directory::current(&api.service).await.map_err(UseCaseError::from)?;
    let seats = directory.noticed().into_iter();
    Ok(Json(seats.map(|(person, notice)| NoticedSeat::new(&person.account, &notice)).collect()))
}

pub(super) async fn restore(
    may: May<Manage>,
    State(api): State<Api>,
    extract::Json(request): extract::Json<RestoreRequest>,
) -> Result<Json<ReclaimedSeat>, ApiError> {
    let who = Who::parse(&request.account, source(request.source.as_deref())?)?;
    let account = licenses::restore(&api.service, &who, may.actor()).await?;
    Ok(Json(ReclaimedSeat::from(&account)))
}

pub(super) async fn ending(
    may: May<Read>,
    State(api): State<Api>,
    Asked(query): Asked<EndingQuery>,
) -> Result<Json<Vec<EndingView>>, ApiError> {
    let now = api.service.clock.now();
    let until = query.until.unwrap_or(fiscal_year_end(day_of(&api.service, now)));
    let sees_plans = may.operator().may(Act::Approve, now);
    let found = ending::ending(&api.service, until, sees_plans).await?;
    Ok(Json(found.iter().map(EndingView::from).collect()))
}

pub(super) async fn needs(_: May<Approve>, State(api): State<Api>) -> Result<Json<Vec<NeedView>>, ApiError> {
    let directory = directory::current(&api.service).await.map_err(UseCaseError::from)?;
    Ok(Json(ending::needs(&directory).into_iter().map(NeedView::from).collect()))
}

pub(super) async fn days(
    _: May<Read>,
    State(api): State<Api>,
    Asked(query): Asked<DaysQuery>,
) -> Result<Json<Vec<DayView>>, ApiError> {
    if let (Some(from), Some(to)) = (query.from, query.to)
        && from > to
    {
        return Err(ApiError::bad_request("`from` is after `to`"));
    }
    let days = series::days_between(&api.service, query.from, query.to).await?;
    Ok(Json(days.iter().map(DayView::from).collect()))
}
