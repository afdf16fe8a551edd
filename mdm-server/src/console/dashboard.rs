//! The first page: how many people, seats and devices, and what needs attention.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Console;
use super::failure::Failure;
use super::page::{Nav, Page};
use super::render::render;
use super::viewer::Viewer;
use crate::rights::Read;

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard {
    page: Page,
}

/// The page.
pub(super) async fn show(viewer: Viewer<Read>, State(console): State<Console>) -> Result<Response, Failure> {
    Ok(render(&Dashboard { page: viewer.page(Nav::Home, &console) }))
}
