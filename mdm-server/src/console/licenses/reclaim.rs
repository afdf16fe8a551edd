//! `/licenses/reclaim`: 回収. The page shows exactly who would lose a seat and who would get one; what is confirmed is that
//! and nothing else.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use mdm_core::account::Account;
use mdm_core::license::{MAX_STEP_DAYS, NoticeReason};
use mdm_core::seats::Rule;
use serde::Deserialize;

use super::unused::days;
use super::{PersonRow, failed};
use crate::console::Console;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::page::{Nav, Page, grouped};
use crate::console::pager::{Pager, ROWS, offset};
use crate::console::posted::Posted;
use crate::console::render::render_with;
use crate::console::typed::number;
use crate::console::viewer::Viewer;
use crate::rights::Manage;
use crate::use_cases::licenses::{self, AsSeen, Moved};

/// Days of notice and of grace, unless somebody says otherwise.
const NOTICE_DAYS: u16 = 7;
const GRACE_DAYS: u16 = 14;

/// What is wrong, beside the field or above all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    /// Another number was typed.
    Count,
    /// What is shown is not what was shown before.
    Differs,
}

#[derive(Template)]
#[template(path = "licenses/reclaim.html")]
struct ReclaimPage {
    page: Page,
    rule: Rule,
    seen: String,
    losing: Vec<PersonRow>,
    losing_total: usize,
    getting: Vec<PersonRow>,
    getting_total: usize,
    pager: Pager,
    problem: Option<Problem>,
}

impl ReclaimPage {
    fn at_most_text(&self) -> String {
        self.rule.at_most.map(|most| most.to_string()).unwrap_or_default()
    }
}

/// The rule, and which part of the lists.
#[derive(Default, Deserialize)]
pub(in crate::console) struct ReclaimQuery {
    #[serde(default)]
    why: String,
    #[serde(default)]
    days: String,
    #[serde(default)]
    at_most: String,
    notice: Option<String>,
    grace: Option<String>,
    #[serde(default)]
    page: usize,
}

impl ReclaimQuery {
    fn rule(&self) -> Rule {
        let named = NoticeReason::ALL.into_iter().find(|why| why.name() == self.why);
        Rule {
            why: named.unwrap_or(NoticeReason::NeverSignedIn),
            days: days(&self.days),
            at_most: number(&self.at_most),
            notice_days: step_days(self.notice.as_deref(), NOTICE_DAYS),
            grace_days: step_days(self.grace.as_deref(), GRACE_DAYS),
        }
    }
}

/// Days as typed; what is no number of days is the usual one. What is too long is cut to what can be counted, and shown so.
fn step_days(typed: Option<&str>, usual: u16) -> u16 {
    let typed = typed.and_then(number).and_then(|days: u32| u16::try_from(days).ok());
    typed.unwrap_or(usual).min(MAX_STEP_DAYS)
}

fn show(
    viewer: &Viewer<Manage>,
    console: &Console,
    rule: Rule,
    moved: &Moved,
    part: usize,
    problem: Option<Problem>,
) -> Response {
    let losing: Vec<&Account> = moved.losing().collect();
    let most = rule.at_most.map(|most| most.to_string()).unwrap_or_default();
    let (days, notice, grace) =
        (rule.days.to_string(), rule.notice_days.to_string(), rule.grace_days.to_string());
    let why = rule.why.name();
    let query =
        [("why", why), ("days", &*days), ("at_most", &*most), ("notice", &*notice), ("grace", &*grace)];
    let status = match problem {
        None => StatusCode::OK,
        Some(Problem::Count) => StatusCode::UNPROCESSABLE_ENTITY,
        Some(Problem::Differs) => StatusCode::CONFLICT,
    };
    let longer = losing.len().max(moved.given.len());
    let page = viewer.page(Nav::Licenses, console);
    let shown = ReclaimPage {
        rule,
        seen: moved.fingerprint(rule),
        losing: losing
            .iter()
            .skip(offset(part))
            .take(ROWS)
            .map(|account| PersonRow::new(account, &page))
            .collect(),
        losing_total: losing.len(),
        getting: moved
            .given
            .iter()
            .skip(offset(part))
            .take(ROWS)
            .map(|account| PersonRow::new(account, &page))
            .collect(),
        getting_total: moved.given.len(),
        pager: Pager::new("/licenses/reclaim", &query, part, longer),
        problem,
        page,
    };
    render_with(status, &shown)
}

/// Who would lose a seat, and who would get one.
pub(in crate::console) async fn preview(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Query(query): Query<ReclaimQuery>,
) -> Result<Response, Failure> {
    let moved = licenses::preview(&console.service, query.rule()).await.map_err(failed(&viewer.visit))?;
    Ok(show(&viewer, &console, query.rule(), &moved, query.page, None))
}

/// The rule, what was seen, and the number typed.
#[derive(Deserialize)]
pub(in crate::console) struct ReclaimForm {
    #[serde(default)]
    why: String,
    #[serde(default)]
    days: String,
    #[serde(default)]
    at_most: String,
    notice: Option<String>,
    grace: Option<String>,
    #[serde(default)]
    seen: String,
    #[serde(default)]
    losing: usize,
    #[serde(default)]
    count: String,
}

/// Does what was shown, if it is still that.
pub(in crate::console) async fn reclaim(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Posted(form): Posted<ReclaimForm>,
) -> Result<Response, Failure> {
    let ReclaimForm { why, days, at_most, notice, grace, seen, losing, count } = form;
    let rule = ReclaimQuery { why, days, at_most, notice, grace, page: 1 }.rule();
    let failed = failed(&viewer.visit);
    // Who typed what they saw is told if it changed; who typed something else has not looked.
    if number(&count).map(|count| count as usize) != Some(losing) {
        let moved = licenses::preview(&console.service, rule).await.map_err(&failed)?;
        return Ok(show(&viewer, &console, rule, &moved, 1, Some(Problem::Count)));
    }
    match licenses::reclaim_as_seen(&console.service, rule, &seen, viewer.actor()).await.map_err(&failed)? {
        AsSeen::Differs(moved) => Ok(show(&viewer, &console, rule, &moved, 1, Some(Problem::Differs))),
        AsSeen::Done(moved) => {
            let count = |accounts: &[_]| grouped(accounts.len() as u64);
            if rule.is_at_once() {
                let notice = Notice::done("licenses-reclaimed").with("losing", count(&moved.freed));
                viewer.notify(&console, notice.with("getting", count(&moved.given)));
                return Ok(Redirect::to("/licenses").into_response());
            }
            viewer
                .notify(&console, Notice::done("licenses-noticed-done").with("count", count(&moved.noticed)));
            Ok(Redirect::to("/licenses/noticed").into_response())
        }
    }
}
