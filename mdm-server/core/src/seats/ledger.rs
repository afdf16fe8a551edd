//! Seats changing hands in memory: every rule goes through here, so that the count of the pool, the seats on accounts,
//! codes and the waiting list cannot come apart.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};
use shared::ids::{AccountId, BatchId, EnrolmentId};

use super::codes::{EXPIRES_AT, issue};
use super::{Acting, Holdings, NotLoaded, SeatChange, is_helped};
use crate::account::{Account, Attributes, Seat};
use crate::audit::{AuditEvent, Events, Happening, Happenings};
use crate::batch::PlanWord;
use crate::change::{Key, Record, Stored, Version, Write};
use crate::code::{CodeRecord, CodeState};
use crate::device::Device;
use crate::license::{Pool, WaitingEntry, day_of};
use crate::undo::{Before, Mark, Served, Turn, Was};

/// A record as it was loaded and as it is to be.
struct Tracked<T> {
    version: Version,
    /// Boxed, since most are new.
    before: Option<Box<T>>,
    now: Option<T>,
}

impl<T: Clone + PartialEq> Tracked<T> {
    fn loaded(stored: Stored<T>) -> Self {
        Self {
            version: stored.version,
            before: Some(Box::new(stored.value.clone())),
            now: Some(stored.value),
        }
    }

    fn fresh(value: T) -> Self {
        Self { version: Version(0), before: None, now: Some(value) }
    }

    fn before(&self) -> Option<&T> {
        self.before.as_deref()
    }

    /// If it differs from what was loaded.
    fn write(self, key: Key, record: impl FnOnce(T) -> Record) -> Option<Write> {
        let differs = self.now.as_ref() != self.before();
        differs.then(|| Write { key, expected: self.version, record: self.now.map(record) })
    }
}

/// The state of all seats during one change.
pub(crate) struct Ledger<'a> {
    acting: Acting<'a>,
    pool: Tracked<Pool>,
    seats: Pool,
    accounts: BTreeMap<AccountId, Tracked<Account>>,
    waiting: BTreeMap<AccountId, Tracked<WaitingEntry>>,
    /// The waiting list in its order.
    queue: BTreeSet<(Timestamp, u32, AccountId)>,
    codes: BTreeMap<AccountId, Vec<Tracked<CodeRecord>>>,
    devices: BTreeMap<AccountId, Vec<Device>>,
    /// Who got a seat, in this order, and the turn that they had.
    served: Vec<(AccountId, Turn)>,
    happenings: Happenings,
    outcome: SeatChange,
}

impl<'a> Ledger<'a> {
    pub(crate) fn open(holdings: Holdings, acting: Acting<'a>) -> Self {
        let Holdings { pool, accounts, waiting, codes, devices } = holdings;
        let entry = |stored: &Stored<WaitingEntry>| {
            let WaitingEntry { since, place, account } = stored.value;
            (since, place, account)
        };
        let mut ledger = Self {
            acting,
            seats: pool.value.clone(),
            pool: Tracked::loaded(pool),
            accounts: accounts.into_iter().map(|stored| (stored.value.id, Tracked::loaded(stored))).collect(),
            queue: waiting.iter().map(entry).collect(),
            waiting: waiting
                .into_iter()
                .map(|stored| (stored.value.account, Tracked::loaded(stored)))
                .collect(),
            codes: BTreeMap::new(),
            devices: BTreeMap::new(),
            served: Vec::new(),
            happenings: Happenings::new(acting.now, acting.actor),
            outcome: SeatChange::default(),
        };
        for code in codes {
            ledger.codes.entry(code.value.account).or_default().push(Tracked::loaded(code));
        }
        for device in devices {
            ledger.devices.entry(device.account).or_default().push(device);
        }
        ledger
    }

    /// All events name the batch they come from.
    pub(crate) fn for_batch(mut self, batch: BatchId) -> Self {
        self.happenings.set_batch(batch);
        self
    }

    pub(crate) fn note(&mut self, event: AuditEvent) {
        self.happenings.note(event);
    }

    /// Notes that something happened to an account.
    pub(crate) fn happened(&mut self, what: Happening, account: AccountId, facts: &[(&str, &str)]) {
        self.happenings.of_account(what, account, facts);
    }

    pub(crate) fn account(&mut self, id: AccountId) -> Result<&mut Account, NotLoaded> {
        self.accounts.get_mut(&id).and_then(|tracked| tracked.now.as_mut()).ok_or(NotLoaded(id))
    }

