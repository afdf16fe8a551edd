//! 取り消し: the plan of an undo, what applying one needs beside it, and the devices that it opens again.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use mdm_core::account::{Account, StaffNumber};
use mdm_core::apply::{UNDO_WINDOW, Undone};
use mdm_core::audit::Actor;
use mdm_core::batch::{Batch, BatchState};
use mdm_core::change::Stored;
use mdm_core::device::{Device, DeviceState};
use mdm_core::undo::{self, Before, BeforeChunk, UndoInput};
use rand::rngs::OsRng;
use shared::ids::{AccountId, BatchId, EnrolmentId};
use shared::signed::Action;

use super::{load, show, store};
use crate::directory;
use crate::service::Service;
use crate::use_cases::devices::{self, Order};
use crate::use_cases::load::load_accounts;
use crate::use_cases::{Missing, Refusal, UseCaseError};

/// Keeps batches apart, and remembers of which undos nothing is left to do.
#[derive(Debug, Default)]
pub(crate) struct Undos {
    one: tokio::sync::Mutex<()>,
    settled: Mutex<BTreeSet<BatchId>>,
}

impl Undos {
    /// Held while a batch is applied and while devices are blocked or unblocked behind it.
    pub(crate) async fn lock(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.one.lock().await
    }

    fn is_settled(&self, undo: BatchId) -> bool {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).contains(&undo)
    }

    fn settle(&self, undo: BatchId) {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).insert(undo);
    }
}

/// For whom a batch is to be undone: for everybody if nobody is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// 職員番号.
    pub numbers: Vec<StaffNumber>,
    /// 所属: all who belonged to it before the batch or by it.
    pub departments: Vec<String>,
}

/// What a batch left behind, and those whom it made different as they are now.
struct Touched {
    of: Batch,
    befores: Vec<BeforeChunk>,
    accounts: BTreeMap<AccountId, Account>,
}

impl Touched {
    async fn load(service: &Service, id: BatchId) -> Result<Self, UseCaseError> {
        let of = show(service, id).await?;
        undo::may_undo(&of, service.clock.now())?;
        let befores = befores(service, &of).await?;
        let accounts = load_accounts(service, everybody(&befores)).await?;
        let accounts = accounts.into_iter().map(|stored| (stored.value.id, stored.value)).collect();
        Ok(Self { of, befores, accounts })
    }

    fn people(&self) -> impl Iterator<Item = (&Before, &Account)> {
        let all = self.befores.iter().flat_map(|chunk| &chunk.items);
        all.filter_map(|before| Some((before, self.accounts.get(&before.account)?)))
    }

    /// The accounts that are meant; all if nobody is named.
    fn named(&self, chosen: &Chosen) -> Result<Option<BTreeSet<AccountId>>, UseCaseError> {
        if *chosen == Chosen::default() {
            return Ok(None);
        }
        let mut ids = BTreeSet::new();
        for number in &chosen.numbers {
            let mut theirs = self.people().filter(|(_, account)| account.current().staff_number == *number);
            let (before, _) = theirs.next().ok_or_else(|| Missing::InBatch(number.to_string()))?;
            ids.insert(before.account);
        }
        for name in &chosen.departments {
            let meant =
                |(before, account): &(&Before, &Account)| departments_of(before, account).any(|n| n == name);
            let theirs: Vec<AccountId> =
                self.people().filter(meant).map(|(before, _)| before.account).collect();
            if theirs.is_empty() {
                return Err(Missing::InBatch(name.clone()).into());
            }
            ids.extend(theirs);
        }
        Ok(Some(ids))
    }
}

/// To which a person belonged before the batch, and belongs now.
fn departments_of<'a>(before: &'a Before, account: &'a Account) -> impl Iterator<Item = &'a str> {
    let was = before.was.as_ref().and_then(|was| was.attributes.as_ref());
    let all = was.into_iter().chain([account.current()]).flat_map(|attributes| &attributes.departments);
    all.map(|department| department.name.as_str())
}

fn everybody(befores: &[BeforeChunk]) -> Vec<AccountId> {
    befores.iter().flat_map(|chunk| &chunk.items).map(|before| before.account).collect()
}

async fn befores(service: &Service, of: &Batch) -> Result<Vec<BeforeChunk>, UseCaseError> {
    let mut chunks = Vec::new();
    for number in 0..of.befores {
        let chunk = service.store.before_chunk(of.id, number).await?;
        chunks.extend(chunk.map(|stored| stored.value));
    }
    Ok(chunks)
}

