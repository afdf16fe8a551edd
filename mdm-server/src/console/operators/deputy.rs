//! 代理: naming who approves in the place of those who may, for a time, and ending it before that.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use mdm_core::operator::{Act, Deputy, Operator};
use serde::Deserialize;
use shared::ids::OperatorId;

use super::{ShowPage, Shown, back};
use crate::console::failure::Failure;
use crate::console::page::{Nav, Page};
use crate::console::posted::Posted;
use crate::console::render::render_with;
use crate::console::viewer::{Fresh, Viewer};
use crate::console::words::Language;
use crate::console::{Console, refusals};
use crate::rights::Operators;
use crate::use_cases::batches::release::{TimeError, effective_time};
use crate::use_cases::operators;

/// A deputy's time as the pages show it.
pub(super) struct ShownDeputy {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// Whether they stand in now.
    pub(super) is_on: bool,
}

impl ShownDeputy {
    /// Of an operator whose time as a deputy is now or to come. A time that is over says nothing any more, nor does that of
    /// somebody who is disabled.
    pub(super) fn of(operator: &Operator, now: Timestamp) -> Option<Self> {
        let deputy = operator.deputy.as_ref().filter(|deputy| operator.is_enabled() && now < deputy.until)?;
        Some(Self { from: deputy.from, until: deputy.until, is_on: deputy.is_on(now) })
    }
}

/// What the form sends, and what stands in it.
#[derive(Default, Deserialize)]
pub(in crate::console) struct DeputyForm {
    /// Day and time of day in the organisation's zone.
    #[serde(default)]
    pub(super) from: String,
    /// The same.
    #[serde(default)]
    pub(super) until: String,
}

impl DeputyForm {
    /// The time that they have, or else nothing yet.
    pub(super) fn of(operator: &Shown, page: &Page) -> Self {
        let Some(deputy) = &operator.deputy else { return Self::default() };
        Self { from: page.local(&deputy.from), until: page.local(&deputy.until) }
    }

    fn read(&self, language: Language, zone: &TimeZone) -> Result<Deputy, String> {
        let time = |text: &str| {
            effective_time(text, zone).map_err(|error| match error {
                TimeError::Form => language.say("operators-deputy-time-form", &[]),
                TimeError::NotOnce => language.say("approval-time-not-once", &[]),
            })
        };
        Ok(Deputy { from: time(&self.from)?, until: time(&self.until)? })
    }
}

/// Whether somebody approves by their role anyway: for them there is nothing to stand in for.
pub(super) fn approves_by_role(operator: &Shown) -> bool {
    operator.role.may(Act::Approve)
}

/// Names them, or gives them another time.
pub(in crate::console) async fn name(
    Fresh(viewer): Fresh<Operators>,
    State(console): State<Console>,
    Path(id): Path<OperatorId>,
    Posted(form): Posted<DeputyForm>,
) -> Result<Response, Failure> {
    let operator = operators::find(&console.service, &id.to_string()).await;
    let operator = operator.map_err(|error| Failure::of(&viewer.visit, error))?.value;
    let language = viewer.visit.language;
    let named = match form.read(language, &console.service.config.zone()) {
        Ok(deputy) => operators::set_deputy(&console.service, id, Some(deputy), viewer.actor())
            .await
            .map_err(|error| refusals::text(language, &error)),
        Err(problem) => Err(problem),
    };
    match named {
        Ok(operator) => Ok(back(&viewer, &console, Ok(operator), "operators-deputy-named")),
        Err(problem) => Ok(again(&viewer, &console, &operator, form, problem)),
    }
}

/// The page of the operator with the form as it was sent, and why it was not taken.
fn again(
    viewer: &Viewer<Operators>,
    console: &Console,
    operator: &Operator,
    form: DeputyForm,
    problem: String,
) -> Response {
    let page = viewer.page(Nav::Operators, console);
    let shown = ShowPage {
        operator: Shown::new(operator, page.now),
        is_viewer: operator.id == viewer.operator.id,
        deputy_form: form,
        deputy_problem: Some(problem),
        page,
    };
    render_with(StatusCode::UNPROCESSABLE_ENTITY, &shown)
}

