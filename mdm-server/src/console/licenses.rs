//! Licenses: the pool, who has its seats, and how they were used over time. Each verb is a module.

mod chart;
pub(super) mod ending;
pub(super) mod noticed;
pub(super) mod pool;
pub(super) mod reclaim;
pub(super) mod series;
#[cfg(test)]
mod tests;
pub(super) mod unused;
pub(super) mod waiting;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use mdm_core::account::Account;
use mdm_core::license::{NoticeReason, Pool};
use mdm_core::operator::Act;
use shared::ids::AccountId;

use super::Console;
use super::failure::Failure;
use super::page::{Nav, Page};
use super::printed::Printed;
use super::render::render;
use super::viewer::{Viewer, Visit};
use crate::directory;
use crate::rights::Read;
use crate::use_cases::UseCaseError;
use crate::use_cases::licenses::ending::{Need, fiscal_year_end, needs, whose_term_ends};
use crate::use_cases::licenses::series::day_of;

/// Days after which a seat that nobody used is looked at, unless somebody says otherwise.
const DAYS: u16 = 30;

fn failed<E: Into<UseCaseError>>(visit: &Visit) -> impl Fn(E) -> Failure {
    move |error| Failure::of(visit, error.into())
}

/// Why a seat is taken back, in words.
fn reason_key(why: &NoticeReason) -> &'static str {
    match why {
        NoticeReason::NeverSignedIn => "licenses-why-never-signed-in",
        NoticeReason::Dormant => "licenses-why-dormant",
        NoticeReason::TermEnded => "licenses-why-term-ended",
    }
}

/// Somebody in a list.
struct PersonRow {
    id: AccountId,
    number: String,
    name: Printed,
    department: Printed,
}

impl PersonRow {
    fn new(account: &Account, page: &Page) -> Self {
        let current = account.current();
        let posts = current.departments.iter().map(|post| post.name.as_str());
        Self {
            id: account.id,
            number: current.staff_number.to_string(),
            name: page.printed(&account.source, &current.name),
            department: page.printed(&account.source, &posts.collect::<Vec<_>>().join(", ")),
        }
    }
}

/// The pool as a bar of a thousand parts.
struct Bar {
    assigned: u32,
    reserved: u32,
}

impl Bar {
    fn of(pool: &Pool) -> Self {
        let part = |seats: u32| {
            let of_a_thousand = u64::from(seats) * 1_000 / u64::from(pool.size.max(1));
            u32::try_from(of_a_thousand.min(1_000)).unwrap_or(1_000)
        };
        // What temporary accounts hold is in the reserve no longer.
        let left = pool.reserved.saturating_sub(pool.temporary);
        Self { assigned: part(pool.assigned), reserved: part(left) }
    }
}

#[derive(Template)]
#[template(path = "licenses/show.html")]
struct LicensesPage {
    page: Page,
    pool: Pool,
    bar: Bar,
    waiting: usize,
    never_signed_in: usize,
    /// Of those, since [`DAYS`] or longer.
    long_unused: usize,
    series: series::Series,
    /// Of whose seat notice was given.
    noticed: usize,
    /// Whose seat serves nobody before it is taken.
    held: usize,
    /// Whose term ends with the fiscal year.
    ending: usize,
    /// What plans will need that are not in force, for those who may see them.
    needs: Vec<Need>,
}

/// Where the pool stands, and the ways to change it.
pub(super) async fn show(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    query: Query<series::SeriesQuery>,
) -> Result<Response, Failure> {
    let directory = directory::current(&console.service).await.map_err(failed(&viewer.visit))?;
    let counts = directory.counts();
    let page = viewer.page(Nav::Licenses, &console);
    let until = fiscal_year_end(day_of(&console.service, page.now));
    let sees_plans = viewer.operator.may(Act::Approve, page.now);
    let series = series::Series::load(&console.service, &page, &query, &counts).await;
    Ok(render(&LicensesPage {
        series: series.map_err(failed(&viewer.visit))?,
        bar: Bar::of(&counts.pool),
        pool: counts.pool,
        waiting: counts.waiting,
        never_signed_in: counts.never_signed_in,
        long_unused: directory.never_signed_in(DAYS, page.now).len(),
        noticed: counts.noticed,
        held: counts.held,
        ending: whose_term_ends(&directory, until).len(),
        needs: if sees_plans { needs(&directory) } else { Vec::new() },
        page,
    }))
}
