//! What this process remembers of batches: which are taking effect now, what came of it, and where the lines of plans are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mdm_core::approval::Consent;
use mdm_core::audit::Actor;
use mdm_core::batch::Batch;
use shared::ids::BatchId;
use tokio::task::JoinHandle;

use crate::service::Service;
use crate::use_cases::UseCaseError;
use crate::use_cases::batches::{self, InForce, Index};

/// Of how many batches the outcome is remembered.
const OUTCOMES: usize = 50;
/// Of how many plans the index is kept: about 32 bytes a line.
const INDEXES: usize = 4;

/// What came of applying a batch.
#[derive(Clone)]
pub(super) enum Job {
    /// It is under way.
    Running,
    /// It is in force.
    Done(Arc<InForce>),
    /// It is not.
    Failed(Arc<UseCaseError>),
}

/// Jobs and indexes.
#[derive(Default)]
pub(in crate::console) struct Work {
    jobs: Mutex<BTreeMap<BatchId, Job>>,
    /// The one used last at the end.
    indexes: Mutex<Vec<(BatchId, Arc<Index>)>>,
}

impl Work {
    fn jobs(&self) -> MutexGuard<'_, BTreeMap<BatchId, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a batch's way into force.
    pub(super) fn job(&self, batch: BatchId) -> Option<Job> {
        self.jobs().get(&batch).cloned()
    }

    /// Begins to apply a batch, unless that is under way: then there is nothing to wait for here. It goes on though its
    /// caller goes away.
    pub(super) fn apply(
        self: &Arc<Self>,
        service: &Arc<Service>,
        batch: BatchId,
        consent: Consent,
        actor: Actor,
    ) -> Option<JoinHandle<()>> {
        let running = Running::begin(self.clone(), service.clone(), batch)?;
        let service = service.clone();
        Some(tokio::spawn(async move {
            let done = batches::apply(&service, batch, consent, actor).await;
            if let Err(error) = &done {
                tracing::warn!(%batch, %error, "a batch did not take effect");
            }
            running.end(done);
        }))
    }

    /// Where the lines of a plan are.
    pub(super) async fn index(&self, service: &Service, batch: &Batch) -> Result<Arc<Index>, UseCaseError> {
        if let Some(index) = self.kept(batch.id) {
            return Ok(index);
        }
        let index = Arc::new(Index::read(service, batch).await?);
        let mut kept = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(id, _)| *id != batch.id);
        kept.push((batch.id, index.clone()));
        let surplus = kept.len().saturating_sub(INDEXES);
        kept.drain(..surplus);
        Ok(index)
    }

    fn kept(&self, batch: BatchId) -> Option<Arc<Index>> {
        let mut kept = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(id, _)| *id == batch)?;
        let found = kept.remove(place);
        let index = found.1.clone();
        kept.push(found);
        Some(index)
    }
}

/// A job under way. Dropped without an end (a panic) it is forgotten, so that somebody can try again.
struct Running {
    work: Arc<Work>,
    service: Arc<Service>,
    batch: BatchId,
}

impl Running {
    fn begin(work: Arc<Work>, service: Arc<Service>, batch: BatchId) -> Option<Self> {
        {
            let mut jobs = work.jobs();
            if matches!(jobs.get(&batch), Some(Job::Running)) {
                return None;
            }
            jobs.insert(batch, Job::Running);
        }
        Some(Self { work, service, batch })
    }

    fn end(self, done: Result<InForce, UseCaseError>) {
        let job = match done {
            Ok(done) => Job::Done(Arc::new(done)),
            Err(error) => Job::Failed(Arc::new(error)),
        };
        self.work.jobs().insert(self.batch, job);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        {
            let mut jobs = self.work.jobs();
            if matches!(jobs.get(&self.batch), Some(Job::Running)) {
                jobs.remove(&self.batch);
            }
            while jobs.len() > OUTCOMES {
                let Some(oldest) =
                    jobs.iter().find(|(_, job)| !matches!(job, Job::Running)).map(|(id, _)| *id)
                else {
                    break;
                };
                jobs.remove(&oldest);
            }
        }
        // The commit was told when it was made; that the job is over is news as well.
        self.service.tell();
    }
}
