//! 紛失の連絡, for whoever has the loss code of a letter: no sign-in, one field, and one answer for everything that blocked nothing.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::console::Console;
use crate::console::failure::Failure;
use crate::console::page::Page;
use crate::console::render::render_with;
use crate::console::viewer::Visit;
use crate::use_cases::losses::{self, Told};

#[derive(Template)]
#[template(path = "lost/report.html")]
struct ReportPage {
    page: Page,
    told: Option<Told>,
    helpdesk: Option<String>,
}

fn show(status: StatusCode, visit: &Visit, console: &Console, told: Option<Told>) -> Response {
    let helpdesk = console.service.config.letters.helpdesk.clone();
    render_with(status, &ReportPage { page: visit.page(console), told, helpdesk })
}

/// The form.
pub(in crate::console) async fn form(visit: Visit, State(console): State<Console>) -> Response {
    show(StatusCode::OK, &visit, &console, None)
}

/// What the form sends. Not for logs: no `Debug`.
#[derive(Deserialize)]
pub(in crate::console) struct ReportForm {
    code: String,
}

/// Blocks, if the code is one.
pub(in crate::console) async fn report(
    visit: Visit,
    State(console): State<Console>,
    form: Result<Form<ReportForm>, FormRejection>,
) -> Result<Response, Failure> {
    let Form(form) = form.map_err(|_| Failure::Malformed(visit.language))?;
    let code = Zeroizing::new(form.code);
    let told = losses::report(&console.service, &code, visit.source).await;
    let told = told.map_err(|error| Failure::of(&visit, error))?;
    let status = match told {
        Told::Blocked => StatusCode::OK,
        Told::Nothing => StatusCode::UNPROCESSABLE_ENTITY,
        Told::Wait => StatusCode::TOO_MANY_REQUESTS,
    };
    Ok(show(status, &visit, &console, Some(told)))
}
