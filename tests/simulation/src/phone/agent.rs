//! `client_agent::agent`: one session, and the execution of effects in their order.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use client_core::lease::{RunningLease, StoredLease};
use client_core::{Effect, Notice, Session, State, WipeAuthorised};
use shared::crypto::{Purpose, Secret};
use shared::ids::RunId;
use shared::wire::Run;
use tokio::sync::Notify;

use super::erase::{self, RunningErase};
use super::slots::{self, VaultKey};
use super::{DeviceState, Phone};
use crate::body::civil;
use crate::disk::{Content, DiskError, Name};
use crate::fault::Fault;
use crate::network::{Connection, ExchangeError};
use crate::watch::Invariant;

/// Why the phone does not do something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Command(#[from] client_core::CommandError),
    #[error(transparent)]
    Refusal(#[from] client_core::UnlockRefusal),
    #[error("a lease or checkpoint that does not verify")]
    Verify(#[from] shared::cose::VerifyError),
    #[error("the PIN is wrong")]
    PinWrong,
    #[error("no connection, and no lease runs")]
    Offline,
    #[error("slot and record are of different tries: enrol again")]
    EnrolAgain,
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("not enrolled")]
    Unenrolled,
    #[error("wiped")]
    Wiped,
    #[error("the vault is closed")]
    Closed,
    #[error("the erase is stuck")]
    EraseStuck,
}

/// Why a home is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// The power went.
    PowerCut,
    /// The enrolment's file is no state.
    Damaged,
}

impl From<DiskError> for OpenError {
    fn from(_: DiskError) -> Self {
        Self::PowerCut
    }
}

/// What one process holds in memory.
pub(crate) struct Inner {
    pub(crate) session: Session,
    pub(crate) device: Option<DeviceState>,
    pub(crate) lease_secret: Option<Secret<32>>,
    /// The disk has refused to give up the offline slot of a lease that has ended.
    pub(crate) offline_left: bool,
    /// The key of the open vault.
    pub(crate) vault: Option<VaultKey>,
    pub(crate) erase: Option<RunningErase>,
}

/// The phone's process.
pub(crate) struct Agent {
    pub(crate) phone: Rc<Phone>,
    /// This run, as each of its hellos says.
    pub(crate) run: Run,
    pub(crate) inner: RefCell<Inner>,
    pub(crate) connection: RefCell<Option<Connection>>,
    pub(crate) wake: Notify,
    pub(crate) ticks: Notify,
    /// Shared by the exchanges that test a PIN, had alone by an enrolment.
    pub(crate) pin_in_use: tokio::sync::RwLock<()>,
    /// A durable lease goes on that was resumed after the civil clock was set: what is not promised.
    pub(crate) by_a_set_clock: Cell<bool>,
}

impl Agent {
    /// Opens the home. An interrupted erase goes on here, before anything else.
    pub(crate) fn open(phone: &Rc<Phone>) -> Result<Rc<Self>, OpenError> {
        let (erase, gone) = erase::look(phone)?;
        let mut device = None;
        let mut lease_secret = None;
        let session = match (&erase, gone) {
            (Some(erase), _) => {
                device = Some(erase.device.clone());
                Session::wiping(erase.device.identity(), &erase.wipe)
            }
            (None, true) => Session::erased(),
            (None, false) => {
                device = load_state(phone)?;
                match &device {
                    Some(device) => enrolled_session(phone, device, &mut lease_secret)?,
                    None => Session::unenrolled(),
                }
            }
        };
        let by_a_set_clock = Cell::new(lease_secret.is_some() && phone.body.clock_was_set.replace(false));
        let after = device.as_ref().and_then(|device| device.last_run);
        let run = Run { id: RunId::from_bytes(phone.sim.random()), after };
        let agent = Rc::new(Self {
            phone: phone.clone(),
            run,
            inner: RefCell::new(Inner {
                session,
                device,
                lease_secret,
                offline_left: false,
                vault: None,
                erase,
            }),
            connection: RefCell::default(),
            wake: Notify::new(),
            ticks: Notify::new(),
            pin_in_use: tokio::sync::RwLock::default(),
            by_a_set_clock,
        });
        agent.continue_erase();
        if phone.body.powered.get() { Ok(agent) } else { Err(OpenError::PowerCut) }
    }

    pub(crate) fn state(&self) -> State {
        self.inner.borrow().session.state()
    }

    /// The vault stands open: what the watch looks at after every event.
    pub(crate) fn check_open(&self, tolerance: Duration) {
        let inner = self.inner.borrow();
        let (Some(_), Some(device)) = (&inner.vault, &inner.device) else { return };
        if self.by_a_set_clock.get() || self.phone.body.asleep.get() {
            return;
        }
        self.phone.sim.watch.open(device.enrolment, civil(self.phone.sim.executor.now()), tolerance);
    }

