//! `/quarantine`: why the server holds back, and the way out. An owner confirms which devices were wiped in the time that is
//! forgotten, all of them or none, and says how many they are: a form that is sent too early is not taken for "none".

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use mdm_core::operator::Act;
use mdm_core::quarantine::{Cause, Quarantine};
use serde::Deserialize;
use shared::ids::EnrolmentId;
use unicode_normalization::UnicodeNormalization as _;

use super::Console;
use super::failure::Failure;
use super::notice::Notice;
use super::page::{Nav, Page, grouped};
use super::posted::Posted;
use super::refusals;
use super::render::render_with;
use super::viewer::{Fresh, Viewer};
use crate::quarantine;
use crate::rights::{Operators, Read};
use crate::use_cases::{UseCaseError, to_the_end};

/// Devices that one form names.
const MOST: usize = 1_000;

#[derive(Template)]
#[template(path = "quarantine.html")]
struct QuarantinePage {
    page: Page,
    quarantine: Option<Quarantine>,
    /// The device that showed it.
    shown_by: Option<EnrolmentId>,
    may_confirm: bool,
    wiped: String,
    count: String,
    problem: Option<String>,
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct ConfirmForm {
    #[serde(default)]
    wiped: String,
    #[serde(default)]
    count: String,
}

/// The page.
pub(super) async fn show(viewer: Viewer<Read>, State(console): State<Console>) -> Response {
    let page = viewer.page(Nav::Outside, &console);
    rendered(&console, StatusCode::OK, page, ConfirmForm { wiped: String::new(), count: String::new() }, None)
}

fn rendered(
    console: &Console,
    status: StatusCode,
    page: Page,
    ConfirmForm { wiped, count }: ConfirmForm,
    problem: Option<String>,
) -> Response {
    let quarantine = console.service.quarantine();
    let shown_by = quarantine.as_ref().and_then(|quarantine| match quarantine.cause {
        Cause::Checkpoint(enrolment) => Some(enrolment),
        Cause::Restored => None,
    });
    let may_confirm = page.may(Act::Operators);
    render_with(status, &QuarantinePage { page, quarantine, shown_by, may_confirm, wiped, count, problem })
}

/// Confirms, wipes what is named, and ends the quarantine.
pub(super) async fn confirm(
    Fresh(viewer): Fresh<Operators>,
    State(console): State<Console>,
    Posted(form): Posted<ConfirmForm>,
) -> Result<Response, Failure> {
    let page = viewer.page(Nav::Outside, &console);
    let again = |page: Page, problem| {
        Ok(rendered(&console, StatusCode::UNPROCESSABLE_ENTITY, page, form_of(&form), Some(problem)))
    };
    let named = match named(&form) {
        Ok(named) => named,
        Err(Wrong::Id(text)) => {
            let problem = page.say1("quarantine-no-id", "text", text);
            return again(page, problem);
        }
        Err(Wrong::Count(count)) => {
            let problem = page.say1("quarantine-wrong-count", "count", page.count(count));
            return again(page, problem);
        }
    };
    let (service, actor) = (console.service.clone(), viewer.actor());
    let done = to_the_end(async move { quarantine::confirm(&service, &named, actor).await }).await;
    match done {
        Ok(done) => {
            let notice = Notice::done("quarantine-ended")
                .with("wiped", grouped(done.wiped.len() as u64))
                .with("codes", grouped(done.codes_ended as u64));
            viewer.notify(&console, notice);
            Ok(Redirect::to("/").into_response())
        }
        Err(error @ (UseCaseError::NotFound(_) | UseCaseError::Refused(_))) => {
            let problem = refusals::text(page.language, &error);
            again(page, problem)
        }
        Err(error) => Err(Failure::of(&viewer.visit, error)),
    }
}

fn form_of(form: &ConfirmForm) -> ConfirmForm {
    ConfirmForm { wiped: form.wiped.clone(), count: form.count.clone() }
}

/// What is wrong with a form.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    /// Not the id of a device.
    Id(String),
    /// Another number was typed than devices are named.
    Count(usize),
}

