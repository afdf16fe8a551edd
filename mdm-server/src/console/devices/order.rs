//! 利用停止 and 停止解除: the forms, and doing it. Both can be undone, so one press is enough.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use mdm_core::command::CommandError;
use serde::Deserialize;
use shared::ids::EnrolmentId;

use super::reason::{self, Choice, ReasonField};
use super::view::DeviceView;
use crate::console::Console;
use crate::console::accounts::view::PersonView;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page};
use crate::console::posted::Posted;
use crate::console::refusals;
use crate::console::render::{render, render_with};
use crate::console::viewer::{Viewer, Visit, local};
use crate::rights::{Block, Right};
use crate::use_cases::accounts::DeviceStanding;
use crate::use_cases::devices::{self, Order};
use crate::use_cases::{Missing, Refusal, UseCaseError, accounts, to_the_end};

/// Where to go on afterwards.
#[derive(Deserialize)]
pub(in crate::console) struct Onward {
    #[serde(default)]
    next: String,
}

/// What the forms send.
#[derive(Deserialize)]
pub(in crate::console) struct OrderForm {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "devices/order.html")]
struct OrderPage {
    page: Page,
    device: DeviceView,
    person: PersonView,
    reason: ReasonField,
    next: String,
    blocks: bool,
}

/// What is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Block,
    Unblock,
}

impl Verb {
    fn reasons(self) -> &'static [Choice] {
        match self {
            Self::Block => &reason::BLOCK,
            Self::Unblock => &reason::UNBLOCK,
        }
    }

    fn fits(self, device: &DeviceView) -> bool {
        match self {
            Self::Block => device.may_block,
            Self::Unblock => device.may_unblock,
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Block => "devices-blocked-now",
            Self::Unblock => "devices-unblocked-now",
        }
    }
}

/// The id in a path. What is none names no page.
pub(in crate::console) fn id<T: std::str::FromStr>(text: &str, visit: &Visit) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::NoSuchPage(visit.language))
}

/// A device and whose it is, as they stand now.
pub(super) async fn find<R: Right>(
    console: &Console,
    viewer: &Viewer<R>,
    id: EnrolmentId,
) -> Result<DeviceStanding, Failure> {
    let device =
        devices::show(&console.service, id).await.map_err(|error| Failure::of(&viewer.visit, error))?;
    accounts::of_device(&console.service, device).await.map_err(|error| Failure::of(&viewer.visit, error))
}

/// Whose a device is. Accounts are never deleted.
pub(super) fn owner<R: Right>(
    known: &DeviceStanding,
    viewer: &Viewer<R>,
    page: &Page,
) -> Result<PersonView, Failure> {
    let missing = || Failure::of(&viewer.visit, Missing::Account(known.device.account).into());
    known.account.as_ref().map(|account| PersonView::new(account, page)).ok_or_else(missing)
}

/// Where to go on: what was asked for, or the device's page.
fn onward(next: &str, id: EnrolmentId) -> String {
    if next.is_empty() { page_of(id) } else { local(next).to_owned() }
}

/// The device's page.
pub(super) fn page_of(id: EnrolmentId) -> String {
    format!("/devices/{id}")
}

/// Asks why a device is to be blocked.
pub(in crate::console) async fn block_form(
    viewer: Viewer<Block>,
    State(console): State<Console>,
    Path(device): Path<String>,
    Query(asked): Query<Onward>,
) -> Result<Response, Failure> {
    ask(Verb::Block, &viewer, &console, &device, &asked.next).await
}

/// 利用停止.
pub(in crate::console) async fn block(
    viewer: Viewer<Block>,
    State(console): State<Console>,
    Path(device): Path<String>,
    Posted(form): Posted<OrderForm>,
) -> Result<Response, Failure> {
    carry_out(Verb::Block, &viewer, &console, &device, &form).await
}

/// Asks why a block is to end.
pub(in crate::console) async fn unblock_form(
    viewer: Viewer<Block>,
    State(console): State<Console>,
    Path(device): Path<String>,
    Query(asked): Query<Onward>,
) -> Result<Response, Failure> {
    ask(Verb::Unblock, &viewer, &console, &device, &asked.next).await
}