/// Ends it now.
pub(in crate::console) async fn end(
    Fresh(viewer): Fresh<Operators>,
    State(console): State<Console>,
    Path(id): Path<OperatorId>,
    Posted(()): Posted<()>,
) -> Response {
    let done = operators::set_deputy(&console.service, id, None, viewer.actor()).await;
    back(&viewer, &console, done, "operators-deputy-ended")
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use mdm_core::operator::Role;

    use super::*;
    use crate::console::browser::Browser;
    use crate::testing::World;

    fn local(at: Timestamp) -> String {
        at.to_zoned(crate::use_cases::statement::office_zone()).strftime("%Y-%m-%dT%H:%M").to_string()
    }

    #[tokio::test]
    async fn an_owner_names_a_deputy_sees_them_listed_and_ends_it() {
        let world = World::new();
        let console = Console::new(world.service.clone());
        let owner = Browser::signed_in(&world, &console, Role::Owner).await;
        let helpdesk = Browser::signed_in(&world, &console, Role::Helpdesk).await;
        let id = operators::find(&world.service, "Helpdesk").await.unwrap().value.id;
        let deputy = async || operators::find(&world.service, "Helpdesk").await.unwrap().value.deputy;
        let page = format!("/operators/{id}");
        let (name, end) = (format!("{page}/deputy"), format!("{page}/end-deputy"));
        let from = world.now() + SignedDuration::from_mins(1);
        let until = world.now() + SignedDuration::from_hours(49);
        let fields = [("from", local(from)), ("until", local(until))];
        let fields = fields.each_ref().map(|(name, text)| (*name, text.as_str()));

        assert!(!owner.get("/operators").await.text().contains("代理の期間"));
        assert_eq!(helpdesk.post(&name, &fields).await.status, StatusCode::FORBIDDEN);
        assert_eq!(deputy().await, None);
        assert_eq!(owner.post(&name, &fields).await.location, "/operators");
        let named = deputy().await.expect("named");
        assert_eq!((local(named.from), local(named.until)), (local(from), local(until)));
        let list = owner.get("/operators").await.text();
        assert!(list.contains("代理の期間") && list.contains("開始前"), "{list}");
        assert!(owner.get(&page).await.text().contains(&end));

        world.clock.advance(SignedDuration::from_mins(2));
        let list = owner.get("/operators").await.text();
        assert!(list.contains("代理中"), "{list}");
        assert_eq!(helpdesk.post(&end, &[]).await.status, StatusCode::FORBIDDEN);
        assert_eq!(owner.post(&end, &[]).await.location, "/operators");
        assert_eq!(deputy().await, None);
        assert!(!owner.get("/operators").await.text().contains("代理の期間"));
    }

    #[tokio::test]
    async fn a_time_that_cannot_be_stays_in_the_form_and_names_nobody() {
        let world = World::new();
        let console = Console::new(world.service.clone());
        let owner = Browser::signed_in(&world, &console, Role::Owner).await;
        let _ = Browser::signed_in(&world, &console, Role::Auditor).await;
        let auditor = operators::find(&world.service, "Auditor").await.unwrap().value.id;
        let name = format!("/operators/{auditor}/deputy");
        let from = local(world.now());
        let too_long = local(world.now() + SignedDuration::from_hours(24 * 100));
        for (until, said) in [
            (from.as_str(), "92日以内"),
            (too_long.as_str(), "92日以内"),
            ("", "日時を入力"),
            ("x", "日時を入力"),
        ] {
            let answer = owner.post(&name, &[("from", &from), ("until", until)]).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{until}");
            let text = answer.text();
            assert!(text.contains(said) && text.contains(&format!("value=\"{from}\"")), "{until}: {text}");
        }
        let stored = operators::find(&world.service, "Auditor").await.unwrap().value;
        assert_eq!(stored.deputy, None);
    }

    #[tokio::test]
    async fn who_approves_anyway_has_no_form() {
        let world = World::new();
        let console = Console::new(world.service.clone());
        let owner = Browser::signed_in(&world, &console, Role::Owner).await;
        let id = operators::find(&world.service, "Owner").await.unwrap().value.id;
        let text = owner.get(&format!("/operators/{id}")).await.text();
        assert!(text.contains("役割によって承認") && !text.contains("/deputy\""), "{text}");
    }
}
