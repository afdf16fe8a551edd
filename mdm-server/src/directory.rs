//! The directory: who there is, what they hold and where their devices stand, kept in memory for lists, searches and
//! counts. Nothing is decided by it; who changes something loads it from the store.
//!
//! [`current`] compares the journal's head with the one the snapshot in hand was made from. If it moved, the entries since
//! then say which accounts, devices, batches and documents to load again, for every change of them has its event; after a personnel
//! batch all is loaded. So no writer has to tell the directory anything, and it is right when others write as well.
//!
//! What a device says without an event (its last contact, the app's version) is not here: [`standings`] loads it for the
//! rows that are shown.
//!
//! [`standings`]: crate::use_cases::accounts::standings

mod codes;
mod devices;
mod documents;
mod load;
mod named;
mod people;
mod search;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use jiff::civil::Date;
use mdm_core::account::{Account, AccountState, SourceName};
use mdm_core::batch::{Batch, BatchState, Mode, Origin, PlanSummary, Release};
use mdm_core::document::Document;
use mdm_core::license::{Notice, Pool, WaitingEntry};
use mdm_core::seats::{self, Rule};
use mdm_store::ReadError;
use shared::ids::{AccountId, BatchId, DocumentId, EnrolmentId};
use shared::signed::JournalHead;

pub use codes::{CodeInTrouble, CodeProblem};
pub use devices::{DeviceFilter, DeviceRow, KnownDevice, Standing};
pub use documents::AudienceDepartment;
pub(crate) use named::unheard;
pub use people::{Person, PersonRow};
pub use search::{Found, Search, SeatFilter};

use crate::service::Service;
use crate::use_cases::UseCaseError;

/// The snapshot in hand.
#[derive(Default)]
pub struct Directory {
    known: RwLock<Option<Known>>,
    /// One loads; who comes meanwhile waits and takes what it brings.
    loading: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Known {
    head: JournalHead,
    snapshot: Arc<Snapshot>,
}

impl Directory {
    fn known(&self) -> Option<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, known: Known) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }
}

/// The directory as of now: everything whose commit was acknowledged before the call is in it.
pub async fn current(service: &Service) -> Result<Arc<Snapshot>, ReadError> {
    if let Some(snapshot) = unmoved(service).await? {
        return Ok(snapshot);
    }
    let _one_at_a_time = service.directory.loading.lock().await;
    // Whoever loaded while this call waited may have brought what it needs.
    if let Some(snapshot) = unmoved(service).await? {
        return Ok(snapshot);
    }
    let known = load::catch_up(service, service.directory.known()).await?;
    let snapshot = known.snapshot.clone();
    service.directory.keep(known);
    Ok(snapshot)
}

/// Devices that are out of attempts and still in use. The key file counts attempts, not the store.
pub async fn exhausted(service: &Service) -> Result<Vec<EnrolmentId>, UseCaseError> {
    let used_up = service.unlock_records.exhausted().await;
    let used_up = used_up.map_err(|cause| UseCaseError::UnlockRecords { done: "", cause })?;
    let directory = current(service).await?;
    let in_use = |enrolment: &EnrolmentId| {
        let standing = directory.devices.get(enrolment).map(|device| device.standing());
        matches!(standing, Some(Standing::Live | Standing::Blocked))
    };
    Ok(used_up.into_iter().filter(in_use).collect())
}

async fn unmoved(service: &Service) -> Result<Option<Arc<Snapshot>>, ReadError> {
    let head = service.store.journal_head().await?;
    Ok(service.directory.known().filter(|known| known.head == head).map(|known| known.snapshot))
}

/// All accounts and devices at one time. Lists are in the order of kana, then staff number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    people: BTreeMap<AccountId, Arc<Person>>,
    /// The same people in the order of lists.
    listed: Vec<Arc<Person>>,
    devices: BTreeMap<EnrolmentId, Arc<KnownDevice>>,
    devices_of: HashMap<AccountId, Vec<EnrolmentId>>,
    pool: Pool,
    waiting: Vec<WaitingEntry>,
    /// Places in the waiting list, from 1.
    places: HashMap<AccountId, usize>,
    batches: BTreeMap<BatchId, Arc<BatchHead>>,
    documents: BTreeMap<DocumentId, Arc<Document>>,
    /// Of those who hold a seat and have not signed in.
    codes: BTreeMap<AccountId, codes::NewestCode>,
}

/// A batch without its plan and remarks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchHead {
    /// The key.
    pub id: BatchId,
    /// Which list it is compared with.
    pub source: SourceName,
    /// How.
    pub mode: Mode,
    /// When it came.
    pub uploaded_at: Timestamp,
    /// Where it stands.
    pub state: BatchState,
    /// Counts.
    pub summary: PlanSummary,
    /// Where the plan comes from.
    pub origin: Origin,
    /// Approval and time.
    pub release: Release,
}

