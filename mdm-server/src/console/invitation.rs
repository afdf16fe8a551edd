//! An invited operator sets password and second factor. The link is the only key to it, and works once.

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use qrcode::QrCode;
use qrcode::render::svg;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Console;
use super::failure::Failure;
use super::page::Page;
use super::render::render_with;
use super::viewer::Visit;
use crate::use_cases::operators::{self, AcceptError, Invited, WeakPassword};

#[derive(Template)]
#[template(path = "sign_in/invitation.html")]
struct InvitationPage {
    page: Page,
    name: String,
    role: String,
    qr: Zeroizing<String>,
    secret: Zeroizing<String>,
    password_problem: Option<String>,
    code_problem: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_in/gone.html")]
struct GonePage {
    page: Page,
}

fn gone(page: Page) -> Response {
    render_with(StatusCode::GONE, &GonePage { page })
}

/// The form.
pub(super) async fn form(
    visit: Visit,
    State(console): State<Console>,
    Path(code): Path<String>,
) -> Result<Response, Failure> {
    let invited =
        operators::invited(&console.service, &code).await.map_err(|error| Failure::of(&visit, error))?;
    let page = visit.page(&console);
    Ok(match invited {
        Some(invited) => show(StatusCode::OK, page, &invited, None, None),
        None => gone(page),
    })
}

fn show(
    status: StatusCode,
    page: Page,
    invited: &Invited,
    password_problem: Option<String>,
    code_problem: Option<String>,
) -> Response {
    let qr = QrCode::new(invited.otpauth_url.as_bytes());
    // An address too long for a code leaves the secret to be typed.
    let qr = qr.map_or_else(
        |_| String::new(),
        |code| code.render::<svg::Color<'_>>().min_dimensions(220, 220).build(),
    );
    // The declaration belongs to a file, not into a page.
    let qr = qr.find("<svg").map_or(String::new(), |start| qr[start..].to_owned());
    let shown = InvitationPage {
        name: invited.operator.name.to_string(),
        role: page.role(invited.operator.role),
        qr: Zeroizing::new(qr),
        secret: invited.secret_base32.clone(),
        page,
        password_problem,
        code_problem,
    };
    render_with(status, &shown)
}

/// What the form sends. Not for logs: no `Debug`.
#[derive(Deserialize)]
pub(super) struct AcceptForm {
    password: String,
    again: String,
    code: String,
}

/// Makes the operator ready to sign in.
pub(super) async fn accept(
    visit: Visit,
    State(console): State<Console>,
    Path(code): Path<String>,
    form: Result<Form<AcceptForm>, FormRejection>,
) -> Result<Response, Failure> {
    let Form(form) = form.map_err(|_| Failure::Malformed(visit.language))?;
    let failed = |error| Failure::of(&visit, error);
    let page = visit.page(&console);
    let Some(invited) = operators::invited(&console.service, &code).await.map_err(failed)? else {
        return Ok(gone(page));
    };
    let again = |page: Page, password: Option<&str>, code: Option<&str>| {
        let (password, code) = (password.map(|key| page.say(key)), code.map(|key| page.say(key)));
        show(StatusCode::UNPROCESSABLE_ENTITY, page, &invited, password, code)
    };
    if form.password != form.again {
        return Ok(again(page, Some("sign-in-passwords-differ"), None));
    }
    Ok(match operators::accept(&console.service, &code, &form.password, &form.code).await {
        Ok(_) => Redirect::to("/sign-in").into_response(),
        Err(AcceptError::Gone) => gone(page),
        Err(AcceptError::Password(weak)) => again(page, Some(password_problem(weak)), None),
        Err(AcceptError::WrongCode) => again(page, None, Some("sign-in-confirm-wrong")),
        Err(AcceptError::Other(error)) => return Err(failed(error)),
    })
}

fn password_problem(weak: WeakPassword) -> &'static str {
    match weak {
        WeakPassword::TooShort => "sign-in-password-short",
        WeakPassword::TooLong => "sign-in-password-long",
        WeakPassword::ContainsName => "sign-in-password-has-name",
        WeakPassword::Repetitive => "sign-in-password-repetitive",
    }
}
