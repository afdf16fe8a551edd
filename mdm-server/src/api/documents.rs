//! `/documents`: published documents. An upload is `multipart/form-data` (RFC 7578) of two parts: `document`, JSON, then
//! `file`. Nothing of the file is read before what is said of it is found acceptable.

use axum::Json;
use axum::body::Body;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest as _, Multipart, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use mdm_core::account::SourceName;
use mdm_core::document::{Document, Folder, Label, MediaType, Title};
use shared::ids::DocumentId;

use super::auth::May;
use super::extract::{Asked, Named, page_size};
use super::types::{
    AudienceWord, DOCUMENT_PART, DepartmentWord, DocumentRequest, DocumentView, FILE_PART, MAX_BODY, Page,
    PageQuery,
};
use super::{Api, ApiError};
use crate::directory;
use crate::documents::{ContentError, Received};
use crate::rights::{Manage, Read};
use crate::service::Service;
use crate::use_cases::accounts::Who;
use crate::use_cases::documents::{self, DepartmentWish, ReceiveError, Wish};
use crate::use_cases::{UseCaseError, documents::content_stream};

/// What may stand around the file in an upload.
const AROUND: u64 = 2 * MAX_BODY as u64;

pub(super) async fn list(
    _: May<Read>,
    State(api): State<Api>,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<DocumentView>>, ApiError> {
    let limit = page_size(query.limit)?;
    let wrong = |error| ApiError::bad_request(format!("`after` is the `next` of the page before: {error}"));
    let skip = query.after.as_deref().map(str::parse::<usize>).transpose().map_err(wrong)?.unwrap_or(0);
    let directory = directory::current(&api.service).await.map_err(UseCaseError::from)?;
    let (rules, now) = (api.service.config.documents.reading_rules(), api.service.clock.now());
    let all = directory.documents();
    let page = all.iter().skip(skip).take(limit);
    let items = page.map(|document| DocumentView::new(document, directory.readers(document, &rules, now)));
    let next = (skip.saturating_add(limit) < all.len()).then(|| (skip + limit).to_string());
    Ok(Json(Page { items: items.collect(), next }))
}

pub(super) async fn show(
    _: May<Read>,
    State(api): State<Api>,
    Named(id): Named<DocumentId>,
) -> Result<Json<DocumentView>, ApiError> {
    let document = documents::show(&api.service, id).await?.value;
    Ok(Json(view(&api.service, &document).await?))
}

pub(super) async fn publish(
    may: May<Manage>,
    State(api): State<Api>,
    request: Request,
) -> Result<(StatusCode, Json<DocumentView>), ApiError> {
    let (label, received) = upload(&api, request).await?;
    let received =
        received.ok_or_else(|| ApiError::bad_request(format!("the part `{FILE_PART}` is missing")))?;
    let document = documents::publish(&api.service, label, received, may.actor()).await?;
    Ok((StatusCode::CREATED, Json(view(&api.service, &document).await?)))
}

pub(super) async fn replace(
    may: May<Manage>,
    State(api): State<Api>,
    Named(id): Named<DocumentId>,
    request: Request,
) -> Result<Json<DocumentView>, ApiError> {
    documents::show(&api.service, id).await?;
    let (label, received) = upload(&api, request).await?;
    let document = documents::replace(&api.service, id, label, received, may.actor()).await?;
    Ok(Json(view(&api.service, &document).await?))
}

pub(super) async fn unpublish(
    may: May<Manage>,
    State(api): State<Api>,
    Named(id): Named<DocumentId>,
) -> Result<Json<DocumentView>, ApiError> {
    let document = documents::unpublish(&api.service, id, may.actor()).await?;
    Ok(Json(view(&api.service, &document).await?))
}

pub(super) async fn content(
    may: May<Manage>,
    State(api): State<Api>,
    Named(id): Named<DocumentId>,
) -> Result<Response, ApiError> {
    let (document, reader) = documents::open(&api.service, id, may.actor()).await?;
    let headers = [
        (CONTENT_TYPE, document.label.media_type.as_str().to_owned()),
        (CONTENT_LENGTH, document.content.size.to_string()),
    ];
    Ok((headers, Body::from_stream(content_stream(reader))).into_response())
}

async fn view(service: &Service, document: &Document) -> Result<DocumentView, UseCaseError> {
    let directory = directory::current(service).await?;
    let readers = directory.readers(document, &service.config.documents.reading_rules(), service.clock.now());
    Ok(DocumentView::new(document, readers))
}

/// Reads both parts; the file may be missing.
async fn upload(api: &Api, request: Request) -> Result<(Label, Option<Received>), ApiError> {
    let largest = api.service.contents.limits().largest;
    if announced(request.headers()).is_some_and(|length| length > largest.saturating_add(AROUND)) {
        return Err(UseCaseError::from(ContentError::TooLarge { largest }).into());
    }
    let malformed = |error: MultipartError| ApiError::bad_request(error.body_text());
    let mut form = Multipart::from_request(request, api)
        .await
        .map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
    let first = form.next_field().await.map_err(malformed)?;
    let first = first.filter(|part| part.name() == Some(DOCUMENT_PART));
    let first = first.ok_or_else(|| ApiError::bad_request(format!("the first part is `{DOCUMENT_PART}`")))?;
    let asked: DocumentRequest = serde_json::from_slice(&bounded(first).await?)
        .map_err(|error| ApiError::bad_request(format!("`{DOCUMENT_PART}`: {error}")))?;
    let announced = asked.size;
    let mut label = label(&api.service, &asked).await?;
    let Some(file) = form.next_field().await.map_err(malformed)? else { return Ok((label, None)) };
    if file.name() != Some(FILE_PART) {
        return Err(ApiError::bad_request(format!("the second part is `{FILE_PART}`")));
    }
    if asked.media_type.is_none()
        && !label.notice
        && let Some(said) = file.content_type().and_then(|said| MediaType::new(said).ok())
    {
        label.media_type = said;
    }
    match documents::receive(&api.service, announced, file).await {
        Ok(received) => Ok((label, Some(received))),
        Err(ReceiveError::Source(error)) => Err(malformed(error)),
        Err(ReceiveError::Refused(error)) => Err(error.into()),
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok())
}

async fn bounded(mut part: Field<'_>) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = part.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| ApiError::bad_request(error.body_text()))?);
        if bytes.len() > MAX_BODY {
            return Err(ApiError::too_large(MAX_BODY));
        }
    }
    Ok(bytes)
}

