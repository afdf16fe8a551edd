//! The server's side of the world: the order of `mdm_server`'s shell over the real rules, the real store and the real
//! unlock records. Every function is named like its counterpart there; each `await` is a place where others go first, or
//! where the process dies.

pub(crate) mod batches;
pub(crate) mod device;
pub(crate) mod devices;
pub(crate) mod enrol;
pub(crate) mod jobs;
pub(crate) mod second;
pub(crate) mod unlock;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mdm_core::change::{Changeset, Stored};
use mdm_core::device::Device;
use mdm_store::{CommitError, Committed, ReadError, UnlockRecordsError};
use shared::ids::{EnrolmentId, RunId};
use shared::policy::Policy;
use shared::wire::{Kind, Message, RefusalReason, Refused, UnlockGranted};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};

use crate::body::civil;
use crate::executor::{Owner, settle};
use crate::network::{Close, Connection, Door, Exchange, ExchangeError};
use crate::sim::Sim;

/// How often a use case loads again after a conflict.
const CONFLICT_RETRIES: usize = 8;
/// Of the simulated disk, in milliseconds.
const LONGEST_COMMIT: u64 = 8;
/// The same of a slow one, which takes as long again before the answer.
const LONGEST_SLOW_COMMIT: u64 = 40;
/// Connections of one enrolment; the newest stay.
const MAX_CONNECTIONS: usize = 2;
/// Of commands: no server is restored here.
const EPOCH: u32 = 0;

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Records(#[from] UnlockRecordsError),
    /// The rules say no, to a person who ordered something.
    #[error("{0}")]
    Rule(String),
}

impl From<RefusalReason> for ServerError {
    fn from(reason: RefusalReason) -> Self {
        Self::Exchange(reason.into())
    }
}

impl ServerError {
    /// What the peer is told.
    fn reason(&self) -> Option<RefusalReason> {
        match self {
            Self::Exchange(ExchangeError::Refused(reason)) => Some(*reason),
            Self::Exchange(ExchangeError::Decode(_)) => Some(RefusalReason::Malformed),
            Self::Exchange(_) => None,
            _ => Some(RefusalReason::Unavailable),
        }
    }
}

struct Live {
    connection: Connection,
    commands: mpsc::UnboundedSender<Vec<u8>>,
    run: Option<RunId>,
}

/// One run of the server's process. What is not in store or unlock records goes with it.
pub(crate) struct Server {
    pub(crate) sim: Rc<Sim>,
    policy: Policy,
    live: RefCell<BTreeMap<EnrolmentId, Vec<Live>>>,
    locks: RefCell<BTreeMap<EnrolmentId, Arc<Mutex<()>>>>,
}

impl Server {
    /// Starts: what a crash left undone is finished before a door opens.
    pub(crate) fn start(sim: &Rc<Sim>, policy: Policy) -> Rc<Self> {
        let server =
            Rc::new(Self { sim: sim.clone(), policy, live: RefCell::default(), locks: RefCell::default() });
        sim.say("server: started", String::new);
        let starting = server.clone();
        sim.executor.spawn(Owner::Server, async move {
            if let Err(error) = starting.resume().await {
                starting.sim.unexpected(|| format!("the server does not start: {error}"));
            }
            *starting.sim.server.borrow_mut() = Rc::downgrade(&starting);
        });
        server
    }

    /// Every tombstoned page is zeroed again, and what was not noted as sealed is.
    async fn resume(&self) -> Result<(), ServerError> {
        for device in settle(self.sim.store.devices(None, mdm_store::MAX_PAGE))? {
            if let Some(wipe) = device.value.wipe() {
                if wipe.sealed_at.is_none() {
                    self.sim.log.count("server: sealed at start");
                }
                self.seal(device.value.enrolment).await?;
            }
        }
        Ok(())
    }

    pub(crate) fn now(&self) -> Timestamp {
        civil(self.sim.executor.now())
    }

