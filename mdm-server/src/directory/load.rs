//! Filling the directory: all of it, or what the journal names since.

use std::sync::Arc;

use mdm_core::account::Account;
use mdm_core::batch::Batch;
use mdm_core::device::Device;
use mdm_core::document::Document;
use mdm_core::license::{Pool, WaitingEntry};
use mdm_store::{IoProblem, MAX_PAGE, ReadError};
use shared::signed::JournalHead;

use super::codes;
use super::devices::KnownDevice;
use super::named::Named;
use super::people::Person;
use super::{BatchHead, Known, Snapshot};
use crate::service::Service;

/// Entries that are followed one by one; after more of them all is loaded, which takes as long.
pub(super) const FOLLOWED: u64 = 256;
/// How often the journal may move on while it is followed before what is known is given out: it holds by then all that
/// was committed before anybody asked.
const ROUNDS: usize = 3;

/// What is known, brought to the journal's head.
pub(super) async fn catch_up(service: &Service, known: Option<Known>) -> Result<Known, ReadError> {
    let mut known = match known {
        Some(known) => known,
        None => all(service).await?,
    };
    for _ in 0..ROUNDS {
        let head = service.store.journal_head().await?;
        if head == known.head {
            break;
        }
        known = match follow(service, &known, &head).await? {
            Some(followed) => followed,
            None => all(service).await?,
        };
    }
    Ok(known)
}

/// What is known, with what the entries up to `head` name. `None` if all must be loaded.
async fn follow(service: &Service, known: &Known, head: &JournalHead) -> Result<Option<Known>, ReadError> {
    let Some(named) = named_between(service, &known.head, head).await? else { return Ok(None) };
    let head = head.clone();
    if named == Named::default() {
        return Ok(Some(Known { head, snapshot: known.snapshot.clone() }));
    }
    let mut snapshot = Snapshot::clone(&known.snapshot);
    for account in named.accounts {
        if let Some(account) = service.store.account(account).await? {
            snapshot.put_person(account.value);
        }
    }
    for device in named.devices {
        if let Some(device) = service.store.device(device).await? {
            snapshot.put_device(device.value);
        }
    }
    for batch in named.batches {
        if let Some(batch) = service.store.batch(batch).await? {
            snapshot.put_batch(batch.value);
        }
    }
    for document in named.documents {
        if let Some(document) = service.store.document(document).await? {
            snapshot.put_document(document.value);
        }
    }
    for account in named.codes {
        let person =
            snapshot.people.get(&account).filter(|person| codes::may_have_code(&person.account)).cloned();
        let code = match person {
            Some(person) => codes::newest(service, &person.account).await?,
            None => None,
        };
        match code {
            Some(code) => snapshot.codes.insert(account, code),
            None => snapshot.codes.remove(&account),
        };
    }
    if named.seats {
        snapshot.pool = service.store.pool().await?.value;
        snapshot.set_waiting(waiting(service).await?);
    }
    Ok(Some(Known { head, snapshot: Arc::new(snapshot) }))
}

/// `None` if there are too many entries, or if they do not lead from one head to the other: the store was restored from a
/// backup, or holds entries of a newer server.
async fn named_between(
    service: &Service,
    known: &JournalHead,
    head: &JournalHead,
) -> Result<Option<Named>, ReadError> {
    let length = head.sequence.checked_sub(known.sequence).filter(|length| *length <= FOLLOWED);
    let Some(limit) = length.and_then(|length| usize::try_from(length).ok()) else { return Ok(None) };
    let entries = service.store.journal_entries(known.sequence, limit).await?;
    if entries.last().is_none_or(|last| last.head() != *head) {
        return Ok(None);
    }
    let mut named = Named::default();
    for entry in entries {
        let Ok(body) = entry.body() else { return Ok(None) };
        named.add(body.what, &body.subject);
    }
    Ok(Some(named))
}

