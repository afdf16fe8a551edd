//! `/licenses/pool`: another size of the pool. What it does is shown before it is done.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use mdm_core::account::Account;
use mdm_core::license::{Pool, PoolSize};
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
    reserved: u32,
    free: u32,
    given: u32,
}

#[derive(Template)]
#[template(path = "licenses/pool.html")]
struct PoolPage {
    page: Page,
    pool: Pool,
    typed: PoolForm,
    consequence: Option<Consequence>,
    problem: Option<String>,
}

/// A size and a reserve, as typed. A reserve that nobody typed stays as it is.
#[derive(Deserialize)]
pub(in crate::console) struct PoolForm {
    #[serde(default)]
    size: String,
    #[serde(default)]
    reserved: String,
}

impl PoolForm {
    fn read(&self) -> Option<PoolSize> {
        let reserved = match self.reserved.trim() {
            "" => None,
            typed => Some(number(typed)?),
        };
        Some(PoolSize { size: number(&self.size)?, reserved })
    }
}

async fn show(
    viewer: &Viewer<Manage>,
    console: &Console,
    status: StatusCode,
    typed: PoolForm,
    problem: Option<String>,
) -> Result<Response, Failure> {
    let directory = directory::current(&console.service).await.map_err(failed(&viewer.visit))?;
    let (page, pool) = (viewer.page(Nav::Licenses, console), directory.pool().clone());
    let problem = problem.or_else(|| size_problem(&page, &pool, &typed));
    let consequence = typed.read().filter(|_| problem.is_none()).map(|size| {
        let mut then = resized(&pool, size);
        let mut given = 0;
        let entitled = |account: &&Account| account.may_work() && account.seat.is_none();
        for waiting in directory.waiting().map(|row| &row.person.account).filter(entitled) {
            let temporary = waiting.is_temporary();
            if then.free_for(temporary) > 0 {
                then.give(temporary);
                given += 1;
            }
        }
        Consequence { size: then.size, reserved: then.reserved, free: then.free(), given }
    });
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { status };
    Ok(render_with(status, &PoolPage { page, pool, typed, consequence, problem }))
}

fn resized(pool: &Pool, PoolSize { size, reserved }: PoolSize) -> Pool {
    Pool { size, reserved: reserved.unwrap_or(pool.reserved), ..pool.clone() }
}

/// What is wrong with a size; nothing while none is typed.
fn size_problem(page: &Page, pool: &Pool, typed: &PoolForm) -> Option<String> {
    match typed.read() {
        _ if typed.size.is_empty() => None,
        None => Some(page.say("licenses-pool-not-a-number")),
        Some(size) => {
            let then = resized(pool, size);
            let least = grouped(then.spoken_for().into());
            (then.size < then.spoken_for()).then(|| page.say1("licenses-pool-too-small", "least", least))
        }
    }
}

/// The form; with a size, what it does.
pub(in crate::console) async fn form(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Query(form): Query<PoolForm>,
) -> Result<Response, Failure> {
    show(&viewer, &console, StatusCode::OK, form, None).await
}

/// Sets it.
pub(in crate::console) async fn set(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Posted(form): Posted<PoolForm>,
) -> Result<Response, Failure> {
    let Some(size) = form.read() else {
        let problem = Some(viewer.visit.language.say("licenses-pool-not-a-number", &[]));
        return show(&viewer, &console, StatusCode::UNPROCESSABLE_ENTITY, form, problem).await;
    };
    match licenses::set_pool(&console.service, size, viewer.actor()).await {
        Ok(moved) => {
            let notice = Notice::done("licenses-pool-set").with("size", grouped(size.size.into()));
            viewer.notify(&console, notice.with("given", grouped(moved.given.len() as u64)));
            Ok(Redirect::to("/licenses").into_response())
        }
        Err(error @ UseCaseError::Refused(_)) => {
            let problem = Some(refusals::text(viewer.visit.language, &error));
            show(&viewer, &console, StatusCode::UNPROCESSABLE_ENTITY, form, problem).await
        }
        Err(error) => Err(failed::<UseCaseError>(&viewer.visit)(error)),
    }
}