/// Plans the undo of a batch. Nothing of the accounts changes.
pub async fn plan_undo(
    service: &Service,
    of: BatchId,
    chosen: &Chosen,
    actor: Actor,
) -> Result<Batch, UseCaseError> {
    let touched = Touched::load(service, of).await?;
    let only = touched.named(chosen)?;
    let roster = service.store.roster(&touched.of.source).await?;
    let pool = service.store.pool().await?.value;
    let input = UndoInput {
        of: &touched.of,
        befores: &touched.befores,
        accounts: &touched.accounts,
        only: only.as_ref(),
        roster_version: roster.map_or(0, |roster| roster.value.version),
        pool: &pool,
        actor,
        now: service.clock.now(),
    };
    let plan = undo::plan(&input, &mut OsRng)?;
    if plan.items.is_empty() {
        return Err(Refusal::NothingToUndo.into());
    }
    store(service, plan, None).await
}

/// The departments of those whom a batch made different, each with the number of its people.
pub async fn departments(service: &Service, of: BatchId) -> Result<BTreeMap<String, usize>, UseCaseError> {
    let touched = Touched::load(service, of).await?;
    let mut departments: BTreeMap<String, usize> = BTreeMap::new();
    for (before, account) in touched.people().filter(|(before, _)| before.word.is_some()) {
        let theirs: BTreeSet<&str> = departments_of(before, account).collect();
        for name in theirs {
            *departments.entry(name.to_owned()).or_default() += 1;
        }
    }
    Ok(departments)
}

/// What applying needs of the batch that `batch` takes back, and whom it concerns.
pub(super) async fn undone(
    service: &Service,
    batch: &Batch,
) -> Result<Option<(Undone, Vec<AccountId>)>, UseCaseError> {
    let Some(of) = batch.undoes() else { return Ok(None) };
    let of = show(service, of).await?;
    let befores = befores(service, &of).await?;
    let everybody = everybody(&befores);
    Ok(Some((Undone { batch: of, befores }, everybody)))
}

/// Opens again what undone batches had blocked, where a crash came between the undo and that. Each undo is looked at once
/// a process.
pub(crate) async fn open_left_behind(service: &Service) -> Result<(), UseCaseError> {
    let now = service.clock.now();
    for (id, at) in directory::current(service).await?.undos_applied() {
        if now.duration_since(at) < UNDO_WINDOW && !service.undos.is_settled(id) {
            let _held = service.undos.lock().await;
            open_again(service, id, Actor::Server).await?;
        }
    }
    Ok(())
}

/// Unblocks the devices that the undone batch had blocked and nobody since. Can be done again: what was done is not.
pub(super) async fn open_again(service: &Service, undo: BatchId, actor: Actor) -> Result<(), UseCaseError> {
    let undo = load(service, undo).await?.value;
    let (Some(of), BatchState::Applied { at: undone_at }) = (undo.undoes(), &undo.state) else {
        return Ok(());
    };
    let of = show(service, of).await?;
    let BatchState::Applied { at } = of.state else { return Ok(()) };
    for before in befores(service, &of).await?.into_iter().flat_map(|chunk| chunk.items) {
        let Some(Stored { value: account, .. }) = service.store.account(before.account).await? else {
            continue;
        };
        if !account.may_work() || account.seat.is_none() {
            continue;
        }
        for enrolment in before.blocked {
            let Some(Stored { value: device, .. }) = service.store.device(enrolment).await? else { continue };
            if was_blocked_between(service, &device, at, *undone_at).await? {
                unblock(service, enrolment, actor).await?;
            }
        }
    }
    service.undos.settle(undo.id);
    Ok(())
}

/// Whether the device's block came with the batch: nobody has given it a command since the undo, nor before the batch.
async fn was_blocked_between(
    service: &Service,
    device: &Device,
    at: jiff::Timestamp,
    undone_at: jiff::Timestamp,
) -> Result<bool, UseCaseError> {
    if device.state != DeviceState::Blocked || device.copy_suspected_at.is_some() {
        return Ok(false);
    }
    let commands = service.store.commands_of(device.enrolment).await?;
    let last = commands.last().map(|stored| &stored.value);
    let between = |issued: jiff::Timestamp| at <= issued && issued <= undone_at;
    Ok(last.is_some_and(|command| command.action == Action::Block && between(command.issued_at)))
}

async fn unblock(service: &Service, enrolment: EnrolmentId, actor: Actor) -> Result<(), UseCaseError> {
    let order = Order { actor, reason: "the batch that blocked it was undone" };
    match devices::unblock(service, enrolment, order).await {
        // Unblocked or wiped by somebody else in between.
        Err(UseCaseError::Refused(why)) => tracing::info!(%enrolment, %why, "not unblocked"),
        done => drop(done?),
    }
    Ok(())
}
