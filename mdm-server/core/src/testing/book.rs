//! A store in a map: takes changesets as the real one must, and checks what must hold of seats after each.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use rand::rngs::StdRng;
use shared::crypto::Secret;
use shared::ids::{AccountId, BatchId};

use crate::account::{Account, Roster, SourceName};
use crate::apply::{Applied, ApplyError, ApplyInput, Undone, apply};
use crate::audit::{Actor, AuditEvent, Happening};
use crate::batch::{Batch, Mode};
use crate::change::{Changeset, Key, Record, Stored, Version};
use crate::code::{CodeKeys, CodeRecord};
use crate::device::Device;
use crate::identity::{DateKey, Decided};
use crate::license::Pool;
use crate::plan::{Plan, PlanInput, plan};
use crate::seats::{Acting, Holdings};
use crate::sheet::{self, Declared, Sheet};
use crate::undo::{self, Before, BeforeChunk, UndoError, UndoInput};

/// Records with their versions, and the events so far.
#[derive(Default, Clone)]
pub(crate) struct Book {
    records: BTreeMap<Key, (Version, Record)>,
    pub(crate) events: Vec<AuditEvent>,
    /// What is said of numbers whenever something is planned.
    pub(crate) decided: Vec<Decided>,
}

macro_rules! all {
    ($book:expr, $variant:ident) => {
        $book.records.values().filter_map(|(version, record)| match record {
            Record::$variant(value) => Some(Stored { version: *version, value: value.clone() }),
            _ => None,
        })
    };
}

impl Book {
    /// Takes all of it, or panics: no key twice, every expected version as stored.
    pub(crate) fn commit(&mut self, changes: Changeset) {
        let keys: BTreeSet<&Key> = changes.writes.iter().map(|write| &write.key).collect();
        assert_eq!(keys.len(), changes.writes.len(), "at most one write a key");
        for write in changes.writes {
            let stored = self.records.get(&write.key).map_or(Version(0), |(version, _)| *version);
            assert_eq!(stored, write.expected, "{:?}", write.key);
            match write.record {
                Some(record) => {
                    assert_eq!(record.key(), write.key);
                    self.records.insert(write.key, (Version(stored.0 + 1), record));
                }
                None => _ = self.records.remove(&write.key).expect("only what is there is deleted"),
            }
        }
        self.events.extend(changes.events);
    }

    pub(crate) fn accounts(&self) -> Vec<Stored<Account>> {
        all!(self, Account).collect()
    }

    pub(crate) fn account(&self, id: AccountId) -> Stored<Account> {
        self.accounts().into_iter().find(|stored| stored.value.id == id).unwrap()
    }

    pub(crate) fn by_number(&self, number: &str) -> Account {
        let accounts = self.accounts().into_iter().map(|stored| stored.value);
        let mut theirs = accounts.filter(|account| account.current().staff_number.as_str() == number);
        theirs.find(|account| account.number_passed.is_none()).unwrap()
    }

    pub(crate) fn change_account(&mut self, id: AccountId, change: impl FnOnce(&mut Account)) {
        let Stored { version, mut value } = self.account(id);
        change(&mut value);
        let mut changes = Changeset::default();
        changes.update(version, Record::Account(value));
        self.commit(changes);
    }

    pub(crate) fn insert(&mut self, record: Record) {
        let mut changes = Changeset::default();
        changes.insert(record);
        self.commit(changes);
    }

    pub(crate) fn pool(&self) -> Stored<Pool> {
        all!(self, Pool).next().unwrap_or(Stored { version: Version(0), value: Pool::default() })
    }

    pub(crate) fn codes(&self) -> Vec<Stored<CodeRecord>> {
        all!(self, Code).collect()
    }

    pub(crate) fn usable_codes(&self, account: AccountId) -> usize {
        self.codes().iter().filter(|code| code.value.account == account && code.value.is_usable()).count()
    }

    pub(crate) fn devices(&self) -> Vec<Device> {
        all!(self, Device).map(|stored| stored.value).collect()
    }

    /// The waiting list in its order.
    pub(crate) fn waiting(&self) -> Vec<AccountId> {
        let mut entries: Vec<_> = all!(self, Waiting).map(|stored| stored.value).collect();
        entries.sort_by_key(|entry| (entry.since, entry.place, entry.account));
        entries.into_iter().map(|entry| entry.account).collect()
    }

    pub(crate) fn holdings(&self) -> Holdings {
        Holdings {
            pool: self.pool(),
            accounts: self.accounts(),
            waiting: all!(self, Waiting).collect(),
            codes: self.codes(),
            devices: self.devices(),
        }
    }

