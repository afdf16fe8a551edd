//! Batches and their plans as they are shown.

use data_encoding::HEXLOWER;
use mdm_core::account::Attributes;
use mdm_core::batch::{Batch, BatchState, PlanKind};

use super::main_post;
use crate::api::types::{
    AppliedView, BatchView, BatchWord, ItemView, KindWord, PrivateUseView, RejectionView, RowCount,
};
use crate::use_cases::batches::{InForce, Line};

impl From<&Batch> for BatchView {
    fn from(batch: &Batch) -> Self {
        let (state, applied_at) = match batch.state {
            BatchState::Planned => (BatchWord::Planned, None),
            BatchState::Applied { at } => (BatchWord::Applied, Some(at)),
        };
        let private_use = batch.private_use.iter().map(|found| PrivateUseView {
            row: found.row,
            column: found.column.clone(),
            code: format!("U+{:04X}", found.code),
        });
        Self {
            id: batch.id,
            source: batch.source.to_string(),
            mode: batch.mode,
            state,
            applied_at,
            uploaded_at: batch.uploaded_at,
            sha256: HEXLOWER.encode(&batch.digest),
            encoding: batch.encoding.clone(),
            delimiter: batch.delimiter.clone(),
            layout: batch.layout.clone(),
            unused_sheets: batch.unused_sheets.clone(),
            lost_zeros: batch.lost_zeros,
            undoes: batch.undoes(),
            summary: batch.summary.clone(),
            unused_columns: batch.unused_columns.clone(),
            private_use: private_use.collect(),
            private_use_total: batch.private_use_total,
            normalised_rows: RowCount { first: batch.normalised_rows.clone(), total: batch.normalised_total },
        }
    }
}

impl From<&Line> for ItemView {
    fn from(line: &Line) -> Self {
        let (kind, said, wishes_seat) = match &line.item.kind {
            PlanKind::Join { attributes, wishes_seat } => {
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

impl From<&InForce> for AppliedView {
    fn from(done: &InForce) -> Self {
        Self {
            batch: BatchView::from(&done.batch),
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
