//! One page per person that answers a helpdesk call: who, with what seat and code, on which devices, and what can be done.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use jiff::civil::Date;
use mdm_core::absence::Absence;
use mdm_core::account::Account;
use mdm_core::license::Notice;
use mdm_core::note::Shelf;
use shared::ids::AccountId;

use super::code::may_have_code;
use super::history::{self, Noted, Told};
use super::view::{CodeView, PersonView, seat_badge};
use crate::console::Console;
use crate::console::audit;
use crate::console::devices::order::id;
use crate::console::devices::view::{Badge, DeviceView};
use crate::console::documents::size;
use crate::console::failure::Failure;
use crate::console::page::{Nav, Page};
use crate::console::render::render;
use crate::console::viewer::Viewer;
use crate::directory;
use crate::rights::Read;
use crate::use_cases::UseCaseError;
use crate::use_cases::accounts::{self, Detail, Who};
use crate::use_cases::notes;

#[derive(Template)]
#[template(path = "accounts/show.html")]
struct AccountPage {
    page: Page,
    person: PersonView,
    state_since: Timestamp,
    signed_in_at: Option<Timestamp>,
    employment: Option<String>,
    term_ends: Option<Date>,
    temporary_until: Option<Date>,
    mail: Option<String>,
    seat: Badge,
    seat_since: Option<Timestamp>,
    taken_not_before: Option<Date>,
    place: Option<usize>,
    codes: Vec<CodeView>,
    devices: Vec<DeviceView>,
    told: Vec<Told>,
    /// How many notes and photos they have here, and their size.
    notes: Option<(u32, String)>,
    /// The last entries of the journal, for those who may see it.
    noted: Option<Vec<Noted>>,
    absences: Vec<Absence>,
    may_ask: bool,
    may_reissue: bool,
    waits: bool,
}

/// The page.
pub(in crate::console) async fn show(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Path(account): Path<String>,
) -> Result<Response, Failure> {
    let id: AccountId = id(&account, &viewer.visit)?;
    let failed = |error: UseCaseError| Failure::of(&viewer.visit, error);
    let detail = accounts::show(&console.service, &Who::Id(id)).await.map_err(failed)?;
    let directory = directory::current(&console.service).await.map_err(|error| failed(error.into()))?;
    let place = directory.person(id).and_then(|row| row.waiting);
    let page = viewer.page(Nav::Accounts, &console);
    let noted = if page.may_audit() {
        audit::note_reader(&viewer, &console).await.map_err(failed)?;
        Some(history::noted(&console.service, id, page.language).await.map_err(failed)?)
    } else {
        None
    };
    let shelf = notes::shelf(&console.service, id).await.map_err(failed)?;
    Ok(render(&AccountPage { noted, notes: shelf.and_then(held), ..account_page(detail, place, page) }))
}

fn account_page(detail: Detail, place: Option<usize>, page: Page) -> AccountPage {
    let may_reissue = page.may_see_codes() && may_have_code(&detail);
    let Detail { account, codes, devices, .. } = detail;
    let current = account.current();
    let devices: Vec<DeviceView> = devices.iter().rev().map(|known| DeviceView::new(known, &page)).collect();
    AccountPage {
        person: PersonView::new(&account, &page),
        state_since: account.state_since,
        signed_in_at: account.signed_in_at,
        employment: current.employment.clone(),
        term_ends: current.term_ends,
        temporary_until: current.temporary_until,
        mail: current.mail.clone(),
        seat: seat_badge(&account, place),
        taken_not_before: account.notice().map(Notice::not_before),
        seat_since: account.seat.map(|seat| seat.assigned_at),
        place,
        codes: codes.iter().rev().map(|code| CodeView::new(code, &page)).collect(),
        notes: None,
        noted: None,
        told: history::told(&account, &page),
        absences: account.absences.clone(),
        may_ask: page.may_manage() && may_ask(&account, place),
        may_reissue,
        waits: devices.iter().any(|device| device.statement.is_some()),
        devices,
        page,
    }
}

fn held(shelf: Shelf) -> Option<(u32, String)> {
    let count = shelf.notes.saturating_sub(shelf.deleted);
    (count > 0).then(|| (count, size(shelf.bytes)))
}

fn may_ask(account: &Account, place: Option<usize>) -> bool {
    account.may_work() && account.seat.is_none() && place.is_none()
}
