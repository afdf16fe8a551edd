//! `/api/v1`: the HTTPS API, JSON over axum. Here: routes, who may call them, limits, and statuses of errors. Not here:
//! what a call does ([`crate::use_cases`]) and TLS ([`crate::server`]).

mod accounts;
mod audit;
mod auth;
mod batches;
mod codes;
mod columns;
mod csv;
mod devices;
mod documents;
mod error;
mod extract;
mod health;
mod licenses;
mod mail;
mod operators;
mod server;
mod substitutes;
#[cfg(test)]
mod tests;
pub mod types;
mod views;
mod waitlist;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, post};

use crate::service::Service;
use auth::WrongTokens;
use error::ApiError;

/// What every route stands on.
#[derive(Clone)]
struct Api {
    service: Arc<Service>,
    wrong_tokens: Arc<WrongTokens>,
}

/// All routes; beside the console's, which have the rest of the paths. Served with `into_make_service_with_connect_info::<SocketAddr>()`, so that wrong tokens are counted by
/// source address; without it all callers are one source.
pub fn router(service: Arc<Service>) -> Router {
    let api = Api { service, wrong_tokens: Arc::default() };
    Router::new()
        .nest("/api/v1", v1())
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(DefaultBodyLimit::max(types::MAX_BODY))
        .layer(axum::middleware::map_response(not_to_be_kept))
        .with_state(api)
}

/// Answers hold names and codes: nothing on the way keeps them, and no browser guesses at what they are.
async fn not_to_be_kept(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn v1() -> Router<Api> {
    Router::new()
        .route(
            "/batches",
            get(batches::list).post(batches::upload).layer(DefaultBodyLimit::max(types::MAX_UPLOAD)),
        )
        .route("/batches/{id}", get(batches::show))
        .route("/batches/{id}/items", get(batches::items))
        .route("/batches/{id}/difference", get(batches::difference))
        .route("/batches/{id}/rejected", get(batches::rejected))
        .route("/batches/{id}/mended", post(batches::mend).layer(DefaultBodyLimit::max(types::MAX_UPLOAD)))
        .route("/batches/{id}/decided", post(batches::decide))
        .route("/batches/{id}/approve", post(batches::approve))
        .route("/batches/{id}/schedule", post(batches::schedule))
        .route("/batches/{id}/apply", post(batches::apply))
        .route("/batches/{id}/undo", post(batches::undo))
        .route("/batches/{id}/cancel", post(batches::cancel))
        .route("/batches/{id}/mail", get(mail::results).post(mail::queue))
        .route("/batches/{id}/mail/cancel", post(mail::cancel))
        .route("/batches/{id}/acknowledge", post(batches::acknowledge))
        .route("/codes/export", post(codes::export))
        .route("/codes/letters", post(codes::letters))
        .route("/accounts", get(accounts::list))
        .route("/accounts/{account}", get(accounts::show))
        .route("/accounts/{account}/absences", post(accounts::note_absence))
        .route("/accounts/{account}/absences/removed", post(accounts::remove_absence))
        .route("/accounts/{account}/code", post(codes::reissue))
        .route("/licenses", get(licenses::status))
        .route("/licenses/pool", axum::routing::put(licenses::set_pool))
        .route("/licenses/reclaim", post(licenses::reclaim))
        .route("/licenses/noticed", get(licenses::noticed))
        .route("/licenses/ending", get(licenses::ending))
        .route("/licenses/days", get(licenses::days))
        .route("/licenses/needs", get(licenses::needs))
        .route("/licenses/restore", post(licenses::restore))
        .route("/waitlist", get(waitlist::list).post(waitlist::add))
        .route("/devices", get(devices::list))
        .route("/devices/{id}", get(devices::show))
        .route("/devices/{id}/block", post(devices::block))
        .route("/devices/{id}/unblock", post(devices::unblock))
        .route("/devices/{id}/wipe", post(devices::wipe))
        .route("/devices/{id}/reset-attempts", post(devices::reset_attempts))
        .route("/documents", get(documents::list).post(documents::publish).layer(DefaultBodyLimit::disable()))
        .route(
            "/documents/{id}",
            get(documents::show).put(documents::replace).layer(DefaultBodyLimit::disable()),
        )
        .route("/documents/{id}/unpublish", post(documents::unpublish))
        .route("/documents/{id}/content", get(documents::content))
        .route("/operators", get(operators::list).post(operators::invite))
        .route("/operators/{operator}/invitation", post(operators::reinvite))
        .route("/operators/{operator}/role", axum::routing::put(operators::set_role))
        .route(
            "/operators/{operator}/deputy",
            axum::routing::put(operators::set_deputy).delete(operators::end_deputy),
        )
        .route("/operators/{operator}/disable", post(operators::disable))
        .route("/operators/{operator}/enable", post(operators::enable))
        .route("/operators/{operator}/token", post(operators::make_token).delete(operators::revoke_token))
        .route("/columns", get(columns::list).put(columns::change))
        .route("/substitutes", get(substitutes::list).put(substitutes::change))
        .route("/server", get(server::show))
        .route("/audit/entries", get(audit::entries))
        .route("/audit/checkpoint", get(audit::checkpoint))
        .fallback(async || ApiError::no_such_route())
}
