//! `/audit`: the journal for those who check it.

use axum::Json;
use axum::extract::State;

use super::auth::May;
use super::extract::{Asked, page_after, page_size};
use super::types::{CheckpointView, EntryView, Page, PageQuery};
use super::{Api, ApiError};
use crate::rights::Audit;
use crate::use_cases::journal;

pub(super) async fn entries(
    may: May<Audit>,
    State(api): State<Api>,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<EntryView>>, ApiError> {
    let after = page_after(query.after.as_deref())?.unwrap_or(0);
    let limit = page_size(query.limit)?;
    let entries = journal::entries(&api.service, after, limit, may.actor()).await?;
    let next = entries.last().filter(|_| entries.len() == limit).map(|last| last.sequence.to_string());
    Ok(Json(Page { items: entries.iter().map(EntryView::from).collect(), next }))
}

pub(super) async fn checkpoint(
    _: May<Audit>,
    State(api): State<Api>,
) -> Result<Json<CheckpointView>, ApiError> {
    Ok(Json(CheckpointView::from(&journal::checkpoint(&api.service).await?)))
}
