//! `/quarantine`: why the server holds back, and the way out. An owner confirms which devices were wiped and blocked in the time
//! that is forgotten, all of them or none, and says how many they are: a form that is sent too early is not taken for "none".
//! Operators stay if the owner says so of each.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use mdm_core::operator::{Act, Operator, Role};
use mdm_core::quarantine::{Cause, Quarantine};
use serde::Deserialize;
use shared::ids::{EnrolmentId, OperatorId};
use unicode_normalization::UnicodeNormalization as _;

use super::Console;
use super::failure::Failure;
use super::notice::Notice;
use super::page::{Nav, Page, grouped};
use super::posted::Posted;
use super::refusals;
use super::render::render_with;
use super::viewer::{Fresh, Viewer};
use crate::quarantine::{self, Confirmed};
use crate::rights::{Operators, Read};
use crate::use_cases::{UseCaseError, operators, to_the_end};

/// Devices that one field names.
const MOST: usize = 1_000;
/// What the name of an operator's box begins with; their id follows.
const BOX: &str = "operator-";

#[derive(Template)]
#[template(path = "quarantine.html")]
struct QuarantinePage {
    page: Page,
    quarantine: Option<Quarantine>,
    /// The device that showed it.
    shown_by: Option<EnrolmentId>,
    may_confirm: bool,
    form: ConfirmForm,
    operators: Vec<OperatorBox>,
    problem: Option<Problem>,
}

/// An operator who is enabled, beside the viewer.
struct OperatorBox {
    field: String,
    name: String,
    role: Role,
    signs_in: bool,
    stays: bool,
}

impl OperatorBox {
    fn new(operator: &Operator, form: &ConfirmForm) -> Self {
        let field = format!("{BOX}{}", operator.id);
        Self {
            stays: form.others.contains_key(&field),
            field,
            name: operator.name.to_string(),
            role: operator.role,
            signs_in: operator.credentials().is_some(),
        }
    }
}

/// What the form sends.
#[derive(Default, Deserialize)]
pub(super) struct ConfirmForm {
    #[serde(default)]
    wiped: String,
    #[serde(default)]
    count: String,
    #[serde(default)]
    blocked: String,
    #[serde(default)]
    blocked_count: String,
    /// The boxes that are ticked.
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

/// What is wrong with a form, and where.
struct Problem {
    text: String,
    field: Option<Field>,
}

impl QuarantinePage {
    fn problem_of_wiped(&self) -> Option<&str> {
        self.problem_of(Some(Field::Wiped))
    }

    fn problem_of_blocked(&self) -> Option<&str> {
        self.problem_of(Some(Field::Blocked))
    }

    fn problem_of_all(&self) -> Option<&str> {
        self.problem_of(None)
    }

