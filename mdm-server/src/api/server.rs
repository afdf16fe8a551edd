//! `/server`: where the server itself stands.

use axum::Json;
use axum::extract::State;

use super::Api;
use super::auth::May;
use super::types::{QuarantineView, ServerView};
use crate::rights::Read;

pub(super) async fn show(_: May<Read>, State(api): State<Api>) -> Json<ServerView> {
    Json(ServerView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        quarantine: api.service.quarantine().map(QuarantineView::from),
    })
}
