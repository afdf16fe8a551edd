//! For load balancers and supervisors. Neither says anything of the organisation, so neither asks for a token.

use axum::extract::State;
use axum::http::StatusCode;

use super::{Api, ApiError};

/// The process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The store answers too.
pub(super) async fn readyz(State(api): State<Api>) -> Result<&'static str, ApiError> {
    match api.service.store.journal_head().await {
        Ok(_) => Ok("ready\n"),
        Err(error) => {
            tracing::error!(%error, "not ready");
            Err(ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "not-ready",
                "the database does not answer: look into the server's log",
            ))
        }
    }
}
