//! Lines of a plan: which there are of each kind, and some of them without reading the rest.

use std::collections::{BTreeMap, BTreeSet};

use mdm_core::account::{Account, SourceName};
use mdm_core::batch::{Batch, ITEMS_PER_CHUNK, PlanItem, PlanKind, PlanWord};
use mdm_core::substitute::{CodePoint, Tables};
use shared::ids::{AccountId, BatchId};

use super::{chunk, show};
use crate::service::Service;
use crate::use_cases::UseCaseError;

/// A line of a plan, with the account where it exists already.
#[derive(Debug, Clone)]
pub struct Line {
    /// Place in the plan, from 1.
    pub position: u32,
    /// The line.
    pub item: PlanItem,
    /// Whom it is about, as known now.
    pub account: Option<Account>,
}

fn per_chunk() -> u32 {
    u32::try_from(ITEMS_PER_CHUNK).unwrap_or(u32::MAX)
}

/// Lines of a plan behind the first `after` ones.
pub async fn items(
    service: &Service,
    id: BatchId,
    after: u32,
    limit: usize,
) -> Result<Vec<Line>, UseCaseError> {
    let batch = show(service, id).await?;
    let mut lines = Vec::new();
    for number in after / per_chunk()..batch.chunks {
        let first = number * per_chunk() + 1;
        let chunk = chunk(service, id, number).await?;
        for (position, item) in (first..).zip(chunk.items).filter(|(position, _)| *position > after) {
            if lines.len() == limit {
                return Ok(lines);
            }
            lines.push(line(service, position, item).await?);
        }
    }
    Ok(lines)
}

pub(super) async fn line(service: &Service, position: u32, item: PlanItem) -> Result<Line, UseCaseError> {
    let account = match item.account {
        Some(id) => service.store.account(id).await?.map(|stored| stored.value),
        None => None,
    };
    Ok(Line { position, item, account })
}

/// The lines at these positions, in the order of the plan. Reads the parts of the plan that hold them and no others.
pub async fn lines_at(
    service: &Service,
    batch: BatchId,
    positions: &[u32],
) -> Result<Vec<Line>, UseCaseError> {
    let mut wanted: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for position in positions {
        wanted.entry(position.saturating_sub(1) / per_chunk()).or_default().push(*position);
    }
    let mut lines = Vec::with_capacity(positions.len());
    for (number, mut positions) in wanted {
        positions.sort_unstable();
        let first = number * per_chunk() + 1;
        for (position, item) in (first..).zip(chunk(service, batch, number).await?.items) {
            if positions.binary_search(&position).is_ok() {
                lines.push(line(service, position, item).await?);
            }
        }
    }
    Ok(lines)
}

/// What an [`Index`] keeps of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Indexed {
    /// What happens.
    pub word: PlanWord,
    /// To whom: the new one's id for a join.
    pub account: Option<AccountId>,
    /// Whether the row wishes a seat.
    pub wishes_seat: bool,
}

/// All lines of a plan in short. A plan never changes, so an index is read once and kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    lines: Vec<Indexed>,
    /// Private-use characters of whoever has some in name or main department, by what the plan says of them.
    private_use: Vec<BTreeSet<CodePoint>>,
    undo: Option<UndoSeats>,
}

/// Seats of an undo, as its plan says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UndoSeats {
    /// Who is to have theirs again.
    pub(super) claims: usize,
    /// Who loses one.
    pub(super) freed: usize,
}

/// Of what is printed on a letter.
fn private_use_of(item: &PlanItem) -> BTreeSet<CodePoint> {
    let (PlanKind::Join { attributes, .. }
    | PlanKind::Move { attributes, .. }
    | PlanKind::Change { attributes, .. }
    | PlanKind::Return { attributes, .. }) = &item.kind
    else {
        return BTreeSet::new();
    };
    let department = attributes.departments.first().map_or("", |post| post.name.as_str());
    attributes.name.chars().chain(department.chars()).filter_map(|c| CodePoint::of(c).ok()).collect()
}

impl Index {
    /// Reads the whole plan.
    pub async fn read(service: &Service, batch: &Batch) -> Result<Self, UseCaseError> {
        let (mut lines, mut private_use) = (Vec::new(), Vec::new());
        for number in 0..batch.chunks {
            let items = chunk(service, batch.id, number).await?.items;
            private_use.extend(items.iter().map(private_use_of).filter(|found| !found.is_empty()));
            lines.extend(items.iter().map(|item| Indexed {
                word: item.kind.word(),
                account: item.account,
                wishes_seat: item.kind.wishes_seat(),
            }));
        }
        let seats = UndoSeats {
            claims: batch.summary.seats_wished as usize,
            freed: batch.summary.seats_freed as usize,
        };
        Ok(Self { lines, private_use, undo: batch.undoes().map(|_| seats) })
    }

    /// Of an undo: its seats.
    pub(super) fn undo(&self) -> Option<UndoSeats> {
        self.undo
    }

    /// How many people have a private-use character in name or main department that nothing stands for.
    pub fn lacking(&self, source: &SourceName, tables: &Tables) -> usize {
        let lacks =
            |found: &&BTreeSet<CodePoint>| found.iter().any(|code| tables.find(source, *code).is_none());
        self.private_use.iter().filter(lacks).count()
    }

    /// Positions, from 1, of the lines whose kind is `wanted`.
    pub fn positions(&self, wanted: impl Fn(PlanWord) -> bool) -> Vec<u32> {
        self.lines().filter(|(_, line)| wanted(line.word)).map(|(position, _)| position).collect()
    }

    /// Each line with its position, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (u32, Indexed)> {
        (1..).zip(self.lines.iter().copied())
    }
}
