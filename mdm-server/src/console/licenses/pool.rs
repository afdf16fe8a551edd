//! `/licenses/pool`: another size of the pool. What it does is shown before it is done.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use mdm_core::license::Pool;
use serde::Deserialize;

use super::failed;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page, grouped};
use crate::console::posted::Posted;
use crate::console::render::render_with;
use crate::console::typed::number;
use crate::console::viewer::Viewer;
use crate::console::{Console, refusals};
use crate::directory;
use crate::rights::Manage;
use crate::use_cases::{UseCaseError, licenses};

/// What another size does.
struct Consequence {
    size: u32,
    free: u32,
    given: u32,
}

#[derive(Template)]
#[template(path = "licenses/pool.html")]
struct PoolPage {
    page: Page,
    pool: Pool,
    typed: String,
    consequence: Option<Consequence>,
    problem: Option<String>,
}

/// A size, as typed.
#[derive(Deserialize)]
pub(in crate::console) struct PoolForm {
    #[serde(default)]
    size: String,
}

async fn show(
    viewer: &Viewer<Manage>,
    console: &Console,
    status: StatusCode,
    typed: String,
    problem: Option<String>,
) -> Result<Response, Failure> {
    let directory = directory::current(&console.service).await.map_err(failed(&viewer.visit))?;
    let (page, pool) = (viewer.page(Nav::Licenses, console), directory.pool().clone());
    let problem = problem.or_else(|| size_problem(&page, &pool, &typed));
    let consequence = number(&typed).filter(|_| problem.is_none()).map(|size| {
        let free = size - pool.assigned - pool.reserved;
        let waiting = u32::try_from(directory.counts().waiting).unwrap_or(u32::MAX);
        Consequence { size, free: free.saturating_sub(waiting), given: free.min(waiting) }
    });
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { status };
    Ok(render_with(status, &PoolPage { page, pool, typed, consequence, problem }))
}

/// What is wrong with a size; nothing while none is typed.
fn size_problem(page: &Page, pool: &Pool, typed: &str) -> Option<String> {
    let least = pool.assigned.saturating_add(pool.reserved);
    match number(typed) {
        _ if typed.is_empty() => None,
        None => Some(page.say("licenses-pool-not-a-number")),
        Some(size) if size < least => {
            Some(page.say1("licenses-pool-too-small", "least", grouped(least.into())))
        }
        Some(_) => None,
    }
}

/// The form; with a size, what it does.
pub(in crate::console) async fn form(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Query(form): Query<PoolForm>,
) -> Result<Response, Failure> {
    show(&viewer, &console, StatusCode::OK, form.size, None).await
}

/// Sets it.
pub(in crate::console) async fn set(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Posted(form): Posted<PoolForm>,
) -> Result<Response, Failure> {
    let Some(size) = number(&form.size) else {
        let problem = Some(viewer.visit.language.say("licenses-pool-not-a-number", &[]));
        return show(&viewer, &console, StatusCode::UNPROCESSABLE_ENTITY, form.size, problem).await;
    };
    match licenses::set_pool(&console.service, size, viewer.actor()).await {
        Ok(moved) => {
            let notice = Notice::done("licenses-pool-set").with("size", grouped(size.into()));
            viewer.notify(&console, notice.with("given", grouped(moved.given.len() as u64)));
            Ok(Redirect::to("/licenses").into_response())
        }
        Err(error @ UseCaseError::Refused(_)) => {
            let problem = Some(refusals::text(viewer.visit.language, &error));
            show(&viewer, &console, StatusCode::UNPROCESSABLE_ENTITY, form.size, problem).await
        }
        Err(error) => Err(failed::<UseCaseError>(&viewer.visit)(error)),
    }
}
