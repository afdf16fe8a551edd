//! Pool, seats, reclamation and the waiting list. What the seats were day by day is a module.

pub mod ending;
pub mod series;

pub(crate) mod steps;
mod temporary;

pub use steps::restore;
pub(crate) use temporary::end_temporary;

use mdm_core::account::Account;
use mdm_core::audit::Actor;
use mdm_core::change::Changeset;
use mdm_core::device::{BlockedBy, Device};
use mdm_core::license::{MAX_STEP_DAYS, NoticeReason, Pool, PoolSize, WaitingEntry};
use mdm_core::seats::{self, Acting, Rule, SeatChange};
use rand::rngs::OsRng;
use shared::crypto::hazmat::sha256;
use shared::ids::{AccountId, BatchId, EnrolmentId};

use super::accounts::{self, Who};
use super::devices::{self, Order};
use super::load::{commit_any_size, holdings, last_unlocks, load_accounts, waiting_list};
use super::{Refusal, UseCaseError, retry_on_conflict};
use crate::directory::{self, Counts, Person};
use crate::service::Service;

/// Where the pool stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The pool.
    pub pool: Pool,
    /// How many wait for a seat.
    pub waiting: usize,
    /// How many hold one and have never signed in.
    pub never_signed_in: usize,
    /// How many hold one of which notice was given.
    pub noticed: usize,
    /// How many hold one that serves nobody before it is taken.
    pub held: usize,
}

/// Where the pool stands.
pub async fn status(service: &Service) -> Result<Status, UseCaseError> {
    let Counts { pool, waiting, never_signed_in, noticed, held, .. } =
        directory::current(service).await?.counts();
    Ok(Status { pool, waiting, never_signed_in, noticed, held })
}

fn acting(service: &Service, actor: Actor) -> Acting<'_> {
    Acting { actor, now: service.clock.now(), keys: &service.keyring.codes }
}

/// What became of seats, for the person who asked.
#[derive(Debug, Clone, Default)]
pub struct Moved {
    /// Who lost a seat.
    pub freed: Vec<Account>,
    /// Who got one, with a code.
    pub given: Vec<Account>,
    /// Whose seat is to be taken back, since now.
    pub noticed: Vec<Account>,
    /// Who waits since now.
    pub waiting: Vec<AccountId>,
}

/// Sets the size of the pool and of its reserve; seats that become free by it go to the waiting list.
pub async fn set_pool(
    service: &Service,
    size: impl Into<PoolSize>,
    actor: Actor,
) -> Result<Moved, UseCaseError> {
    let size = size.into();
    service.outside_quarantine()?;
    let change = retry_on_conflict(|| async {
        let holdings = holdings(service, Vec::new(), &[]).await?;
        let change = seats::set_pool(holdings, size, acting(service, actor), &mut OsRng)?;
        commit(service, change).await
    })
    .await?;
    told(service, change).await
}

/// 利用希望: asks for a seat for one account.
pub async fn wait(service: &Service, who: &Who, actor: Actor) -> Result<(AccountId, Moved), UseCaseError> {
    service.outside_quarantine()?;
    let id = accounts::find(service, who).await?.value.id;
    let change = retry_on_conflict(|| async {
        let account = accounts::find(service, &Who::Id(id)).await?;
        let holdings = holdings(service, vec![account], &[]).await?;
        let change = seats::wait(holdings, id, acting(service, actor), &mut OsRng)?;
        commit(service, change).await
    })
    .await?;
    Ok((id, told(service, change).await?))
}

/// 回収: seats that are not used or whose term has ended, by `rule`, go to the waiting list: at once, or after the notice and
/// grace that it asks for. `dry_run` only says
/// what would happen now, of each account its newest attributes only.
pub async fn reclaim(
    service: &Service,
    rule: Rule,
    dry_run: bool,
    actor: Actor,
) -> Result<Moved, UseCaseError> {
    service.outside_quarantine()?;
    check(rule)?;
    if dry_run {
        return preview(service, rule).await;
    }
    let change = retry_on_conflict(|| async {
        let change = would_reclaim(service, rule, actor).await?;
        commit(service, change).await
    })
    .await?;
    after_reclaim(service, &change, actor).await;
    told(service, change).await
}

