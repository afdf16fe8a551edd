//! The first page: how many people, seats and devices, and what needs attention. What is wrong stands above what only
//! waits for somebody.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::SignedDuration;
use jiff::civil::Date;
use mdm_core::account::Account;
use mdm_core::batch::BatchState;
use mdm_core::operator::Act;
use shared::ids::EnrolmentId;

use super::Console;
use super::devices::list::copied;
use super::devices::view::model;
use super::failure::Failure;
use super::page::{Nav, Page};
use super::render::render;
use super::viewer::Viewer;
use crate::directory::{
    self, BatchHead, CodeInTrouble, CodeProblem, Counts, DeviceFilter, Snapshot, Standing,
};
use crate::rights::Read;
use crate::use_cases::licenses::ending::{fiscal_year_end, needs, whose_term_ends};
use crate::use_cases::licenses::series::day_of;

/// How many of a kind are named; the rest is behind the link.
const NAMED: usize = 5;
/// Codes that end within so long are said.
const SOON: SignedDuration = SignedDuration::from_hours(3 * 24);
/// Seats that nobody used for so many days are said.
const UNUSED_DAYS: u16 = 30;

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard {
    page: Page,
    counts: Counts,
    attention: Vec<Attention>,
}

/// Something that somebody should look at.
struct Attention {
    class: &'static str,
    title: String,
    cure: String,
    named: Vec<Link>,
    /// Where all of them are.
    all: Option<&'static str>,
}

struct Link {
    href: String,
    text: String,
}

/// The page.
pub(super) async fn show(viewer: Viewer<Read>, State(console): State<Console>) -> Result<Response, Failure> {
    let failed = |error| Failure::of(&viewer.visit, error);
    let directory = directory::current(&console.service).await.map_err(|error| failed(error.into()))?;
    let exhausted = directory::exhausted(&console.service).await.map_err(failed)?;
    let page = viewer.page(Nav::Home, &console);
    let mut attention = attention(&directory, exhausted, &page);
    let today = day_of(&console.service, page.now);
    attention.extend(ending(&directory, today, &page));
    if viewer.operator.may(Act::Approve, page.now) {
        attention.extend(missing(&directory, &page));
    }
    Ok(render(&Dashboard { page, counts: directory.counts(), attention }))
}

fn attention(directory: &Snapshot, exhausted: Vec<EnrolmentId>, page: &Page) -> Vec<Attention> {
    let unconfirmed = DeviceFilter { standing: Some(Standing::WipeUnconfirmed), ..DeviceFilter::default() };
    let among = |set: BTreeSet<EnrolmentId>| DeviceFilter { among: Some(set), ..DeviceFilter::default() };
    let found = [
        of_devices(
            directory,
            page,
            &among(copied(directory)),
            Kind {
                class: "notice-refused",
                title: "dashboard-copied",
                cure: "dashboard-copied-cure",
                all: "/devices?state=copied",
            },
        ),
        of_devices(
            directory,
            page,
            &unconfirmed,
            Kind {
                class: "notice-warning",
                title: "dashboard-unconfirmed",
                cure: "dashboard-unconfirmed-cure",
                all: "/devices?state=unconfirmed",
            },
        ),
        of_devices(
            directory,
            page,
            &among(exhausted.into_iter().collect()),
            Kind {
                class: "notice-warning",
                title: "dashboard-exhausted",
                cure: "dashboard-exhausted-cure",
                all: "/devices?state=exhausted",
            },
        ),
        held(directory, page),
        overdue(directory, page),
        emergencies(directory, page),
        ended_codes(directory, page),
        ending_codes(directory, page),
        free_seats(directory, page),
        planned(directory, page),
        unused(directory, page),
    ];
    found.into_iter().flatten().collect()
}

/// What is said of devices of a kind, and where they are listed.
struct Kind {
    class: &'static str,
    title: &'static str,
    cure: &'static str,
    all: &'static str,
}

fn of_devices(directory: &Snapshot, page: &Page, filter: &DeviceFilter, kind: Kind) -> Option<Attention> {
    let found = directory.devices(filter, 0, NAMED);
    let link = |row: directory::DeviceRow<'_>| Link {
        href: format!("/devices/{}", row.device.enrolment),
        text: page.say2(
            "dashboard-device",
            "name",
            row.person.account.current().name.as_str(),
            "model",
            model(page, &row.device.model),
        ),
    };
    (found.total > 0).then(|| Attention {
        class: kind.class,
        title: page.say1(kind.title, "count", page.count(found.total)),
        cure: page.say(kind.cure),
        named: found.rows.into_iter().map(link).collect(),
        all: (found.total > NAMED).then_some(kind.all),
    })
}

fn person(account: &Account) -> Link {
    let current = account.current();
    Link {
        href: format!("/accounts/{}", account.id),
        text: format!("{} {}", current.name, current.staff_number),
    }
}

fn ended_codes(directory: &Snapshot, page: &Page) -> Option<Attention> {
    let ended = |code: &CodeInTrouble<'_>| match code.problem {
        CodeProblem::Dead | CodeProblem::Over => true,
        CodeProblem::EndsAt(_) => false,
    };
    of_codes(directory, page, ended, ["dashboard-codes-ended", "dashboard-codes-ended-cure"])
}

fn ending_codes(directory: &Snapshot, page: &Page) -> Option<Attention> {
    let ending = |code: &CodeInTrouble<'_>| matches!(code.problem, CodeProblem::EndsAt(_));
    of_codes(directory, page, ending, ["dashboard-codes-ending", "dashboard-codes-ending-cure"])
}

