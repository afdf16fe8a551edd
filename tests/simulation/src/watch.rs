//! The invariants, and what is remembered to check them: a model beside the real thing, fed where changes are committed,
//! where answers leave and where the phone says something of itself.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use mdm_core::account::{Account, AccountState};
use mdm_core::audit::Walk;
use mdm_core::change::{Changeset, Record};
use mdm_core::device::Device;
use mdm_core::license::Pool;
use mdm_store::{Attempts, Store};
use shared::ids::EnrolmentId;
use shared::signed::Order;
use shared::wire::Kind;

use crate::executor::settle;

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// No more seats are assigned than the pool has, and the pool counts them.
    SeatsWithinPool,
    /// After the commit of a wipe that enrolment is answered with the wipe, an acknowledgement or a refusal.
    NothingButTheWipe,
    /// A block or unblock takes effect at most once, in order.
    CommandAtMostOnce,
    /// Between two verified KE3 at most `limit` KE2 leave.
    AttemptsLimited,
    /// An attempt is durably charged before KE2 leaves.
    AnswerIsPaid,
    /// A closed account has no live enrolment.
    ClosedHasNoDevice,
    /// Every change has its audit event.
    ChangeIsNoted,
    /// The journal's chain verifies.
    JournalVerifies,
    /// A vault is open only until the time that the server has recorded.
    OpenOnlyWhileRecorded,
    /// A volatile lease ends with the process: nothing on the disk opens the offline slot.
    VolatileEndsWithProcess,
    /// A phone that says it is blocked has no offline slot.
    BlockedHasNoOfflineSlot,
    /// A receipt exists only after keys and data are gone.
    ReceiptAfterErase,
    /// What was acknowledged to the person is there again after a power cut.
    AcknowledgedStays,
    /// After whatever power cut the app opens its home.
    HomeOpens,
    /// The server has never seen more unlocks than the phone remembers.
    PhoneNeverBehind,
    /// A device whose folder nobody copied is never taken for two.
    OneFolderIsNoCopy,
    /// The server's part of a key is destroyed only under a committed wipe.
    SealAfterCommit,
    /// Once the faults end, every wiped phone ends erased, sealed and receipted.
    EveryWipeEnds,
    /// Once the faults end, whoever may work opens their vault with their PIN.
    RightPinOpens,
    /// The drivers met what they hold to be impossible.
    NothingUnexpected,
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// What was seen.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.detail)
    }
}

/// The model.
pub(crate) struct Watch {
    limit: u16,
    violation: RefCell<Option<Violation>>,
    devices: RefCell<BTreeMap<EnrolmentId, Device>>,
    accounts: RefCell<BTreeMap<shared::ids::AccountId, Account>>,
    pool: RefCell<Pool>,
    /// KE2 answers since the last verified KE3 or registration.
    answers: RefCell<BTreeMap<EnrolmentId, u32>>,
    applied: RefCell<BTreeSet<(EnrolmentId, Order)>>,
    journal: RefCell<Walk>,
    checks: Cell<u64>,
}

impl Watch {
    pub(crate) fn new(limit: u16) -> Self {
        Self {
            limit,
            violation: RefCell::default(),
            devices: RefCell::default(),
            accounts: RefCell::default(),
            pool: RefCell::default(),
            answers: RefCell::default(),
            applied: RefCell::default(),
            journal: RefCell::new(Walk::begin()),
            checks: Cell::new(0),
        }
    }

    /// The first violation.
    pub(crate) fn violation(&self) -> Option<Violation> {
        self.violation.borrow().clone()
    }

    pub(crate) fn checks(&self) -> u64 {
        self.checks.get()
    }

    /// Checks one thing.
    pub(crate) fn check(&self, invariant: Invariant, holds: bool, detail: impl FnOnce() -> String) {
        self.checks.set(self.checks.get() + 1);
        if !holds {
            self.violation.borrow_mut().get_or_insert_with(|| Violation { invariant, detail: detail() });
        }
    }

