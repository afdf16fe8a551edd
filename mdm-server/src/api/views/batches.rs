//! Batches and their plans as they are shown.

use data_encoding::HEXLOWER;
use mdm_core::account::Attributes;
use mdm_core::approval::{GuardRules, Guards};
use mdm_core::audit::Actor;
use mdm_core::batch::{Approval, Batch, BatchState, Capacity, PlanKind};
use mdm_core::identity::Decided;
use mdm_core::sheet::AssignedColumn;

use super::main_post;
use crate::api::types::{
    AppliedView, ApprovalView, AssignedView, BatchView, BatchWord, DecidedRow, DifferenceView, DifferentView,
    HeldView, ItemView, KindWord, PlanView, PrivateUseView, RejectionView, RowCount,
};
use crate::use_cases::batches::compare::{Compared, Comparison};
use crate::use_cases::batches::{InForce, Line};

impl BatchView {
    /// For somebody who may see the plan.
    pub(in crate::api) fn whole(batch: &Batch, rules: &GuardRules) -> Self {
        let guards = Guards::of(&batch.summary, rules);
        let private_use = batch.private_use.iter().map(|found| PrivateUseView {
            row: found.row,
            column: found.column.clone(),
            code: format!("U+{:04X}", found.code),
        });
        Self {
            plan: Some(PlanView {
                digest: HEXLOWER.encode(&batch.plan_digest),
                needs_approval: guards.approval && batch.release.approval.is_none(),
                asks_leavers: guards.leavers.is_some(),
            }),
            lost_zeros: batch.lost_zeros,
            decided: batch.decided.iter().map(decided).collect(),
            like_leave: batch.like_leave.clone(),
            rejected_kept: batch.kept.rows,
            summary: Some(batch.summary.clone()),
            unused_columns: batch.unused_columns.clone(),
            assigned_columns: batch.assigned.iter().map(AssignedView::from).collect(),
            private_use: private_use.collect(),
            private_use_total: batch.private_use_total,
            normalised_rows: RowCount { first: batch.normalised_rows.clone(), total: batch.normalised_total },
            ..Self::outline(batch)
        }
    }

    /// That there is a batch, where it stands and for when: for somebody who may not see the plan yet.
    pub(in crate::api) fn outline(batch: &Batch) -> Self {
        let applied_at = batch.in_force_since();
        let replaced_by = match batch.state {
            BatchState::Replaced { by, .. } => Some(by),
            _ => None,
        };
        let late = batch.late_by().map(|late| u64::try_from(late.as_secs()).unwrap_or(0));
        Self {
            id: batch.id,
            source: batch.source.to_string(),
            mode: batch.mode,
            state: word(&batch.state),
            plan: None,
            effective_at: batch.release.effective_at,
            approval: batch.release.approval.as_ref().map(ApprovalView::from),
            held: batch.release.held.map(|held| HeldView { at: held.at, why: held.why.name().to_owned() }),
            late_by_seconds: late,
            ended_at: batch.state.ended_at().filter(|_| applied_at.is_none()),
            replaced_by,
            lines_deleted_at: batch.release.lines_deleted_at,
            applied_at,
            uploaded_at: batch.uploaded_at,
            sha256: HEXLOWER.encode(&batch.digest),
            encoding: batch.encoding.clone(),
            delimiter: batch.delimiter.clone(),
            layout: batch.layout.clone(),
            unused_sheets: batch.unused_sheets.clone(),
            lost_zeros: None,
            undoes: batch.undoes(),
            mends: batch.mends,
            decided: Vec::new(),
            like_leave: Vec::new(),
            rejected_kept: 0,
            summary: None,
            unused_columns: Vec::new(),
            assigned_columns: Vec::new(),
            private_use: Vec::new(),
            private_use_total: 0,
            normalised_rows: RowCount { first: Vec::new(), total: 0 },
        }
    }
}

impl From<&AssignedColumn> for AssignedView {
    fn from(column: &AssignedColumn) -> Self {
        Self {
            header: column.header.to_string(),
            is: column.meaning.name().to_owned(),
            otherwise: column.otherwise.map(|meaning| meaning.name().to_owned()),
            remembered_since: column.since,
        }
    }
}

