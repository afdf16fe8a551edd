//! `/batches/{id}`: what a file would do, before anybody decides; then what became of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use jiff::Timestamp;
use mdm_core::apply::UNDO_WINDOW;
use mdm_core::audit::{Body, Happening};
use mdm_core::batch::{Batch, BatchState, Capacity, PlanSummary};
use mdm_core::plan::mend::takes_mended_rows;
use mdm_core::substitute::CodePoint;
use serde::Deserialize;
use shared::ids::BatchId;

use super::columns::{self, AssignedRow, ColumnField};
use super::kind::{self, Kind};
use super::line::{LineRow, RejectedRow, line_row, rejected_rows};
use super::rejected::is_workbook;
use super::work::Job;
use super::{Standing, changes, failed, named, reasons, standing};
use crate::console::actors::Actors;
use crate::console::failure::Failure;
use crate::console::page::{Nav, Page};
use crate::console::pager::{Pager, ROWS, offset};
use crate::console::render::render;
use crate::console::substitutes::SubstituteField;
use crate::console::viewer::Viewer;
use crate::console::{Console, refusals};
use crate::directory::{self, Snapshot};
use crate::rights::Read;
use crate::use_cases::UseCaseError;
use crate::use_cases::batches::lines::lines_at;
use crate::use_cases::batches::release::may_see_lines;
use crate::use_cases::batches::{Index, Outlook, outlook};
use crate::use_cases::columns::of_source;
use crate::use_cases::journal::search::{About, Filter, oldest};

/// One count and the way to its lines.
struct Tab {
    name: &'static str,
    said: String,
    count: usize,
    chosen: bool,
}

/// How many seats and devices applying concerned.
struct Outcome {
    seats_given: String,
    seats_freed: String,
    seats_kept: String,
    waiting: String,
    codes: bool,
}

/// A private-use character.
struct PrivateUse {
    row: u32,
    column: String,
    code: String,
}

#[derive(Template)]
#[template(path = "batches/plan.html")]
struct PlanPage {
    page: Page,
    batch: Batch,
    standing: Standing,
    failure: Option<String>,
    approval: Option<Approved>,
    late: Option<String>,
    /// Who called it off.
    decided_by: String,
    mode: String,
    uploaded_by: String,
    encoding: String,
    delimiter: String,
    layout: String,
    unused_sheets: String,
    unused_columns: String,
    /// Of which somebody has said what they are.
    assigned: Vec<AssignedRow>,
    /// Of which it can be said, for a new plan.
    columns: Vec<ColumnField>,
    private_use: Vec<PrivateUse>,
    /// The listed characters, each once, and what stands for it.
    substitutes: Vec<SubstituteField>,
    /// How many people's letters have a character that nothing stands for.
    lacking: usize,
    normalised_rows: String,
    like_leave: String,
    outlook: Option<Outlook>,
    outcome: Option<Outcome>,
    wiped_at: Timestamp,
    tabs: Vec<Tab>,
    kind: Kind,
    number: usize,
    kind_said: String,
    lines: Vec<LineRow>,
    rejected: Vec<RejectedRow>,
    pager: Pager,
    /// The newest undo of it.
    undone_by: Option<BatchId>,
    may_undo: bool,
    /// Whether its codes can be sent by mail from here.
    sends_mail: bool,
    /// Whether its rejected rows can come back into it.
    may_mend: bool,
    /// The comparison with the plan before, for who may see that as well.
    difference: Option<String>,
}

impl PlanPage {
    fn summary(&self) -> &PlanSummary {
        &self.batch.summary
    }

    fn source_in_query(&self) -> String {
        form_urlencoded::byte_serialize(self.batch.source.as_str().as_bytes()).collect()
    }

    fn changes_nothing(&self) -> bool {
        changes(self.summary()) == 0
    }

    /// To how many digits numbers are to be padded, if that would put them right.
    fn zeros_length(&self) -> Option<String> {
        self.batch.lost_zeros.and_then(|zeros| zeros.length).map(|length| length.to_string())
    }

