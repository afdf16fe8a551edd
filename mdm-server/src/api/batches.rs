//! `/batches`: staff files, their plans, and applying a plan.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mdm_core::account::{InvalidStaffNumber, SourceName, StaffNumber};
use mdm_core::sheet::{Declared, Delimiter, Encoding, MAX_PADDING};
use shared::ids::BatchId;

use super::auth::May;
use super::extract::{self, Asked, Named, UploadedFile, page_after, page_size};
use super::types::{AppliedView, BatchView, ItemView, Page, PageQuery, UndoRequest, UploadQuery};
use super::{Api, ApiError};
use crate::rights::{Manage, Read};
use crate::use_cases::UseCaseError;
use crate::use_cases::batches::undo::{Chosen, plan_undo};
use crate::use_cases::batches::{self, Upload};

pub(super) async fn upload(
    may: May<Manage>,
    State(api): State<Api>,
    Asked(query): Asked<UploadQuery>,
    UploadedFile(bytes): UploadedFile,
) -> Result<(StatusCode, Json<BatchView>), ApiError> {
    let source = SourceName::new(&query.source);
    let source = source.map_err(|error| ApiError::bad_request(format!("`source`: {error}")))?;
    let encoding = query.encoding.as_deref().map(str::parse::<Encoding>).transpose();
    let encoding = encoding.map_err(|error| ApiError::bad_request(format!("`encoding`: {error}")))?;
    let unknown = || ApiError::bad_request("`delimiter`: write comma, tab or semicolon".to_owned());
    let delimiter = query.delimiter.as_deref().map(|name| Delimiter::of_name(name).ok_or_else(unknown));
    let declared = Declared {
        encoding,
        delimiter: delimiter.transpose()?,
        pad_numbers_to: padding(query.pad_numbers_to)?,
    };
    let upload = Upload { source, mode: query.mode, declared, file_name: query.file_name };
    let batch = batches::upload(&api.service, bytes, upload, may.actor()).await?;
    Ok((StatusCode::CREATED, Json(BatchView::from(&batch))))
}

fn padding(asked: Option<u8>) -> Result<Option<u8>, ApiError> {
    match asked {
        Some(width) if !(1..=MAX_PADDING).contains(&width) => {
            Err(ApiError::bad_request(format!("`pad_numbers_to`: write a length from 1 to {MAX_PADDING}")))
        }
        asked => Ok(asked),
    }
}

pub(super) async fn list(
    _: May<Read>,
    State(api): State<Api>,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<BatchView>>, ApiError> {
    let limit = page_size(query.limit)?;
    let batches = batches::list(&api.service, page_after(query.after.as_deref())?, limit).await?;
    let next = batches.last().filter(|_| batches.len() == limit).map(|last| last.id.to_string());
    Ok(Json(Page { items: batches.iter().map(BatchView::from).collect(), next }))
}

pub(super) async fn show(
    _: May<Read>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
) -> Result<Json<BatchView>, ApiError> {
    Ok(Json(BatchView::from(&batches::show(&api.service, id).await?)))
}

pub(super) async fn items(
    _: May<Read>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<ItemView>>, ApiError> {
    let after = page_after(query.after.as_deref())?.unwrap_or(0);
    let limit = page_size(query.limit)?;
    let lines = batches::items(&api.service, id, after, limit).await?;
    let next = lines.last().filter(|_| lines.len() == limit).map(|last| last.position.to_string());
    Ok(Json(Page { items: lines.iter().map(ItemView::from).collect(), next }))
}

pub(super) async fn apply(
    may: May<Manage>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
) -> Result<Json<AppliedView>, ApiError> {
    Ok(Json(AppliedView::from(&batches::apply(&api.service, id, may.actor()).await?)))
}

pub(super) async fn undo(
    may: May<Manage>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
    extract::Json(request): extract::Json<UndoRequest>,
) -> Result<(StatusCode, Json<BatchView>), ApiError> {
    let numbers: Result<Vec<StaffNumber>, InvalidStaffNumber> =
        request.staff_numbers.iter().map(|number| StaffNumber::new(number)).collect();
    let chosen = Chosen { numbers: numbers.map_err(UseCaseError::from)?, departments: request.departments };
    let batch = plan_undo(&api.service, id, &chosen, may.actor()).await?;
    Ok((StatusCode::CREATED, Json(BatchView::from(&batch))))
}
