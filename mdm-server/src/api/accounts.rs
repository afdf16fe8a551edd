//! `/accounts`: looking people up.

use axum::Json;
use axum::extract::State;
use mdm_core::account::SourceName;

use super::auth::May;
use super::extract::{Asked, Named, page_after, page_size};
use super::types::{AccountDetail, AccountQuery, AccountView, Page};
use super::{Api, ApiError};
use crate::directory::Search;
use crate::rights::Read;
use crate::use_cases::accounts::{self, Listing, Who};

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