    fn is_ready(&self) -> bool {
        self.standing == Standing::Ready
    }

    fn is_running(&self) -> bool {
        self.standing == Standing::Running
    }
}

/// What is said of a plan to who may not see it yet.
#[derive(Template)]
#[template(path = "batches/outline.html")]
struct OutlinePage {
    page: Page,
    batch: Batch,
    row: OutlineRow,
}

struct OutlineRow {
    standing: Standing,
}

impl OutlineRow {
    fn changes_nothing(&self) -> bool {
        false
    }
}

/// An approval as it is shown.
struct Approved {
    by: String,
    at: Timestamp,
    capacity: String,
    reason: Option<String>,
    acknowledged: Option<String>,
    is_open: bool,
}

fn approved(page: &Page, actors: &Actors, batch: &Batch) -> Option<Approved> {
    let approval = batch.release.approval.as_ref()?;
    let (key, reason, acknowledged) = match &approval.capacity {
        Capacity::Approver => ("approval-as-approver", None, None),
        Capacity::Deputy => ("approval-as-deputy", None, None),
        Capacity::Emergency { reason, acknowledged } => {
            ("approval-as-emergency", Some(reason.clone()), acknowledged.as_ref())
        }
    };
    let name = |actor| actors.name(actor, page.language);
    Some(Approved {
        by: name(approval.by),
        at: approval.at,
        capacity: page.say(key),
        reason,
        acknowledged: acknowledged
            .map(|(by, at)| page.say2("approval-acknowledged-by", "name", name(*by), "time", page.time(at))),
        is_open: batch.unacknowledged_emergency().is_some(),
    })
}

/// By how much a batch took effect late, in the largest unit that says it.
fn late(page: &Page, batch: &Batch) -> Option<String> {
    let minutes = batch.late_by()?.as_mins();
    let (key, count) = match minutes {
        ..120 => ("approval-late-minutes", minutes),
        120..2_880 => ("approval-late-hours", minutes / 60),
        _ => ("approval-late-days", minutes / 1_440),
    };
    let late = page.say1(key, "count", page.count(u64::try_from(count).unwrap_or(0)));
    Some(page.say1("approval-late", "late", late))
}

/// Which lines.
#[derive(Deserialize)]
pub(in crate::console) struct PlanQuery {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    page: usize,
}

/// The plan.
pub(in crate::console) async fn show(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Path(id): Path<String>,
    Query(query): Query<PlanQuery>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    let page = viewer.page(Nav::Batches, &console);
    if !may_see_lines(&batch, &viewer.operator, page.now) {
        let standing = standing(&console, &batch).await.map_err(failed(&viewer.visit))?;
        return Ok(render(&OutlinePage { page, batch, row: OutlineRow { standing } }));
    }
    let shown = plan(page, &console, batch, &query).await.map_err(failed(&viewer.visit))?;
    Ok(render(&shown))
}