fn word(state: &BatchState) -> BatchWord {
    match state {
        BatchState::Planned => BatchWord::Planned,
        BatchState::Approved => BatchWord::Approved,
        BatchState::Scheduled => BatchWord::Scheduled,
        BatchState::Applied { .. } => BatchWord::Applied,
        BatchState::Cancelled { .. } => BatchWord::Cancelled,
        BatchState::Replaced { .. } => BatchWord::Replaced,
    }
}

impl From<&Approval> for ApprovalView {
    fn from(approval: &Approval) -> Self {
        let (reason, acknowledged) = match &approval.capacity {
            Capacity::Emergency { reason, acknowledged } => (Some(reason.clone()), *acknowledged),
            Capacity::Approver | Capacity::Deputy => (None, None),
        };
        let by = match approval.by {
            Actor::Operator(by) => Some(by),
            _ => None,
        };
        let capacity = approval.capacity.name().to_owned();
        Self { by, at: approval.at, capacity, reason, acknowledged_at: acknowledged.map(|(_, at)| at) }
    }
}

fn decided(one: &Decided) -> DecidedRow {
    DecidedRow { row: one.row, whose: one.whose }
}

impl From<&Line> for ItemView {
    fn from(line: &Line) -> Self {
        let (kind, said, wishes_seat) = match &line.item.kind {
            PlanKind::Join { attributes, wishes_seat, .. } => {
                (KindWord::Join, Some(attributes), Some(*wishes_seat))
            }
            PlanKind::Move { attributes, wishes_seat } => {
                (KindWord::Move, Some(attributes), Some(*wishes_seat))
            }
            PlanKind::Change { attributes, wishes_seat } => {
                (KindWord::Change, Some(attributes), Some(*wishes_seat))
            }
            PlanKind::Return { attributes, wishes_seat } => {
                (KindWord::Return, Some(attributes), Some(*wishes_seat))
            }
            PlanKind::Leave => (KindWord::Leave, None, None),
            PlanKind::Unchanged => (KindWord::Unchanged, None, None),
            PlanKind::Rejected(_) => (KindWord::Rejected, None, None),
            PlanKind::SeatBack => (KindWord::SeatBack, None, None),
            PlanKind::NotUndone(_) => (KindWord::NotUndone, None, None),
        };
        let known = line.account.as_ref().map(|account| account.current());
        let person: Option<&Attributes> = said.or(known);
        Self {
            position: line.position,
            row: line.item.row,
            account: line.item.account,
            kind,
            staff_number: person.map(|person| person.staff_number.to_string()),
            name: person.map(|person| person.name.clone()),
            department: person.map(|person| main_post(&person.departments)),
            wishes_seat,
            number_of: match &line.item.kind {
                PlanKind::Join { number_of, .. } => *number_of,
                _ => None,
            },
            not_undone: match &line.item.kind {
                PlanKind::NotUndone(why) => Some(*why),
                _ => None,
            },
            rejections: rejections(line),
        }
    }
}

fn rejections(line: &Line) -> Vec<RejectionView> {
    let PlanKind::Rejected(rejections) = &line.item.kind else { return Vec::new() };
    let row = line.item.row.unwrap_or(0);
    let view = rejections.iter().map(|rejection| RejectionView {
        column: rejection.column.clone(),
        value: rejection.value.clone(),
        problem: rejection.problem,
        message: rejection.describe(row),
    });
    view.collect()
}

impl From<&Comparison> for DifferenceView {
    fn from(found: &Comparison) -> Self {
        Self {
            same: found.same,
            new: found.new,
            gone: found.gone,
            changed: found.changed,
            unknown_older: found.unknown_older,
            unknown_newer: found.unknown_newer,
            people: found.people.iter().map(DifferentView::from).collect(),
            next: None,
        }
    }
}

impl From<&Compared> for DifferentView {
    fn from(one: &Compared) -> Self {
        Self { older: one.older.as_ref().map(ItemView::from), newer: one.newer.as_ref().map(ItemView::from) }
    }
}

impl AppliedView {
    pub(in crate::api) fn new(done: &InForce, rules: &GuardRules) -> Self {
        Self {
            batch: BatchView::whole(&done.batch, rules),
            seats_given: done.seats_given,
            seats_freed: done.seats_freed,
            seats_kept: done.seats_kept.clone(),
            waiting: done.waiting,
            devices_to_block: done.devices_to_block,
            devices_to_unblock: done.devices_to_unblock,
            not_undone: done.not_undone.clone(),
        }
    }
}