/// 停止解除.
pub(in crate::console) async fn unblock(
    viewer: Viewer<Block>,
    State(console): State<Console>,
    Path(device): Path<String>,
    Posted(form): Posted<OrderForm>,
) -> Result<Response, Failure> {
    carry_out(Verb::Unblock, &viewer, &console, &device, &form).await
}

async fn ask(
    verb: Verb,
    viewer: &Viewer<Block>,
    console: &Console,
    device: &str,
    next: &str,
) -> Result<Response, Failure> {
    let id = id(device, &viewer.visit)?;
    let known = find(console, viewer, id).await?;
    let page = viewer.page(Nav::Devices, console);
    let (device, person) = (DeviceView::new(&known, &page), owner(&known, viewer, &page)?);
    if !verb.fits(&device) {
        return Ok(stands_otherwise(console, viewer, &page_of(id)));
    }
    let (reason, next) = (ReasonField::new(verb.reasons()), onward(next, id));
    Ok(render(&OrderPage { page, device, person, reason, next, blocks: verb == Verb::Block }))
}

/// A place without its query.
fn path(place: &str) -> &str {
    place.split('?').next().unwrap_or_default()
}

/// Somebody else, or the device, was faster: its page says how it stands now.
pub(super) fn stands_otherwise<R: Right>(console: &Console, viewer: &Viewer<R>, next: &str) -> Response {
    viewer.notify(console, Notice::warning("devices-stands-otherwise").at(path(next)));
    Redirect::to(next).into_response()
}

async fn carry_out(
    verb: Verb,
    viewer: &Viewer<Block>,
    console: &Console,
    device: &str,
    form: &OrderForm,
) -> Result<Response, Failure> {
    let id = id(device, &viewer.visit)?;
    let page = viewer.page(Nav::Devices, console);
    let next = onward(&form.next, id);
    let mut reason = ReasonField::sent(verb.reasons(), &form.reason, &form.note);
    let problem = match reason.text(&page) {
        Err(problem) => problem,
        Ok(text) => match give(verb, console, viewer, id, text).await {
            Ok(()) => {
                viewer.notify(console, Notice::done(verb.done()).at(path(&next)));
                return Ok(Redirect::to(&next).into_response());
            }
            Err(error) if is_of_standing(&error) => return Ok(stands_otherwise(console, viewer, &next)),
            Err(error) if is_of_reason(&error) => refusals::text(page.language, &error),
            Err(error) => return Err(Failure::of(&viewer.visit, error)),
        },
    };
    reason.problem = Some(problem);
    let known = find(console, viewer, id).await?;
    let (device, person) = (DeviceView::new(&known, &page), owner(&known, viewer, &page)?);
    let again = OrderPage { page, device, person, reason, next, blocks: verb == Verb::Block };
    Ok(render_with(StatusCode::UNPROCESSABLE_ENTITY, &again))
}

async fn give(
    verb: Verb,
    console: &Console,
    viewer: &Viewer<Block>,
    id: EnrolmentId,
    reason: String,
) -> Result<(), UseCaseError> {
    let (service, actor) = (console.service.clone(), viewer.actor());
    to_the_end(async move {
        let order = Order { actor, reason: &reason };
        match verb {
            Verb::Block => devices::block(&service, id, order).await,
            Verb::Unblock => devices::unblock(&service, id, order).await,
        }
    })
    .await
    .map(|_| ())
}

/// Whether an order was refused for where the device stands.
pub(super) fn is_of_standing(error: &UseCaseError) -> bool {
    let UseCaseError::Refused(Refusal::Command(error)) = error else { return false };
    match error {
        CommandError::AlreadyWiped
        | CommandError::Enrolling
        | CommandError::AlreadyBlocked
        | CommandError::NotBlocked => true,
        CommandError::AccountMayNotWork | CommandError::Reason | CommandError::Sign(_) => false,
    }
}

/// Whether an order was refused for its reason.
pub(super) fn is_of_reason(error: &UseCaseError) -> bool {
    matches!(error, UseCaseError::Refused(Refusal::Command(CommandError::Reason)))
}