fn named(form: &ConfirmForm) -> Result<BTreeSet<EnrolmentId>, Wrong> {
    let mut named = BTreeSet::new();
    for word in
        form.wiped.split([' ', ',', '\u{3000}', '、', '\n', '\r', '\t']).filter(|word| !word.is_empty())
    {
        let short = || word.chars().take(40).collect();
        named.insert(word.parse().map_err(|_| Wrong::Id(short()))?);
    }
    let count: String = form.count.nfkc().filter(|c| !c.is_whitespace()).collect();
    match count.parse::<usize>() {
        Ok(count) if count == named.len() && count <= MOST => Ok(named),
        _ => Err(Wrong::Count(named.len())),
    }
}

#[cfg(test)]
mod tests {
    use mdm_core::audit::Actor;
    use mdm_core::batch::Mode;
    use mdm_core::device::DeviceState;
    use mdm_core::operator::Role;
    use mdm_core::quarantine::Entering;

    use super::*;
    use crate::console::browser::Browser;
    use crate::testing::World;
    use crate::use_cases::licenses;

    fn form(wiped: &str, count: &str) -> ConfirmForm {
        ConfirmForm { wiped: wiped.to_owned(), count: count.to_owned() }
    }

    #[test]
    fn a_list_counts_only_with_its_number() {
        let id = EnrolmentId::from_bytes([7; 16]);
        let two = EnrolmentId::from_bytes([8; 16]);
        assert_eq!(named(&form("", "０")), Ok(BTreeSet::new()));
        assert_eq!(named(&form(&format!("{id}\r\n{two}\r\n{id}"), " 2 ")), Ok(BTreeSet::from([id, two])));
        assert_eq!(named(&form("", "")), Err(Wrong::Count(0)));
        assert_eq!(named(&form(&id.to_string(), "0")), Err(Wrong::Count(1)));
        assert_eq!(named(&form("0012", "1")), Err(Wrong::Id("0012".to_owned())));
    }

    #[tokio::test]
    async fn an_owner_confirms_on_a_page_which_devices_were_wiped_and_codes_end() {
        let world = World::new();
        licenses::set_pool(&world.service, 2, Actor::Server).await.unwrap();
        world.apply("職員番号,氏名,所属,利用\n1,山田太郎,総務課,○\n2,鈴木一,総務課,○\n", Mode::Roster).await;
        let account = world.account("1").await;
        let device = world.device(account.id, DeviceState::Live).await;
        let known = world.service.store.journal_head().await.unwrap();
        let entering = Entering { cause: Cause::Restored, known, known_until: world.now(), seen: None };
        quarantine::enter(&world.service, entering).await.unwrap();
        let console = Console::new(world.service.clone());
        let owner = Browser::signed_in(&world, &console, Role::Owner).await;
        assert!(owner.get("/").await.text().contains("サーバーは隔離中です。"));

        let id = device.to_string();
        let helpdesk = Browser::signed_in(&world, &console, Role::Helpdesk).await;
        assert!(helpdesk.get("/quarantine").await.text().contains("確認できるのは責任者だけです。"));
        let sent = helpdesk.post("/quarantine", &[("wiped", &id), ("count", "1")]).await;
        assert_eq!(sent.status, StatusCode::FORBIDDEN);

        let unsure = owner.post("/quarantine", &[("wiped", &id), ("count", "")]).await;
        assert_eq!(unsure.status, StatusCode::UNPROCESSABLE_ENTITY);
        let unknown = EnrolmentId::from_bytes([9; 16]).to_string();
        let both = format!("{id}\n{unknown}");
        let unknown = owner.post("/quarantine", &[("wiped", &both), ("count", "2")]).await;
        assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(world.service.quarantine().is_some());
        let stands = world.service.store.device(device).await.unwrap().unwrap().value.state;
        assert_eq!(stands, DeviceState::Live, "nothing is done while one of them is wrong");

        let done = owner.post("/quarantine", &[("wiped", &id), ("count", "1")]).await;
        assert_eq!((done.status, done.location.as_str()), (StatusCode::SEE_OTHER, "/"));
        assert_eq!(world.service.quarantine(), None);
        let stands = world.service.store.device(device).await.unwrap().unwrap().value;
        assert!(stands.wipe().is_some_and(|wipe| wipe.sealed_at.is_some()));
        assert!(world.service.store.usable_codes(None, 10).await.unwrap().is_empty());
        let after = owner.get("/").await.text();
        assert!(
            after.contains("隔離を解除しました。") && !after.contains("サーバーは隔離中です。"),
            "{after}"
        );
    }
}