impl From<Batch> for BatchHead {
    fn from(batch: Batch) -> Self {
        let Batch { id, source, mode, uploaded_at, state, summary, origin, release, .. } = batch;
        Self { id, source, mode, uploaded_at, state, summary, origin, release }
    }
}

/// How many there are of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// 仮登録.
    pub provisional: usize,
    /// Signed in.
    pub active: usize,
    /// Left, or on leave.
    pub suspended: usize,
    /// Gone for good.
    pub closed: usize,
    /// The pool; free seats are [`Pool::free`].
    pub pool: Pool,
    /// 割当待ち.
    pub waiting: usize,
    /// Hold a seat and have not signed in since they were made or came back.
    pub never_signed_in: usize,
    /// Hold a seat that is to be taken back and serves them until it is held.
    pub noticed: usize,
    /// Hold a seat that serves nobody before it is taken.
    pub held: usize,
    /// Devices whose PIN is not registered yet.
    pub devices_enrolling: usize,
    /// Devices that are helped.
    pub devices_live: usize,
    /// 利用停止.
    pub devices_blocked: usize,
    /// 遠隔消去 ordered, 消去確認済 not said.
    pub wipes_unconfirmed: usize,
    /// 消去確認済.
    pub devices_erased: usize,
    /// Batches that are planned and not in force.
    pub batches_planned: usize,
}

impl Counts {
    /// Accounts that may have devices: all but those who left.
    pub fn people(&self) -> usize {
        self.provisional + self.active
    }
}

/// A seat that nobody used since `since`.
#[derive(Debug, Clone, Copy)]
pub struct UnusedSeat<'a> {
    /// Whose.
    pub person: &'a Person,
    /// Since when it counts as unused.
    pub since: Timestamp,
    /// Whole days from then.
    pub days: u32,
}

/// A place in the waiting list.
#[derive(Debug, Clone, Copy)]
pub struct WaitingRow<'a> {
    /// From 1.
    pub position: usize,
    /// Since when.
    pub since: Timestamp,
    /// Who.
    pub person: &'a Person,
}

/// 所属 and how many belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepartmentCount {
    /// As written.
    pub name: String,
    /// Who belongs to it, by 本務 or 兼務, and has not left.
    pub people: usize,
}