    /// A changeset was committed.
    pub(crate) fn committed(&self, changes: &Changeset) {
        for write in &changes.writes {
            self.check(Invariant::ChangeIsNoted, self.is_noted(write.record.as_ref(), changes), || {
                format!("{:?} changed without an event", write.key)
            });
        }
        for write in &changes.writes {
            match &write.record {
                Some(Record::Device(device)) => {
                    self.check(Invariant::OneFolderIsNoCopy, device.copy_suspected_at.is_none(), || {
                        format!("{} is taken for two", device.enrolment)
                    });
                    self.devices.borrow_mut().insert(device.enrolment, device.clone());
                }
                Some(Record::Account(account)) => {
                    self.accounts.borrow_mut().insert(account.id, account.clone());
                }
                Some(Record::Pool(pool)) => *self.pool.borrow_mut() = pool.clone(),
                _ => {}
            }
        }
        self.check_seats();
        self.check_closed();
    }

    fn is_noted(&self, record: Option<&Record>, changes: &Changeset) -> bool {
        let says = |about: &dyn Fn(&mdm_core::audit::Subject) -> bool| {
            changes.events.iter().any(|event| about(&event.subject))
        };
        match record {
            Some(Record::Device(new)) => {
                let devices = self.devices.borrow();
                let Some(old) = devices.get(&new.enrolment) else {
                    return says(&|subject| subject.device == Some(new.enrolment));
                };
                let same = old.state == new.state
                    && old.key == new.key
                    && old.may_be_open_until == new.may_be_open_until
                    && old.vault_epoch == new.vault_epoch
                    && old.last_command == new.last_command;
                same || says(&|subject| subject.device == Some(new.enrolment))
            }
            Some(Record::Account(new)) => {
                let accounts = self.accounts.borrow();
                let same = accounts.get(&new.id) == Some(new);
                same || says(&|subject| subject.account == Some(new.id))
            }
            Some(Record::Command(new)) => says(&|subject| subject.command == Some(new.id)),
            Some(Record::Pool(_) | Record::Waiting(_) | Record::Batch(_)) | None => {
                !changes.events.is_empty()
            }
            _ => true,
        }
    }

    fn check_seats(&self) {
        let (pool, accounts) = (self.pool.borrow(), self.accounts.borrow());
        let seated = accounts.values().filter(|account| account.seat.is_some()).count();
        self.check(
            Invariant::SeatsWithinPool,
            pool.assigned <= pool.size && seated == pool.assigned as usize,
            || format!("{seated} accounts have seats, the pool says {} of {}", pool.assigned, pool.size),
        );
    }

    fn check_closed(&self) {
        let (accounts, devices) = (self.accounts.borrow(), self.devices.borrow());
        for device in devices.values().filter(|device| device.wipe().is_none()) {
            let closed = accounts.get(&device.account).is_some_and(|a| a.state == AccountState::Closed);
            self.check(Invariant::ClosedHasNoDevice, !closed, || {
                format!("{} is not wiped", device.enrolment)
            });
        }
    }

    /// Walks the journal from where the last walk ended.
    pub(crate) fn check_journal(&self, store: &dyn Store) {
        let mut walk = self.journal.borrow_mut();
        loop {
            let after = walk.verified().head.sequence;
            let page = settle(store.journal_entries(after, mdm_store::MAX_PAGE));
            let page = page.unwrap_or_default();
            if page.is_empty() {
                break;
            }
            for entry in &page {
                let step = walk.step(entry);
                self.check(Invariant::JournalVerifies, step.is_ok(), || format!("{step:?}"));
                if step.is_err() {
                    return;
                }
            }
        }
        let head = settle(store.journal_head()).ok();
        self.check(Invariant::JournalVerifies, head.as_ref() == Some(&walk.verified().head), || {
            format!("the journal ends at {head:?}, the chain at {:?}", walk.verified().head)
        });
    }

    pub(crate) fn device(&self, enrolment: EnrolmentId) -> Option<Device> {
        self.devices.borrow().get(&enrolment).cloned()
    }

