//! axum's extractors with our errors: JSON bodies, queries, ids in paths, uploads and pages.

use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody, JsonRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header;
use axum::http::request::Parts;
use mdm_store::MAX_PAGE;
use serde::de::DeserializeOwned;

use super::types::{DEFAULT_PAGE, MAX_BODY, MAX_UPLOAD};
use super::{Api, ApiError};

/// A JSON body of at most [`MAX_BODY`] bytes.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Api> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        match axum::Json::from_request(request, api).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(JsonRejection::BytesRejection(rejection)) => Err(unread(&rejection, MAX_BODY)),
            Err(rejection) => Err(ApiError::bad_request(rejection.body_text())),
        }
    }
}

fn unread(rejection: &BytesRejection, limit: usize) -> ApiError {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            ApiError::too_large(limit)
        }
        other => ApiError::bad_request(other.body_text()),
    }
}

/// The same where nothing at all, or `null`, says nothing.
pub(super) struct MaybeJson<T>(pub(super) T);

impl<T: DeserializeOwned + Default> FromRequest<Api> for MaybeJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let bytes =
            Bytes::from_request(request, api).await.map_err(|rejection| unread(&rejection, MAX_BODY))?;
        let body = bytes.trim_ascii();
        if body.is_empty() || body == b"null" {
            return Ok(Self(T::default()));
        }
        serde_json::from_slice(body).map(Self).map_err(|error| ApiError::bad_request(error.to_string()))
    }
}

/// The query of the address.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Api> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        match Query::from_request_parts(parts, api).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(ApiError::bad_request(rejection.body_text())),
        }
    }
}

/// The one variable part of the path, read as an id or whatever stands there.
pub(super) struct Named<T>(pub(super) T);

impl<T> FromRequestParts<Api> for Named<T>
where
    T: FromStr + Send,
    T::Err: std::fmt::Display,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, api)
            .await
            .map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
        text.parse().map(Self).map_err(|error| ApiError::bad_request(format!("in the path: {error}")))
    }
}

/// A file of at most [`MAX_UPLOAD`] bytes as the raw body. Refused by its announced length before a byte is read, and by
/// its real length while it arrives (by the limit that the route sets).
pub(super) struct UploadedFile(pub(super) Bytes);

impl FromRequest<Api> for UploadedFile {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let announced: Option<u64> = announced.and_then(|value| value.parse().ok());
        if announced.is_some_and(|length| length > MAX_UPLOAD as u64) {
            return Err(ApiError::too_large(MAX_UPLOAD));
        }
        match Bytes::from_request(request, api).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) => Err(unread(&rejection, MAX_UPLOAD)),
        }
    }
}

/// How many rows a page has.
pub(super) fn page_size(limit: Option<usize>) -> Result<usize, ApiError> {
    match limit.unwrap_or(DEFAULT_PAGE) {
        limit @ 1..=MAX_PAGE => Ok(limit),
        _ => Err(ApiError::bad_request(format!("`limit` is 1 to {MAX_PAGE}"))),
    }
}

/// Where a page begins.
pub(super) fn page_after<T>(after: Option<&str>) -> Result<Option<T>, ApiError>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    let parsed = after.map(str::parse).transpose();
    parsed.map_err(|error: T::Err| {
        ApiError::bad_request(format!("`after` is the `next` of the page before: {error}"))
    })
}
