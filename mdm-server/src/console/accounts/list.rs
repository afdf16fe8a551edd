//! The list of people: one field for number, name or kana, and what narrows it.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use mdm_core::account::{AccountState, SourceName};
use serde::Deserialize;
use shared::ids::AccountId;

use super::view::{badge, number, seat_badge};
use crate::console::Console;
use crate::console::choice::{self, Choice};
use crate::console::devices::view::{self as device_view, Badge};
use crate::console::failure::Failure;
use crate::console::page::{Nav, Page};
use crate::console::pager::{Pager, ROWS, offset};
use crate::console::printed::Printed;
use crate::console::render::render;
use crate::console::viewer::Viewer;
use crate::directory::{self, PersonRow, Search, SeatFilter, Standing};
use crate::rights::Read;

/// What is asked for.
#[derive(Deserialize)]
pub(in crate::console) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    department: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    seat: String,
    #[serde(default)]
    page: String,
}

/// Values in the query and the keys of their words.
const STATES: [(&str, &str, AccountState); 4] = [
    ("provisional", "accounts-state-provisional", AccountState::Provisional),
    ("active", "accounts-state-active", AccountState::Active),
    ("suspended", "accounts-state-suspended", AccountState::Suspended),
    ("closed", "accounts-state-closed", AccountState::Closed),
];
const SEATS: [(&str, &str, SeatFilter); 4] = [
    ("holds", "accounts-seat-assigned", SeatFilter::Holds),
    ("unused", "accounts-seat-unused", SeatFilter::Unused),
    ("waiting", "accounts-seat-waiting", SeatFilter::Waiting),
    ("without", "accounts-seat-without", SeatFilter::Without),
];

impl Asked {
    fn search(&self) -> Search {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Search {
            text: self.q.clone(),
            state: STATES.iter().find(|(value, ..)| *value == self.state).map(|(.., state)| *state),
            department: some(&self.department),
            source: SourceName::new(&self.source).ok(),
            seat: SEATS.iter().find(|(value, ..)| *value == self.seat).map(|(.., seat)| *seat),
        }
    }

    fn query(&self) -> [(&'static str, &str); 5] {
        [
            ("q", &self.q),
            ("state", &self.state),
            ("department", &self.department),
            ("source", &self.source),
            ("seat", &self.seat),
        ]
    }

    fn narrows(&self) -> bool {
        self.query().iter().any(|(_, value)| !value.is_empty())
    }
}

#[derive(Template)]
#[template(path = "accounts/list.html")]
struct ListPage {
    page: Page,
    asked: Asked,
    narrows: bool,
    states: Vec<Choice>,
    seats: Vec<Choice>,
    departments: Vec<Choice>,
    sources: Vec<Choice>,
    rows: Vec<Row>,
    pager: Pager,
}

struct Row {
    id: AccountId,
    number: String,
    name: Printed,
    kana: Option<Printed>,
    department: Printed,
    title: Option<String>,
    badge: Badge,
    seat: Badge,
    device: Option<Badge>,
}

impl Row {
    fn new(row: &PersonRow<'_>, page: &Page) -> Self {
        let account = &row.person.account;
        let current = account.current();
        let printed = |text: &str| page.printed(&account.source, text);
        Self {
            id: account.id,
            number: number(page, account),
            name: printed(&current.name),
            kana: current.kana.as_deref().map(printed),
            department: current.departments.first().map(|post| printed(&post.name)).unwrap_or_default(),
            title: current.title.clone(),
            badge: badge(account.state),
            seat: seat_badge(account, row.waiting),
            device: device_badge(row),
        }
    }
}

/// The device that asks for a look, else the newest.
fn device_badge(row: &PersonRow<'_>) -> Option<Badge> {
    let urgent = |standing: &Standing| match standing {
        Standing::WipeUnconfirmed => 4,
        Standing::Blocked => 3,
        Standing::Live => 2,
        Standing::Enrolling => 1,
        Standing::Erased => 0,
    };
    row.devices.iter().map(|device| device.standing()).max_by_key(urgent).map(device_view::badge)
}

/// The page.
pub(in crate::console) async fn show(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let directory = directory::current(&console.service).await;
    let directory = directory.map_err(|error| Failure::of(&viewer.visit, error.into()))?;
    let number = asked.page.parse().unwrap_or(1);
    let found = directory.search(&asked.search(), offset(number), ROWS);
    let page = viewer.page(Nav::Accounts, &console);
    let departments = directory.departments().into_iter().map(|department| department.name);
    let sources = directory.sources().into_iter().map(SourceName::to_string);
    Ok(render(&ListPage {
        narrows: asked.narrows(),
        states: choice::of_keys(&page, STATES.map(|(value, key, _)| (value, key)), &asked.state),
        seats: choice::of_keys(&page, SEATS.map(|(value, key, _)| (value, key)), &asked.seat),
        departments: choice::of_names(departments, &asked.department),
        sources: choice::of_names(sources, &asked.source),
        rows: found.rows.iter().map(|row| Row::new(row, &page)).collect(),
        pager: Pager::new("/accounts", &asked.query(), number, found.total),
        page,
        asked,
    }))
}
