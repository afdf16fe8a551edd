//! The invariants, and what is remembered to check them: a model beside the real thing, fed where changes are committed,
//! where answers leave and where the phone says something of itself.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use mdm_core::account::{Account, AccountState};
use mdm_core::audit::{Entry, Subject, Walk};
use mdm_core::change::{Changeset, Key, Record, Write};
use mdm_core::device::Device;
use mdm_core::license::Pool;
use mdm_store::Attempts;
use shared::ids::EnrolmentId;
use shared::signed::{JournalHead, Order};
use shared::wire::Kind;

/// What is recorded counts from before it was committed, which may have to be tried again, on a slow disk as well.
const COMMITS: Duration = Duration::from_secs(1);

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
    /// Events that were committed: as many entries has the journal.
    events: Cell<u64>,
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
            events: Cell::new(0),
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
            self.check(Invariant::ChangeIsNoted, self.is_noted(write, changes), || {
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
        self.events.set(self.events.get() + changes.events.len() as u64);
        self.check_seats();
        self.check_closed();
    }

    /// Whether an event says of this very record that it changed. What a hello tells is no change that is noted.
    fn is_noted(&self, write: &Write, changes: &Changeset) -> bool {
        let says =
            |about: &dyn Fn(&Subject) -> bool| changes.events.iter().any(|event| about(&event.subject));
        match (&write.key, &write.record) {
            (Key::Device(enrolment), Some(Record::Device(new))) => {
                let same = self.devices.borrow().get(enrolment).is_some_and(|old| is_only_heard(old, new));
                same || says(&|subject| subject.device == Some(*enrolment))
            }
            (Key::Account(id), Some(Record::Account(new))) => {
                let same = self.accounts.borrow().get(id) == Some(new);
                same || says(&|subject| subject.account == Some(*id))
            }
            (Key::Code(_), Some(Record::Code(code))) => {
                says(&|subject| subject.account == Some(code.account))
            }
            (Key::Command(id), _) => says(&|subject| subject.command == Some(*id)),
            (Key::Waiting(account), _) => says(&|subject| subject.account == Some(*account)),
            (
                Key::Batch(id) | Key::PlanChunk(id, _) | Key::BeforeChunk(id, _) | Key::UploadPart(id, _),
                _,
            ) => says(&|subject| subject.batch == Some(*id)),
            // A count of what was decided before: nobody decides it.
            (Key::DayOfUse(_), _) => true,
            _ => !changes.events.is_empty(),
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

    /// Walks what was handed out of the journal since the last walk, up to the store's head.
    pub(crate) fn check_journal(&self, entries: &[Entry], head: Option<&JournalHead>) {
        let mut walk = self.journal.borrow_mut();
        for entry in entries {
            let step = walk.step(entry);
            self.check(Invariant::JournalVerifies, step.is_ok(), || format!("{step:?}"));
            if step.is_err() {
                return;
            }
        }
        let verified = &walk.verified().head;
        self.check(Invariant::JournalVerifies, head == Some(verified), || {
            format!("the journal ends at {head:?}, the chain at {verified:?}")
        });
        self.check(Invariant::JournalVerifies, verified.sequence == self.events.get(), || {
            format!("{} events were committed, the journal has {}", self.events.get(), verified.sequence)
        });
    }

    /// Where the last walk over the journal ended.
    pub(crate) fn journal_walked(&self) -> u64 {
        self.journal.borrow().verified().head.sequence
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
    ///
    /// `open_until`: until when whoever has it may have the vault open.
    pub(crate) fn answered(
        &self,
        enrolment: EnrolmentId,
        kind: Kind,
        attempts: Option<Attempts>,
        open_until: Option<Timestamp>,
    ) {
        let help = !matches!(kind, Kind::Command | Kind::ReceiptAck | Kind::Refused | Kind::Unsupported);
        self.check(Invariant::NothingButTheWipe, !(help && self.is_wiped(enrolment)), || {
            format!("a {kind:?} left for {enrolment}, which is wiped")
        });
        let recorded = self.device(enrolment).and_then(|device| device.may_be_open_until);
        let recorded = recorded.map(|recorded| recorded.saturating_add(COMMITS).unwrap_or(Timestamp::MAX));
        self.check(Invariant::OpenOnlyWhileRecorded, open_until.is_none() || recorded >= open_until, || {
            format!(
                "a {kind:?} left for {enrolment} that opens until {open_until:?}, recorded is {recorded:?}"
            )
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

/// Whether nothing has changed but what a device says of itself when it calls, and when it called. Until its first unlock
/// it may be given its certificate again.
fn is_only_heard(old: &Device, new: &Device) -> bool {
    let mut heard = old.clone();
    heard.last_contact = new.last_contact;
    heard.last_applied = new.last_applied;
    heard.runs.clone_from(&new.runs);
    heard.pins = new.pins;
    heard.description.app_version.clone_from(&new.description.app_version);
    if old.last_unlock.is_none() {
        heard.certificate_until = new.certificate_until;
    }
    heard == *new
}
