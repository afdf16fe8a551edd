//! What an answer that is no success says: status, a code for programs, words for people.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use mdm_store::CommitError;

use super::types::{ErrorBody, ErrorInfo};
use crate::documents::ContentError;
use crate::use_cases::UseCaseError;
use crate::use_cases::batches::UploadError;

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// A request that cannot be understood: which part, and what it should be.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    /// A body beyond its limit.
    pub(super) fn too_large(limit: usize) -> Self {
        let message =
            format!("the body is larger than {limit} bytes, which is the limit: send less at a time");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message)
    }

    pub(super) fn unauthorised() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorised",
            "a valid API token is needed: send it as `Authorization: Bearer …`",
        )
    }

    pub(super) fn too_many_wrong_tokens() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-wrong-tokens",
            "too many wrong tokens from this address: look which program sends them and wait a minute",
        )
    }

    pub(super) fn no_such_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no-such-route", "there is nothing here: the API is under /api/v1")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "this path does not take this method: see the header `Allow`",
        )
    }

    fn contents(error: ContentError) -> Self {
        let (status, code) = match &error {
            ContentError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            ContentError::TooMuch { .. } => (StatusCode::INSUFFICIENT_STORAGE, "too-much"),
            ContentError::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, "disk-full"),
            ContentError::Missing | ContentError::Damaged | ContentError::Io(_) => {
                return Self::internal(&error.into());
            }
        };
        Self::new(status, code, error.to_string())
    }

    /// Of our own fault: the cause is for the log.
    fn internal(error: &UseCaseError) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string())
    }
}

impl From<UseCaseError> for ApiError {
    fn from(error: UseCaseError) -> Self {
        match error {
            UseCaseError::NotFound(what) => Self::new(StatusCode::NOT_FOUND, "not-found", what.to_string()),
            UseCaseError::Refused(why) => Self::new(StatusCode::CONFLICT, "refused", why.to_string()),
            UseCaseError::Commit(CommitError::Conflict(_)) => Self::new(
                StatusCode::CONFLICT,
                "conflict",
                "others change the same things again and again: nothing was changed; look again and repeat",
            ),
            UseCaseError::Commit(CommitError::Full(problem)) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk-full",
                CommitError::Full(problem).to_string(),
            ),
            UseCaseError::Commit(CommitError::Closed) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "closing",
                "the server is stopping: repeat when it is back",
            ),
            UseCaseError::Contents(error) => Self::contents(error),
            error => Self::internal(&error),
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Sheet(error) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.code(), error.to_string())
            }
            UploadError::Other(error) => error.into(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = ErrorInfo { code: self.code.to_owned(), message: self.message };
        let mut response = (self.status, Json(ErrorBody { error })).into_response();
        let extra = match self.status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            StatusCode::TOO_MANY_REQUESTS => Some((header::RETRY_AFTER, "60")),
            _ => None,
        };
        if let Some((name, value)) = extra {
            response.headers_mut().insert(name, axum::http::HeaderValue::from_static(value));
        }
        response
    }
}
