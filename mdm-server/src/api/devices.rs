//! `/devices`: what stands on them, and block, unblock, wipe.

use axum::Json;
use axum::extract::State;
use mdm_core::device::Device;
use shared::ids::EnrolmentId;

use super::auth::{Block, May, Read, Wipe};
use super::extract::{self, Asked, Named, page_after, page_size};
use super::types::{DeviceQuery, DeviceView, OrderRequest, Page};
use super::{Api, ApiError};
use crate::use_cases::UseCaseError;
use crate::use_cases::accounts::{self, Listing};
use crate::use_cases::devices::{self, Order};

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
    extract::Json(OrderRequest { reason }): extract::Json<OrderRequest>,
) -> Result<Json<DeviceView>, ApiError> {
    let (service, actor) = (api.service.clone(), may.actor());
    let order = async move { devices::block(&service, id, Order { actor, reason: &reason }).await };
    view(&api, to_the_end(order).await).await
}

pub(super) async fn unblock(
    may: May<Block>,
    State(api): State<Api>,
    Named(id): Named<EnrolmentId>,
    extract::Json(OrderRequest { reason }): extract::Json<OrderRequest>,
) -> Result<Json<DeviceView>, ApiError> {
    let (service, actor) = (api.service.clone(), may.actor());
    let order = async move { devices::unblock(&service, id, Order { actor, reason: &reason }).await };
    view(&api, to_the_end(order).await).await
}

pub(super) async fn wipe(
    may: May<Wipe>,
    State(api): State<Api>,
    Named(id): Named<EnrolmentId>,
    extract::Json(OrderRequest { reason }): extract::Json<OrderRequest>,
) -> Result<Json<DeviceView>, ApiError> {
    let (service, actor) = (api.service.clone(), may.actor());
    let order = async move { devices::wipe(&service, id, Order { actor, reason: &reason }).await };
    view(&api, to_the_end(order).await).await
}

/// Carries an order out though the caller hangs up: an order is not half an order because a laptop was closed.
async fn to_the_end<T: Send + 'static>(
    order: impl Future<Output = Result<T, UseCaseError>> + Send + 'static,
) -> Result<T, UseCaseError> {
    match tokio::spawn(order).await {
        Ok(result) => result,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(UseCaseError::Refused("the server is shutting down: try again later".to_owned())),
        },
    }
}

async fn view(api: &Api, device: Result<Device, UseCaseError>) -> Result<Json<DeviceView>, ApiError> {
    let standing = accounts::of_device(&api.service, device?).await?;
    Ok(Json(DeviceView::new(&standing, api.service.clock.now())))
}