/// What is said of a document, checked.
async fn label(service: &Service, asked: &DocumentRequest) -> Result<Label, ApiError> {
    let wrong =
        |name: &str, error: &dyn std::fmt::Display| ApiError::bad_request(format!("`{name}`: {error}"));
    let media_type = match &asked.media_type {
        Some(said) => MediaType::new(said).map_err(|error| wrong("media_type", &error))?,
        None if asked.notice => MediaType::text(),
        None => MediaType::unknown(),
    };
    let label = Label {
        title: Title::new(&asked.title).map_err(|error| wrong("title", &error))?,
        folder: Folder::new(&asked.folder).map_err(|error| wrong("folder", &error))?,
        media_type,
        level: asked.level,
        audience: documents::audience(service, &wish(&asked.audience)?).await?,
        notice: asked.notice,
    };
    documents::check(service, &label)?;
    Ok(label)
}

fn wish(asked: &AudienceWord) -> Result<Wish, ApiError> {
    let source = |name: &Option<String>| {
        let source = name.as_deref().map(SourceName::new).transpose();
        source.map_err(|error| ApiError::bad_request(format!("`source`: {error}")))
    };
    Ok(match asked {
        AudienceWord::Organisation => Wish::Organisation,
        AudienceWord::Departments { departments } => {
            let wish = |word: &DepartmentWord| {
                Ok::<_, ApiError>(DepartmentWish { source: source(&word.source)?, name: word.name.clone() })
            };
            Wish::Departments(departments.iter().map(wish).collect::<Result<_, _>>()?)
        }
        AudienceWord::Persons { persons, source: from } => {
            let from = source(from)?;
            let who: Result<_, _> = persons.iter().map(|text| Who::parse(text, from.clone())).collect();
            Wish::Persons(who?)
        }
    })
}
