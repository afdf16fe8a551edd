//! Operators: who may use the console, and how they come and go. Everything here asks for a fresh second factor but the
//! list. What is made once (a link, a token) is shown on the answer and nowhere else.

pub(super) mod deputy;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use mdm_core::operator::{Operator, OperatorName, Role};
use serde::Deserialize;
use shared::ids::OperatorId;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::notice::Notice;
use super::page::{Nav, Page};
use super::posted::Posted;
use super::render::{render, render_with};
use super::viewer::{Fresh, Viewer};
use super::{Console, refusals};
use crate::rights::Operators;
use crate::use_cases::UseCaseError;
use crate::use_cases::operators::{self, Invitation, invitation_link};
use deputy::{DeputyForm, ShownDeputy, approves_by_role};

/// An operator as the pages show them.
struct Shown {
    id: OperatorId,
    name: String,
    role: Role,
    standing: Standing,
    has_token: bool,
    created_at: Timestamp,
    deputy: Option<ShownDeputy>,
}

/// How far an operator has come.
enum Standing {
    /// Can sign in.
    Ready,
    /// Has a link that is open until then.
    Invited(Timestamp),
    /// Let their link run out.
    Expired,
    /// May do nothing, since then.
    Disabled(Timestamp),
}

impl Shown {
    fn new(operator: &Operator, now: Timestamp) -> Self {
        let standing = match (operator.disabled_at, operator.invitation()) {
            (Some(at), _) => Standing::Disabled(at),
            (None, None) => Standing::Ready,
            (None, Some(invitation)) if invitation.expires_at > now => {
                Standing::Invited(invitation.expires_at)
            }
            (None, Some(_)) => Standing::Expired,
        };
        Self {
            id: operator.id,
            name: operator.name.to_string(),
            role: operator.role,
            standing,
            has_token: operator.token.is_some(),
            created_at: operator.created_at,
            deputy: ShownDeputy::of(operator, now),
        }
    }

    fn is_disabled(&self) -> bool {
        matches!(self.standing, Standing::Disabled(_))
    }
}

#[derive(Template)]
#[template(path = "operators/list.html")]
struct ListPage {
    page: Page,
    operators: Vec<Shown>,
}

impl ListPage {
    /// Those whose time as a deputy is now or to come, and that time.
    fn deputies(&self) -> Vec<(&Shown, &ShownDeputy)> {
        self.operators.iter().filter_map(|one| Some((one, one.deputy.as_ref()?))).collect()
    }
}

/// All of them.
pub(super) async fn list(
    viewer: Viewer<Operators>,
    State(console): State<Console>,
) -> Result<Response, Failure> {
    let all = operators::list(&console.service).await.map_err(|error| Failure::of(&viewer.visit, error))?;
    let page = viewer.page(Nav::Operators, &console);
    let operators = all.iter().map(|operator| Shown::new(operator, page.now)).collect();
    Ok(render(&ListPage { page, operators }))
}

#[derive(Template)]
#[template(path = "operators/invite.html")]
struct InvitePage {
    page: Page,
    name: String,
    role: Role,
    problem: Option<String>,
}

