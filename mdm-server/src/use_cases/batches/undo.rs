//! 取り消し: the plan of an undo, what applying one needs beside it, and the devices that it opens again.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mdm_core::account::{Account, StaffNumber};
use mdm_core::apply::{UNDO_WINDOW, Undone};
use mdm_core::audit::Actor;
use mdm_core::batch::{Batch, BatchState, PlanWord};
use mdm_core::change::Stored;
use mdm_core::command::is_blocked_only_by;
use mdm_core::device::{BlockedBy, Device};
use mdm_core::sheet::Assigned;
use mdm_core::undo::{self, Before, BeforeChunk, UndoInput};
use rand::rngs::OsRng;
use shared::ids::{AccountId, BatchId};

use super::{chunk, load, show, store};
use crate::directory;
use crate::service::Service;
use crate::use_cases::devices::{self, Order};
use crate::use_cases::load::load_accounts;
use crate::use_cases::{Missing, Refusal, UseCaseError};

/// How many batches are looked at for the one that has blocked a device: more are not applied within moments.
const LOOKED_BACK: usize = 8;

/// Keeps batches apart, and remembers what undos have left to do.
#[derive(Debug, Default)]
pub(crate) struct Undos {
    one: tokio::sync::Mutex<()>,
    /// Of each undo that was looked at: who still waits for a seat, or for a disk.
    waiting: Mutex<BTreeMap<BatchId, Vec<AccountId>>>,
}

impl Undos {
    /// Held while a batch is applied and while devices are blocked or unblocked behind it.
    pub(crate) async fn lock(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.one.lock().await
    }

    /// The same, if nobody holds it.
    pub(crate) fn try_lock(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        self.one.try_lock().ok()
    }

    fn is_settled(&self, undo: BatchId) -> bool {
        self.all_waiting().get(&undo).is_some_and(Vec::is_empty)
    }

    /// `None` before the undo was looked at as a whole.
    fn waiting(&self, undo: BatchId) -> Option<Vec<AccountId>> {
        self.all_waiting().get(&undo).cloned()
    }

    fn keep_waiting(&self, undo: BatchId, people: Vec<AccountId>) {
        self.all_waiting().insert(undo, people);
    }

    fn all_waiting(&self) -> MutexGuard<'_, BTreeMap<BatchId, Vec<AccountId>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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
    store(service, plan, None, &Assigned::new()).await
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

/// Opens again what undone batches had blocked: where a crash came between the undo and that, and for those who had to wait
/// for a seat. Each undo is looked at as a whole once a process.
pub(crate) async fn open_left_behind(service: &Service) -> Result<(), UseCaseError> {
    let now = service.clock.now();
    for (id, at) in directory::current(service).await?.undos_applied() {
        if now.duration_since(at) >= UNDO_WINDOW || service.undos.is_settled(id) {
            continue;
        }
        // A batch that is being applied opens and blocks by itself: the next pass looks again.
        let Some(_held) = service.undos.try_lock() else { return Ok(()) };
        open_again(service, id, Actor::Server).await?;
    }
    Ok(())
}

/// Unblocks the devices of those whom an undo has restored, as far as the undone batch and nothing else keeps them blocked. Does
/// nothing for a batch that is no undo. Can be done again: what was done is not.
pub(super) async fn open_again(service: &Service, undo: BatchId, actor: Actor) -> Result<(), UseCaseError> {
    let undo = load(service, undo).await?.value;
    let (Some(of), BatchState::Applied { .. }) = (undo.undoes(), &undo.state) else { return Ok(()) };
    let people = match service.undos.waiting(undo.id) {
        Some(people) => people,
        None => restored(service, &undo).await?,
    };
    let mut waiting = Vec::new();
    for id in people {
        match open_for(service, id, of, actor).await {
            Ok(Opened::Done) => {}
            Ok(Opened::NoSeatYet) => waiting.push(id),
            Err(error) => {
                tracing::error!(account = %id, %error, "a device is not unblocked yet, will be tried again");
                waiting.push(id);
            }
        }
    }
    service.undos.keep_waiting(undo.id, waiting);
    Ok(())
}

/// Whom the plan of an undo lets work again.
async fn restored(service: &Service, undo: &Batch) -> Result<Vec<AccountId>, UseCaseError> {
    let mut people = Vec::new();
    for number in 0..undo.chunks {
        let items = chunk(service, undo.id, number).await?.items;
        let restored = items
            .into_iter()
            .filter(|item| matches!(item.kind.word(), PlanWord::Return | PlanWord::Move | PlanWord::Change));
        people.extend(restored.filter_map(|item| item.account));
    }
    Ok(people)
}

enum Opened {
    /// All that there was to open.
    Done,
    /// Devices of an account without a seat, or with a held one, would be blocked again at once.
    NoSeatYet,
}

async fn open_for(
    service: &Service,
    id: AccountId,
    of: BatchId,
    actor: Actor,
) -> Result<Opened, UseCaseError> {
    let Some(Stored { value: account, .. }) = service.store.account(id).await? else {
        return Ok(Opened::Done);
    };
    let devices = service.store.devices_of_account(id).await?;
    let mut blocked = Vec::new();
    for device in &devices {
        if is_blocked_only_by(&device.value, BlockedBy::Batch(of)) {
            blocked.push(device.value.enrolment);
        }
    }
    if !account.may_work() || blocked.is_empty() {
        return Ok(Opened::Done);
    }
    if !account.is_served() {
        return Ok(Opened::NoSeatYet);
    }
    let order = Order { actor, reason: "the batch that blocked it was undone" };
    for enrolment in blocked {
        devices::unblock_by(service, enrolment, BlockedBy::Batch(of), order).await?;
    }
    Ok(Opened::Done)
}

/// The batch that took the account its seat, for a device that a crash has left unblocked behind it.
pub(crate) async fn blocking_batch(
    service: &Service,
    device: &Device,
) -> Result<Option<BatchId>, UseCaseError> {
    let now = service.clock.now();
    for batch in super::list(service, None, LOOKED_BACK).await? {
        let BatchState::Applied { at } = batch.state else { continue };
        if now.duration_since(at) >= UNDO_WINDOW || batch.undoes().is_some() {
            continue;
        }
        let befores = befores(service, &batch).await?;
        let mut items = befores.iter().flat_map(|chunk| &chunk.items);
        if items.any(|before| before.blocked.contains(&device.enrolment)) {
            return Ok(Some(batch.id));
        }
    }
    Ok(None)
}
