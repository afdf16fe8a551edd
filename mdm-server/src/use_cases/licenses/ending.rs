//! 任期満了: whose term ends by a day, and what the file for April says of them. And what the plans that wait will need.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use mdm_core::account::{Account, SourceName};
use mdm_core::batch::{Origin, PlanWord};
use shared::ids::{AccountId, BatchId};

use super::super::UseCaseError;
use super::super::batches::{self, Index};
use crate::directory::{self, BatchHead, Snapshot};
use crate::service::Service;

/// What the newest plan of their source that is not in force says of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewFile {
    /// There is no such plan.
    Awaited,
    /// They leave by it.
    Leaves(BatchId),
    /// They are in the file.
    Stays(BatchId),
    /// Their row was rejected.
    Rejected(BatchId),
    /// The file is of some people only, and they are not among them.
    NotNamed(BatchId),
}

impl NewFile {
    /// Its name in addresses and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Awaited => "awaited",
            Self::Leaves(_) => "leaves",
            Self::Stays(_) => "stays",
            Self::Rejected(_) => "rejected",
            Self::NotNamed(_) => "not-named",
        }
    }

    /// The plan that says it.
    pub fn plan(self) -> Option<BatchId> {
        match self {
            Self::Awaited => None,
            Self::Leaves(plan) | Self::Stays(plan) | Self::Rejected(plan) | Self::NotNamed(plan) => {
                Some(plan)
            }
        }
    }
}

/// Somebody whose term ends.
#[derive(Debug, Clone)]
pub struct Ending {
    /// Who.
    pub account: Account,
    /// 任期満了日.
    pub last: Date,
    /// What a new file says; absent for those who may not see plans that are not in force.
    pub new_file: Option<NewFile>,
}

/// The end of the fiscal year that a day is in: 31 March.
pub fn fiscal_year_end(today: Date) -> Date {
    let this_year = Date::new(today.year(), 3, 31).unwrap_or(today);
    let next_year = || Date::new(today.year().saturating_add(1), 3, 31).unwrap_or(Date::MAX);
    if today <= this_year { this_year } else { next_year() }
}

/// Who works and whose term ends on or before a day, the first to end first. Temporary accounts end by themselves and are not
/// among them.
pub fn whose_term_ends(directory: &Snapshot, until: Date) -> Vec<(&Account, Date)> {
    let ends = |account: &Account| account.current().term_ends.filter(|last| *last <= until);
    let working = directory.accounts().filter(|account| account.may_work() && !account.is_temporary());
    let mut ending: Vec<(&Account, Date)> = working.filter_map(|one| Some((one, ends(one)?))).collect();
    ending.sort_by(|(one, last), (other, later)| {
        let number = |account: &Account| account.current().staff_number.clone();
        (last, number(one), one.id).cmp(&(later, number(other), other.id))
    });
    ending
}

/// The same with what new files say. `sees_plans`: whether whoever asks may see plans that are not in force.
pub async fn ending(service: &Service, until: Date, sees_plans: bool) -> Result<Vec<Ending>, UseCaseError> {
    let directory = directory::current(service).await?;
    let mut plans: HashMap<SourceName, Option<NewPlan>> = HashMap::new();
    let mut found = Vec::new();
    for (account, last) in whose_term_ends(&directory, until) {
        let new_file = match (sees_plans, plans.get(&account.source)) {
            (false, _) => None,
            (true, Some(plan)) => Some(said(plan.as_ref(), account.id)),
            (true, None) => {
                let plan = NewPlan::of(service, &directory, &account.source).await?;
                let plan = plans.entry(account.source.clone()).or_insert(plan);
                Some(said(plan.as_ref(), account.id))
            }
        };
        found.push(Ending { account: account.clone(), last, new_file });
    }
    Ok(found)
}

/// The newest plan of a source that is not in force, and what it does to whom.
struct NewPlan {
    id: BatchId,
    words: HashMap<AccountId, PlanWord>,
}

impl NewPlan {
    async fn of(
        service: &Service,
        directory: &Snapshot,
        source: &SourceName,
    ) -> Result<Option<Self>, UseCaseError> {
        let newest = waiting_plans(directory)
            .filter(|plan| plan.source == *source)
            .max_by_key(|plan| (plan.uploaded_at, plan.id));
        let Some(newest) = newest else { return Ok(None) };
        let index = Index::read(service, &batches::show(service, newest.id).await?).await?;
        let words = index.lines().filter_map(|(_, line)| Some((line.account?, line.word))).collect();
        Ok(Some(Self { id: newest.id, words }))
    }
}

fn said(plan: Option<&NewPlan>, account: AccountId) -> NewFile {
    let Some(plan) = plan else { return NewFile::Awaited };
    match plan.words.get(&account) {
        Some(PlanWord::Leave) => NewFile::Leaves(plan.id),
        Some(PlanWord::Rejected) => NewFile::Rejected(plan.id),
        Some(_) => NewFile::Stays(plan.id),
        None => NewFile::NotNamed(plan.id),
    }
}

/// Plans of files that are neither in force nor at another end.
fn waiting_plans(directory: &Snapshot) -> impl Iterator<Item = &BatchHead> {
    directory.all_batches().filter(|batch| batch.state.is_open() && batch.origin == Origin::File)
}

/// What one plan will need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The plan.
    pub batch: BatchId,
    /// Of which list.
    pub source: SourceName,
    /// When it is to take effect, if that was said.
    pub at: Option<Timestamp>,
    /// Seats that it newly asks for.
    pub asked: u32,
    /// Seats that it gives back.
    pub freed: u32,
    /// Seats that are free behind it and those before it.
    pub free: u32,
    /// Seats that are missing by then.
    pub missing: u32,
}

/// What the plans that wait will need, one after the other as they take effect; those without a time come last. Who waits today
/// is counted first.
pub fn needs(directory: &Snapshot) -> Vec<Need> {
    let mut plans: Vec<&BatchHead> = waiting_plans(directory).collect();
    plans.sort_by_key(|plan| (plan.release.effective_at.is_none(), plan.release.effective_at, plan.id));
    let waiting = i64::try_from(directory.waiting().count()).unwrap_or(i64::MAX);
    let mut balance = i64::from(directory.pool().free()).saturating_sub(waiting);
    let seats = |many: i64| u32::try_from(many.max(0)).unwrap_or(u32::MAX);
    let need = |plan: &BatchHead| {
        let (asked, freed) = (plan.summary.seats_wished, plan.summary.seats_freed);
        balance = balance.saturating_add(i64::from(freed)).saturating_sub(i64::from(asked));
        let BatchHead { id: batch, source, release, .. } = plan;
        Need {
            batch: *batch,
            source: source.clone(),
            at: release.effective_at,
            asked,
            freed,
            free: seats(balance),
            missing: seats(-balance),
        }
    };
    plans.into_iter().map(need).collect()
}

#[cfg(test)]
mod tests;