/// The form.
pub(super) async fn invite_form(Fresh(viewer): Fresh<Operators>, State(console): State<Console>) -> Response {
    let page = viewer.page(Nav::Operators, &console);
    render(&InvitePage { page, name: String::new(), role: Role::Helpdesk, problem: None })
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct InviteForm {
    name: String,
    role: Role,
}

/// Makes an operator and shows their link.
pub(super) async fn invite(
    Fresh(viewer): Fresh<Operators>,
    State(console): State<Console>,
    Posted(form): Posted<InviteForm>,
) -> Response {
    let page = viewer.page(Nav::Operators, &console);
    let invited = match OperatorName::new(&form.name) {
        Ok(name) => operators::invite(&console.service, name, form.role, viewer.actor()).await,
        Err(error) => Err(UseCaseError::from(error)),
    };
    match invited {
        Ok(invitation) => show_link(&console, page, &invitation),
        Err(error) => {
            let problem = Some(refusals::text(page.language, &error));
            let again = InvitePage { page, name: form.name, role: form.role, problem };
            render_with(StatusCode::UNPROCESSABLE_ENTITY, &again)
        }
    }
}

#[derive(Template)]
#[template(path = "operators/link.html")]
struct LinkPage {
    page: Page,
    name: String,
    link: Zeroizing<String>,
    expires_at: Timestamp,
}

fn show_link(console: &Console, page: Page, invitation: &Invitation) -> Response {
    render(&LinkPage {
        page,
        name: invitation.operator.name.to_string(),
        link: invitation_link(&console.service.config, &invitation.code),
        expires_at: invitation.expires_at,
    })
}

#[derive(Template)]
#[template(path = "operators/show.html")]
struct ShowPage {
    page: Page,
    operator: Shown,
    is_viewer: bool,
    deputy_form: DeputyForm,
    /// Why the form was not taken.
    deputy_problem: Option<String>,
}

impl ShowPage {
    fn approves_by_role(&self) -> bool {
        approves_by_role(&self.operator)
    }
}

/// One of them.
pub(super) async fn show(
    Fresh(viewer): Fresh<Operators>,
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let operator = operators::find(&console.service, &id).await;
    let operator = operator.map_err(|error| Failure::of(&viewer.visit, error))?.value;
    let page = viewer.page(Nav::Operators, &console);
    let is_viewer = operator.id == viewer.operator.id;
    let operator = Shown::new(&operator, page.now);
    let deputy_form = DeputyForm::of(&operator, &page);
    Ok(render(&ShowPage { operator, page, is_viewer, deputy_form, deputy_problem: None }))
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct RoleForm {
    role: Role,
}

/// Gives an operator another role.
pub(super) async fn set_role(
    Fresh(viewer): Fresh<Operators>,
    State(console): State<Console>,
    Path(id): Path<OperatorId>,
    Posted(form): Posted<RoleForm>,
) -> Response {
    let done = operators::set_role(&console.service, id, form.role, viewer.actor()).await;
    back(&viewer, &console, done, "operators-role-set")
}

/// Lets an operator do nothing from now on.
pub(super) async fn disable(
    Fresh(viewer): Fresh<Operators>,
    State(console): State<Console>,
    Path(id): Path<OperatorId>,
    Posted(()): Posted<()>,
) -> Response {
    let done = operators::disable(&console.service, id, viewer.actor()).await;
    back(&viewer, &console, done, "operators-disabled-now")
}

/// Lets a disabled operator in again.
pub(super) async fn enable(
    Fresh(viewer): Fresh<Operators>,
    State(console): State<Console>,
    Path(id): Path<OperatorId>,
    Posted(()): Posted<()>,
) -> Response {
    let done = operators::enable(&console.service, id, viewer.actor()).await;
    back(&viewer, &console, done, "operators-enabled-now")
}

/// Voids an operator's API token.
pub(super) async fn revoke_token(
    Fresh(viewer): Fresh<Operators>,
    State(console): State<Console>,
    Path(id): Path<OperatorId>,
    Posted(()): Posted<()>,
) -> Response {
    let done = operators::revoke_token(&console.service, id, viewer.actor()).await;
    back(&viewer, &console, done, "operators-token-revoked")
}

/// To the list, which says what was done or why not.
fn back(
    viewer: &Viewer<Operators>,
    console: &Console,
    done: Result<Operator, UseCaseError>,
    said: &'static str,
) -> Response {
    let notice = match done {
        Ok(operator) => Notice::done(said).with("name", operator.name.to_string()),
        Err(error) => {
            let reason = refusals::text(viewer.visit.language, &error);
            Notice::refused("operators-not-done").with("reason", reason)
        }
    };
    viewer.notify(console, notice);
    Redirect::to("/operators").into_response()
}

/// Sends an operator through the door again, with another password and authenticator, and shows their link.
pub(super) async fn reinvite(
    Fresh(viewer): Fresh<Operators>,
    State(console): State<Console>,
    Path(id): Path<OperatorId>,
    Posted(()): Posted<()>,
) -> Response {
    match operators::reinvite(&console.service, id, viewer.actor()).await {
        Ok(invitation) => show_link(&console, viewer.page(Nav::Operators, &console), &invitation),
        Err(error) => back(&viewer, &console, Err(error), ""),
    }
}

#[derive(Template)]
#[template(path = "operators/token.html")]
struct TokenPage {
    page: Page,
    token: Zeroizing<String>,
}

/// Makes an API token and shows it.
pub(super) async fn make_token(
    Fresh(viewer): Fresh<Operators>,
    State(console): State<Console>,
    Path(id): Path<OperatorId>,
    Posted(()): Posted<()>,
) -> Response {
    match operators::make_token(&console.service, id, viewer.actor()).await {
        Ok(token) => render(&TokenPage { page: viewer.page(Nav::Operators, &console), token }),
        Err(error) => back(&viewer, &console, Err(error), ""),
    }
}
