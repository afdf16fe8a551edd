//! `/operators`: who may use console and API. Everybody who reads may see who they are; owners administer them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mdm_core::operator::{Deputy, Operator, OperatorName};
use shared::ids::OperatorId;

use super::auth::May;
use super::extract::{self, Named};
use super::types::{DeputyRequest, InvitationView, InviteRequest, OperatorView, RoleRequest, TokenMade};
use super::{Api, ApiError};
use crate::rights::{Operators, Read};
use crate::use_cases::batches::release::effective_time;
use crate::use_cases::operators::{self, Invitation};

pub(super) async fn list(_: May<Read>, State(api): State<Api>) -> Result<Json<Vec<OperatorView>>, ApiError> {
    let now = api.service.clock.now();
    let all = operators::list(&api.service).await?;
    Ok(Json(all.iter().map(|operator| OperatorView::new(operator, now)).collect()))
}

pub(super) async fn invite(
    may: May<Operators>,
    State(api): State<Api>,
    extract::Json(request): extract::Json<InviteRequest>,
) -> Result<(StatusCode, Json<InvitationView>), ApiError> {
    let name = OperatorName::new(&request.name).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let invitation = operators::invite(&api.service, name, request.role, may.actor()).await?;
    Ok(invited(&api, &invitation))
}

pub(super) async fn reinvite(
    may: May<Operators>,
    State(api): State<Api>,
    Named(operator): Named<String>,
) -> Result<(StatusCode, Json<InvitationView>), ApiError> {
    let id = named(&api, &operator).await?;
    Ok(invited(&api, &operators::reinvite(&api.service, id, may.actor()).await?))
}

pub(super) async fn set_role(
    may: May<Operators>,
    State(api): State<Api>,
    Named(operator): Named<String>,
    extract::Json(request): extract::Json<RoleRequest>,
) -> Result<Json<OperatorView>, ApiError> {
    let id = named(&api, &operator).await?;
    Ok(view(&api, &operators::set_role(&api.service, id, request.role, may.actor()).await?))
}

pub(super) async fn set_deputy(
    may: May<Operators>,
    State(api): State<Api>,
    Named(operator): Named<String>,
    extract::Json(request): extract::Json<DeputyRequest>,
) -> Result<Json<OperatorView>, ApiError> {
    let zone = api.service.config.zone();
    let time = |name: &str, text: &str| {
        effective_time(text, &zone).map_err(|error| ApiError::bad_request(format!("`{name}`: {error}")))
    };
    let deputy = Deputy { from: time("from", &request.from)?, until: time("until", &request.until)? };
    let id = named(&api, &operator).await?;
    Ok(view(&api, &operators::set_deputy(&api.service, id, Some(deputy), may.actor()).await?))
}

pub(super) async fn end_deputy(
    may: May<Operators>,
    State(api): State<Api>,
    Named(operator): Named<String>,
) -> Result<Json<OperatorView>, ApiError> {
    let id = named(&api, &operator).await?;
    Ok(view(&api, &operators::set_deputy(&api.service, id, None, may.actor()).await?))
}

pub(super) async fn disable(
    may: May<Operators>,
    State(api): State<Api>,
    Named(operator): Named<String>,
) -> Result<Json<OperatorView>, ApiError> {
    let id = named(&api, &operator).await?;
    Ok(view(&api, &operators::disable(&api.service, id, may.actor()).await?))
}

pub(super) async fn enable(
    may: May<Operators>,
    State(api): State<Api>,
    Named(operator): Named<String>,
) -> Result<Json<OperatorView>, ApiError> {
    let id = named(&api, &operator).await?;
    Ok(view(&api, &operators::enable(&api.service, id, may.actor()).await?))
}

pub(super) async fn make_token(
    may: May<Operators>,
    State(api): State<Api>,
    Named(operator): Named<String>,
) -> Result<(StatusCode, Json<TokenMade>), ApiError> {
    let id = named(&api, &operator).await?;
    let token = operators::make_token(&api.service, id, may.actor()).await?;
    let operator = operators::find(&api.service, &id.to_string()).await?.value;
    let operator = OperatorView::new(&operator, api.service.clock.now());
    Ok((StatusCode::CREATED, Json(TokenMade { operator, token: token.to_string() })))
}

pub(super) async fn revoke_token(
    may: May<Operators>,
    State(api): State<Api>,
    Named(operator): Named<String>,
) -> Result<Json<OperatorView>, ApiError> {
    let id = named(&api, &operator).await?;
    Ok(view(&api, &operators::revoke_token(&api.service, id, may.actor()).await?))
}

/// The operator that the path names, by id or by sign-in name.
async fn named(api: &Api, text: &str) -> Result<OperatorId, ApiError> {
    Ok(operators::find(&api.service, text).await?.value.id)
}

fn view(api: &Api, operator: &Operator) -> Json<OperatorView> {
    Json(OperatorView::new(operator, api.service.clock.now()))
}

fn invited(api: &Api, invitation: &Invitation) -> (StatusCode, Json<InvitationView>) {
    let view = InvitationView::new(invitation, &api.service.config, api.service.clock.now());
    (StatusCode::CREATED, Json(view))
}
