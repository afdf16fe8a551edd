//! The admins' web console: pages rendered here, complete without a script. Here: which pages there are and what holds for
//! all of them. Not here: what is done ([`crate::use_cases`]), and what is looked up ([`crate::directory`]).
//!
//! Each handler asks for a proof of who looks (`Viewer`, `Fresh`) and of where a form comes from (`Posted`, `Uploaded`); words
//! come from `locales/`.

mod accounts;
mod actors;
mod assets;
mod audit;
pub(crate) mod batches;
#[cfg(test)]
mod browser;
mod choice;
mod codes;
mod dashboard;
mod devices;
mod documents;
mod download;
mod failure;
pub mod forms;
mod invitation;
mod licenses;
mod live;
mod lost;
mod notice;
mod operators;
pub(crate) mod page;
mod pager;
mod posted;
mod printed;
mod quarantine;
mod refusals;
mod render;
mod session;
mod sign_in;
mod substitutes;
#[cfg(test)]
mod tests;
mod typed;
mod viewer;
pub(crate) mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use crate::service::Service;
use failure::Failure;
use session::Sessions;
use viewer::Visit;

/// The most bytes of a form without a file.
const FORM_MAX: usize = 64 * 1024;
/// The most bytes of a form with a staff file: the file and the form around it.
const UPLOAD_MAX: usize = mdm_core::sheet::MAX_BYTES + FORM_MAX;

/// What every page stands on.
#[derive(Clone)]
struct Console {
    service: Arc<Service>,
    sessions: Arc<Sessions>,
    batches: Arc<batches::Work>,
    readers: Arc<audit::Readers>,
}

impl Console {
    fn new(service: Arc<Service>) -> Self {
        Self { service, sessions: Arc::default(), batches: Arc::default(), readers: Arc::default() }
    }
}

/// All pages. Served with `into_make_service_with_connect_info::<SocketAddr>()`, so that sign-ins are counted by source.
pub fn router(service: Arc<Service>) -> Router {
    routes(Console::new(service))
}

