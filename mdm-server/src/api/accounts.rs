//! `/accounts`: looking people up.

use axum::Json;
use axum::extract::State;
use mdm_core::absence::Absence;
use mdm_core::account::SourceName;

use super::auth::May;
use super::extract::{self, Asked, Named, page_after, page_size};
use super::types::{AbsenceView, AccountDetail, AccountQuery, AccountView, Page, RemoveAbsenceRequest};
use super::{Api, ApiError};
use crate::directory::Search;
use crate::rights::{Manage, Read};
use crate::use_cases::accounts::{self, Listing, Who, absence};

/// Reads the name of a source.
pub(super) fn source(text: Option<&str>) -> Result<Option<SourceName>, ApiError> {
    text.map(SourceName::new).transpose().map_err(|error| ApiError::bad_request(format!("`source`: {error}")))
}

pub(super) async fn list(
    _: May<Read>,
    State(api): State<Api>,
    Asked(query): Asked<AccountQuery>,
) -> Result<Json<Page<AccountView>>, ApiError> {
    let search = Search {
        text: query.search.unwrap_or_default(),
        source: source(query.source.as_deref())?,
        ..Search::default()
    };
    let after = page_after(query.after.as_deref())?;
    let Listing { rows, next } =
        accounts::list(&api.service, &search, after, page_size(query.limit)?).await?;
    let items = rows.iter().map(AccountView::from).collect();
    Ok(Json(Page { items, next: next.map(|id| id.to_string()) }))
}

pub(super) async fn show(
    _: May<Read>,
    State(api): State<Api>,
    Named(account): Named<String>,
    Asked(query): Asked<AccountQuery>,
) -> Result<Json<AccountDetail>, ApiError> {
    let who = Who::parse(&account, source(query.source.as_deref())?)?;
    let detail = accounts::show(&api.service, &who).await?;
    Ok(Json(AccountDetail::new(&detail, api.service.clock.now())))
}

pub(super) async fn note_absence(
    may: May<Manage>,
    State(api): State<Api>,
    Named(account): Named<String>,
    Asked(query): Asked<AccountQuery>,
    extract::Json(absence): extract::Json<AbsenceView>,
) -> Result<Json<Vec<AbsenceView>>, ApiError> {
    let who = Who::parse(&account, source(query.source.as_deref())?)?;
    let AbsenceView { from, until } = absence;
    let account = absence::note(&api.service, &who, Absence { from, until }, may.actor()).await?;
    Ok(Json(account.absences.iter().map(AbsenceView::from).collect()))
}

pub(super) async fn remove_absence(
    may: May<Manage>,
    State(api): State<Api>,
    Named(account): Named<String>,
    Asked(query): Asked<AccountQuery>,
    extract::Json(request): extract::Json<RemoveAbsenceRequest>,
) -> Result<Json<Vec<AbsenceView>>, ApiError> {
    let who = Who::parse(&account, source(query.source.as_deref())?)?;
    let account = absence::remove(&api.service, &who, request.from, may.actor()).await?;
    Ok(Json(account.absences.iter().map(AbsenceView::from).collect()))
}
