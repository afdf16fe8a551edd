//! `/batches`: staff files, their plans, and a plan's way into force.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse;
use data_encoding::HEXLOWER_PERMISSIVE;
use jiff::Timestamp;
use mdm_core::account::{InvalidStaffNumber, SourceName, StaffNumber};
use mdm_core::approval::{Consent, Words};
use mdm_core::batch::Batch;
use mdm_core::identity::MAX_DECIDED;
use mdm_core::operator::Act;
use mdm_core::sheet::{Declared, Delimiter, Encoding, MAX_PADDING};
use shared::ids::BatchId;

use super::auth::May;
use super::extract::{self, Asked, MaybeJson, Named, UploadedFile, page_after, page_size};
use super::types::{
    AppliedView, ApplyRequest, ApproveRequest, BatchView, CancelRequest, DecideRequest, DifferenceQuery,
    DifferenceView, ItemView, LanguageQuery, MendQuery, Page, PageQuery, ScheduleRequest, UndoRequest,
    UploadQuery,
};
use super::{Api, ApiError, columns};
use crate::console::batches::rejected;
use crate::console::words::Language;
use crate::rights::{Approve, Manage, Operators, Read};
use crate::use_cases::UseCaseError;
use crate::use_cases::batches::compare::{Wanted, compare};
use crate::use_cases::batches::mend::Mended;
use crate::use_cases::batches::release::{self, effective_time, may_see_lines};
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
    let encoding = encoding(query.encoding.as_deref())?;
    let unknown = || ApiError::bad_request("`delimiter`: write comma, tab or semicolon".to_owned());
    let delimiter = query.delimiter.as_deref().map(|name| Delimiter::of_name(name).ok_or_else(unknown));
    let declared = Declared {
        encoding,
        delimiter: delimiter.transpose()?,
        pad_numbers_to: padding(query.pad_numbers_to)?,
        columns: columns::said(query.columns.as_deref())?,
        ..Declared::default()
    };
    let effective_at = query.effective_at.as_deref().map(|text| time(&api, text)).transpose()?;
    let UploadQuery { mode, file_name, temporary_until, .. } = query;
    let upload = Upload { source, mode, declared, file_name, effective_at, temporary_until };
    let batch = batches::upload(&api.service, bytes, upload, may.actor()).await?;
    Ok((StatusCode::CREATED, Json(view(&may, &api, &batch))))
}

fn encoding(asked: Option<&str>) -> Result<Option<Encoding>, ApiError> {
    let encoding = asked.map(str::parse::<Encoding>).transpose();
    encoding.map_err(|error| ApiError::bad_request(format!("`encoding`: {error}")))
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
    may: May<Read>,
    State(api): State<Api>,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<BatchView>>, ApiError> {
    let limit = page_size(query.limit)?;
    let batches = batches::list(&api.service, page_after(query.after.as_deref())?, limit).await?;
    let next = batches.last().filter(|_| batches.len() == limit).map(|last| last.id.to_string());
    Ok(Json(Page { items: batches.iter().map(|batch| view(&may, &api, batch)).collect(), next }))
}

pub(super) async fn show(
    may: May<Read>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
) -> Result<Json<BatchView>, ApiError> {
    Ok(Json(view(&may, &api, &batches::show(&api.service, id).await?)))
}

/// As much of it as the caller may see.
fn view<R>(may: &May<R>, api: &Api, batch: &Batch) -> BatchView {
    if may_see_lines(batch, may.operator(), api.service.clock.now()) {
        BatchView::whole(batch, &api.service.config.batches.rules())
    } else {
        BatchView::outline(batch)
    }
}

/// Refuses who may not see a plan that is not in force. The journal hears of it.
pub(super) async fn must_see_lines<R>(may: &May<R>, api: &Api, batch: &Batch) -> Result<(), ApiError> {
    if may_see_lines(batch, may.operator(), api.service.clock.now()) {
        return Ok(());
    }
    api.service.refusals.note(&api.service, may.operator(), Act::Approve).await;
    let message =
        "the plan is not in force: until then only those who manage and approve batches see its lines";
    Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message))
}