impl Snapshot {
    /// One person.
    pub fn person(&self, id: AccountId) -> Option<PersonRow<'_>> {
        self.people.get(&id).map(|person| self.row(person))
    }

    /// The pool.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// All accounts, in the order of lists.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.listed.iter().map(|person| &person.account)
    }

    /// How many there are of everything.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { pool: self.pool.clone(), waiting: self.waiting.len(), ..Counts::default() };
        for person in &self.listed {
            *match person.account.state {
                AccountState::Provisional => &mut counts.provisional,
                AccountState::Active => &mut counts.active,
                AccountState::Suspended => &mut counts.suspended,
                AccountState::Closed => &mut counts.closed,
            } += 1;
            counts.never_signed_in += usize::from(person.holds_unused_seat());
            if let Some(notice) = person.account.notice() {
                *(if notice.held_on.is_some() { &mut counts.held } else { &mut counts.noticed }) += 1;
            }
        }
        for device in self.devices.values() {
            *match device.standing() {
                Standing::Enrolling => &mut counts.devices_enrolling,
                Standing::Live => &mut counts.devices_live,
                Standing::Blocked => &mut counts.devices_blocked,
                Standing::WipeUnconfirmed => &mut counts.wipes_unconfirmed,
                Standing::Erased => &mut counts.devices_erased,
            } += 1;
        }
        let planned = |batch: &&Arc<BatchHead>| batch.state.is_open();
        counts.batches_planned = self.batches.values().filter(planned).count();
        counts
    }

    /// Seats that were asked for and not used for at least so many days, longest unused first.
    pub fn never_signed_in(&self, min_days: u16, now: Timestamp) -> Vec<UnusedSeat<'_>> {
        let accounts = self.listed.iter().map(|person| &person.account);
        let unused = seats::unused(accounts, |_| None, Rule::unused_for(min_days), now);
        let row = |unused: seats::Unused| {
            let person = self.people.get(&unused.account)?;
            Some(UnusedSeat { person, since: unused.since, days: unused.days })
        };
        unused.into_iter().filter_map(row).collect()
    }

    /// Whose seat is to be taken back, the first to lose it first.
    pub fn noticed(&self) -> Vec<(&Person, Notice)> {
        let noticed = self.listed.iter().filter_map(|person| Some((&**person, *person.account.notice()?)));
        let mut noticed: Vec<(&Person, Notice)> = noticed.collect();
        noticed.sort_by_key(|(_, notice)| notice.not_before());
        noticed
    }

    /// 応援職員: temporary accounts whose last day is before this one and who still work.
    pub fn run_out(&self, today: Date) -> Vec<AccountId> {
        let over = self.listed.iter().filter(|person| person.account.has_run_out(today));
        over.map(|person| person.account.id).collect()
    }

    /// Who would lose a seat by a rule, longest unused first, and who would then get one, whose turn it is first: what
    /// [`seats::reclaim`] does, without making codes.
    pub fn would_reclaim(&self, rule: Rule, now: Timestamp) -> (Vec<&Person>, Vec<&Person>) {
        let accounts = self.listed.iter().map(|person| &person.account);
        let unlocked = |id| self.devices_of(id).filter_map(|device| device.last_unlock).max();
        let unused = seats::unused(accounts, unlocked, rule, now);
        let freed: Vec<&Person> =
            unused.iter().filter_map(|unused| self.people.get(&unused.account)).map(Arc::as_ref).collect();
        let mut pool = self.pool.clone();
        // Notice alone frees nothing.
        for person in freed.iter().filter(|_| rule.is_at_once()) {
            pool.take(person.account.is_temporary());
        }
        let entitled = |person: &&Person| person.account.may_work() && person.account.seat.is_none();
        let given = self.waiting().map(|row| row.person).filter(entitled).filter(|person| {
            let temporary = person.account.is_temporary();
            let gets = pool.free_for(temporary) > 0;
            if gets {
                pool.give(temporary);
            }
            gets
        });
        let given = given.collect();
        (freed, given)
    }

    /// 割当待ち, whose turn it is first.
    pub fn waiting(&self) -> impl Iterator<Item = WaitingRow<'_>> {
        (1..).zip(&self.waiting).filter_map(|(position, entry)| {
            let person = self.people.get(&entry.account)?;
            Some(WaitingRow { position, since: entry.since, person })
        })
    }

    /// All 所属 of people who have not left, by name.
    pub fn departments(&self) -> Vec<DepartmentCount> {
        let mut found: BTreeMap<&str, usize> = BTreeMap::new();
        for person in self.listed.iter().filter(|person| person.account.may_work()) {
            let posts = &person.account.current().departments;
            for (index, post) in posts.iter().enumerate() {
                // Two posts in one department are one person there.
                if !posts[..index].iter().any(|other| other.name == post.name) {
                    *found.entry(&post.name).or_default() += 1;
                }
            }
        }
        let count = |(name, people): (&str, usize)| DepartmentCount { name: name.to_owned(), people };
        found.into_iter().map(count).collect()
    }

    /// All 名簿区分 that accounts come from, by name.
    pub fn sources(&self) -> Vec<&SourceName> {
        let mut sources: Vec<_> = self.listed.iter().map(|person| &person.account.source).collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// Undos that were applied, and when, the newest first.
    pub fn undos_applied(&self) -> impl Iterator<Item = (BatchId, Timestamp)> {
        self.batches.values().rev().filter_map(|batch| match (batch.origin, batch.state.clone()) {
            (Origin::Undo { .. }, BatchState::Applied { at }) => Some((batch.id, at)),
            _ => None,
        })
    }

    /// The newest undo of a batch that was applied.
    pub fn undone_by(&self, of: BatchId) -> Option<&BatchHead> {
        let undoes = |batch: &&BatchHead| {
            matches!(batch.origin, Origin::Undo { of: undone, .. } if undone == of)
                && matches!(batch.state, BatchState::Applied { .. })
        };
        self.batches.values().rev().map(Arc::as_ref).find(undoes)
    }

    /// The newest of the batches whose place a batch has taken, as long as its lines are there.
    pub fn replaced_by(&self, newer: BatchId) -> Option<&BatchHead> {
        let is_replaced = |batch: &&BatchHead| {
            matches!(batch.state, BatchState::Replaced { by, .. } if by == newer)
                && batch.release.lines_deleted_at.is_none()
        };
        self.all_batches().find(is_replaced)
    }

    /// All batches, the newest first.
    pub fn all_batches(&self) -> impl Iterator<Item = &BatchHead> {
        self.batches.values().rev().map(Arc::as_ref)
    }

    /// A page of batches, the newest first.
    pub fn batches(&self, offset: usize, limit: usize) -> Found<&BatchHead> {
        let rows = self.batches.values().rev().skip(offset).take(limit).map(Arc::as_ref).collect();
        Found { rows, total: self.batches.len() }
    }
}