/// Days that cannot be counted are refused.
fn check(rule: Rule) -> Result<(), UseCaseError> {
    let longest = rule.notice_days.max(rule.grace_days);
    if longest > MAX_STEP_DAYS { Err(Refusal::StepDays.into()) } else { Ok(()) }
}

fn as_ruled(rule: Rule, losing: Vec<Account>, given: Vec<Account>) -> Moved {
    let (freed, noticed) = match rule.is_at_once() {
        true => (losing, Vec::new()),
        false => (Vec::new(), losing),
    };
    Moved { freed, given, noticed, waiting: Vec::new() }
}

/// What is done to devices behind a reclamation.
async fn after_reclaim(service: &Service, change: &SeatChange, actor: Actor) {
    block_all(service, &change.block, "seat reclaimed", actor).await;
    for account in &change.noticed {
        steps::settle_devices(service, *account, actor).await;
    }
}

/// Whom a reclamation by `rule` would take seats from and give them to, as the directory knows them: what
/// [`reclaim_as_seen`] compares with what it would do.
pub async fn preview(service: &Service, rule: Rule) -> Result<Moved, UseCaseError> {
    let directory = directory::current(service).await?;
    let (losing, given) = directory.would_reclaim(rule, service.clock.now());
    let accounts = |people: Vec<&Person>| people.iter().map(|person| person.account.clone()).collect();
    Ok(as_ruled(rule, accounts(losing), accounts(given)))
}

/// What became of a reclamation that somebody had looked at before.
#[derive(Debug, Clone)]
pub enum AsSeen {
    /// It was done.
    Done(Moved),
    /// It would no longer be what they saw: nothing was done. This is what it would be now.
    Differs(Moved),
}

/// Reclaims by `rule` if that takes from and gives to exactly those whom somebody saw in a [`preview`], of which `seen`
/// is [`Moved::fingerprint`].
pub async fn reclaim_as_seen(
    service: &Service,
    rule: Rule,
    seen: &str,
    actor: Actor,
) -> Result<AsSeen, UseCaseError> {
    service.outside_quarantine()?;
    check(rule)?;
    let (change, differs) = retry_on_conflict(|| async {
        let change = would_reclaim(service, rule, actor).await?;
        let differs = fingerprint(rule, &losing(&change), &change.given) != seen;
        Ok((if differs { change } else { commit(service, change).await? }, differs))
    })
    .await?;
    if differs {
        return Ok(AsSeen::Differs(told(service, change).await?));
    }
    after_reclaim(service, &change, actor).await;
    Ok(AsSeen::Done(told(service, change).await?))
}

impl Moved {
    /// Who loses a seat, now or when the days of its rule have passed.
    pub fn losing(&self) -> impl Iterator<Item = &Account> {
        self.freed.iter().chain(&self.noticed)
    }

    /// Tells one outcome from another: by which rule, who loses a seat and who gets one, in this order.
    pub fn fingerprint(&self, rule: Rule) -> String {
        let losing: Vec<AccountId> = self.losing().map(|account| account.id).collect();
        let given: Vec<AccountId> = self.given.iter().map(|account| account.id).collect();
        fingerprint(rule, &losing, &given)
    }
}

fn losing(change: &SeatChange) -> Vec<AccountId> {
    change.freed.iter().chain(&change.noticed).copied().collect()
}

fn fingerprint(rule: Rule, losing: &[AccountId], given: &[AccountId]) -> String {
    let Rule { why, days, at_most, notice_days, grace_days } = rule;
    let said = format!("{} {days} {at_most:?} {notice_days} {grace_days} {}", why.name(), losing.len());
    let ids = losing.iter().chain(given).map(|id| id.as_bytes().as_slice());
    let parts: Vec<&[u8]> = std::iter::once(said.as_bytes()).chain(ids).collect();
    data_encoding::HEXLOWER.encode(&sha256(&parts))
}

