//! What every door and job of the server stands on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use mdm_core::change::Changeset;
use mdm_store::{CommitError, Committed, LargeChange, Store, UnlockRecords};
use shared::cose;
use shared::ids::EnrolmentId;
use shared::signed::Checkpoint;
use tokio::sync::{Notify, OwnedMutexGuard, watch};
use tokio::task::JoinError;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::Config;
use crate::directory::{self, Directory};
use crate::documents::{self, Contents};
use crate::heavy::Heavy;
use crate::keyring::Keyring;
use crate::quarantine::Standing;
use crate::quic::{CALLS_PER_MINUTE, DeviceRate, LiveConnections, REPORTS_PER_MINUTE, Receiving};
use crate::rights::Refusals;
use crate::tls::CertificateAuthority;
use crate::use_cases::batches::undo::Undos;
use crate::use_cases::losses::Reports;
use crate::use_cases::sign_in::SignIns;

/// How long a command waits for an answer to its device that is being written.
const COURTESY: Duration = Duration::from_secs(1);

/// A mistake of ours, found wherever debug assertions are on.
const UNHEARD: &str = "every change of what the directory shows has an event that names it";

/// Store, keys, clock and live connections of one running server.
pub struct Service {
    /// The configuration.
    pub config: Config,
    /// Everything but unlock records.
    pub store: Arc<dyn Store>,
    /// What a wipe destroys.
    pub unlock_records: Arc<dyn UnlockRecords>,
    /// The server's secrets.
    pub keyring: Keyring,
    /// Issues certificates.
    pub ca: CertificateAuthority,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The contents of documents.
    pub contents: Contents,
    /// The contents of notes.
    pub notes: Contents,
    /// Notes of which a part has come.
    pub(crate) receiving: Receiving,
    /// Devices that are connected now.
    pub live: LiveConnections,
    /// What is known of people and devices without asking the store; see [`crate::directory::current`].
    pub(crate) directory: Directory,
    /// Who has tried to sign in how often.
    pub(crate) sign_ins: SignIns,
    /// How often each device has begun a PIN exchange lately.
    pub(crate) logins: DeviceRate,
    /// How often each device has called lately.
    pub(crate) calls: DeviceRate,
    /// What devices report.
    pub(crate) reports: DeviceRate,
    /// Acts that were refused lately.
    pub(crate) refusals: Refusals,
    /// Who has reported a loss how often.
    pub(crate) reports_of_loss: Reports,
    /// Whether the server is in quarantine, and the epoch of commands.
    pub(crate) standing: Standing,
    /// Personnel batches one at a time, each with the blocks and unblocks behind it.
    pub(crate) undos: Undos,
    /// Does what takes long.
    pub(crate) heavy: Heavy,
    /// Tells the scheduler that a batch has got its time, or another one.
    pub(crate) rescheduled: Notify,
    /// Tells who sends mail that there is more to send.
    pub(crate) mail_queued: Notify,
    changes: Changes,
    locks: EnrolmentLocks,
}

impl Service {
    /// Puts the parts together.
    pub fn new(
        config: Config,
        store: Arc<dyn Store>,
        unlock_records: Arc<dyn UnlockRecords>,
        keyring: Keyring,
        ca: CertificateAuthority,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let changes = Changes::default();
        let limits = config.documents.content_limits();
        let contents = Contents::new(&config.data, documents::FOLDER, keyring.documents.clone(), limits);
        let limits = config.notes.content_limits();
        let notes = Contents::new(&config.data, documents::NOTES_FOLDER, keyring.notes.clone(), limits);
        let logins = DeviceRate::new(config.devices.logins_per_minute);
        Self {
            contents,
            notes,
            receiving: Receiving::default(),
            config,
            store,
            unlock_records,
            keyring,
            ca,
            clock,
            live: LiveConnections::new(changes.clone()),
            directory: Directory::default(),
            sign_ins: SignIns::default(),
            logins,
            calls: DeviceRate::new(CALLS_PER_MINUTE),
            reports: DeviceRate::new(REPORTS_PER_MINUTE),
            refusals: Refusals::default(),
            reports_of_loss: Reports::default(),
            standing: Standing::default(),
            undos: Undos::default(),
            heavy: Heavy::start(),
            rescheduled: Notify::new(),
            mail_queued: Notify::new(),
            changes,
            locks: EnrolmentLocks::default(),
        }
    }

    /// One at a time for an enrolment. An answer to its device is written while this is held, and a wipe commits while
    /// it is held, after the device was cut off: after the commit of a wipe no other answer leaves.
    pub async fn lock(&self, enrolment: EnrolmentId) -> OwnedMutexGuard<()> {
        self.locks.get(enrolment).lock_owned().await
    }

    /// The same for a command of an operator. A device that holds the lock, because it does not read its answer, is cut
    /// off: no device can put off what is ordered for it.
    pub async fn lock_for_command(&self, enrolment: EnrolmentId) -> OwnedMutexGuard<()> {
        match timeout(COURTESY, self.lock(enrolment)).await {
            Ok(held) => held,
            Err(_) => self.lock_for_wipe(enrolment).await,
        }
    }

    /// The same for a wipe: the device is cut off first, so that nothing that was written to it before leaves after.
    pub async fn lock_for_wipe(&self, enrolment: EnrolmentId) -> OwnedMutexGuard<()> {
        self.live.cut_off(enrolment);
        let held = self.lock(enrolment).await;
        // Who came in between may have an answer under way.
        self.live.cut_off(enrolment);
        held
    }

