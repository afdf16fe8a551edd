//! Lines of a plan as tables show them.

use jiff::Timestamp;
use mdm_core::account::{Attributes, Department, SourceName};
use mdm_core::batch::{PlanKind, PlanWord, RowProblem};
use mdm_core::identity::DateMark;
use mdm_core::undo::NotUndone;
use shared::ids::AccountId;

use super::kind::Kind;
use super::reasons;
use crate::console::page::Page;
use crate::console::printed::Printed;
use crate::use_cases::batches::Line;

/// One person of a plan.
pub(super) struct LineRow {
    /// Row of the file.
    pub(super) row: Option<u32>,
    /// What happens, in words.
    pub(super) kind: String,
    /// The account, where there is one already.
    pub(super) account: Option<AccountId>,
    /// 職員番号.
    pub(super) number: String,
    /// 氏名.
    pub(super) name: Printed,
    /// 所属 before.
    pub(super) before: Printed,
    /// 所属 after.
    pub(super) after: Printed,
    /// What else is different afterwards.
    pub(super) changes: Vec<Changed>,
    /// 別の人: whose the staff number was until now.
    pub(super) number_of: Option<AccountId>,
    /// Whether they would have to wait for the seat that they wish.
    pub(super) waits: bool,
    /// Of an undo: why they stay as they are.
    pub(super) not_undone: Option<String>,
}

/// One value that becomes another.
#[derive(Clone)]
pub(super) struct Changed {
    /// What it is, in words.
    pub(super) what: String,
    /// Before.
    pub(super) before: Printed,
    /// After.
    pub(super) after: Printed,
}

/// One reason why a row is not accepted.
pub(super) struct RejectedRow {
    /// Row of the file.
    pub(super) row: Option<u32>,
    /// The column's header.
    pub(super) column: String,
    /// The cell.
    pub(super) value: String,
    /// What is wrong.
    pub(super) why: String,
    /// What to do.
    pub(super) cure: String,
    /// Who is known by the number, where somebody must say whether it is another person.
    pub(super) asked: Option<Asked>,
}

/// The person who is known by the number of a row.
pub(super) struct Asked {
    /// The account.
    pub(super) account: AccountId,
    /// 氏名.
    pub(super) name: Printed,
}

/// A line before the batch took effect, at `applied_at`, or as it is planned.
pub(super) fn line_row(
    page: &Page,
    source: &SourceName,
    line: &Line,
    applied_at: Option<Timestamp>,
    waits: bool,
    undo: bool,
) -> LineRow {
    let kind = Kind::Word(line.item.kind.word());
    let said = said(&line.item.kind);
    let word = line.item.kind.word();
    let known = line.account.as_ref().filter(|_| word != PlanWord::Join);
    let known = known.map(|account| match applied_at {
        // What was learnt from this batch is dated with the time when it took effect.
        Some(at) => account.history.iter().rev().find(|dated| dated.from < at).unwrap_or(&account.history[0]),
        None => account.history.last().unwrap_or(&account.history[0]),
    });
    let known = known.map(|dated| &dated.value);
    let person = said.or(known);
    LineRow {
        row: line.item.row,
        kind: if undo { kind.said_of_undo(page) } else { kind.said(page) },
        account: line.account.as_ref().map(|account| account.id),
        number: person.map(|person| person.staff_number.to_string()).unwrap_or_default(),
        name: person.map(|person| page.printed(source, &person.name)).unwrap_or_default(),
        before: known.map(|known| page.printed(source, &posts(&known.departments))).unwrap_or_default(),
        after: said.map(|said| page.printed(source, &posts(&said.departments))).unwrap_or_default(),
        changes: match (known, said) {
            (Some(known), Some(said)) => changed(page, source, known, said),
            _ => Vec::new(),
        },
        number_of: match line.item.kind {
            PlanKind::Join { number_of, .. } => number_of,
            _ => None,
        },
        waits,
        not_undone: match line.item.kind {
            PlanKind::NotUndone(NotUndone::ChangedSince) => Some(page.say("batches-undo-changed-since")),
            PlanKind::NotUndone(NotUndone::NumberTaken) => Some(page.say("batches-undo-number-taken")),
            PlanKind::NotUndone(NotUndone::Closed) => Some(page.say("batches-undo-closed")),
            _ => None,
        },
    }
}

/// What the row says of the person, if it is one to be taken over.
pub(super) fn said(kind: &PlanKind) -> Option<&Attributes> {
    match kind {
        PlanKind::Join { attributes, .. }
        | PlanKind::Move { attributes, .. }
        | PlanKind::Change { attributes, .. }
        | PlanKind::Return { attributes, .. } => Some(attributes),
        PlanKind::Leave
        | PlanKind::Unchanged
        | PlanKind::Rejected(_)
        | PlanKind::SeatBack
        | PlanKind::NotUndone(_) => None,
    }
}

fn posts(departments: &[Department]) -> String {
    departments.iter().map(|post| post.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// What differs but the departments.
pub(super) fn changed(
    page: &Page,
    source: &SourceName,
    known: &Attributes,
    said: &Attributes,
) -> Vec<Changed> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let last = |person: &Attributes| person.temporary_until.map(|day| day.to_string()).unwrap_or_default();
    let day = |person: &Attributes| person.term_ends.map(|day| day.to_string()).unwrap_or_default();
    let pairs = [
        ("batches-name", known.name.clone(), said.name.clone()),
        ("batches-kana", text(&known.kana), text(&said.kana)),
        ("batches-person-title", text(&known.title), text(&said.title)),
        ("batches-employment", text(&known.employment), text(&said.employment)),
        ("batches-term-ends", day(known), day(said)),
        ("batches-temporary-until", last(known), last(said)),
        ("batches-mail", text(&known.mail), text(&said.mail)),
    ];
    let pairs = pairs.into_iter().chain([
        marked(page, "batches-birth-date", known.born, said.born),
        marked(page, "batches-hire-date", known.hired, said.hired),
    ]);
    let different = pairs.filter(|(_, before, after)| before != after);
    different
        .map(|(key, before, after)| Changed {
            what: page.say(key),
            before: page.printed(source, &before),
            after: page.printed(source, &after),
        })
        .collect()
}

/// Of dates no more is known than whether they are the same.
fn marked(
    page: &Page,
    key: &'static str,
    known: Option<DateMark>,
    said: Option<DateMark>,
) -> (&'static str, String, String) {
    let told = |mark: Option<DateMark>| mark.map(|_| page.say("batches-date-told")).unwrap_or_default();
    let after = if known.is_some() && said != known { page.say("batches-date-other") } else { told(said) };
    (key, told(known), after)
}

/// All reasons of a rejected line.
pub(super) fn rejected_rows(
    page: &Page,
    source: &SourceName,
    line: &Line,
    in_workbook: bool,
) -> Vec<RejectedRow> {
    let PlanKind::Rejected(rejections) = &line.item.kind else { return Vec::new() };
    let asked = |problem: RowProblem| {
        let known = line.account.as_ref().filter(|_| problem == RowProblem::PossiblyAnother)?;
        Some(Asked { account: known.id, name: page.printed(source, &known.current().name) })
    };
    let row = |rejection: &mdm_core::batch::Rejection| RejectedRow {
        asked: asked(rejection.problem),
        row: line.item.row,
        column: rejection.column.clone(),
        value: reasons::row_value(page.language, rejection),
        why: reasons::row_why(page.language, rejection.problem),
        cure: reasons::row_cure(page.language, rejection.problem, in_workbook),
    };
    rejections.iter().map(row).collect()
}