    pub(crate) fn set_pool(&mut self, size: u32) {
        let Stored { version, value } = self.pool();
        let mut changes = Changeset::default();
        changes.update(version, Record::Pool(Pool { size, ..value }));
        self.commit(changes);
    }

    /// Reads and plans a file without storing anything.
    pub(crate) fn plan(&self, file: &str, mode: Mode, now: Timestamp, rng: &mut StdRng) -> Plan {
        let declared = Declared { of_leavers: mode == Mode::Remove, ..Declared::default() };
        let sheet = sheet::read(file.as_bytes(), &declared).unwrap();
        self.plan_sheet(&sheet, mode, now, rng)
    }

    /// Plans, stores and applies a list of temporary accounts.
    pub(crate) fn upload_temporary(
        &mut self,
        file: &str,
        until: Date,
        now: Timestamp,
        rng: &mut StdRng,
    ) -> (Plan, Applied) {
        let sheet = sheet::read(file.as_bytes(), &Declared::default()).unwrap();
        let plan = self.plan_list(&sheet, Mode::Roster, Some(until), now, rng);
        self.commit(plan.clone().changes());
        let applied = self.try_apply(plan.batch.id, now, rng).unwrap();
        (plan, applied)
    }

    /// Plans a file that was read.
    pub(crate) fn plan_sheet(&self, sheet: &Sheet, mode: Mode, now: Timestamp, rng: &mut StdRng) -> Plan {
        self.plan_list(sheet, mode, None, now, rng)
    }

    fn plan_list(
        &self,
        sheet: &Sheet,
        mode: Mode,
        temporary_until: Option<Date>,
        now: Timestamp,
        rng: &mut StdRng,
    ) -> Plan {
        let source = if temporary_until.is_some() { support() } else { source() };
        let roster = self.roster(&source);
        let input = PlanInput {
            source,
            mode,
            sheet,
            accounts: &self.accounts(),
            temporary_until,
            decided: &self.decided,
            dates: &date_key(),
            roster_version: roster.map_or(0, |roster| roster.value.version),
            pool: &self.pool().value,
            actor: Actor::Server,
            now,
        };
        plan(&input, rng)
    }

    pub(crate) fn try_apply(
        &mut self,
        batch: BatchId,
        now: Timestamp,
        rng: &mut StdRng,
    ) -> Result<Applied, ApplyError> {
        let (changes, applied) = apply(self.apply_input(batch), acting(&code_keys(), now), rng)?;
        self.commit(changes.whole());
        Ok(applied)
    }

    pub(crate) fn apply_input(&self, batch: BatchId) -> ApplyInput {
        let stored = all!(self, Batch).find(|stored| stored.value.id == batch).unwrap();
        ApplyInput {
            roster: self.roster(&stored.value.source),
            batch: stored,
            chunks: all!(self, PlanChunk).map(|c| c.value).filter(|chunk| chunk.batch == batch).collect(),
            holdings: self.holdings(),
            undone: self.undone(batch),
        }
    }

    fn roster(&self, source: &SourceName) -> Option<Stored<Roster>> {
        all!(self, Roster).find(|roster| roster.value.source == *source)
    }

    /// The version of what is stored there; 0 if nothing is.
    pub(crate) fn version(&self, key: &Key) -> Version {
        self.records.get(key).map_or(Version(0), |(version, _)| *version)
    }

    pub(crate) fn batch(&self, id: BatchId) -> Batch {
        all!(self, Batch).find(|stored| stored.value.id == id).unwrap().value
    }

    /// Changes what was noted of people before a batch, as a mistake in noting it would.
    pub(crate) fn change_befores(&mut self, batch: BatchId, change: impl Fn(&mut Before)) {
        let chunks: Vec<_> = all!(self, BeforeChunk).filter(|chunk| chunk.value.batch == batch).collect();
        for Stored { version, value: mut chunk } in chunks {
            chunk.items.iter_mut().for_each(&change);
            let mut changes = Changeset::default();
            changes.update(version, Record::BeforeChunk(chunk));
            self.commit(changes);
        }
    }

    /// What people were before a batch.
    pub(crate) fn befores(&self, batch: BatchId) -> Vec<BeforeChunk> {
        all!(self, BeforeChunk).map(|stored| stored.value).filter(|chunk| chunk.batch == batch).collect()
    }

    fn undone(&self, batch: BatchId) -> Option<Undone> {
        let of = self.batch(batch).undoes()?;
        Some(Undone { batch: self.batch(of), befores: self.befores(of) })
    }

