//! 紛失対応, for a phone's browser at 23:00: find the person, block the device with one press, then wipe it.

pub(super) mod report;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use mdm_core::operator::Role;
use serde::Deserialize;
use shared::ids::AccountId;

use super::Console;
use super::accounts::view::PersonView;
use super::devices::order::id;
use super::devices::reason::{self, ReasonField};
use super::devices::view::{self, Badge, DeviceView};
use super::failure::Failure;
use super::page::{Nav, Page};
use super::printed::Printed;
use super::render::render;
use super::viewer::Viewer;
use crate::directory::{self, PersonRow, Search, Standing};
use crate::rights::Read;
use crate::service::Service;
use crate::use_cases::UseCaseError;
use crate::use_cases::accounts::{self, Who};

/// The most people that a search shows: who is looked for is among the first, or the search says more.
const FOUND: usize = 20;

/// What is asked for.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
}

#[derive(Template)]
#[template(path = "lost/search.html")]
struct SearchPage {
    page: Page,
    q: String,
    found: Vec<FoundPerson>,
    total: usize,
}

struct FoundPerson {
    id: AccountId,
    name: Printed,
    kana: Option<Printed>,
    number: String,
    department: Printed,
    devices: Vec<(String, Badge)>,
}

impl FoundPerson {
    fn new(row: &PersonRow<'_>, page: &Page) -> Self {
        let current = row.person.account.current();
        let devices = row.devices.iter().rev();
        let printed = |text: &str| page.printed(&row.person.account.source, text);
        Self {
            id: row.person.account.id,
            name: printed(&current.name),
            kana: current.kana.as_deref().map(printed),
            number: current.staff_number.to_string(),
            department: current.departments.first().map(|post| printed(&post.name)).unwrap_or_default(),
            devices: devices
                .map(|device| (view::model(page, &device.model), view::badge(device.standing())))
                .collect(),
        }
    }
}

/// Step 1: whose phone.
pub(super) async fn search(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let page = viewer.page(Nav::Lost, &console);
    if asked.q.trim().is_empty() {
        return Ok(render(&SearchPage { page, q: asked.q, found: Vec::new(), total: 0 }));
    }
    let directory = directory::current(&console.service).await;
    let directory = directory.map_err(|error| Failure::of(&viewer.visit, error.into()))?;
    let search = Search { text: asked.q.clone(), ..Search::default() };
    let mut found = directory.search(&search, 0, usize::MAX);
    if let [row] = found.rows.as_slice() {
        return show(&console, &viewer, page, row.person.account.id).await;
    }
    // A phone was lost: who has none stands behind those who have. The order is kept otherwise.
    found.rows.sort_by_key(|row| !row.devices.iter().any(|device| device.standing() != Standing::Erased));
    let people = found.rows.iter().take(FOUND).map(|row| FoundPerson::new(row, &page)).collect();
    Ok(render(&SearchPage { q: asked.q, found: people, total: found.total, page }))
}

#[derive(Template)]
#[template(path = "lost/person.html")]
struct PersonPage {
    page: Page,
    person: PersonView,
    devices: Vec<DeviceView>,
    /// For the devices that may be blocked.
    reason: ReasonField,
    /// Who wipes, if the viewer may not.
    wipers: Vec<(String, Role)>,
}

/// Steps 2 and 3: block, then wipe.
pub(super) async fn person(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Path(account): Path<String>,
) -> Result<Response, Failure> {
    let id: AccountId = id(&account, &viewer.visit)?;
    let page = viewer.page(Nav::Lost, &console);
    show(&console, &viewer, page, id).await
}

async fn show(
    console: &Console,
    viewer: &Viewer<Read>,
    page: Page,
    id: AccountId,
) -> Result<Response, Failure> {
    let failed = |error| Failure::of(&viewer.visit, error);
    let detail = accounts::show(&console.service, &Who::Id(id)).await.map_err(failed)?;
    let wipers = if page.may_wipe() { Vec::new() } else { wipers(&console.service).await.map_err(failed)? };
    Ok(render(&PersonPage {
        person: PersonView::new(&detail.account, &page),
        devices: detail.devices.iter().rev().map(|known| DeviceView::new(known, &page)).collect(),
        reason: ReasonField::new(&reason::BLOCK),
        wipers,
        page,
    }))
}

/// Operators who can sign in and wipe.
async fn wipers(service: &Service) -> Result<Vec<(String, Role)>, UseCaseError> {
    let operators = service.store.operators().await?.into_iter().map(|stored| stored.value);
    let can = |operator: &mdm_core::operator::Operator| {
        operator.credentials().is_some() && operator.role.may(mdm_core::operator::Act::Wipe)
    };
    Ok(operators.filter(can).map(|operator| (operator.name.to_string(), operator.role)).collect())
}
