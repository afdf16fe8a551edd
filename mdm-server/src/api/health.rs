//! For load balancers and supervisors. Neither says anything of the organisation, so neither asks for a token.

use axum::extract::State;
use axum::http::StatusCode;

use super::{Api, ApiError};

/// The process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Devices are answered, so this is no failure: the server must not be taken out of service.
const QUARANTINE: &str = "ready, in quarantine: the server opens no vault and enrols nobody until a newer journal is loaded or an owner \
                          confirms in the console which devices were wiped\n\
                          隔離中: 新しい監査記録を読み込むか、責任者がコンソールで遠隔消去した端末を確認するまで、解錠と登録を止めています\n";

/// The store answers too.
pub(super) async fn readyz(State(api): State<Api>) -> Result<&'static str, ApiError> {
    match api.service.store.journal_head().await {
        Ok(_) if api.service.quarantine().is_some() => Ok(QUARANTINE),
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