    pub(crate) fn all_accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values().filter_map(|tracked| tracked.now.as_ref())
    }

    pub(crate) fn add_account(&mut self, account: Account) {
        self.accounts.insert(account.id, Tracked::fresh(account));
    }

    pub(super) fn set_size(&mut self, size: u32, reserved: u32) {
        (self.seats.size, self.seats.reserved) = (size, reserved);
    }

    /// An account learns what a roster says from now on. A seat that it holds is counted as what it is by then.
    pub(crate) fn learn(&mut self, id: AccountId, attributes: Attributes) -> Result<(), NotLoaded> {
        let now = self.acting.now;
        let account = self.account(id)?;
        let before = account.is_temporary();
        account.learn(now, attributes);
        let (has_seat, after) = (account.seat.is_some(), account.is_temporary());
        if has_seat && before != after {
            self.seats.take(before);
            self.seats.give(after);
        }
        Ok(())
    }

    pub(crate) fn waits(&self, account: AccountId) -> bool {
        self.waiting.get(&account).is_some_and(|tracked| tracked.now.is_some())
    }

    /// Puts an account at the end of the waiting list. [`Ledger::settle`] says whether it must stay there.
    pub(crate) fn ask(&mut self, account: AccountId, place: u32) {
        self.wait_as(account, Turn { since: self.acting.now, place });
    }

    /// Puts an account on the waiting list, at a turn that it has had or is to have.
    pub(crate) fn wait_as(&mut self, account: AccountId, turn: Turn) {
        if !self.waits(account) {
            let Turn { since, place } = turn;
            let entry = WaitingEntry { account, since, place };
            self.queue.insert((since, place, account));
            self.waiting
                .entry(account)
                .or_insert(Tracked { version: Version(0), before: None, now: None })
                .now = Some(entry);
        }
    }

    /// Takes an account from the waiting list.
    pub(crate) fn stop_waiting(&mut self, account: AccountId) {
        let Entry::Occupied(mut waits) = self.waiting.entry(account) else { return };
        if let Some(entry) = waits.get_mut().now.take() {
            self.queue.remove(&(entry.since, entry.place, account));
        }
        if waits.get().before.is_none() {
            waits.remove();
        }
    }

    /// Frees an account's seat, ends its codes and lists its devices to be blocked. Without a seat only the last two.
    pub(crate) fn take_seat(&mut self, id: AccountId, why: &str) -> Result<(), NotLoaded> {
        let account = self.account(id)?;
        let (seat, temporary) = (account.seat.take(), account.is_temporary());
        for code in self.codes.get_mut(&id).into_iter().flatten() {
            if let Some(code) = code.now.as_mut().filter(|code| code.is_usable()) {
                code.end(CodeState::Replaced);
            }
        }
        let helped = self.devices.get(&id).into_iter().flatten().filter(|device| is_helped(device));
        self.outcome.block.extend(helped.map(|device| device.enrolment));
        if seat.is_some() {
            self.seats.take(temporary);
            self.outcome.freed.push(id);
            self.happened(Happening::SeatReclaimed, id, &[("why", why)]);
        }
        Ok(())
    }

    /// Notice of an account's seat was given.
    pub(super) fn noticed(&mut self, id: AccountId) {
        self.outcome.noticed.push(id);
    }

    /// Gives free seats to the waiting list in order, each with a code. What is left of the reserve goes to temporary accounts
    /// only, past staff who wait before them.
    pub(crate) fn settle(&mut self, rng: &mut (impl RngCore + CryptoRng)) -> Result<(), NotLoaded> {
        if self.seats.free_for(true) == 0 {
            return Ok(());
        }
        let turns: Vec<_> = self.queue.iter().copied().collect();
        for (since, place, next) in turns {
            if self.seats.free_for(true) == 0 {
                break;
            }
            let account = self.account(next)?;
            let entitled = account.may_work() && account.seat.is_none();
            let temporary = account.is_temporary();
            if entitled && self.seats.free_for(temporary) == 0 {
                continue;
            }
            self.stop_waiting(next);
            if entitled {
                self.served.push((next, Turn { since, place }));
                self.give(next, rng)?;
            }
        }
        Ok(())
    }

    fn give(&mut self, id: AccountId, rng: &mut (impl RngCore + CryptoRng)) -> Result<(), NotLoaded> {
        let acting = self.acting;
        let account = self.account(id)?;
        account.seat = Some(Seat::new(acting.now));
        let temporary = account.is_temporary();
        let issued = issue(account, acting, rng);
        self.seated(id, temporary, &[]);
        self.issued(id, issued);
        Ok(())
    }

    /// Gives a free seat back to who has held it before. Without a code: their device is still theirs. A notice begins again: in
    /// between they could do nothing about it.
    pub(crate) fn give_back(&mut self, id: AccountId, seat: Seat) -> Result<(), NotLoaded> {
        self.stop_waiting(id);
        let notice = seat.notice.map(|notice| notice.begun_again(day_of(self.acting.now)));
        let seat = Seat { notice, ..seat };
        self.seat(id, seat, &[("why", "undone")])
    }

    fn seat(&mut self, id: AccountId, seat: Seat, facts: &[(&str, &str)]) -> Result<(), NotLoaded> {
        let account = self.account(id)?;
        account.seat = Some(seat);
        let temporary = account.is_temporary();
        self.seated(id, temporary, facts);
        Ok(())
    }

    /// Counts and notes a seat that an account has now.
    fn seated(&mut self, id: AccountId, temporary: bool, facts: &[(&str, &str)]) {
        self.seats.give(temporary);
        self.outcome.given.push(id);
        self.happened(Happening::SeatAssigned, id, facts);
    }

    pub(crate) fn issue_code(
        &mut self,
        id: AccountId,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(), NotLoaded> {
        let acting = self.acting;
        let issued = issue(self.account(id)?, acting, rng);
        self.issued(id, issued);
        Ok(())
    }

    fn issued(&mut self, id: AccountId, code: CodeRecord) {
        self.happened(Happening::CodeIssued, id, &[(EXPIRES_AT, &code.expires_at.to_string())]);
        // Most have no other.
        self.codes.entry(id).or_insert_with(|| Vec::with_capacity(1)).push(Tracked::fresh(code));
    }

    /// Seats that can be given to the account now, which may be temporary.
    pub(crate) fn free_for(&mut self, id: AccountId) -> Result<u32, NotLoaded> {
        let temporary = self.account(id)?.is_temporary();
        Ok(self.seats.free_for(temporary))
    }

    /// Since when the first on the waiting list waits.
    pub(crate) fn first_waits_since(&self) -> Option<Timestamp> {
        self.queue.first().map(|(since, _, _)| *since)
    }

    /// The account's devices that were loaded.
    pub(crate) fn devices_of(&self, id: AccountId) -> &[Device] {
        self.devices.get(&id).map_or(&[], Vec::as_slice)
    }

    /// What every account that is different now was before, and as what it is left; `words` is what the plan did to whom.
    pub(crate) fn befores(&self, words: &BTreeMap<AccountId, PlanWord>) -> Vec<Before> {
        let mut served: BTreeMap<AccountId, Served> = BTreeMap::new();
        for (order, (account, turn)) in (0..).zip(&self.served) {
            served.insert(*account, Served { order, turn: *turn });
        }
        let block: BTreeSet<EnrolmentId> = self.outcome.block.iter().copied().collect();
        let before = |(id, tracked): (&AccountId, &Tracked<Account>)| {
            let now = tracked.now.as_ref().filter(|now| tracked.before() != Some(*now))?;
            let turn = self.waiting.get(id).and_then(Tracked::before);
            let waited = turn.map(|entry| Turn { since: entry.since, place: entry.place });
            let theirs = self.devices_of(*id).iter().map(|device| device.enrolment);
            Some(Before {
                account: *id,
                word: words.get(id).copied(),
                was: tracked.before().map(|before| Box::new(Was::new(before, now, waited))),
                left_as: Mark::of(now),
                blocked: theirs.filter(|device| block.contains(device)).collect(),
                served: served.get(id).copied(),
            })
        };
        self.accounts.iter().filter_map(before).collect()
    }

    /// What became of it, with all that is to be written: only what differs from what was loaded.
    pub(crate) fn finish(self) -> SeatChange {
        let (mut outcome, events, writes) = self.finish_long();
        outcome.changes.writes.extend(writes);
        outcome.changes.events = events.all();
        outcome
    }

    /// The same of a change of any size: all events, and all writes but that of the pool, are made as they are taken.
    pub(crate) fn finish_long(
        mut self,
    ) -> (SeatChange, impl Events + use<>, impl Iterator<Item = Write> + Send + use<>) {
        for (_, _, id) in std::mem::take(&mut self.queue) {
            if self.waiting.get(&id).is_some_and(|tracked| tracked.before.is_none()) {
                self.outcome.waiting.push(id);
                self.happened(Happening::WaitingAdded, id, &[]);
            }
        }
        let Self { mut pool, seats, waiting, accounts, codes, happenings, mut outcome, .. } = self;
        pool.now = Some(seats);
        outcome.changes.writes.extend(pool.write(Key::Pool, Record::Pool));
        // What was made last goes first: so an allocator can give memory back while there is more to be written.
        let waiting = waiting.into_iter().rev();
        let waiting = waiting.filter_map(|(id, tracked)| tracked.write(Key::Waiting(id), Record::Waiting));
        let accounts = accounts.into_iter().rev();
        let accounts = accounts.filter_map(|(id, tracked)| tracked.write(Key::Account(id), Record::Account));
        let codes = codes.into_values().rev().flatten().filter_map(|tracked| {
            let index = tracked.now.as_ref()?.index;
            tracked.write(Key::Code(index), Record::Code)
        });
        (outcome, happenings, codes.chain(waiting).chain(accounts))
    }
}