    /// Commits, and tells whoever waits for changes. A refusal is logged without any value.
    pub async fn commit(&self, changes: Changeset) -> Result<Committed, CommitError> {
        debug_assert_eq!(directory::unheard(&*self.store, &changes).await, None, "{UNHEARD}");
        let store = self.store.clone();
        self.committed(async move { store.commit(changes).await }).await
    }

    /// The same for a change of any size.
    pub async fn commit_large(&self, change: LargeChange) -> Result<Committed, CommitError> {
        let mut change = change;
        if cfg!(debug_assertions) {
            let mut whole = Changeset { writes: change.writes.collect(), events: change.events.all() };
            change.writes = Box::new(whole.writes.clone().into_iter());
            whole.extend(change.last.clone());
            assert_eq!(directory::unheard(&*self.store, &whole).await, None, "{UNHEARD}");
        }
        let store = self.store.clone();
        self.committed(async move { store.commit_large(change).await }).await
    }

    /// The same for what nobody waits for: how long an answer takes must not tell whether there was something to commit.
    pub(crate) fn commit_behind(
        &self,
        changes: Changeset,
        failed: impl FnOnce(CommitError) + Send + 'static,
    ) {
        let (store, ticks) = (self.store.clone(), self.changes.clone());
        tokio::spawn(async move {
            match store.commit(changes).await {
                Ok(_) => ticks.tick(),
                Err(error) => failed(error),
            }
        });
    }

    /// A commit takes effect though its caller goes away, so whoever waits for changes must hear of it all the same: it
    /// runs as a task of its own.
    async fn committed(
        &self,
        commit: impl Future<Output = Result<Committed, CommitError>> + Send + 'static,
    ) -> Result<Committed, CommitError> {
        let changes = self.changes.clone();
        let commit = tokio::spawn(async move {
            let result = commit.await;
            match &result {
                Ok(_) => changes.tick(),
                Err(error) => tracing::debug!(%error, "commit refused"),
            }
            result
        });
        match commit.await.map_err(JoinError::try_into_panic) {
            Ok(result) => result,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            Err(Err(_)) => Err(CommitError::Closed),
        }
    }

    /// Ticks when something that people look at may be different: after each commit of this server, and when a device
    /// comes or goes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.0.subscribe()
    }

    /// Ticks for something that people look at and that no commit tells: a job of this process has ended.
    pub(crate) fn tell(&self) {
        self.changes.tick();
    }

    /// The newest checkpoint of the audit journal, signed now.
    pub async fn checkpoint(&self) -> Result<Vec<u8>, CheckpointError> {
        let head = self.store.journal_head().await?;
        let checkpoint = Checkpoint { head, at: self.clock.now() };
        Ok(cose::sign(&checkpoint, b"", &self.keyring.checkpoint)?)
    }
}

/// Where changes are told. The number says nothing but that it is another one.
#[derive(Clone, Default)]
pub(crate) struct Changes(watch::Sender<u64>);

impl Changes {
    pub(crate) fn tick(&self) {
        self.0.send_modify(|ticks| *ticks = ticks.wrapping_add(1));
    }
}

/// A checkpoint cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The journal cannot be read.
    #[error(transparent)]
    Read(#[from] mdm_store::ReadError),
    /// The checkpoint key does not sign.
    #[error(transparent)]
    Sign(#[from] cose::SignError),
}

/// One lock for each enrolment that somebody is working on.
#[derive(Default)]
struct EnrolmentLocks(Mutex<HashMap<EnrolmentId, Weak<tokio::sync::Mutex<()>>>>);

impl EnrolmentLocks {
    fn get(&self, enrolment: EnrolmentId) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(&enrolment).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        locks.insert(enrolment, Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use mdm_core::audit::{Actor, AuditEvent, Happening, Subject};
    use mdm_core::change::Record;
    use mdm_core::license::Pool;

    use super::*;
    use crate::testing::World;

    fn pool_of(world: &World, size: u32) -> Changeset {
        let mut changes = Changeset::default();
        let now = world.service.clock.now();
        changes.note(AuditEvent::new(now, Actor::Server, Happening::PoolSet, Subject::default()));
        changes.insert(Record::Pool(Pool { size, ..Pool::default() }));
        changes
    }

    #[tokio::test]
    async fn a_commit_ticks_and_a_refusal_does_not() {
        let world = World::new();
        let mut changes = world.service.changes();
        world.service.commit(pool_of(&world, 1)).await.unwrap();
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        world.service.commit(pool_of(&world, 2)).await.unwrap_err();
        assert!(!changes.has_changed().unwrap());
    }

    #[tokio::test]
    async fn a_commit_whose_caller_went_away_ticks_as_well() {
        let world = World::new();
        let mut changes = world.service.changes();
        let mut commit = Box::pin(world.service.commit(pool_of(&world, 1)));
        let waker = std::task::Waker::noop();
        // Begun, and then nobody waits for it any more.
        let begun = commit.as_mut().poll(&mut std::task::Context::from_waker(waker));
        assert!(begun.is_pending());
        drop(commit);
        changes.changed().await.unwrap();
        assert_eq!(world.service.store.pool().await.unwrap().value.size, 1);
    }

    #[tokio::test]
    #[cfg(debug_assertions)]
    #[should_panic = "has an event that names it"]
    async fn a_change_that_no_event_names_is_a_mistake() {
        let world = World::new();
        let mut silent = pool_of(&world, 1);
        silent.events.clear();
        drop(world.service.commit(silent).await);
    }
}
