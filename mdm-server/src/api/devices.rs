//! `/devices`: what stands on them, and block, unblock, wipe.

use axum::Json;
use axum::extract::State;
use mdm_core::audit::Actor;
use mdm_core::device::Device;
use shared::ids::EnrolmentId;

use super::auth::May;
use super::extract::{self, Asked, Named, page_after, page_size};
use super::types::{DeviceQuery, DeviceView, OrderRequest, Page};
use super::{Api, ApiError};
use crate::rights::{Block, Manage, Read, Wipe};
use crate::use_cases::accounts::{self, Listing};
use crate::use_cases::devices::{self, Order};
use crate::use_cases::{UseCaseError, to_the_end};

pub(super) async fn list(
    _: May<Read>,
    State(api): State<Api>,
    Asked(query): Asked<DeviceQuery>,
) -> Result<Json<Page<DeviceView>>, ApiError> {
    let after = page_after(query.after.as_deref())?;
    let Listing { rows, next } = accounts::list_devices(&api.service, after, page_size(query.limit)?).await?;
    let now = api.service.clock.now();
    let items = rows.iter().map(|device| DeviceView::new(device, now)).collect();
    Ok(Json(Page { items, next: next.map(|id| id.to_string()) }))
}

pub(super) async fn show(
    _: May<Read>,
    State(api): State<Api>,
    Named(id): Named<EnrolmentId>,
) -> Result<Json<DeviceView>, ApiError> {
    view(&api, devices::show(&api.service, id).await).await
}

pub(super) async fn block(
    may: May<Block>,
    State(api): State<Api>,
    Named(id): Named<EnrolmentId>,
    extract::Json(request): extract::Json<OrderRequest>,
) -> Result<Json<DeviceView>, ApiError> {
    carry_out(&api, Verb::Block, id, may.actor(), request).await
}

pub(super) async fn unblock(
    may: May<Block>,
    State(api): State<Api>,
    Named(id): Named<EnrolmentId>,
    extract::Json(request): extract::Json<OrderRequest>,
) -> Result<Json<DeviceView>, ApiError> {
    carry_out(&api, Verb::Unblock, id, may.actor(), request).await
}

pub(super) async fn wipe(
    may: May<Wipe>,
    State(api): State<Api>,
    Named(id): Named<EnrolmentId>,
    extract::Json(request): extract::Json<OrderRequest>,
) -> Result<Json<DeviceView>, ApiError> {
    carry_out(&api, Verb::Wipe, id, may.actor(), request).await
}

pub(super) async fn reset_attempts(
    may: May<Manage>,
    State(api): State<Api>,
    Named(id): Named<EnrolmentId>,
    extract::Json(request): extract::Json<OrderRequest>,
) -> Result<Json<DeviceView>, ApiError> {
    carry_out(&api, Verb::ResetAttempts, id, may.actor(), request).await
}

#[derive(Debug, Clone, Copy)]
enum Verb {
    Block,
    Unblock,
    Wipe,
    ResetAttempts,
}

/// Carries an order out though the caller hangs up.
async fn carry_out(
    api: &Api,
    verb: Verb,
    id: EnrolmentId,
    actor: Actor,
    OrderRequest { reason }: OrderRequest,
) -> Result<Json<DeviceView>, ApiError> {
    let service = api.service.clone();
    let order = async move {
        let order = Order { actor, reason: &reason };
        match verb {
            Verb::Block => devices::block(&service, id, order).await,
            Verb::Unblock => devices::unblock(&service, id, order).await,
            Verb::Wipe => devices::wipe(&service, id, order).await,
            Verb::ResetAttempts => devices::reset_attempts(&service, id, order).await,
        }
    };
    view(api, to_the_end(order).await).await
}

async fn view(api: &Api, device: Result<Device, UseCaseError>) -> Result<Json<DeviceView>, ApiError> {
    let standing = accounts::of_device(&api.service, device?).await?;
    Ok(Json(DeviceView::new(&standing, api.service.clock.now())))
}
