//! `/batches/{id}/mail`: codes of a batch by mail, and what became of each. As the export of codes, it asks for a fresh second
//! factor.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use mdm_core::account::Account;
use mdm_core::batch::Batch;
use mdm_core::mail::{Failure as Why, MailState, Obstacle};
use serde::Deserialize;

use super::{failed, must_see_lines, named};
use crate::console::Console;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page, grouped};
use crate::console::pager::{Pager, ROWS, offset};
use crate::console::posted::Posted;
use crate::console::render::render;
use crate::console::viewer::{Fresh, Viewer};
use crate::rights::Codes;
use crate::use_cases::mail::{self, Queued, Standing};
use crate::use_cases::to_the_end;

#[cfg(test)]
mod tests;

struct Row {
    number: String,
    name: String,
    said: String,
    /// Of what waits: why the last try was in vain.
    why: Option<String>,
    is_bad: bool,
    /// When it came to that, or will be tried next.
    at: String,
}

#[derive(Template)]
#[template(path = "batches/mail.html")]
struct MailPage {
    page: Page,
    batch: Batch,
    /// Who would get one by asking: nobody asked yet, it failed, or it was called off.
    askable: usize,
    sent: usize,
    waiting: usize,
    failed: usize,
    no_address: usize,
    only_failed: bool,
    rows: Vec<Row>,
    pager: Pager,
}

/// Whom, and which part.
#[derive(Deserialize)]
pub(in crate::console) struct MailQuery {
    /// `failed`: only whose mail was not sent.
    #[serde(default)]
    only: String,
    #[serde(default)]
    page: usize,
}

fn key(standing: &Standing) -> &'static str {
    match standing {
        Standing::NotAsked => "batches-mail-not-asked",
        Standing::NoAddress | Standing::Asked(MailState::Failed { why: Why::NoAddress, .. }) => {
            "batches-mail-no-address"
        }
        Standing::Asked(MailState::Queued { .. }) => "batches-mail-waits",
        Standing::Asked(MailState::Cancelled { .. }) => "batches-mail-cancelled",
        Standing::Asked(MailState::Sent { .. }) => "batches-mail-sent",
        Standing::Asked(MailState::Failed { why: Why::BadAddress, .. }) => "batches-mail-bad-address",
        Standing::Asked(MailState::Failed { why: Why::CodeGone, .. }) => "batches-mail-code-gone",
        Standing::Asked(MailState::Failed { why: Why::Refused, .. }) => "batches-mail-refused",
        Standing::Asked(MailState::Failed { why: Why::GivenUp, .. }) => "batches-mail-given-up",
    }
}

fn obstacle(standing: &Standing) -> Option<&'static str> {
    let Standing::Asked(MailState::Queued { obstacle, .. }) = standing else { return None };
    obstacle.map(|obstacle| match obstacle {
        Obstacle::NoConnection => "batches-mail-no-connection",
        Obstacle::NoTls => "batches-mail-no-tls",
        Obstacle::SignIn => "batches-mail-sign-in",
        Obstacle::Later => "batches-mail-later",
    })
}

fn has_failed(standing: &Standing) -> bool {
    matches!(standing, Standing::Asked(MailState::Failed { .. }))
}

fn row((account, standing): &(Account, Standing), page: &Page) -> Row {
    let current = account.current();
    Row {
        number: current.staff_number.to_string(),
        name: current.name.clone(),
        said: page.say(key(standing)),
        why: obstacle(standing).map(|key| page.say(key)),
        is_bad: has_failed(standing) || *standing == Standing::NoAddress,
        at: match standing {
            Standing::Asked(
                MailState::Sent { at } | MailState::Failed { at, .. } | MailState::Cancelled { at },
            ) => page.time(at),
            Standing::Asked(MailState::Queued { not_before, .. }) => {
                page.say1("batches-mail-next", "at", page.time(not_before))
            }
            Standing::NotAsked | Standing::NoAddress => page.time_or_dash(&None),
        },
    }
}

/// Everybody with a code, and where their mail stands.
pub(in crate::console) async fn show(
    Fresh(viewer): Fresh<Codes>,
    State(console): State<Console>,
    Path(id): Path<String>,
    Query(query): Query<MailQuery>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    must_see_lines(&viewer, &console, &batch).await?;
    let mut found = mail::results(&console.service, batch.id).await.map_err(failed(&viewer.visit))?;
    let count = |meant: fn(&Standing) -> bool| found.iter().filter(|(_, standing)| meant(standing)).count();
    let sent = count(|standing| matches!(standing, Standing::Asked(MailState::Sent { .. })));
    let waiting = count(|standing| matches!(standing, Standing::Asked(MailState::Queued { .. })));
    let not_asked = count(|standing| *standing == Standing::NotAsked);
    let cancelled = count(|standing| matches!(standing, Standing::Asked(MailState::Cancelled { .. })));
    let (failed, no_address) = (count(has_failed), count(|standing| *standing == Standing::NoAddress));
    let only_failed = query.only == "failed";
    found.retain(|(_, standing)| !only_failed || has_failed(standing));
    let page = viewer.page(Nav::Batches, &console);
    let path = format!("/batches/{}/mail", batch.id);
    let only = if only_failed { "failed" } else { "" };
    let pager = Pager::new(&path, &[("only", only)], query.page, found.len());
    let rows = found.iter().skip(offset(query.page)).take(ROWS).map(|one| row(one, &page)).collect();
    Ok(render(&MailPage {
        askable: not_asked + failed + cancelled,
        page,
        batch,
        sent,
        waiting,
        failed,
        no_address,
        only_failed,
        rows,
        pager,
    }))
}

/// Asks for a mail to everybody who has a code and an address; what failed is tried again.
pub(in crate::console) async fn queue(
    Fresh(viewer): Fresh<Codes>,
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted(()): Posted<()>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    must_see_lines(&viewer, &console, &batch).await?;
    let (service, id, actor) = (console.service.clone(), batch.id, viewer.actor());
    let queued = to_the_end(async move { mail::queue(&service, id, None, actor).await }).await;
    let Queued { queued, no_address, .. } = queued.map_err(failed(&viewer.visit))?;
    let notice = Notice::done("batches-mail-queued").with("queued", grouped(queued as u64));
    viewer.notify(&console, notice.with("none", grouped(no_address as u64)));
    Ok(Redirect::to(&format!("/batches/{id}/mail")).into_response())
}

/// Calls off what waits. Unlike asking for it, that needs no fresh second factor: it gives nothing out.
pub(in crate::console) async fn cancel(
    viewer: Viewer<Codes>,
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted(()): Posted<()>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    must_see_lines(&viewer, &console, &batch).await?;
    let (service, id, actor) = (console.service.clone(), batch.id, viewer.actor());
    let cancelled = to_the_end(async move { mail::cancel(&service, id, None, actor).await }).await;
    let cancelled = cancelled.map_err(failed(&viewer.visit))?;
    let notice = Notice::done("batches-mail-called-off").with("count", grouped(cancelled as u64));
    viewer.notify(&console, notice);
    Ok(Redirect::to(&format!("/batches/{id}/mail")).into_response())
}