    /// Locks: keys leave memory. A running lease goes on.
    pub(crate) fn lock(&self) {
        let inner = &mut *self.inner.borrow_mut();
        let effects = inner.session.lock();
        self.execute_all(inner, effects);
    }

    /// Lets time pass.
    pub(crate) fn tick(&self) {
        let inner = &mut *self.inner.borrow_mut();
        let _still_refused = self.drop_offline_left(inner);
        let effects = inner.session.tick(self.phone.moment());
        self.execute_all(inner, effects);
    }

    /// Keeps a note in the open vault, and says so when it is durable.
    pub(crate) fn write_note(&self) -> Result<(), AgentError> {
        let key = self.with_vault()?;
        let number = self.phone.notes.replace(self.phone.notes.get() + 1);
        let text = format!("note {number}").into_bytes();
        let sealed = self.note_key(&key).seal(b"note", &text, &mut self.phone.sim.crypto.clone());
        let (name, content) = (Name::Note(number), Content::bytes(sealed));
        if self.phone.sim.has(Fault::NoteNotSynced) {
            self.phone.disk.replace_unsynced(name, content)?;
        } else {
            self.phone.disk.replace(name, content)?;
        }
        self.phone.promises.borrow_mut().notes.insert(number, text);
        self.phone.sim.log.count("phone: note kept");
        Ok(())
    }

    fn note_key(&self, key: &VaultKey) -> shared::crypto::SealingKey {
        Purpose::VaultRecords.derive_sealing_key(&[key.expose()], b"notes")
    }

    /// The open vault; time has passed first.
    fn with_vault(&self) -> Result<VaultKey, AgentError> {
        self.tick();
        let key = match self.state() {
            State::Open => self.inner.borrow().vault.clone().ok_or(AgentError::Closed)?,
            State::Wiping | State::Gone => return Err(AgentError::Wiped),
            _ => return Err(AgentError::Closed),
        };
        self.check_open(Duration::ZERO);
        Ok(key)
    }

    /// Puts an opened vault in place, if it holds what was acknowledged.
    pub(crate) fn install_vault(&self, inner: &mut Inner, key: VaultKey) {
        let promises = self.phone.promises.borrow();
        for (number, text) in &promises.notes {
            let sealed = self.phone.disk.read(Name::Note(*number));
            let opened = sealed
                .as_ref()
                .and_then(Content::as_bytes)
                .map(|sealed| self.note_key(&key).open(b"note", sealed));
            let kept = opened.is_some_and(|opened| opened.is_ok_and(|opened| *opened == *text));
            self.phone.sim.watch.check(Invariant::AcknowledgedStays, kept, || {
                format!("note {number} of phone {} was kept and is not there", self.phone.index)
            });
        }
        inner.vault = Some(key);
    }

    pub(crate) fn close_vault(&self, inner: &mut Inner) {
        inner.vault = None;
    }

    /// Obeys a command from the network.
    pub(crate) fn obey(&self, command: &[u8]) -> Result<(), AgentError> {
        let inner = &mut *self.inner.borrow_mut();
        let effects = inner.session.handle_command(command)?;
        if effects.is_empty() {
            self.phone.sim.log.count("command: without effect");
        }
        self.execute(inner, effects)?;
        Ok(self.drop_offline_left(inner)?)
    }

    pub(crate) fn drop_offline(&self, inner: &mut Inner) -> Result<(), DiskError> {
        inner.lease_secret = None;
        let dropped = drop_offline(&self.phone);
        inner.offline_left = dropped.is_err() && !self.phone.sim.has(Fault::RefusedSlotLeft);
        dropped
    }

    /// What the disk has refused to give up, once more.
    pub(crate) fn drop_offline_left(&self, inner: &mut Inner) -> Result<(), DiskError> {
        if inner.offline_left { self.drop_offline(inner) } else { Ok(()) }
    }

    /// Executes effects in order, all of them; the first failure is returned at the end.
    pub(crate) fn execute(&self, inner: &mut Inner, effects: Vec<Effect>) -> Result<(), AgentError> {
        let mut outcome = Ok(());
        let blocks =
            effects.iter().any(|effect| matches!(effect, Effect::Store(progress) if progress.blocked));
        for effect in effects {
            let done = match effect {
                Effect::CloseVault => {
                    self.close_vault(inner);
                    Ok(())
                }
                Effect::DropOfflineSlot if blocks && self.phone.sim.has(Fault::OfflineSlotKeptAtBlock) => {
                    Ok(())
                }
                Effect::DropOfflineSlot => self.drop_offline(inner),
                Effect::StoreLease => self.store_lease(inner),
                // No policy of this world has a delay, so nothing is ever counted.
                Effect::StorePinDelay => Ok(()),
                Effect::Store(progress) => self.store_progress(inner, progress),
                Effect::Erase(wipe) => {
                    self.begin_erase(inner, wipe);
                    Ok(())
                }
                Effect::Notify(notice) => {
                    self.notify(notice);
                    Ok(())
                }
            };
            outcome = outcome.and(done);
        }
        self.ticks.notify_one();
        Ok(outcome?)
    }