/// Everything, as it is or newer than at the head it is said to be of.
async fn all(service: &Service) -> Result<Known, ReadError> {
    let head = service.store.journal_head().await?;
    let accounts = accounts(service).await?;
    let devices = devices(service).await?;
    let batches = batches(service).await?;
    let documents = documents(service).await?;
    let pool = service.store.pool().await?.value;
    let waiting = waiting(service).await?;
    let codes = codes::all(service, &accounts).await?;
    let build = move || {
        let mut snapshot = Snapshot { codes, ..Snapshot::new(accounts, devices, batches, pool, waiting) };
        documents.into_iter().for_each(|document| snapshot.put_document(document));
        snapshot
    };
    // Folding the names of 10,000 people would hold up whatever else runs on this thread.
    let snapshot = match tokio::task::spawn_blocking(build).await {
        Ok(snapshot) => snapshot,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => return Err(ReadError::Io(IoProblem("the server is stopping".into()))),
        },
    };
    Ok(Known { head, snapshot: Arc::new(snapshot) })
}

async fn accounts(service: &Service) -> Result<Vec<Account>, ReadError> {
    let mut all: Vec<Account> = Vec::new();
    loop {
        let page = service.store.accounts(all.last().map(|last| last.id), MAX_PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page.into_iter().map(|stored| stored.value));
    }
}

async fn devices(service: &Service) -> Result<Vec<Device>, ReadError> {
    let mut all: Vec<Device> = Vec::new();
    loop {
        let page = service.store.devices(all.last().map(|last| last.enrolment), MAX_PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page.into_iter().map(|stored| stored.value));
    }
}

async fn batches(service: &Service) -> Result<Vec<Batch>, ReadError> {
    let mut all: Vec<Batch> = Vec::new();
    loop {
        let page = service.store.batches(all.last().map(|last| last.id), MAX_PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page.into_iter().map(|stored| stored.value));
    }
}

async fn documents(service: &Service) -> Result<Vec<Document>, ReadError> {
    let mut all: Vec<Document> = Vec::new();
    loop {
        let page = service.store.documents(all.last().map(|last| last.id), MAX_PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page.into_iter().map(|stored| stored.value));
    }
}

async fn waiting(service: &Service) -> Result<Vec<WaitingEntry>, ReadError> {
    let mut all: Vec<WaitingEntry> = Vec::new();
    loop {
        let after = all.last().map(|last| (last.since, last.place, last.account));
        let page = service.store.waiting_list(after, MAX_PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page.into_iter().map(|stored| stored.value));
    }
}

impl Snapshot {
    fn new(
        accounts: Vec<Account>,
        devices: Vec<Device>,
        batches: Vec<Batch>,
        pool: Pool,
        waiting: Vec<WaitingEntry>,
    ) -> Self {
        let mut listed: Vec<Arc<Person>> =
            accounts.into_iter().map(|account| Arc::new(Person::from(account))).collect();
        listed.sort_unstable_by(|one, other| one.place.cmp(&other.place));
        let people = listed.iter().map(|person| (person.account.id, person.clone())).collect();
        let mut snapshot = Self { people, listed, pool, ..Self::default() };
        devices.into_iter().for_each(|device| snapshot.put_device(device));
        batches.into_iter().for_each(|batch| snapshot.put_batch(batch));
        snapshot.set_waiting(waiting);
        snapshot
    }

    fn put_person(&mut self, account: Account) {
        let person = Arc::new(Person::from(account));
        if let Some(before) = self.people.insert(person.account.id, person.clone())
            && let Ok(index) = self.listed.binary_search_by(|other| other.place.cmp(&before.place))
        {
            self.listed.remove(index);
        }
        let index = self.listed.partition_point(|other| other.place < person.place);
        self.listed.insert(index, person);
    }

    fn put_device(&mut self, device: Device) {
        let device = Arc::new(KnownDevice::from(device));
        let (enrolment, account) = (device.enrolment, device.account);
        if self.devices.insert(enrolment, device).is_none() {
            let theirs = self.devices_of.entry(account).or_default();
            let index = theirs.partition_point(|other| *other < enrolment);
            theirs.insert(index, enrolment);
        }
    }

    fn put_batch(&mut self, batch: Batch) {
        self.batches.insert(batch.id, Arc::new(BatchHead::from(batch)));
    }

    fn set_waiting(&mut self, waiting: Vec<WaitingEntry>) {
        self.places = (1..).zip(&waiting).map(|(place, entry)| (entry.account, place)).collect();
        self.waiting = waiting;
    }
}
