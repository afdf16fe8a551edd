//! The list of devices, by where they stand and by whose they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use mdm_core::device::DeviceState;
use serde::Deserialize;
use shared::ids::{AccountId, EnrolmentId};

use super::view::{Badge, badge, model};
use crate::console::Console;
use crate::console::choice::{self, Choice};
use crate::console::failure::Failure;
use crate::console::page::{Nav, Page};
use crate::console::pager::{Pager, ROWS, offset};
use crate::console::render::render;
use crate::console::viewer::Viewer;
use crate::directory::{self, DeviceFilter, DeviceRow, Snapshot, Standing};
use crate::rights::Read;
use crate::use_cases::{UseCaseError, accounts};

/// What is asked for.
#[derive(Deserialize)]
pub(in crate::console) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    page: String,
}

/// What there is to choose: the value in the query, and the key of its words.
const STATES: [(&str, &str); 7] = [
    ("live", "devices-state-live"),
    ("enrolling", "devices-state-enrolling"),
    ("blocked", "devices-state-blocked"),
    ("unconfirmed", "devices-state-unconfirmed"),
    ("erased", "devices-state-erased"),
    ("exhausted", "devices-state-exhausted"),
    ("copied", "devices-state-copied"),
];

#[derive(Template)]
#[template(path = "devices/list.html")]
struct ListPage {
    page: Page,
    q: String,
    states: Vec<Choice>,
    rows: Vec<Row>,
    pager: Pager,
}

struct Row {
    id: EnrolmentId,
    model: String,
    platform: String,
    account: AccountId,
    name: String,
    number: String,
    badge: Badge,
    connected: bool,
    last_contact: Option<Timestamp>,
    last_unlock: Option<Timestamp>,
}

/// The page.
pub(in crate::console) async fn show(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let failed = |error: UseCaseError| Failure::of(&viewer.visit, error);
    let directory = directory::current(&console.service).await.map_err(|error| failed(error.into()))?;
    let number = asked.page.parse().unwrap_or(1);
    let filter = filter(&console, &directory, &asked).await.map_err(failed)?;
    let found = directory.devices(&filter, offset(number), ROWS);
    let page = viewer.page(Nav::Devices, &console);
    let rows = rows(&console, found.rows, &page).await.map_err(failed)?;
    let query = [("q", asked.q.as_str()), ("state", asked.state.as_str())];
    let pager = Pager::new("/devices", &query, number, found.total);
    let states = choice::of_keys(&page, STATES, &asked.state);
    Ok(render(&ListPage { page, pager, rows, states, q: asked.q }))
}

async fn filter(
    console: &Console,
    directory: &Arc<Snapshot>,
    asked: &Asked,
) -> Result<DeviceFilter, UseCaseError> {
    let text = asked.q.clone();
    let standing = |standing| Ok(DeviceFilter { text: text.clone(), standing: Some(standing), among: None });
    let among = |among| Ok(DeviceFilter { text: text.clone(), standing: None, among: Some(among) });
    match asked.state.as_str() {
        "live" => standing(Standing::Live),
        "enrolling" => standing(Standing::Enrolling),
        "blocked" => standing(Standing::Blocked),
        "unconfirmed" => standing(Standing::WipeUnconfirmed),
        "erased" => standing(Standing::Erased),
        "exhausted" => among(directory::exhausted(&console.service).await?.into_iter().collect()),
        "copied" => among(copied(directory)),
        _ => Ok(DeviceFilter { text, ..DeviceFilter::default() }),
    }
}

/// Devices of which a copy is suspected: more than one receipt came, or one that was opened less often has called.
pub(in crate::console) fn copied(directory: &Snapshot) -> BTreeSet<EnrolmentId> {
    let all = directory.devices(&DeviceFilter::default(), 0, usize::MAX).rows;
    let copied = all.into_iter().filter(|row| match &row.device.state {
        DeviceState::Wiped(wipe) => wipe.further_receipts > 0,
        _ => row.device.copy_suspected_at.is_some(),
    });
    copied.map(|row| row.device.enrolment).collect()
}

/// What devices say without an event is loaded for those that are shown.
async fn rows(console: &Console, found: Vec<DeviceRow<'_>>, page: &Page) -> Result<Vec<Row>, UseCaseError> {
    let enrolments: Vec<EnrolmentId> = found.iter().map(|row| row.device.enrolment).collect();
    let standings = accounts::standings(&console.service, enrolments).await?;
    let row = |(DeviceRow { device, person }, known): (DeviceRow<'_>, &accounts::DeviceStanding)| Row {
        id: device.enrolment,
        model: model(page, &device.model),
        platform: device.platform.clone(),
        account: device.account,
        name: person.account.current().name.clone(),
        number: person.account.current().staff_number.to_string(),
        badge: badge(Standing::of(&known.device.state)),
        connected: known.connected,
        last_contact: known.device.last_contact,
        last_unlock: known.device.last_unlock,
    };
    let known = |enrolment| standings.iter().find(|known| known.device.enrolment == enrolment);
    Ok(found
        .into_iter()
        .filter_map(|found| known(found.device.enrolment).map(|known| (found, known)))
        .map(row)
        .collect())
}
