//! Style, script and emblem: our own, served from the program itself, since pages load nothing from anywhere else.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

fn asset(kind: &'static str, body: &'static str) -> Response {
    // Short: after an update the pages and their style belong together.
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "private, max-age=300")], body).into_response()
}

/// The style.
pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../../assets/console.css"))
}

/// The script.
pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../../assets/live.js"))
}

/// The emblem.
pub(super) async fn emblem() -> Response {
    asset("image/svg+xml", include_str!("../../assets/emblem.svg"))
}