async fn plan(
    page: Page,
    console: &Console,
    batch: Batch,
    query: &PlanQuery,
) -> Result<PlanPage, UseCaseError> {
    let service = &console.service;
    let standing = standing(console, &batch).await?;
    // While devices are still being blocked the accounts are changed already.
    let in_force = batch.in_force_since();
    let index = match batch.release.lines_deleted_at {
        None => console.batches.index(service, &batch).await?,
        Some(_) => Arc::default(),
    };
    let actors = Actors::load(service).await?;
    let remembered = if batch.assigned.is_empty() { None } else { of_source(service, &batch.source).await? };
    let outlook = match standing {
        _ if standing.is_open() => Some(outlook(&batch, &index, &*directory::current(service).await?)),
        _ => None,
    };
    let kind = Kind::named(&query.kind);
    let positions = positions(kind, &index, outlook.as_ref());
    let path = format!("/batches/{}", batch.id);
    let pager = Pager::new(&path, &[("kind", kind.name())], query.page, positions.len());
    let shown: Vec<u32> = positions.into_iter().skip(offset(query.page)).take(ROWS).collect();
    let lines = lines_at(service, batch.id, &shown).await?;
    let waits = |position: u32| {
        outlook.as_ref().is_some_and(|outlook| outlook.would_wait.binary_search(&position).is_ok())
    };
    let is_undo = batch.undoes().is_some();
    let row = |line| line_row(&page, &batch.source, line, in_force, waits(line.position), is_undo);
    let is_rejected = kind == Kind::Word(mdm_core::batch::PlanWord::Rejected);
    let sends_mail = service.config.mail.is_some() && batch.in_force_since().is_some() && !is_undo;
    Ok(PlanPage {
        sends_mail,
        lines: if is_rejected { Vec::new() } else { lines.iter().map(row).collect() },
        rejected: lines
            .iter()
            .flat_map(|line| rejected_rows(&page, &batch.source, line, is_workbook(&batch)))
            .collect(),
        failure: failure(&page, console, &batch),
        approval: approved(&page, &actors, &batch),
        late: late(&page, &batch),
        decided_by: match &standing {
            Standing::Cancelled { by, .. } => actors.name(*by, page.language),
            _ => String::new(),
        },
        outcome: match standing {
            Standing::Applied(at) => outcome(&page, console, &batch, at).await?,
            _ => None,
        },
        mode: super::mode(page.language, batch.mode),
        uploaded_by: actors.name(batch.uploaded_by, page.language),
        encoding: reasons::stored_encoding(page.language, &batch.encoding),
        delimiter: reasons::stored_delimiter(page.language, &batch.delimiter),
        layout: reasons::stored_layout(page.language, &batch.layout),
        unused_sheets: reasons::listed(page.language, &batch.unused_sheets),
        unused_columns: reasons::listed(page.language, &batch.unused_columns),
        assigned: columns::rows(page.language, &batch, remembered.as_ref()),
        columns: match standing {
            _ if standing.is_open() && page.may_manage() => columns::of_plan(page.language, &batch),
            _ => Vec::new(),
        },
        private_use: private_use(&batch),
        substitutes: substitute_fields(&page, &batch),
        lacking: index.lacking(&batch.source, &page.substitutes),
        normalised_rows: normalised(&page, &batch),
        like_leave: like_leave(&page, &batch),
        wiped_at: in_force.unwrap_or(page.now).checked_add(UNDO_WINDOW).unwrap_or(page.now),
        tabs: tabs(&page, &batch, kind, outlook.as_ref()),
        kind_said: if is_undo { kind.said_of_undo(&page) } else { kind.said(&page) },
        undone_by: directory::current(service).await?.undone_by(batch.id).map(|undo| undo.id),
        may_undo: mdm_core::undo::may_undo(&batch, page.now).is_ok(),
        may_mend: standing.is_open()
            && !matches!(standing, Standing::Stale | Standing::Held(_))
            && takes_mended_rows(&batch, batch.roster_version).is_ok(),
        difference: difference(&page, &batch, &*directory::current(service).await?),
        number: query.page.max(1),
        page,
        batch,
        standing,
        outlook,
        kind,
        pager,
    })
}

/// Where a plan is compared with the one whose place it took, or else the one that took its place.
fn difference(page: &Page, batch: &Batch, directory: &Snapshot) -> Option<String> {
    let (older, newer) = match (directory.replaced_by(batch.id), &batch.state) {
        (Some(older), _) => (older.id, batch.id),
        (None, BatchState::Replaced { by, .. }) => (batch.id, *by),
        (None, _) => return None,
    };
    let is_there = batch.release.lines_deleted_at.is_none();
    (is_there && page.may_approve()).then(|| format!("/batches/{newer}/difference?older={older}"))
}

fn positions(kind: Kind, index: &Index, outlook: Option<&Outlook>) -> Vec<u32> {
    match kind {
        Kind::Waiting => outlook.map(|outlook| outlook.would_wait.clone()).unwrap_or_default(),
        other => index.positions(|word| other.takes(word)),
    }
}

