//! Another activation code in place of a lost one. It is shown on the answer, once, and nowhere else.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::Timestamp;
use mdm_core::device::DeviceState;
use shared::ids::AccountId;
use zeroize::Zeroizing;

use super::view::PersonView;
use crate::console::Console;
use crate::console::devices::order::id;
use crate::console::devices::view::model;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page};
use crate::console::posted::Posted;
use crate::console::render::render;
use crate::console::viewer::Fresh;
use crate::rights::Codes;
use crate::use_cases::accounts::{self, Detail, Who};
use crate::use_cases::{codes, to_the_end};

#[derive(Template)]
#[template(path = "accounts/reissue.html")]
struct ReissuePage {
    page: Page,
    person: PersonView,
    /// The device that stands in the way of another one.
    in_use: Option<String>,
}

#[derive(Template)]
#[template(path = "accounts/code.html")]
struct CodePage {
    page: Page,
    person: PersonView,
    code: Zeroizing<String>,
    server: String,
    expires_at: Timestamp,
}

/// Asks whether it is meant.
pub(in crate::console) async fn form(
    Fresh(viewer): Fresh<Codes>,
    State(console): State<Console>,
    Path(account): Path<String>,
) -> Result<Response, Failure> {
    let id: AccountId = id(&account, &viewer.visit)?;
    let detail = accounts::show(&console.service, &Who::Id(id)).await;
    let detail = detail.map_err(|error| Failure::of(&viewer.visit, error))?;
    let page = viewer.page(Nav::Accounts, &console);
    if !may_have_code(&detail) {
        viewer.notify(&console, Notice::warning("accounts-code-not-now"));
        return Ok(Redirect::to(&format!("/accounts/{id}")).into_response());
    }
    Ok(render(&ReissuePage {
        person: PersonView::new(&detail.account, &page),
        in_use: in_use(&detail).map(|said| model(&page, said)),
        page,
    }))
}

/// Whether a code could be issued as things stand.
pub(super) fn may_have_code(detail: &Detail) -> bool {
    detail.account.is_served()
}

/// While a device is in use or blocked, a code enrols no other one.
fn in_use(detail: &Detail) -> Option<&str> {
    let devices = detail.devices.iter().map(|known| &known.device);
    let mut holding =
        devices.filter(|device| matches!(device.state, DeviceState::Live | DeviceState::Blocked));
    holding.next().map(|device| device.description.model.as_str())
}

/// Issues it.
pub(in crate::console) async fn reissue(
    Fresh(viewer): Fresh<Codes>,
    State(console): State<Console>,
    Path(account): Path<String>,
    Posted(()): Posted<()>,
) -> Result<Response, Failure> {
    let id: AccountId = id(&account, &viewer.visit)?;
    let (service, actor) = (console.service.clone(), viewer.actor());
    let opened = to_the_end(async move { codes::reissue(&service, &Who::Id(id), actor).await }).await;
    let opened = opened.map_err(|error| Failure::of(&viewer.visit, error))?;
    let page = viewer.page(Nav::Accounts, &console);
    Ok(render(&CodePage {
        person: PersonView::new(&opened.account, &page),
        code: opened.text,
        server: console.service.config.public_address.clone(),
        expires_at: opened.record.expires_at,
        page,
    }))
}
