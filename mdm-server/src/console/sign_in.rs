//! Signing in and out, confirming the second factor, choosing the language. Who may sign in is decided in
//! [`crate::use_cases::sign_in`].

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use serde::Deserialize;

use super::Console;
use super::failure::Failure;
use super::page::{Nav, Page};
use super::posted::Posted;
use super::render::{render, render_with};
use super::viewer::{LANGUAGE_COOKIE, SESSION_COOKIE, Viewer, Visit, local};
use super::words::Language;
use crate::rights::Read;
use crate::use_cases::sign_in::{self, ConfirmError, SignInError};

/// Where to go on.
#[derive(Deserialize)]
pub(super) struct Onward {
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "sign_in/sign_in.html")]
struct SignInPage {
    page: Page,
    next: String,
    name: String,
    problem: Option<String>,
}

/// The form.
pub(super) async fn form(
    visit: Visit,
    State(console): State<Console>,
    Query(onward): Query<Onward>,
) -> Response {
    let page = visit.page(&console);
    render(&SignInPage { page, next: local(&onward.next).to_owned(), name: String::new(), problem: None })
}

/// What the form sends. Not for logs: no `Debug`.
#[derive(Deserialize)]
pub(super) struct SignInForm {
    name: String,
    password: String,
    code: String,
    #[serde(default)]
    next: String,
}

/// Begins a session.
pub(super) async fn sign_in(
    visit: Visit,
    State(console): State<Console>,
    cookies: CookieJar,
    form: Result<Form<SignInForm>, FormRejection>,
) -> Result<Response, Failure> {
    let Form(form) = form.map_err(|_| Failure::Malformed(visit.language))?;
    let done = sign_in::sign_in(&console.service, &form.name, &form.password, &form.code, visit.source).await;
    let page = visit.page(&console);
    let (status, problem) = match done {
        Ok(operator) => {
            let cookie =
                console.sessions.begin(operator.id, operator.session_epoch, console.service.clock.now());
            let cookies = cookies.add(session_cookie(&cookie));
            return Ok((cookies, Redirect::to(local(&form.next))).into_response());
        }
        Err(SignInError::Wrong) => (StatusCode::UNPROCESSABLE_ENTITY, page.say("sign-in-wrong")),
        Err(SignInError::Wait { seconds }) => {
            (StatusCode::TOO_MANY_REQUESTS, page.say1("sign-in-wait", "seconds", seconds))
        }
        Err(SignInError::Other(error)) => return Err(Failure::of(&visit, error)),
    };
    let (next, name) = (local(&form.next).to_owned(), form.name);
    Ok(render_with(status, &SignInPage { page, next, name, problem: Some(problem) }))
}

fn session_cookie(value: &str) -> Cookie<'static> {
    Cookie::build((SESSION_COOKIE, value.to_owned()))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Strict)
        .build()
}

/// Ends the session.
pub(super) async fn sign_out(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    cookies: CookieJar,
    Posted(()): Posted<()>,
) -> Result<Response, Failure> {
    console.sessions.end(viewer.key);
    let noted = sign_in::sign_out(&console.service, viewer.operator.id).await;
    noted.map_err(|error| Failure::of(&viewer.visit, error))?;
    let cookies = cookies.add(Cookie::build((SESSION_COOKIE, "")).path("/").secure(true).removal().build());
    Ok((cookies, Redirect::to("/sign-in")).into_response())
}

#[derive(Template)]
#[template(path = "sign_in/confirm.html")]
struct ConfirmPage {
    page: Page,
    next: String,
    problem: Option<String>,
}

/// Asks for a fresh second factor.
pub(super) async fn confirm_form(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Query(onward): Query<Onward>,
) -> Response {
    let page = viewer.page(Nav::Outside, &console);
    render(&ConfirmPage { page, next: local(&onward.next).to_owned(), problem: None })
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct ConfirmForm {
    code: String,
    #[serde(default)]
    next: String,
}

/// Notes a fresh second factor.
pub(super) async fn confirm(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Posted(form): Posted<ConfirmForm>,
) -> Result<Response, Failure> {
    let done = sign_in::confirm(&console.service, viewer.operator.id, &form.code).await;
    let page = viewer.page(Nav::Outside, &console);
    let (status, problem) = match done {
        Ok(()) => {
            console.sessions.confirm(viewer.key, console.service.clock.now());
            return Ok(Redirect::to(local(&form.next)).into_response());
        }
        Err(ConfirmError::Wrong) => (StatusCode::UNPROCESSABLE_ENTITY, page.say("sign-in-confirm-wrong")),
        Err(ConfirmError::Wait { seconds }) => {
            (StatusCode::TOO_MANY_REQUESTS, page.say1("sign-in-wait", "seconds", seconds))
        }
        Err(ConfirmError::Other(error)) => return Err(Failure::of(&viewer.visit, error)),
    };
    Ok(render_with(status, &ConfirmPage { page, next: local(&form.next).to_owned(), problem: Some(problem) }))
}

/// Remembers a language in this browser.
pub(super) async fn choose_language(
    visit: Visit,
    Path(tag): Path<String>,
    Query(onward): Query<Onward>,
    cookies: CookieJar,
) -> Result<Response, Failure> {
    let language = Language::by_tag(&tag).ok_or(Failure::NoSuchPage(visit.language))?;
    let cookie = Cookie::build((LANGUAGE_COOKIE, language.tag()))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .permanent()
        .build();
    Ok((cookies.add(cookie), Redirect::to(local(&onward.next))).into_response())
}