    /// Plans the undo of a batch without storing anything.
    pub(crate) fn plan_undo(
        &self,
        of: BatchId,
        only: Option<&BTreeSet<AccountId>>,
        now: Timestamp,
        rng: &mut StdRng,
    ) -> Result<Plan, UndoError> {
        let accounts = self.accounts().into_iter().map(|stored| (stored.value.id, stored.value)).collect();
        let roster = self.roster(&self.batch(of).source);
        let input = UndoInput {
            of: &self.batch(of),
            befores: &self.befores(of),
            accounts: &accounts,
            only,
            roster_version: roster.map_or(0, |roster| roster.value.version),
            pool: &self.pool().value,
            actor: Actor::Server,
            now,
        };
        undo::plan(&input, rng)
    }

    /// Plans, stores and applies an undo.
    pub(crate) fn undo(
        &mut self,
        of: BatchId,
        only: Option<&BTreeSet<AccountId>>,
        now: Timestamp,
        rng: &mut StdRng,
    ) -> (Plan, Applied) {
        let plan = self.plan_undo(of, only, now, rng).unwrap();
        self.commit(plan.clone().changes());
        let applied = self.try_apply(plan.batch.id, now, rng).unwrap();
        (plan, applied)
    }

    /// Plans, stores and applies a file.
    pub(crate) fn upload(
        &mut self,
        file: &str,
        mode: Mode,
        now: Timestamp,
        rng: &mut StdRng,
    ) -> (Plan, Applied) {
        let plan = self.plan(file, mode, now, rng);
        self.commit(plan.clone().changes());
        let applied = self.try_apply(plan.batch.id, now, rng).unwrap();
        (plan, applied)
    }

    pub(crate) fn happened(&self, what: Happening, account: AccountId) -> usize {
        self.events
            .iter()
            .filter(|event| event.what == what && event.subject.account == Some(account))
            .count()
    }

    /// What must hold of seats, codes and the waiting list after every commit.
    pub(crate) fn check(&self) {
        let pool = self.pool().value;
        let accounts = self.accounts();
        let seated = accounts.iter().filter(|account| account.value.seat.is_some());
        assert_eq!(u32::try_from(seated.count()).unwrap(), pool.assigned, "the pool counts the seats");
        assert!(pool.assigned <= pool.size, "no more seats than the pool has");
        let waiting = self.waiting();
        let temporary = accounts.iter().filter(|a| a.value.seat.is_some() && a.value.is_temporary()).count();
        assert_eq!(u32::try_from(temporary).unwrap(), pool.temporary, "the pool counts temporary seats");
        let holders = accounts.iter().filter(|account| account.value.holds_number());
        let numbers = holders.map(|a| (a.value.source.as_str(), a.value.current().staff_number.as_str()));
        let mut seen = BTreeSet::new();
        assert!(numbers.into_iter().all(|number| seen.insert(number)), "a number is one person's");
        for waits in &waiting {
            let account = accounts.iter().find(|account| account.value.id == *waits).unwrap();
            let free = pool.free_for(account.value.is_temporary());
            assert_eq!(free, 0, "nobody waits while a seat is free for them");
        }
        for Stored { value: account, .. } in &accounts {
            let waits = waiting.contains(&account.id);
            // Who has signed in may have held a seat without a wish, and waits for it when an undo finds none.
            let wants = account.wishes_seat || account.signed_in_at.is_some();
            let entitled = account.may_work() && wants && account.seat.is_none();
            assert!(!waits || entitled, "only who works, wants a seat and has none waits");
            assert!(account.may_work() || account.seat.is_none(), "who left holds no seat");
            let codes = self.usable_codes(account.id);
            assert!(codes <= usize::from(account.seat.is_some()), "a code stands for a seat");
        }
        for code in self.codes() {
            assert_eq!(
                code.value.is_usable(),
                !code.value.sealed.is_empty(),
                "an ended code's text is forgotten"
            );
        }
    }
}

pub(crate) fn source() -> SourceName {
    SourceName::new("知事部局").unwrap()
}

/// The list of temporary accounts.
pub(crate) fn support() -> SourceName {
    SourceName::new("応援職員").unwrap()
}

pub(crate) fn date_key() -> DateKey {
    DateKey::derive(&Secret::from_bytes([7; 32]))
}

pub(crate) fn code_keys() -> CodeKeys {
    CodeKeys::derive(&Secret::from_bytes([7; 32]))
}

pub(crate) fn acting(keys: &CodeKeys, now: Timestamp) -> Acting<'_> {
    Acting { actor: Actor::Server, now, keys }
}
