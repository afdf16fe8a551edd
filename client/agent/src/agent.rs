//! The agent: one home, one session, and the execution of effects.
//!
//! `inner` is a plain mutex, held while effects are executed and never across an await: whatever the server, the user and
//! the clock do at once is put in one order here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use client_core::{Effect, EraseStep, Notice, Session, State, UnlockRefusal};
use rand::rngs::OsRng;
use shared::crypto::Secret;
use shared::ids::RunId;
use shared::policy::Policy;
use shared::wire::Run;
use vault::{DurableLease, FileError, Home, HomeError, HomeLock, Vault, VaultError};

use crate::clock::{boot_id, moment};
use crate::content::ContentWork;
use crate::device_state::{DeviceState, LoadStateError};
use crate::documents::DocumentsProgress;
use crate::erase::{self, RunningErase};
use crate::error::AgentError;
use crate::grant::Grant;
use crate::mend::Opening;
use crate::outbox::NotesProgress;
use crate::platform::Platform;

/// What is worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A hello was answered.
    Connected,
    /// The connection is gone; it is tried again.
    Disconnected,
    /// The session changed.
    Session(Notice),
    /// Keys and data are gone; the receipt is signed.
    Erased,
    /// The server has the receipt; nothing is left.
    ReceiptAcknowledged,
}

/// Is told what happens, from whatever thread it happens on.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: Event);

    /// A step of an erase was done.
    fn erase_step_done(&self, _step: EraseStep) {}

    /// Documents came or went, or more of one is there.
    fn documents(&self, _progress: DocumentsProgress) {}

    /// Notes or photos were sent, came, or wait.
    fn notes(&self, _progress: NotesProgress) {}
}