    fn problem_of(&self, field: Option<Field>) -> Option<&str> {
        self.problem.as_ref().filter(|problem| problem.field == field).map(|problem| problem.text.as_str())
    }
}

/// The page.
pub(super) async fn show(viewer: Viewer<Read>, State(console): State<Console>) -> Result<Response, Failure> {
    let page = viewer.page(Nav::Outside, &console);
    let form = ConfirmForm::default();
    let rendered = rendered(&console, StatusCode::OK, page, viewer.operator.id, form, None).await;
    rendered.map_err(|error| Failure::of(&viewer.visit, error))
}

async fn rendered(
    console: &Console,
    status: StatusCode,
    page: Page,
    viewer: OperatorId,
    form: ConfirmForm,
    problem: Option<Problem>,
) -> Result<Response, UseCaseError> {
    let quarantine = console.service.quarantine();
    let shown_by = quarantine.as_ref().and_then(|quarantine| match quarantine.cause {
        Cause::Checkpoint(enrolment) => Some(enrolment),
        Cause::Restored => None,
    });
    let may_confirm = page.may(Act::Operators);
    let all = if may_confirm { operators::list(&console.service).await? } else { Vec::new() };
    let others = all.iter().filter(|operator| operator.is_enabled() && operator.id != viewer);
    let operators = others.map(|operator| OperatorBox::new(operator, &form)).collect();
    let page = QuarantinePage { page, quarantine, shown_by, may_confirm, form, operators, problem };
    Ok(render_with(status, &page))
}

/// Confirms, orders again what is named, and ends the quarantine.
pub(super) async fn confirm(
    Fresh(viewer): Fresh<Operators>,
    State(console): State<Console>,
    Posted(form): Posted<ConfirmForm>,
) -> Result<Response, Failure> {
    let page = viewer.page(Nav::Outside, &console);
    let owner = viewer.operator.id;
    let problem = match confirmed(&form) {
        Ok(confirmed) => {
            let service = console.service.clone();
            let done =
                to_the_end(async move { quarantine::confirm(&service, &confirmed, owner).await }).await;
            match done {
                Ok(done) => {
                    viewer.notify(&console, notice(&done));
                    return Ok(Redirect::to("/").into_response());
                }
                Err(error @ (UseCaseError::NotFound(_) | UseCaseError::Refused(_))) => {
                    Problem { text: refusals::text(page.language, &error), field: None }
                }
                Err(error) => return Err(Failure::of(&viewer.visit, error)),
            }
        }
        Err((field, Wrong::Id(text))) => {
            Problem { text: page.say1("quarantine-no-id", "text", text), field: Some(field) }
        }
        Err((field, Wrong::Count(count))) => {
            let text = page.say1("quarantine-wrong-count", "count", page.count(count));
            Problem { text, field: Some(field) }
        }
    };
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let rendered = rendered(&console, status, page, owner, form, Some(problem)).await;
    rendered.map_err(|error| Failure::of(&viewer.visit, error))
}

fn notice(done: &quarantine::OrderedAgain) -> Notice {
    Notice::done("quarantine-ended")
        .with("wiped", grouped(done.wiped.len() as u64))
        .with("blocked", grouped(done.blocked.len() as u64))
        .with("operators", grouped(done.operators as u64))
        .with("codes", grouped(done.codes_ended as u64))
}

/// A list of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Wiped,
    Blocked,
}

/// What is wrong with a list.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    /// Not the id of a device.
    Id(String),
    /// Another number was typed than devices are named.
    Count(usize),
}

fn confirmed(form: &ConfirmForm) -> Result<Confirmed, (Field, Wrong)> {
    let stays = form.others.keys().filter_map(|field| field.strip_prefix(BOX)?.parse().ok());
    Ok(Confirmed {
        wiped: named(&form.wiped, &form.count).map_err(|wrong| (Field::Wiped, wrong))?,
        blocked: named(&form.blocked, &form.blocked_count).map_err(|wrong| (Field::Blocked, wrong))?,
        operators: stays.collect(),
    })
}

