//! 利用希望 for one person.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::ids::AccountId;

use crate::console::Console;
use crate::console::devices::order::id;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::posted::Posted;
use crate::console::viewer::Viewer;
use crate::rights::Manage;
use crate::use_cases::accounts::Who;
use crate::use_cases::{licenses, to_the_end};

/// Asks for a seat: one is assigned at once if it is free and nobody waits.
pub(in crate::console) async fn ask(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(account): Path<String>,
    Posted(()): Posted<()>,
) -> Result<Response, Failure> {
    let id: AccountId = id(&account, &viewer.visit)?;
    let (service, actor) = (console.service.clone(), viewer.actor());
    let asked = to_the_end(async move { licenses::wait(&service, &Who::Id(id), actor).await }).await;
    let (_, moved) = asked.map_err(|error| Failure::of(&viewer.visit, error))?;
    let is_given = moved.given.iter().any(|account| account.id == id);
    let key = if is_given { "accounts-seat-given" } else { "accounts-seat-waits" };
    viewer.notify(&console, Notice::done(key));
    Ok(Redirect::to(&format!("/accounts/{id}")).into_response())
}
