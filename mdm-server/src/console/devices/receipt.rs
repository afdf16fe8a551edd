//! 消去証明: the bytes that the device signed, as they arrived, for whoever verifies them elsewhere.

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use shared::ids::EnrolmentId;

use super::order::{find, id};
use crate::console::Console;
use crate::console::failure::Failure;
use crate::console::viewer::Viewer;
use crate::rights::Read;

/// RFC 9052, section 12.3.
const COSE_SIGN1: &str = "application/cose; cose-type=\"cose-sign1\"";

/// The file.
pub(in crate::console) async fn download(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Path(device): Path<String>,
) -> Result<Response, Failure> {
    let id: EnrolmentId = id(&device, &viewer.visit)?;
    let known = find(&console, &viewer, id).await?;
    let receipt = known.device.wipe().and_then(|wipe| wipe.receipt.clone());
    let receipt = receipt.ok_or(Failure::NoSuchPage(viewer.visit.language))?;
    let name = format!("attachment; filename=\"receipt-{id}.cose\"");
    let headers = [(CONTENT_TYPE, COSE_SIGN1.to_owned()), (CONTENT_DISPOSITION, name)];
    Ok((headers, receipt.bytes).into_response())
}