pub(super) async fn items(
    may: May<Read>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<ItemView>>, ApiError> {
    let after = page_after(query.after.as_deref())?.unwrap_or(0);
    let limit = page_size(query.limit)?;
    let batch = batches::show(&api.service, id).await?;
    must_see_lines(&may, &api, &batch).await?;
    let lines = batches::items(&api.service, id, after, limit).await?;
    let next = lines.last().filter(|_| lines.len() == limit).map(|last| last.position.to_string());
    Ok(Json(Page { items: lines.iter().map(ItemView::from).collect(), next }))
}

/// What a plan says differently than an older one of its source. Who asks may see both.
pub(super) async fn difference(
    may: May<Read>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
    Asked(query): Asked<DifferenceQuery>,
) -> Result<Json<DifferenceView>, ApiError> {
    let (after, limit) = (page_after(query.after.as_deref())?.unwrap_or(0), page_size(query.limit)?);
    let [older, newer] =
        [batches::show(&api.service, query.older).await?, batches::show(&api.service, id).await?];
    for batch in [&older, &newer] {
        must_see_lines(&may, &api, batch).await?;
    }
    let found = compare(&api.service, &older, &newer, Wanted { only: None, after, limit }).await?;
    let shown = after.saturating_add(found.people.len());
    let next = (!found.people.is_empty() && shown < found.count(None)).then(|| shown.to_string());
    Ok(Json(DifferenceView { next, ..DifferenceView::from(&found) }))
}

/// The rejected rows as the upload was written, to be mended and uploaded again.
pub(super) async fn rejected(
    may: May<Manage>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
    Asked(query): Asked<LanguageQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let unknown = || ApiError::bad_request("`language`: write ja or en".to_owned());
    let language = query.language.as_deref().unwrap_or("ja");
    let language = Language::by_tag(language).ok_or_else(unknown)?;
    let batch = batches::show(&api.service, id).await?;
    must_see_lines(&may, &api, &batch).await?;
    let file = rejected::file(&api.service, &batch, language).await?;
    let name = format!("attachment; filename=\"{}\"", file.name);
    Ok(([(CONTENT_TYPE, file.kind.to_owned()), (CONTENT_DISPOSITION, name)], file.bytes))
}

/// Mended rows come back into the plan that rejected them.
pub(super) async fn mend(
    may: May<Manage>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
    Asked(query): Asked<MendQuery>,
    UploadedFile(bytes): UploadedFile,
) -> Result<(StatusCode, Json<BatchView>), ApiError> {
    let first = batches::show(&api.service, id).await?;
    must_see_lines(&may, &api, &first).await?;
    let declared = Declared { encoding: encoding(query.encoding.as_deref())?, ..Declared::default() };
    let mended = Mended { declared, file_name: query.file_name, ..Mended::default() };
    let batch = batches::mend::mend(&api.service, id, bytes, mended, may.actor()).await?;
    Ok((StatusCode::CREATED, Json(view(&may, &api, &batch))))
}

/// Says of rows that are possibly about another person who they are.
pub(super) async fn decide(
    may: May<Manage>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
    extract::Json(request): extract::Json<DecideRequest>,
) -> Result<(StatusCode, Json<BatchView>), ApiError> {
    let first = batches::show(&api.service, id).await?;
    must_see_lines(&may, &api, &first).await?;
    if request.rows.is_empty() || request.rows.len() > MAX_DECIDED {
        return Err(ApiError::bad_request(format!("`rows`: say of 1 to {MAX_DECIDED} rows who they are")));
    }
    let said = request.rows.into_iter().map(|one| (one.row, one.whose)).collect();
    let batch = batches::mend::decide(&api.service, id, said, may.actor()).await?;
    Ok((StatusCode::CREATED, Json(view(&may, &api, &batch))))
}

pub(super) async fn approve(
    may: May<Approve>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
    extract::Json(request): extract::Json<ApproveRequest>,
) -> Result<Json<BatchView>, ApiError> {
    let wrong = || {
        ApiError::bad_request("`plan_digest`: write the 64 hexadecimal digits that the plan was shown with")
    };
    let looked_at = HEXLOWER_PERMISSIVE.decode(request.plan_digest.trim().as_bytes()).map_err(|_| wrong())?;
    let words = Words {
        looked_at: looked_at.try_into().map_err(|_| wrong())?,
        consent: Consent { leavers: request.confirm_leavers },
        emergency: request.emergency_reason.as_deref(),
    };
    let batch = release::approve(&api.service, id, may.operator(), words).await?;
    Ok(Json(view(&may, &api, &batch)))
}

pub(super) async fn schedule(
    may: May<Manage>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
    extract::Json(request): extract::Json<ScheduleRequest>,
) -> Result<Json<BatchView>, ApiError> {
    let time = time(&api, &request.effective_at)?;
    let consent = Consent { leavers: request.confirm_leavers };
    let batch = release::schedule(&api.service, id, time, consent, may.actor()).await?;
    Ok(Json(view(&may, &api, &batch)))
}

/// An effective time as it is typed.
fn time(api: &Api, text: &str) -> Result<Timestamp, ApiError> {
    let time = effective_time(text, &api.service.config.zone());
    time.map_err(|error| ApiError::bad_request(format!("`effective_at`: {error}")))
}

pub(super) async fn cancel(
    may: May<Manage>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
    extract::Json(request): extract::Json<CancelRequest>,
) -> Result<Json<BatchView>, ApiError> {
    let batch = release::cancel(&api.service, id, &request.reason, may.actor()).await?;
    Ok(Json(view(&may, &api, &batch)))
}

pub(super) async fn acknowledge(
    may: May<Operators>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
) -> Result<Json<BatchView>, ApiError> {
    let batch = release::acknowledge(&api.service, id, may.actor()).await?;
    Ok(Json(view(&may, &api, &batch)))
}

pub(super) async fn apply(
    may: May<Manage>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
    MaybeJson(request): MaybeJson<ApplyRequest>,
) -> Result<Json<AppliedView>, ApiError> {
    let consent = Consent { leavers: request.confirm_leavers };
    let done = batches::apply(&api.service, id, consent, may.actor()).await?;
    Ok(Json(AppliedView::new(&done, &api.service.config.batches.rules())))
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
    Ok((StatusCode::CREATED, Json(view(&may, &api, &batch))))
}