/// Why a home cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The enrolment in it.
    #[error(transparent)]
    State(#[from] LoadStateError),
    /// A file in it.
    #[error(transparent)]
    File(#[from] FileError),
}

pub(crate) struct Inner {
    pub(crate) session: Session,
    pub(crate) device: Option<DeviceState>,
    /// Of the lease that runs. That of a volatile one is nowhere else.
    pub(crate) lease_secret: Option<Secret<32>>,
    /// The disk has refused to give up the offline slot of a lease that has ended: to be tried again.
    offline_left: bool,
    /// Proves the last unlock to the server.
    pub(crate) grant: Grant,
    /// Tells the users of the open vault to stop.
    closing: Arc<AtomicBool>,
    pub(crate) erase: Option<RunningErase>,
    /// Whether the vault is mended when it is opened.
    pub(crate) opening: Opening,
}

/// The phone's agent.
pub struct Agent {
    pub(crate) home: Home,
    pub(crate) platform: Platform,
    pub(crate) observer: Arc<dyn Observer>,
    /// This run, as each of its hellos says.
    pub(crate) run: Run,
    inner: Mutex<Inner>,
    vault: RwLock<Option<Vault>>,
    /// The connection that [`Agent::run`] keeps.
    pub(crate) connection: Mutex<Option<quinn::Connection>>,
    pub(crate) wake: tokio::sync::Notify,
    /// The session grant was made or has ended: the server is to be shown, or told.
    pub(crate) grant_news: tokio::sync::Notify,
    pub(crate) content: ContentWork,
    /// Shared by the exchanges that test a PIN, to their last answer; had alone by an enrolment, which puts another vault in
    /// the place of theirs.
    pub(crate) pin_in_use: tokio::sync::RwLock<()>,
    _lock: HomeLock,
}

impl Agent {
    /// Opens a home. An interrupted erase goes on here, before anything else; only its receipt waits for the network.
    ///
    /// The folder has to exist ([`Home::create`]); it stays locked against other processes while the agent lives.
    pub fn open(home: Home, platform: Platform, observer: Arc<dyn Observer>) -> Result<Arc<Self>, OpenError> {
        let lock = home.lock()?;
        let (erase, gone) = erase::look(&home)?;
        let mut device = None;
        let mut lease_secret = None;
        let session = match (&erase, gone) {
            (Some(erase), _) => {
                device = Some(erase.device.clone());
                Session::wiping(erase.device.identity(), &erase.wipe)
            }
            (None, true) => Session::erased(),
            (None, false) => {
                device = DeviceState::load(&home)?;
                match &device {
                    Some(device) => enrolled_session(&home, device, &mut lease_secret)?,
                    None => Session::unenrolled(),
                }
            }
        };
        let after = device.as_ref().and_then(|device| device.last_run);
        let run = Run { id: RunId::make(moment().now, &mut rng()), after };
        let closing = Arc::default();
        let grant = Grant::at_start(lease_secret.is_some());
        let inner = Inner {
            session,
            device,
            lease_secret,
            offline_left: false,
            grant,
            closing,
            erase,
            opening: Opening::default(),
        };
        let agent = Self {
            home,
            platform,
            observer,
            run,
            inner: Mutex::new(inner),
            vault: RwLock::new(None),
            connection: Mutex::new(None),
            wake: tokio::sync::Notify::new(),
            grant_news: tokio::sync::Notify::new(),
            content: ContentWork::default(),
            pin_in_use: tokio::sync::RwLock::default(),
            _lock: lock,
        };
        agent.continue_erase();
        Ok(Arc::new(agent))
    }

    /// The home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the session stands.
    pub fn state(&self) -> State {
        self.inner().session.state()
    }

    /// What is allowed now; what is usual, before an enrolment.
    pub fn policy(&self) -> Policy {
        self.inner().session.policy().clone()
    }

    /// Locks: keys leave memory. A running lease goes on.
    pub fn lock(&self) {
        let mut inner = self.inner();
        let effects = inner.session.lock();
        self.execute_all(&mut inner, effects);
    }

    /// Lets time pass: ends leases and closes the vault where that is due. Blocking.
    pub fn tick(&self) {
        let mut inner = self.inner();
        // Said when it was refused first; a tick comes every few seconds.
        let _still_refused = self.drop_offline_left(&mut inner);
        let effects = inner.session.tick(moment());
        self.execute_all(&mut inner, effects);
    }

    /// Runs `use_vault` on the open vault; a block or wipe waits until it returns, so it does at most one chunk. Blocking.
    pub(crate) fn with_vault<T>(
        &self,
        use_vault: impl FnOnce(&Vault) -> Result<T, VaultError>,
    ) -> Result<T, AgentError> {
        self.tick();
        let state = self.state();
        if state == State::Open {
            let vault = self.vault.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(vault) = vault.as_ref() {
                return Ok(use_vault(vault)?);
            }
        }
        // `inner` is not held above: whoever closes the vault holds it while it waits for the vault's readers.
        Err(match state {
            State::Unenrolled => AgentError::Unenrolled,
            State::Wiping | State::Gone => AgentError::Wiped,
            State::Blocked => UnlockRefusal::Blocked.into(),
            _ => VaultError::Closed.into(),
        })
    }

    /// Puts an opened vault in place. Whoever does it while the session does not become open closes it again.
    pub(crate) fn install_vault(&self, inner: &mut Inner, vault: Vault) {
        inner.closing = vault.closing();
        *self.vault.write().unwrap_or_else(PoisonError::into_inner) = Some(vault);
        self.content.vault_opened();
    }

    pub(crate) fn close_vault(&self, inner: &mut Inner) {
        inner.closing.store(true, Ordering::Release);
        self.content.vault_closed();
        *self.vault.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Obeys a command from the network. Blocking. A block that comes again has not been obeyed either while its offline slot
    /// is there.
    pub(crate) fn obey(&self, command: &[u8]) -> Result<(), AgentError> {
        let mut inner = self.inner();
        let effects = inner.session.handle_command(command)?;
        self.execute(&mut inner, effects)?;
        Ok(self.drop_offline_left(&mut inner)?)
    }

    /// Destroys what opens the vault without the server.
    pub(crate) fn drop_offline(&self, inner: &mut Inner) -> Result<(), FileError> {
        inner.lease_secret = None;
        let dropped = DurableLease::drop_offline(&self.home);
        inner.offline_left = dropped.is_err();
        dropped
    }

    /// What the disk has refused to give up, once more.
    fn drop_offline_left(&self, inner: &mut Inner) -> Result<(), FileError> {
        if inner.offline_left { self.drop_offline(inner) } else { Ok(()) }
    }

    /// Executes effects in order, all of them; the first failure is returned at the end.
    pub(crate) fn execute(&self, inner: &mut Inner, effects: Vec<Effect>) -> Result<(), AgentError> {
        let mut outcome = Ok(());
        for effect in effects {
            let done = match effect {
                Effect::CloseVault => {
                    self.close_vault(inner);
                    inner.grant.forget_key();
                    Ok(())
                }
                Effect::DropOfflineSlot => self.drop_offline(inner),
                Effect::StoreLease => self.store_lease(inner),
                Effect::StorePinDelay => self.store_pin_delay(inner),
                Effect::Store(progress) => inner.device.as_mut().map_or(Ok(()), |device| {
                    device.progress = progress;
                    device.store(&self.home)
                }),
                Effect::Erase(wipe) => {
                    self.begin_erase(inner, wipe);
                    Ok(())
                }
                Effect::Notify(notice) => {
                    self.observer.event(Event::Session(notice));
                    Ok(())
                }
            };
            outcome = outcome.and(done);
        }
        Ok(outcome.and(self.end_unneeded_grant(inner))?)
    }

    /// The same where nobody waits for the outcome: what could not be removed is removed at the next start.
    pub(crate) fn execute_all(&self, inner: &mut Inner, effects: Vec<Effect>) {
        if let Err(error) = self.execute(inner, effects) {
            tracing::error!(%error, "an effect could not be executed");
        }
    }

    /// Runs blocking work of this agent off the async threads.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, AgentError> {
        let agent = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&agent)).await.map_err(|_| AgentError::Task)
    }
}

/// The session of an enrolled device at start: a durable lease goes on, whatever else is left of one is destroyed.
fn enrolled_session(
    home: &Home,
    device: &DeviceState,
    lease_secret: &mut Option<Secret<32>>,
) -> Result<Session, OpenError> {
    let at = moment();
    let stored = DurableLease::load(home)?;
    let lease = stored.as_ref().and_then(|stored| stored.lease.resume(at, boot_id()));
    // A change of the PIN takes the offline slot away for a moment; killed then, the lease has nothing to open any more.
    let lease = lease.filter(|_| !device.progress.blocked && home.offline_slot().exists());
    // What the pause has cost is stored before the lease is of use; otherwise the next start would count from before it.
    let lease = lease.filter(|lease| {
        lease.to_stored(at, boot_id()).is_some_and(|stored| DurableLease::store_clock(home, &stored).is_ok())
    });
    match (&lease, stored) {
        (Some(_), Some(stored)) => *lease_secret = Some(stored.secret),
        _ => DurableLease::drop_offline(home)?,
    }
    let pins = device.pin_delay.as_ref().map(|stored| stored.resume(at, boot_id())).unwrap_or_default();
    let session = Session::enrolled(device.identity(), device.policy.clone(), device.progress, lease);
    Ok(session.after_wrong_pins(pins))
}

/// The generator of the shell.
pub(crate) fn rng() -> OsRng {
    OsRng
}