/// All changes first, then each kind; who would wait only if anybody would.
fn tabs(page: &Page, batch: &Batch, chosen: Kind, outlook: Option<&Outlook>) -> Vec<Tab> {
    let (summary, is_undo) = (&batch.summary, batch.undoes().is_some());
    let tab = |kind: Kind, count: usize| Tab {
        name: kind.name(),
        said: if is_undo { kind.said_of_undo(page) } else { kind.said(page) },
        count,
        chosen: kind == chosen,
    };
    let mut tabs = vec![tab(Kind::Changes, changes(summary) as usize)];
    let words = kind::WORDS.into_iter().filter(|word| Kind::Word(*word).is_of(is_undo));
    tabs.extend(words.map(|word| tab(Kind::Word(word), kind::count(summary, word) as usize)));
    let waiting = outlook.map_or(0, |outlook| outlook.would_wait.len());
    if waiting > 0 || chosen == Kind::Waiting {
        tabs.push(tab(Kind::Waiting, waiting));
    }
    tabs
}

fn failure(page: &Page, console: &Console, batch: &Batch) -> Option<String> {
    match console.batches.job(batch.id)? {
        Job::Failed(error) => Some(refusals::text(page.language, &error)),
        Job::Running | Job::Done(_) => None,
    }
}

/// What applying did: as this process remembers, else as the journal says.
async fn outcome(
    page: &Page,
    console: &Console,
    batch: &Batch,
    at: Timestamp,
) -> Result<Option<Outcome>, UseCaseError> {
    if let Some(Job::Done(done)) = console.batches.job(batch.id) {
        return Ok(Some(Outcome {
            seats_given: page.count(done.seats_given),
            seats_freed: page.count(done.seats_freed),
            seats_kept: page.count(done.seats_kept.len()),
            waiting: page.count(done.waiting),
            codes: done.seats_given > 0,
        }));
    }
    let filter = Filter {
        from: Some(at),
        before: at.checked_add(jiff::SignedDuration::from_millis(1)).ok(),
        what: Some(Happening::BatchApplied),
        about: Some(About(*batch.id.as_bytes())),
        ..Filter::default()
    };
    let noted = oldest(&console.service, &filter).await?;
    Ok(noted.map(|body| Outcome {
        seats_given: fact(page, &body, "seats-assigned"),
        seats_freed: fact(page, &body, "seats-freed"),
        seats_kept: fact(page, &body, "seats-kept"),
        waiting: fact(page, &body, "waiting"),
        codes: body.facts.iter().any(|(name, value)| name == "seats-assigned" && value != "0"),
    }))
}

fn fact(page: &Page, body: &Body, wanted: &str) -> String {
    let value = body.facts.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    value.map_or_else(String::new, |value| {
        value.parse::<u64>().map_or_else(|_| value.to_owned(), |n| page.count(n))
    })
}

fn substitute_fields(page: &Page, batch: &Batch) -> Vec<SubstituteField> {
    let codes: BTreeSet<CodePoint> =
        batch.private_use.iter().filter_map(|found| CodePoint::try_from(found.code).ok()).collect();
    let field = |code| SubstituteField::of(page, &batch.source, code);
    codes.into_iter().map(field).collect()
}

fn private_use(batch: &Batch) -> Vec<PrivateUse> {
    let found = batch.private_use.iter();
    found
        .map(|found| PrivateUse {
            row: found.row,
            column: found.column.clone(),
            code: format!("U+{:04X}", found.code),
        })
        .collect()
}

fn normalised(page: &Page, batch: &Batch) -> String {
    let rows: Vec<String> = batch.normalised_rows.iter().map(|row| page.count(*row)).collect();
    reasons::listed(page.language, &rows)
}

/// 発令区分 that sound like leaving, each with its first row.
fn like_leave(page: &Page, batch: &Batch) -> String {
    let found = batch.like_leave.iter();
    let said: Vec<String> = found
        .map(|found| {
            let values = [
                ("said", found.said.clone()),
                ("rows", page.count(found.rows)),
                ("first", page.count(found.first)),
            ];
            page.language.say("batches-like-leave-one", &values.map(|(name, value)| (name, value.into())))
        })
        .collect();
    reasons::listed(page.language, &said)
}