    pub(crate) fn devices(&self) -> Vec<Device> {
        self.devices.borrow().values().cloned().collect()
    }

    pub(crate) fn account(&self, id: shared::ids::AccountId) -> Option<Account> {
        self.accounts.borrow().get(&id).cloned()
    }

    pub(crate) fn accounts(&self) -> Vec<Account> {
        self.accounts.borrow().values().cloned().collect()
    }

    pub(crate) fn is_wiped(&self, enrolment: EnrolmentId) -> bool {
        self.devices.borrow().get(&enrolment).is_some_and(|device| device.wipe().is_some())
    }

    /// An answer leaves the server.
    pub(crate) fn answered(&self, enrolment: EnrolmentId, kind: Kind, attempts: Option<Attempts>) {
        let help = !matches!(kind, Kind::Command | Kind::ReceiptAck | Kind::Refused | Kind::Unsupported);
        self.check(Invariant::NothingButTheWipe, !(help && self.is_wiped(enrolment)), || {
            format!("a {kind:?} left for {enrolment}, which is wiped")
        });
        if kind != Kind::UnlockChallenge {
            return;
        }
        let mut answers = self.answers.borrow_mut();
        let answers = answers.entry(enrolment).or_default();
        *answers += 1;
        let used = attempts.map_or(0, |attempts| u32::from(attempts.used));
        self.check(Invariant::AnswerIsPaid, *answers <= used, || {
            format!("{answers} KE2 left for {enrolment} and {used} attempts are charged")
        });
        self.check(Invariant::AttemptsLimited, *answers <= u32::from(self.limit), || {
            format!("{answers} KE2 left for {enrolment} without a verified KE3; the limit is {}", self.limit)
        });
        let recorded = self.device(enrolment).and_then(|device| device.may_be_open_until);
        self.check(Invariant::OpenOnlyWhileRecorded, recorded.is_some(), || {
            format!("KE2 left for {enrolment} before anything was recorded")
        });
    }

    /// A KE3 of the enrolment was verified, or its PIN registered anew.
    pub(crate) fn attempts_are_back(&self, enrolment: EnrolmentId) {
        self.answers.borrow_mut().remove(&enrolment);
    }

    /// The server's part of a key is about to be destroyed.
    pub(crate) fn sealing(&self, enrolment: EnrolmentId) {
        self.check(Invariant::SealAfterCommit, self.is_wiped(enrolment), || {
            format!("the record of {enrolment} is destroyed and no wipe is committed")
        });
    }

    /// A block or unblock has become durable on its phone.
    pub(crate) fn applied(&self, enrolment: EnrolmentId, order: Order) {
        let mut applied = self.applied.borrow_mut();
        let last = applied.iter().filter(|(of, _)| *of == enrolment).map(|(_, order)| *order).max();
        self.check(Invariant::CommandAtMostOnce, last.is_none_or(|last| last < order), || {
            format!("{enrolment} applied {order:?} after {last:?}")
        });
        applied.insert((enrolment, order));
    }

    /// The vault is used, or stands open, `tolerance` after which it has to be closed.
    pub(crate) fn open(&self, enrolment: EnrolmentId, now: Timestamp, tolerance: Duration) {
        let until = self.device(enrolment).and_then(|device| device.may_be_open_until);
        let within =
            until.is_some_and(|until| now <= until.saturating_add(tolerance).unwrap_or(Timestamp::MAX));
        self.check(Invariant::OpenOnlyWhileRecorded, within, || {
            format!("the vault of {enrolment} is open at {now}, and {until:?} is recorded")
        });
    }

    /// The phone says how often it was unlocked.
    pub(crate) fn says_epoch(&self, enrolment: EnrolmentId, epoch: u64) {
        let recorded = self.device(enrolment).map_or(0, |device| device.vault_epoch);
        self.check(Invariant::PhoneNeverBehind, epoch >= recorded, || {
            format!("{enrolment} says {epoch} unlocks, the server has seen {recorded}")
        });
    }
}
