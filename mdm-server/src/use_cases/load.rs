//! What rules about many accounts are given to look at, and how their changes are committed whatever their size.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use mdm_core::account::Account;
use mdm_core::change::{LongChangeset, Stored};
use mdm_core::license::WaitingEntry;
use mdm_core::seats::{Holdings, last_unlock};
use mdm_store::{CommitError, LargeChange, MAX_PAGE, MAX_PUTS};
use shared::ids::{AccountId, BatchId};

use super::UseCaseError;
use crate::service::Service;

/// The whole waiting list in its order.
pub(super) async fn waiting_list(service: &Service) -> Result<Vec<Stored<WaitingEntry>>, UseCaseError> {
    let mut list: Vec<Stored<WaitingEntry>> = Vec::new();
    loop {
        let after = list.last().map(|last| (last.value.since, last.value.place, last.value.account));
        let page = service.store.waiting_list(after, MAX_PAGE).await?;
        if page.is_empty() {
            return Ok(list);
        }
        list.extend(page);
    }
}

/// The accounts with these ids, those that are there.
pub(super) async fn load_accounts(
    service: &Service,
    ids: impl IntoIterator<Item = AccountId>,
) -> Result<Vec<Stored<Account>>, UseCaseError> {
    let mut accounts = Vec::new();
    for id in ids {
        accounts.extend(service.store.account(id).await?);
    }
    Ok(accounts)
}

/// When a device of these accounts was last unlocked, where it ever was.
pub(super) async fn last_unlocks(
    service: &Service,
    ids: Vec<AccountId>,
) -> Result<HashMap<AccountId, Timestamp>, UseCaseError> {
    let mut unlocks = HashMap::new();
    for id in ids {
        let devices = service.store.devices_of_account(id).await?;
        unlocks.extend(last_unlock(devices.iter().map(|stored| &stored.value)).map(|last| (id, last)));
    }
    Ok(unlocks)
}

/// Pool, waiting list, `accounts` and all who wait; codes and devices of those in `may_lose`, who are among `accounts`.
pub(super) async fn holdings(
    service: &Service,
    mut accounts: Vec<Stored<Account>>,
    may_lose: &[AccountId],
) -> Result<Holdings, UseCaseError> {
    let pool = service.store.pool().await?;
    let waiting = waiting_list(service).await?;
    let loaded: HashSet<AccountId> = accounts.iter().map(|stored| stored.value.id).collect();
    for entry in waiting.iter().filter(|entry| !loaded.contains(&entry.value.account)) {
        accounts.extend(service.store.account(entry.value.account).await?);
    }
    let (mut codes, mut devices) = (Vec::new(), Vec::new());
    for account in may_lose {
        codes.extend(service.store.codes_of_account(*account).await?);
        let theirs = service.store.devices_of_account(*account).await?;
        devices.extend(theirs.into_iter().map(|stored| stored.value));
    }
    Ok(Holdings { pool, accounts, waiting, codes, devices })
}

/// So many writes and events, index entries aside, are worth one atomic write: more are sooner acknowledged as a large change.
const AT_ONCE: usize = MAX_PUTS / 8;

/// Commits in one write if that is worth it and can be, else as a large change in the name of `batch`.
pub(super) async fn commit_any_size(
    service: &Service,
    batch: BatchId,
    changes: impl Into<LongChangeset>,
) -> Result<(), CommitError> {
    let mut changes = changes.into();
    let events = changes.head.events.len() + changes.events.count();
    let room = (AT_ONCE + 1).saturating_sub(changes.head.writes.len() + events);
    changes.head.writes.extend(changes.writes.by_ref().take(room));
    if changes.head.writes.len() + events <= AT_ONCE {
        let mut whole = changes.head.clone();
        whole.events.extend(changes.events.all());
        match service.commit(whole).await {
            // Index entries count as well, and only the store knows how many there are.
            Err(CommitError::TooMany { .. }) => {}
            done => return done.map(|_| ()),
        }
    }
    service.commit_large(LargeChange::split(batch, changes)).await.map(|_| ())
}