fn of_codes(
    directory: &Snapshot,
    page: &Page,
    meant: impl Fn(&CodeInTrouble<'_>) -> bool,
    [title, cure]: [&'static str; 2],
) -> Option<Attention> {
    let codes = directory.codes_in_trouble(SOON, page.now);
    let codes: Vec<_> = codes.into_iter().filter(meant).collect();
    (!codes.is_empty()).then(|| Attention {
        class: "notice-warning",
        title: page.say1(title, "count", page.count(codes.len())),
        cure: page.say(cure),
        named: codes.iter().take(NAMED).map(|code| person(&code.person.account)).collect(),
        all: (codes.len() > NAMED).then_some("/accounts?seat=unused"),
    })
}

/// Seats go to the waiting list by themselves: if both are there, the scheduler has not come to it.
fn free_seats(directory: &Snapshot, page: &Page) -> Option<Attention> {
    let (free, waiting) = (directory.pool().free(), directory.waiting().count());
    (free > 0 && waiting > 0).then(|| Attention {
        class: "notice-plain",
        title: page.say2("dashboard-free", "waiting", page.count(waiting), "free", page.count(free)),
        cure: page.say("dashboard-free-cure"),
        named: directory.waiting().take(NAMED).map(|row| person(&row.person.account)).collect(),
        all: Some("/licenses"),
    })
}

fn of_batches<'a>(
    page: &Page,
    class: &'static str,
    [title, cure]: [&'static str; 2],
    batches: impl Iterator<Item = &'a BatchHead>,
) -> Option<Attention> {
    let batches: Vec<&BatchHead> = batches.collect();
    let link = |batch: &&BatchHead| Link {
        href: format!("/batches/{}", batch.id),
        text: match batch.release.effective_at {
            Some(at) => format!("{} {}", batch.source, page.time(&at)),
            None => batch.source.to_string(),
        },
    };
    (!batches.is_empty()).then(|| Attention {
        class,
        title: page.say1(title, "count", page.count(batches.len())),
        cure: page.say(cure),
        named: batches.iter().take(NAMED).map(link).collect(),
        all: (batches.len() > NAMED).then_some("/batches"),
    })
}

/// Batches that did not take effect at their time.
fn held(directory: &Snapshot, page: &Page) -> Option<Attention> {
    let held = |batch: &&BatchHead| batch.state.is_open() && batch.release.held.is_some();
    let words = ["dashboard-held", "dashboard-held-cure"];
    of_batches(page, "notice-refused", words, directory.all_batches().filter(held))
}

/// Batches whose time is over while they wait for their approval.
fn overdue(directory: &Snapshot, page: &Page) -> Option<Attention> {
    let overdue = |batch: &&BatchHead| {
        batch.state == BatchState::Planned && batch.release.effective_at.is_some_and(|at| at <= page.now)
    };
    let words = ["dashboard-overdue", "dashboard-overdue-cure"];
    of_batches(page, "notice-refused", words, directory.all_batches().filter(overdue))
}

/// Emergency approvals that no owner has taken note of.
fn emergencies(directory: &Snapshot, page: &Page) -> Option<Attention> {
    let open = |batch: &&BatchHead| batch.release.unacknowledged_emergency().is_some();
    let words = ["dashboard-emergency", "dashboard-emergency-cure"];
    of_batches(page, "notice-warning", words, directory.all_batches().filter(open))
}

/// In March: whose term ends with it.
fn ending(directory: &Snapshot, today: Date, page: &Page) -> Option<Attention> {
    let ending = whose_term_ends(directory, fiscal_year_end(today));
    (today.month() == 3 && !ending.is_empty()).then(|| Attention {
        class: "notice-plain",
        title: page.say1("dashboard-ending", "count", page.count(ending.len())),
        cure: page.say("dashboard-ending-cure"),
        named: ending.iter().take(NAMED).map(|(account, _)| person(account)).collect(),
        all: Some("/licenses/ending?only=absent"),
    })
}

/// Seats that plans will ask for and nobody has.
fn missing(directory: &Snapshot, page: &Page) -> Option<Attention> {
    let missing = needs(directory).into_iter().map(|need| need.missing).max().filter(|most| *most > 0)?;
    Some(Attention {
        class: "notice-warning",
        title: page.say1("dashboard-missing", "count", page.count(missing)),
        cure: page.say("dashboard-missing-cure"),
        named: Vec::new(),
        all: Some("/licenses"),
    })
}

fn planned(directory: &Snapshot, page: &Page) -> Option<Attention> {
    let planned = directory.counts().batches_planned;
    (planned > 0).then(|| Attention {
        class: "notice-plain",
        title: page.say1("dashboard-planned", "count", page.count(planned)),
        cure: page.say("dashboard-planned-cure"),
        named: Vec::new(),
        all: Some("/batches"),
    })
}

fn unused(directory: &Snapshot, page: &Page) -> Option<Attention> {
    let unused = directory.never_signed_in(UNUSED_DAYS, page.now);
    (!unused.is_empty()).then(|| Attention {
        class: "notice-plain",
        title: page.say1("dashboard-unused", "count", page.count(unused.len())),
        cure: page.say("dashboard-unused-cure"),
        named: unused.iter().take(NAMED).map(|seat| person(&seat.person.account)).collect(),
        all: Some("/licenses"),
    })
}