async fn would_reclaim(service: &Service, rule: Rule, actor: Actor) -> Result<SeatChange, UseCaseError> {
    let acting = acting(service, actor);
    // The directory says whom to load; the rule looks at what the store says of them.
    let directory = directory::current(service).await?;
    let (listed, _) = directory.would_reclaim(Rule { at_most: None, ..rule }, acting.now);
    let listed: Vec<AccountId> = listed.iter().map(|person| person.account.id).collect();
    let holders = load_accounts(service, listed).await?;
    let sleepers = holders.iter().filter(|_| rule.why == NoticeReason::Dormant);
    let sleepers = sleepers.map(|stored| stored.value.id).collect();
    let unlocks = last_unlocks(service, sleepers).await?;
    let unlocked = |id| unlocks.get(&id).copied();
    let unused = seats::unused(holders.iter().map(|stored| &stored.value), unlocked, rule, acting.now);
    let losing: Vec<AccountId> = unused.iter().map(|unused| unused.account).collect();
    let holdings = holdings(service, holders, &losing).await?;
    Ok(seats::reclaim(holdings, rule, acting, &mut OsRng)?)
}

/// Commits a change of seats; what is left of it is the outcome.
async fn commit(service: &Service, change: SeatChange) -> Result<SeatChange, UseCaseError> {
    let SeatChange { changes, .. } = change;
    let rest = SeatChange { changes: Changeset::default(), ..change };
    if !changes.writes.is_empty() || !changes.events.is_empty() {
        let name = BatchId::make(service.clock.now(), &mut OsRng);
        commit_any_size(service, name, changes).await?;
    }
    Ok(rest)
}

/// Blocks devices whose account lost its seat. Each is refused by the server already; a block that fails here is logged
/// and tried again by the scheduler.
pub(crate) async fn block_all(service: &Service, enrolments: &[EnrolmentId], reason: &str, actor: Actor) {
    for enrolment in enrolments {
        told_of_block(*enrolment, devices::block(service, *enrolment, Order { actor, reason }).await);
    }
}

/// The same because of a batch or a seat in its grace.
pub(crate) async fn block_all_by(
    service: &Service,
    by: BlockedBy,
    enrolments: &[EnrolmentId],
    reason: &str,
    actor: Actor,
) {
    for enrolment in enrolments {
        let order = Order { actor, reason };
        told_of_block(*enrolment, devices::block_by(service, *enrolment, by, order).await);
    }
}

fn told_of_block(enrolment: EnrolmentId, done: Result<Device, UseCaseError>) {
    match done {
        Ok(_) => {}
        // Blocked or wiped by somebody else in between.
        Err(UseCaseError::Refused(why)) => tracing::info!(%enrolment, %why, "not blocked"),
        Err(error) => tracing::error!(%enrolment, %error, "not blocked yet, will be tried again"),
    }
}

async fn told(service: &Service, change: SeatChange) -> Result<Moved, UseCaseError> {
    Ok(Moved {
        freed: accounts_of(service, &change.freed).await?,
        given: accounts_of(service, &change.given).await?,
        noticed: accounts_of(service, &change.noticed).await?,
        waiting: change.waiting,
    })
}

async fn accounts_of(service: &Service, ids: &[AccountId]) -> Result<Vec<Account>, UseCaseError> {
    let accounts = load_accounts(service, ids.iter().copied()).await?;
    Ok(accounts.into_iter().map(|stored| stored.value).collect())
}

/// 割当待ち in its order, each with the account.
pub async fn waiting(service: &Service) -> Result<Vec<(WaitingEntry, Account)>, UseCaseError> {
    let mut list = Vec::new();
    for entry in waiting_list(service).await? {
        if let Some(account) = service.store.account(entry.value.account).await? {
            list.push((entry.value, account.value));
        }
    }
    Ok(list)
}