fn routes(console: Console) -> Router {
    Router::new()
        .route("/", get(dashboard::show))
        .route("/lost", get(lost::search))
        .route("/lost/report", get(lost::report::form).post(lost::report::report))
        .route("/lost/{account}", get(lost::person))
        .route("/accounts", get(accounts::list::show))
        .route("/accounts/{account}", get(accounts::show::show))
        .route("/accounts/{account}/seat", post(accounts::seat::ask))
        .route("/accounts/{account}/absence", post(accounts::absence::change))
        .route("/accounts/{account}/code", get(accounts::code::form).post(accounts::code::reissue))
        .route("/devices", get(devices::list::show))
        .route("/devices/{device}", get(devices::show::show))
        .route("/devices/{device}/block", get(devices::order::block_form).post(devices::order::block))
        .route("/devices/{device}/unblock", get(devices::order::unblock_form).post(devices::order::unblock))
        .route("/devices/{device}/wipe", get(devices::wipe::form).post(devices::wipe::wipe))
        .route("/devices/{device}/reset-attempts", get(devices::reset::form).post(devices::reset::reset))
        .route("/devices/{device}/receipt", get(devices::receipt::download))
        .route("/sign-in", get(sign_in::form).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/confirm", get(sign_in::confirm_form).post(sign_in::confirm))
        .route("/invitation/{code}", get(invitation::form).post(invitation::accept))
        .route("/language/{tag}", get(sign_in::choose_language))
        .route("/substitutes", get(substitutes::show).post(substitutes::change))
        .route("/operators", get(operators::list))
        .route("/operators/invite", get(operators::invite_form).post(operators::invite))
        .route("/operators/{id}", get(operators::show))
        .route("/operators/{id}/role", post(operators::set_role))
        .route("/operators/{id}/reinvite", post(operators::reinvite))
        .route("/operators/{id}/disable", post(operators::disable))
        .route("/operators/{id}/enable", post(operators::enable))
        .route("/operators/{id}/deputy", post(operators::deputy::name))
        .route("/operators/{id}/end-deputy", post(operators::deputy::end))
        .route("/operators/{id}/token", post(operators::make_token))
        .route("/operators/{id}/revoke-token", post(operators::revoke_token))
        .route("/batches", get(batches::list))
        .route(
            "/batches/new",
            get(batches::upload::form).post(batches::upload::upload).layer(DefaultBodyLimit::max(UPLOAD_MAX)),
        )
        .route("/batches/{id}", get(batches::plan::show))
        .route("/batches/{id}/difference", get(batches::difference::show))
        .route("/batches/{id}/rejected", get(batches::rejected::download))
        .route(
            "/batches/{id}/mend",
            get(batches::mend::form).post(batches::mend::mend).layer(DefaultBodyLimit::max(UPLOAD_MAX)),
        )
        .route("/batches/{id}/decided", post(batches::decide::decide))
        .route("/batches/{id}/columns/forget", post(batches::columns::forget))
        .route("/batches/{id}/mail", get(batches::mail::show).post(batches::mail::queue))
        .route("/batches/{id}/mail/cancel", post(batches::mail::cancel))
        .route("/batches/{id}/undo", get(batches::undo::form).post(batches::undo::plan))
        .route("/batches/{id}/apply", get(batches::apply::form).post(batches::apply::apply))
        .route("/batches/{id}/approve", get(batches::approve::form).post(batches::approve::approve))
        .route("/batches/{id}/cancel", get(batches::cancel::form).post(batches::cancel::cancel))
        .route("/batches/{id}/acknowledge", post(batches::approve::acknowledge))
        .route("/documents", get(documents::list))
        .route(
            "/documents/new",
            get(documents::edit::new_form).post(documents::edit::publish).layer(DefaultBodyLimit::disable()),
        )
        .route(
            "/documents/new-notice",
            get(documents::edit::new_notice_form)
                .post(documents::edit::publish_notice)
                .layer(DefaultBodyLimit::disable()),
        )
        .route("/documents/{id}", get(documents::show::show))
        .route(
            "/documents/{id}/replace",
            get(documents::edit::replace_form)
                .post(documents::edit::replace)
                .layer(DefaultBodyLimit::disable()),
        )
        .route(
            "/documents/{id}/unpublish",
            get(documents::show::unpublish_form).post(documents::show::unpublish),
        )
        .route("/documents/{id}/content", get(documents::show::content))
        .route("/licenses", get(licenses::show))
        .route("/licenses/pool", get(licenses::pool::form).post(licenses::pool::set))
        .route("/licenses/unused", get(licenses::unused::list))
        .route("/licenses/ending", get(licenses::ending::list))
        .route("/licenses/waiting", get(licenses::waiting::list).post(licenses::waiting::add))
        .route("/licenses/noticed", get(licenses::noticed::list).post(licenses::noticed::restore))
        .route("/licenses/reclaim", get(licenses::reclaim::preview).post(licenses::reclaim::reclaim))
        .route("/codes", get(codes::form).post(codes::export))
        .route("/codes/letters", post(codes::letters))
        .route("/quarantine", get(quarantine::show).post(quarantine::confirm))
        .route("/audit", get(audit::search::show))
        .route("/audit/journal.jsonl", get(audit::export::journal))
        .route("/audit/entries.csv", get(audit::export::table))
        .route("/audit/checkpoint.json", get(audit::export::checkpoint))
        .route("/live", get(live::ticks))
        .fallback(async |visit: Visit| Failure::NoSuchPage(visit.language))
        .method_not_allowed_fallback(async |visit: Visit| Failure::Malformed(visit.language))
        .layer(DefaultBodyLimit::max(FORM_MAX))
        .layer(from_fn(changes_come_from_here))
        .layer(from_fn(refusals_are_pages))
        .layer(map_response(not_to_be_kept))
        .route("/assets/console.css", get(assets::style))
        .route("/assets/live.js", get(assets::script))
        .route("/assets/emblem.svg", get(assets::emblem))
        .layer(map_response(confined))
        .with_state(console)
}

/// Nothing is changed by a request that another site made.
async fn changes_come_from_here(request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && !posted::is_from_here(request.headers()) {
        let (parts, _) = request.into_parts();
        return Failure::Forged(Visit::of(&parts).language).into_response();
    }
    next.run(request).await
}

/// What axum refuses by itself (a query that cannot be read, a body too large) it says in bare English.
async fn refusals_are_pages(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let language = Visit::of(&parts).language;
    let response = next.run(Request::from_parts(parts, body)).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_bare = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE if is_bare => Failure::TooLarge(language).into_response(),
        status if is_bare && status.is_client_error() && status != StatusCode::UNAUTHORIZED => {
            Failure::Malformed(language).into_response()
        }
        _ => response,
    }
}

/// Pages hold names and states: nothing on the way keeps them.
async fn not_to_be_kept(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A page loads its style, script and emblem from here and nothing else from anywhere, runs no script of its own text, and
/// stands in nobody's frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                                       connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

async fn confined(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 5] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
