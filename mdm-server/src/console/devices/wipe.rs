//! 遠隔消去: a page that says what it destroys, for whom and what cannot be undone, and asks for the end of the staff number.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use mdm_core::device::Device;
use serde::Deserialize;
use shared::ids::EnrolmentId;
use unicode_normalization::UnicodeNormalization as _;

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
use crate::rights::Wipe;
use crate::use_cases::devices::{self, Order};
use crate::use_cases::{UseCaseError, to_the_end};

/// How much of a staff number is asked for.
const ASKED_FOR: usize = 4;

#[derive(Template)]
#[template(path = "devices/wipe.html")]
struct WipePage {
    page: Page,
    device: DeviceView,
    person: PersonView,
    reason: ReasonField,
    /// What can be said of the time after, without the server.
    afterwards: String,
    /// What is asked for: the whole number where it is short.
    whole_number: bool,
    typed: String,
    number_problem: Option<String>,
}

/// What the form sends.
#[derive(Deserialize)]
pub(in crate::console) struct WipeForm {
    #[serde(default)]
    number: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    note: String,
}

/// Asks whether it is meant.
pub(in crate::console) async fn form(
    Fresh(viewer): Fresh<Wipe>,
    State(console): State<Console>,
    Path(device): Path<String>,
) -> Result<Response, Failure> {
    let id = id(&device, &viewer.visit)?;
    let page = viewer.page(Nav::Devices, &console);
    let reason = ReasonField::new(&reason::WIPE);
    show(StatusCode::OK, &console, &viewer, page, id, Typed { reason, number: String::new(), problem: None })
        .await
}

/// What is in the form's fields.
struct Typed {
    reason: ReasonField,
    number: String,
    problem: Option<String>,
}

async fn show(
    status: StatusCode,
    console: &Console,
    viewer: &Viewer<Wipe>,
    page: Page,
    id: EnrolmentId,
    typed: Typed,
) -> Result<Response, Failure> {
    let known = find(console, viewer, id).await?;
    let person = owner(&known, viewer, &page)?;
    let device = DeviceView::new(&known, &page);
    if !device.may_wipe {
        return Ok(stands_otherwise(console, viewer, &page_of(id)));
    }
    let shown = WipePage {
        device,
        reason: typed.reason,
        afterwards: afterwards(&known.device, &page),
        whole_number: comparable(&person.number).chars().count() <= ASKED_FOR,
        typed: typed.number,
        number_problem: typed.problem,
        person,
        page,
    };
    Ok(render_with(status, &shown))
}

/// Until when the device could be opened by itself if it were wiped now.
fn afterwards(device: &Device, page: &Page) -> String {
    match device.still_open_until() {
        Some(until) if until > page.now => {
            page.say1("devices-wipe-open-until", "at", page.time_in_text(&until))
        }
        Some(until) => page.say1("devices-wipe-open-ended", "at", page.time_in_text(&until)),
        None => page.say("devices-wipe-open-never"),
    }
}

/// 遠隔消去.
pub(in crate::console) async fn wipe(
    Fresh(viewer): Fresh<Wipe>,
    State(console): State<Console>,
    Path(device): Path<String>,
    Posted(form): Posted<WipeForm>,
) -> Result<Response, Failure> {
    let id = id(&device, &viewer.visit)?;
    let page = viewer.page(Nav::Devices, &console);
    let known = find(&console, &viewer, id).await?;
    let person = owner(&known, &viewer, &page)?;
    let mut reason = ReasonField::sent(&reason::WIPE, &form.reason, &form.note);
    let said = reason.text(&page);
    let problem = (!is_end_of(&form.number, &person.number)).then(|| page.say("devices-wipe-number-wrong"));
    match (said, &problem) {
        (Ok(text), None) => match order(&console, &viewer, id, text).await {
            Ok(()) => {
                viewer.notify(&console, Notice::done("devices-wiped-now").at(&page_of(id)));
                return Ok(Redirect::to(&page_of(id)).into_response());
            }
            Err(error) if is_of_standing(&error) => {
                return Ok(stands_otherwise(&console, &viewer, &page_of(id)));
            }
            Err(error) if is_of_reason(&error) => {
                reason.problem = Some(refusals::text(page.language, &error))
            }
            Err(error) => return Err(Failure::of(&viewer.visit, error)),
        },
        (said, _) => reason.problem = said.err(),
    }
    let typed = Typed { reason, number: form.number, problem };
    show(StatusCode::UNPROCESSABLE_ENTITY, &console, &viewer, page, id, typed).await
}

async fn order(
    console: &Console,
    viewer: &Viewer<Wipe>,
    id: EnrolmentId,
    reason: String,
) -> Result<(), UseCaseError> {
    let (service, actor) = (console.service.clone(), viewer.actor());
    let order = async move { devices::wipe(&service, id, Order { actor, reason: &reason }).await };
    to_the_end(order).await.map(|_| ())
}

/// Whether somebody typed the last four characters of a staff number, or all of a shorter one. Width, case and blanks do
/// not matter: phones type what they like.
fn is_end_of(typed: &str, number: &str) -> bool {
    let number = comparable(number);
    let skipped = number.chars().count().saturating_sub(ASKED_FOR);
    let end: String = number.chars().skip(skipped).collect();
    comparable(typed) == end
}

fn comparable(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_number_is_what_is_asked_for() {
        for (typed, number) in
            [("4567", "1234567"), (" ４５６７ ", "1234567"), ("a-1", "A-1"), ("0012", "0012"), ("７", "7")]
        {
            assert!(is_end_of(typed, number), "{typed} {number}");
        }
        for (typed, number) in
            [("", "1234567"), ("456", "1234567"), ("1234", "1234567"), ("1234567", "1234567"), ("12", "0012")]
        {
            assert!(!is_end_of(typed, number), "{typed} {number}");
        }
    }
}
