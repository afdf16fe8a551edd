//! Attempts given back: a page that says who gets them, and doing it. It asks for a fresh second factor, since whoever holds the
//! device may guess the PIN that many times more.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use shared::ids::EnrolmentId;

use super::order::{find, id, is_of_reason, is_of_standing, owner, page_of, stands_otherwise};
use super::reason::{self, ReasonField};
use super::view::DeviceView;
use crate::console::Console;
use crate::console::accounts::view::PersonView;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page};
use crate::console::posted::Posted;
use crate::console::refusals;
use crate::console::render::render_with;
use crate::console::viewer::{Fresh, Viewer};
use crate::rights::Manage;
use crate::use_cases::devices::{self, Order};
use crate::use_cases::{UseCaseError, to_the_end};

#[derive(Template)]
#[template(path = "devices/reset.html")]
struct ResetPage {
    page: Page,
    device: DeviceView,
    person: PersonView,
    reason: ReasonField,
    /// How many there are then.
    limit: u16,
}

/// What the form sends.
#[derive(Deserialize)]
pub(in crate::console) struct ResetForm {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    note: String,
}

/// Asks why.
pub(in crate::console) async fn form(
    Fresh(viewer): Fresh<Manage>,
    State(console): State<Console>,
    Path(device): Path<String>,
) -> Result<Response, Failure> {
    let id = id(&device, &viewer.visit)?;
    let page = viewer.page(Nav::Devices, &console);
    show(StatusCode::OK, &console, &viewer, page, id, ReasonField::new(&reason::RESET)).await
}

async fn show(
    status: StatusCode,
    console: &Console,
    viewer: &Viewer<Manage>,
    page: Page,
    id: EnrolmentId,
    reason: ReasonField,
) -> Result<Response, Failure> {
    let known = find(console, viewer, id).await?;
    let person = owner(&known, viewer, &page)?;
    let device = DeviceView::new(&known, &page);
    let Some(attempts) = known.attempts.filter(|_| device.may_reset) else {
        return Ok(stands_otherwise(console, viewer, &page_of(id)));
    };
    Ok(render_with(status, &ResetPage { page, device, person, reason, limit: attempts.limit }))
}

/// Gives them back.
pub(in crate::console) async fn reset(
    Fresh(viewer): Fresh<Manage>,
    State(console): State<Console>,
    Path(device): Path<String>,
    Posted(form): Posted<ResetForm>,
) -> Result<Response, Failure> {
    let id = id(&device, &viewer.visit)?;
    let page = viewer.page(Nav::Devices, &console);
    let mut reason = ReasonField::sent(&reason::RESET, &form.reason, &form.note);
    let problem = match reason.text(&page) {
        Err(problem) => problem,
        Ok(text) => match order(&console, &viewer, id, text).await {
            Ok(()) => {
                viewer.notify(&console, Notice::done("devices-reset-now").at(&page_of(id)));
                return Ok(Redirect::to(&page_of(id)).into_response());
            }
            Err(error) if is_of_standing(&error) => {
                return Ok(stands_otherwise(&console, &viewer, &page_of(id)));
            }
            Err(error) if is_of_reason(&error) => refusals::text(page.language, &error),
            Err(error) => return Err(Failure::of(&viewer.visit, error)),
        },
    };
    reason.problem = Some(problem);
    show(StatusCode::UNPROCESSABLE_ENTITY, &console, &viewer, page, id, reason).await
}

async fn order(
    console: &Console,
    viewer: &Viewer<Manage>,
    id: EnrolmentId,
    reason: String,
) -> Result<(), UseCaseError> {
    let (service, actor) = (console.service.clone(), viewer.actor());
    let order = async move { devices::reset_attempts(&service, id, Order { actor, reason: &reason }).await };
    to_the_end(order).await.map(|_| ())
}