    pub(crate) fn execute_all(&self, inner: &mut Inner, effects: Vec<Effect>) {
        if self.execute(inner, effects).is_err() {
            self.phone.sim.log.count("phone: an effect failed");
        }
    }

    fn store_progress(&self, inner: &mut Inner, progress: client_core::Progress) -> Result<(), DiskError> {
        let Some(device) = inner.device.as_mut() else { return Ok(()) };
        device.progress = progress;
        if self.phone.sim.has(Fault::ProgressForgotten) {
            let forgotten = client_core::Progress { last_applied: None, ..progress };
            store_state(&self.phone, &DeviceState { progress: forgotten, ..device.clone() })?;
        } else {
            store_state(&self.phone, device)?;
        }
        if let Some(order) = progress.last_applied {
            self.phone.sim.watch.applied(device.enrolment, order);
        }
        Ok(())
    }

    fn notify(&self, notice: Notice) {
        let what = match notice {
            Notice::Unlocked => "phone: unlocked",
            Notice::Locked => "phone: locked",
            Notice::Blocked => "phone: blocked",
            Notice::Unblocked => "phone: unblocked",
            Notice::Wiping => "phone: wiping",
            Notice::PinsDelayed => "phone: pins delayed",
        };
        self.phone.say(what, String::new);
    }

    fn begin_erase(&self, inner: &mut Inner, wipe: WipeAuthorised) {
        let Some(device) = inner.device.clone() else { return };
        let erasure = client_core::Erasure::begin(&wipe);
        inner.erase = Some(RunningErase { wipe, device, erasure });
        self.erase_locally(inner);
        self.wake.notify_one();
    }

    /// Keeps a durable lease's clock and tries over a restart.
    pub(crate) fn store_lease(&self, inner: &Inner) -> Result<(), DiskError> {
        let stored = inner.session.lease_to_store(self.phone.moment(), self.phone.body.boot_id());
        stored.map_or(Ok(()), |stored| store_clock(&self.phone, stored))
    }
}

pub(crate) fn load_state(phone: &Phone) -> Result<Option<DeviceState>, OpenError> {
    match phone.disk.read(Name::State) {
        None => Ok(None),
        Some(Content::State(state)) => Ok(Some((*state).clone())),
        Some(_) => Err(OpenError::Damaged),
    }
}

pub(crate) fn store_state(phone: &Phone, device: &DeviceState) -> Result<(), DiskError> {
    let content = Content::State(Rc::new(device.clone()));
    match phone.sim.has(Fault::StateInPlace) {
        true => phone.disk.write_in_place(Name::State, content),
        false => phone.disk.replace(Name::State, content),
    }
}

pub(crate) fn store_clock(phone: &Phone, lease: StoredLease) -> Result<(), DiskError> {
    phone.disk.replace(Name::Lease, Content::Lease(Rc::new(lease)))
}

/// `DurableLease::drop_offline`.
pub(crate) fn drop_offline(phone: &Phone) -> Result<(), DiskError> {
    phone.disk.destroy(Name::LeaseSecret)?;
    phone.disk.destroy(Name::OfflineSlot)?;
    phone.disk.destroy(Name::Lease)
}

/// The session of an enrolled device at start: a durable lease goes on, whatever else is left of one is destroyed.
fn enrolled_session(
    phone: &Phone,
    device: &DeviceState,
    lease_secret: &mut Option<Secret<32>>,
) -> Result<Session, DiskError> {
    let (at, boot_id) = (phone.moment(), phone.body.boot_id());
    let stored = match (phone.disk.read(Name::Lease), phone.disk.read(Name::LeaseSecret)) {
        (Some(Content::Lease(lease)), Some(secret)) => slots::secret(&secret).map(|secret| (lease, secret)),
        _ => None,
    };
    let lease: Option<RunningLease> = stored.as_ref().and_then(|(lease, _)| lease.resume(at, boot_id));
    let lease = lease.filter(|_| !device.progress.blocked);
    let lease = lease.filter(|lease| {
        lease.to_stored(at, boot_id).is_some_and(|stored| store_clock(phone, stored).is_ok())
    });
    match (&lease, stored) {
        (Some(_), Some((_, secret))) => {
            phone.sim.log.count("lease: durable goes on");
            *lease_secret = Some(secret);
        }
        _ => drop_offline(phone)?,
    }
    Ok(Session::enrolled(device.identity(), device.policy.clone(), device.progress, lease))
}