    /// Serves a connection until it ends.
    pub(crate) fn serve(
        self: &Rc<Self>,
        connection: Connection,
        door: Door,
    ) -> impl Future<Output = ()> + 'static {
        let server = self.clone();
        async move {
            match door {
                Door::Enrol => enrol::serve(&server, connection).await,
                Door::Device(key) => device::serve(&server, connection, key).await,
            }
        }
    }

    /// One at a time for an enrolment.
    async fn lock(&self, enrolment: EnrolmentId) -> OwnedMutexGuard<()> {
        let lock = self.locks.borrow_mut().entry(enrolment).or_default().clone();
        lock.lock_owned().await
    }

    /// The same for a command of an operator.
    async fn lock_for_command(&self, enrolment: EnrolmentId) -> OwnedMutexGuard<()> {
        let courtesy = Duration::from_secs(2);
        match self.sim.executor.within(courtesy, self.lock(enrolment)).await {
            Some(held) => held,
            None => self.lock_for_wipe(enrolment).await,
        }
    }

    /// The same for a wipe: the device is cut off first.
    async fn lock_for_wipe(&self, enrolment: EnrolmentId) -> OwnedMutexGuard<()> {
        self.cut_off(enrolment);
        let held = self.lock(enrolment).await;
        self.cut_off(enrolment);
        held
    }

    /// Commits. It takes its time: others may go before, and the process may die before and after.
    async fn commit(&self, changes: Changeset) -> Result<Committed, CommitError> {
        let longest = if self.sim.slow_commits { LONGEST_SLOW_COMMIT } else { LONGEST_COMMIT };
        self.sim.executor.sleep(Duration::from_millis(self.sim.draw(0..longest))).await;
        let committed = settle(self.sim.store.commit(changes.clone()));
        match &committed {
            Ok(_) => self.sim.watch.committed(&changes),
            Err(_) => self.sim.log.count("server: commit met a conflict"),
        }
        self.sim.server_fuse.burn();
        if self.sim.slow_commits {
            self.sim.executor.sleep(Duration::from_millis(self.sim.draw(0..longest))).await;
        } else {
            self.sim.executor.pause().await;
        }
        committed
    }

    /// Runs `attempt` again while its commit meets a record that has changed since it was loaded.
    async fn retry_on_conflict<T>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, ServerError>,
    ) -> Result<T, ServerError> {
        for _ in 1..CONFLICT_RETRIES {
            match attempt().await {
                Err(ServerError::Commit(CommitError::Conflict(_))) => {}
                done => return done,
            }
        }
        attempt().await
    }

    async fn load(&self, enrolment: EnrolmentId) -> Result<Stored<Device>, ServerError> {
        self.sim.executor.pause().await;
        settle(self.sim.store.device(enrolment))?.ok_or(RefusalReason::DeviceUnknown.into())
    }

    /// Sends an answer of an enrolment: where the watch stands.
    fn answer<M: Message>(
        &self,
        enrolment: EnrolmentId,
        exchange: &Exchange,
        message: &M,
    ) -> Result<(), ServerError> {
        if exchange.connection().close_reason().is_some() {
            return Err(ExchangeError::Gone.into());
        }
        let attempts = match M::KIND {
            Kind::UnlockChallenge => settle(self.sim.unlock_records.attempts(enrolment))?,
            _ => None,
        };
        // Whoever has KE2 and the PIN opens the vault, and no rule of a client has to close it before `max_open`.
        let open_until = (M::KIND == Kind::UnlockChallenge).then(|| self.after(self.policy.max_open_seconds));
        self.sim.watch.answered(enrolment, M::KIND, attempts, open_until);
        Ok(exchange.send(message)?)
    }

    /// The answer to a verified KE3, with the lease that it may bring.
    fn answer_granted(
        &self,
        enrolment: EnrolmentId,
        exchange: &Exchange,
        message: &UnlockGranted,
    ) -> Result<(), ServerError> {
        let lease = message.lease.as_ref().map(|_| self.after(self.policy.lease_seconds));
        let open_until = lease.max(Some(message.may_be_open_until));
        self.sim.watch.answered(enrolment, Kind::UnlockGranted, None, open_until);
        self.answer(enrolment, exchange, message)
    }

    fn after(&self, seconds: u32) -> Timestamp {
        self.now().saturating_add(SignedDuration::from_secs(seconds.into())).unwrap_or(Timestamp::MAX)
    }

    fn finish(&self, exchange: &Exchange, result: Result<(), ServerError>) {
        let Err(error) = result else { return };
        if let Some(reason) = error.reason() {
            if reason == RefusalReason::Unavailable {
                self.sim.unexpected(|| format!("the server cannot do its part: {error}"));
            }
            // A peer that is gone by now needs no answer.
            let _ = exchange.send(&Refused::from(reason));
        }
    }

    /// Hands a signed command to every connection of the enrolment.
    fn push(&self, enrolment: EnrolmentId, signed: &[u8]) {
        for live in self.live.borrow().get(&enrolment).into_iter().flatten() {
            // A connection that is ending gets it at the next hello.
            let _ = live.commands.send(signed.to_vec());
        }
    }

    /// Closes every connection of the enrolment.
    fn cut_off(&self, enrolment: EnrolmentId) {
        for live in self.live.borrow().get(&enrolment).into_iter().flatten() {
            live.connection.close(Close::CommandWaits);
        }
    }

    fn register(&self, enrolment: EnrolmentId, connection: &Connection) -> mpsc::UnboundedReceiver<Vec<u8>> {
        let (commands, receiver) = mpsc::unbounded_channel();
        let mut live = self.live.borrow_mut();
        let of_device = live.entry(enrolment).or_default();
        of_device.push(Live { connection: connection.clone(), commands, run: None });
        let surplus = of_device.len().saturating_sub(MAX_CONNECTIONS);
        for oldest in of_device.iter().take(surplus) {
            oldest.connection.close(Close::Replaced);
        }
        receiver
    }

    /// Notes which run of the app has said hello on a connection; the connections on which others have.
    fn greeted(
        &self,
        enrolment: EnrolmentId,
        connection: &Connection,
        run: RunId,
    ) -> Vec<(Connection, RunId)> {
        let mut live = self.live.borrow_mut();
        let mut others = Vec::new();
        for live in live.get_mut(&enrolment).into_iter().flatten() {
            if live.connection.is_same(connection) {
                live.run = Some(run);
            } else if let Some(other) = live.run.filter(|other| *other != run) {
                others.push((live.connection.clone(), other));
            }
        }
        others
    }

    fn unregister(&self, enrolment: EnrolmentId, connection: &Connection) {
        if let Some(of_device) = self.live.borrow_mut().get_mut(&enrolment) {
            of_device.retain(|live| !live.connection.is_same(connection));
        }
    }
}
