//! Why there is no page, as a page: what happened, what is safe, what to do. In the viewer's language.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use mdm_core::operator::Role;

use super::page::{Nav, Page};
use super::refusals;
use super::render::render_with;
use super::viewer::Visit;
use super::words::Language;
use crate::use_cases::UseCaseError;
use crate::use_cases::statement::office_zone;

/// Why there is no page.
pub(super) enum Failure {
    /// Nobody is signed in (any more).
    SignedOut {
        /// Whether a person asked, not a page that refreshes itself.
        by_hand: bool,
        /// Where to come back to.
        back: String,
    },
    /// The second factor must be confirmed first.
    Stale {
        /// Where to come back to.
        back: String,
    },
    /// The role does not allow it.
    Forbidden {
        /// Where.
        visit: Box<Visit>,
        /// Whose role.
        role: Role,
    },
    /// The form does not come from a page of this session.
    Forged(Language),
    /// What was sent cannot be read.
    Malformed(Language),
    /// More was sent than is taken.
    TooLarge(Language),
    /// There is no such page.
    NoSuchPage(Language),
    /// A use case was not carried out.
    UseCase(Language, Box<UseCaseError>),
}

impl Failure {
    /// Of a use case.
    pub(super) fn of(visit: &Visit, error: UseCaseError) -> Self {
        Self::UseCase(visit.language, Box::new(error))
    }
}

/// What a failure says.
struct Said {
    status: StatusCode,
    language: Language,
    title: String,
    text: String,
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    page: Page,
    title: String,
    text: String,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let said = match self {
            Self::SignedOut { by_hand: false, .. } => return StatusCode::UNAUTHORIZED.into_response(),
            Self::SignedOut { back, .. } => {
                return Redirect::to(&with_next("/sign-in", &back)).into_response();
            }
            Self::Stale { back } => return Redirect::to(&with_next("/confirm", &back)).into_response(),
            Self::Forbidden { visit, role } => forbidden(visit.language, role),
            Self::Forged(language) => plain(StatusCode::FORBIDDEN, language, "common-forged"),
            Self::Malformed(language) => plain(StatusCode::BAD_REQUEST, language, "common-malformed"),
            Self::TooLarge(language) => plain(StatusCode::PAYLOAD_TOO_LARGE, language, "common-too-large"),
            Self::NoSuchPage(language) => plain(StatusCode::NOT_FOUND, language, "common-no-such-page"),
            Self::UseCase(language, error) => use_case(language, &error),
        };
        let page = Page {
            nav: Nav::Outside,
            who: None,
            notice: None,
            place: "/".to_owned(),
            organisation: String::new(),
            zone: office_zone(),
            language: said.language,
            quarantined: false,
            substitutes: std::sync::Arc::default(),
            now: jiff::Timestamp::UNIX_EPOCH,
        };
        render_with(said.status, &FailurePage { page, title: said.title, text: said.text })
    }
}

fn with_next(page: &str, back: &str) -> String {
    let next: String = form_urlencoded::byte_serialize(back.as_bytes()).collect();
    format!("{page}?next={next}")
}

fn plain(status: StatusCode, language: Language, key: &str) -> Said {
    Said { status, language, title: language.say("common-failed", &[]), text: language.say(key, &[]) }
}

fn forbidden(language: Language, role: Role) -> Said {
    let role = match role {
        Role::Owner => "common-role-owner",
        Role::Operator => "common-role-operator",
        Role::Helpdesk => "common-role-helpdesk",
        Role::Auditor => "common-role-auditor",
    };
    let role = language.say(role, &[]);
    Said {
        status: StatusCode::FORBIDDEN,
        language,
        title: language.say("common-forbidden-title", &[]),
        text: language.say("common-forbidden", &[("role", role.into())]),
    }
}

fn use_case(language: Language, error: &UseCaseError) -> Said {
    let status = match error {
        UseCaseError::NotFound(_) => StatusCode::NOT_FOUND,
        UseCaseError::Refused(_) => StatusCode::CONFLICT,
        _ => {
            tracing::error!(%error, "a page could not be made");
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    Said {
        status,
        language,
        title: language.say("common-failed", &[]),
        text: refusals::text(language, error),
    }
}