fn named(list: &str, count: &str) -> Result<BTreeSet<EnrolmentId>, Wrong> {
    let mut named = BTreeSet::new();
    for word in list.split([' ', ',', '\u{3000}', '、', '\n', '\r', '\t']).filter(|word| !word.is_empty()) {
        let short = || word.chars().take(40).collect();
        named.insert(word.parse().map_err(|_| Wrong::Id(short()))?);
    }
    let count: String = count.nfkc().filter(|c| !c.is_whitespace()).collect();
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

    #[test]
    fn a_list_counts_only_with_its_number() {
        let id = EnrolmentId::from_bytes([7; 16]);
        let two = EnrolmentId::from_bytes([8; 16]);
        assert_eq!(named("", "０"), Ok(BTreeSet::new()));
        assert_eq!(named(&format!("{id}\r\n{two}\r\n{id}"), " 2 "), Ok(BTreeSet::from([id, two])));
        assert_eq!(named("", ""), Err(Wrong::Count(0)));
        assert_eq!(named(&id.to_string(), "0"), Err(Wrong::Count(1)));
        assert_eq!(named("0012", "1"), Err(Wrong::Id("0012".to_owned())));
    }

    #[tokio::test]
    async fn an_owner_confirms_on_a_page_which_devices_were_wiped_and_codes_end() {
        let world = World::new();
        licenses::set_pool(&world.service, 2, Actor::Server).await.unwrap();
        world.apply("職員番号,氏名,所属,利用\n1,山田太郎,総務課,○\n2,鈴木一,総務課,○\n", Mode::Roster).await;
        let account = world.account("1").await;
        let device = world.device(account.id, DeviceState::Live).await;
        let found = world.device(account.id, DeviceState::Live).await;
        let (stays, goes) =
            (world.ready("stays", Role::Owner).await, world.ready("goes", Role::Operator).await);
        let known = world.service.store.journal_head().await.unwrap();
        let entering =
            Entering { cause: Cause::Restored, known, known_until: world.now(), seen: None, key_file: None };
        quarantine::enter(&world.service, entering).await.unwrap();
        let console = Console::new(world.service.clone());
        let owner = Browser::signed_in(&world, &console, Role::Owner).await;
        assert!(owner.get("/").await.text().contains("サーバーは隔離中です。"));

        let id = device.to_string();
        let helpdesk = Browser::signed_in(&world, &console, Role::Helpdesk).await;
        assert!(helpdesk.get("/quarantine").await.text().contains("確認できるのは責任者だけです。"));
        let page = owner.get("/quarantine").await.text();
        assert!(page.contains("stays") && page.contains("goes") && page.contains("停止した端末"), "{page}");
        let none = [("blocked", ""), ("blocked_count", "0")];
        let sent =
            helpdesk.post("/quarantine", &[&[("wiped", &*id), ("count", "1")], &none[..]].concat()).await;
        assert_eq!(sent.status, StatusCode::FORBIDDEN);

        let unsure =
            owner.post("/quarantine", &[&[("wiped", &*id), ("count", "")], &none[..]].concat()).await;
        assert_eq!(unsure.status, StatusCode::UNPROCESSABLE_ENTITY);
        // Blocks have a number of their own.
        let unsure = owner.post("/quarantine", &[("wiped", &*id), ("count", "1")]).await;
        assert_eq!(unsure.status, StatusCode::UNPROCESSABLE_ENTITY);
        let unknown = EnrolmentId::from_bytes([9; 16]).to_string();
        let both = format!("{id}\n{unknown}");
        let unknown =
            owner.post("/quarantine", &[&[("wiped", &*both), ("count", "2")], &none[..]].concat()).await;
        assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(world.service.quarantine().is_some());
        let stands = world.service.store.device(device).await.unwrap().unwrap().value.state;
        assert_eq!(stands, DeviceState::Live, "nothing is done while one of them is wrong");

        let (blocked, stay) = (found.to_string(), format!("operator-{}", stays.operator.id));
        let list =
            [("wiped", &*id), ("count", "1"), ("blocked", &blocked), ("blocked_count", "1"), (&stay, "on")];
        let done = owner.post("/quarantine", &list).await;
        assert_eq!((done.status, done.location.as_str()), (StatusCode::SEE_OTHER, "/"));
        assert_eq!(world.service.quarantine(), None);
        let stands = world.service.store.device(device).await.unwrap().unwrap().value;
        assert!(stands.wipe().is_some_and(|wipe| wipe.sealed_at.is_some()));
        let blocked = world.service.store.device(found).await.unwrap().unwrap().value.state;
        assert_eq!(blocked, DeviceState::Blocked);
        let is_enabled =
            async |id| world.service.store.operator(id).await.unwrap().unwrap().value.is_enabled();
        assert!(is_enabled(stays.operator.id).await && !is_enabled(goes.operator.id).await);
        assert!(world.service.store.usable_codes(None, 10).await.unwrap().is_empty());
        let after = owner.get("/").await.text();
        assert!(
            after.contains("隔離を解除しました。") && !after.contains("サーバーは隔離中です。"),
            "{after}"
        );
    }
}
