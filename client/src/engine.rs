//! The agent off the UI thread: each act as a future that any executor can await, and what happens by itself as messages.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use ::viewer::{Ask, Content};
use client_agent::{
    Agent, AgentError, ChangePinError, Document, DocumentsProgress, EnrolError, EnrolRequest, Enrolled,
    Event, FileTransferError, Mended, NoteStatus, NotesProgress, Observer, OpenError, Platform, SavedNote,
    Status, UnlockError, Unlocked, WayBack,
};
use client_core::EraseStep;
use shared::ids::{DocumentId, NoteId};
use shared::policy::Policy;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use vault::Home;
use zeroize::Zeroizing;

use crate::viewer::{NotShown, Viewer};

/// What happened by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// The session or the connection changed.
    Event(Event),
    /// A step of an erase was done.
    EraseStep(EraseStep),
    /// Documents came or went, or more of one is there.
    Documents,
    /// Notes or photos were sent, came, went, or wait.
    Notes,
    /// The files of this device cannot be used: waiting does not cure that.
    Unusable,
    /// The system asks the app to end.
    Terminate,
    /// The app cannot be seen any more.
    #[cfg(target_os = "android")]
    Hidden,
    /// The connection may be gone, or another network is there.
    #[cfg(target_os = "android")]
    Network,
}

/// Passes on what the agent tells.
#[derive(Clone)]
struct Messenger(UnboundedSender<Told>);

impl Messenger {
    fn send(&self, told: Told) {
        if self.0.send(told).is_err() {
            tracing::debug!(?told, "told when the window was gone");
        }
    }
}

impl Observer for Messenger {
    fn event(&self, event: Event) {
        self.send(Told::Event(event));
    }

    fn erase_step_done(&self, step: EraseStep) {
        self.send(Told::EraseStep(step));
    }

    fn documents(&self, _progress: DocumentsProgress) {
        self.send(Told::Documents);
    }

    fn notes(&self, _progress: NotesProgress) {
        self.send(Told::Notes);
    }
}

/// Work that nobody waits for any more is not gone on with.
struct EndedWhenDropped<T>(JoinHandle<T>);

impl<T> Drop for EndedWhenDropped<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The agent of one home, and the connection that is kept for it.
pub(crate) struct Engine {
    runtime: Handle,
    agent: Arc<Agent>,
    connection: Mutex<Option<JoinHandle<()>>>,
    messenger: Messenger,
}

impl Engine {
    /// Opens the home, making it if there is none. An interrupted erase goes on before this returns.
    pub(crate) fn open(
        runtime: Handle,
        home: &Home,
        platform: Platform,
        told: UnboundedSender<Told>,
    ) -> Result<Self, OpenError> {
        home.create()?;
        let messenger = Messenger(told);
        let agent = Agent::open(home.clone(), platform, Arc::new(messenger.clone()))?;
        Ok(Self { runtime, agent, connection: Mutex::default(), messenger })
    }

    /// The agent itself.
    pub(crate) fn agent(&self) -> &Arc<Agent> {
        &self.agent
    }

    /// What is allowed now.
    pub(crate) fn policy(&self) -> Policy {
        self.agent.policy()
    }

    /// Keeps a connection from now on, trying at once if there is none. Without an enrolment there is nothing to connect.
    pub(crate) fn stay_connected(&self) {
        let (agent, messenger) = (Arc::clone(&self.agent), self.messenger.clone());
        let keeping = self.runtime.spawn(async move {
            match agent.run().await {
                Ok(_) | Err(AgentError::Unenrolled) => {}
                Err(error) => {
                    tracing::error!(%error, "the connection is given up");
                    messenger.send(Told::Unusable);
                }
            }
        });
        if let Some(before) = self.keeping().replace(keeping) {
            before.abort();
        }
    }

    fn keeping(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the keeping of a connection, and waits until it has ended.
    pub(crate) async fn disconnect(&self) {
        let keeping = self.keeping().take();
        if let Some(keeping) = keeping {
            keeping.abort();
            // It ends as cancelled, or had ended before.
            drop(keeping.await);
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, AgentError> {
        self.runtime.spawn(work).await.map_err(|_| AgentError::Task)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Agent) -> T + Send + 'static,
    ) -> Result<T, AgentError> {
        let agent = Arc::clone(&self.agent);
        self.runtime.spawn_blocking(move || work(&agent)).await.map_err(|_| AgentError::Task)
    }

    /// How the device stands.
    pub(crate) async fn status(&self) -> Result<Status, AgentError> {
        self.blocking(Agent::status).await
    }

    /// Enrols. What was begun here for somebody else and never completed is removed on the way.
    pub(crate) async fn enrol(&self, request: EnrolRequest) -> Result<Enrolled, EnrolError> {
        let again = EnrolRequest {
            code: request.code.clone(),
            server: request.server.clone(),
            pin: request.pin.clone(),
            pins: request.pins.clone(),
        };
        self.disconnect().await;
        let agent = Arc::clone(&self.agent);
        let enrolled = self.run(async move {
            match agent.enrol(request).await {
                Err(EnrolError::BegunForAnother) => agent.enrol(again).await,
                outcome => outcome,
            }
        });
        let outcome = enrolled.await.map_err(EnrolError::from)?;
        if outcome.is_err() {
            // An enrolment that is not complete may have been here before, and may still be blocked or wiped.
            self.stay_connected();
        }
        outcome
    }

    /// Opens the vault: on the connection that is up, or within a lease, or on a connection made for it.
    pub(crate) async fn unlock(&self, pin: Zeroizing<String>) -> Result<Unlocked, UnlockError> {
        let status = self.status().await?;
        let agent = Arc::clone(&self.agent);
        if status.connected || status.lease.is_some() {
            return self.run(async move { agent.unlock(pin).await }).await?;
        }
        self.disconnect().await;
        let unlocked = self.run(async move {
            let (link, unlocked) = agent.connect_and_unlock(pin).await?;
            if let Some(link) = link {
                agent.close(link).await;
            }
            Ok(unlocked)
        });
        let outcome = unlocked.await;
        self.stay_connected();
        outcome?
    }

    /// Opens a damaged vault, mending it on the way. What became of it is said also where the opening failed after that.
    pub(crate) async fn mend(
        &self,
        way: WayBack,
        pin: Zeroizing<String>,
    ) -> (Result<Unlocked, UnlockError>, Option<Mended>) {
        let mending = self.agent.mend(way);
        let outcome = self.unlock(pin).await;
        (outcome, mending.end())
    }

    /// Puts another PIN in the place of the one that holds.
    pub(crate) async fn change_pin(
        &self,
        old: Zeroizing<String>,
        new: Zeroizing<String>,
    ) -> Result<(), ChangePinError> {
        let agent = Arc::clone(&self.agent);
        self.run(async move { agent.change_pin(old, new).await }).await?
    }

    /// Closes the vault.
    pub(crate) async fn lock(&self) -> Result<(), AgentError> {
        self.blocking(Agent::lock).await
    }

    /// The notes and photos in the vault, where each stands, and how many wait.
    pub(crate) async fn notes(&self) -> Result<(Vec<NoteStatus>, NotesProgress), AgentError> {
        self.blocking(|agent| Ok((agent.notes()?, agent.notes_progress()?))).await?
    }

    /// The documents that this account may read, there or coming.
    pub(crate) async fn documents(&self) -> Result<Vec<Document>, AgentError> {
        self.blocking(Agent::documents).await?
    }

    /// A notice was read.
    pub(crate) async fn mark_read(&self, id: DocumentId) -> Result<(), AgentError> {
        self.blocking(move |agent| agent.mark_read(id)).await?
    }

    /// The contents of a document of at most `limit` bytes, as of a file.
    pub(crate) async fn document(
        &self,
        document: &Document,
        limit: usize,
    ) -> Result<Zeroizing<Vec<u8>>, FileTransferError> {
        let (id, mut sink) = (document.id, Bounded::expecting(document.size, limit));
        self.blocking(move |agent| {
            agent.document(id, &mut sink)?;
            Ok(sink.bytes)
        })
        .await?
    }

    /// What of a document can be drawn. Dropped, it ends what draws it.
    pub(crate) async fn view(
        &self,
        viewer: Viewer,
        bytes: Zeroizing<Vec<u8>>,
        declared: String,
        ask: Ask,
    ) -> Result<Content, NotShown> {
        let work = self.runtime.spawn(async move { viewer.view(&bytes, &declared, ask).await });
        let mut work = EndedWhenDropped(work);
        (&mut work.0).await.unwrap_or(Err(NotShown::NotStarted))
    }

    /// The version and the contents of a note of at most `limit` bytes.
    pub(crate) async fn note(
        &self,
        id: NoteId,
        limit: usize,
    ) -> Result<(u64, Zeroizing<Vec<u8>>), FileTransferError> {
        self.blocking(move |agent| agent.note(id, limit)).await?
    }

    /// Stores a note that was opened in this version, or beside it if it has changed since; durable when this returns.
    pub(crate) async fn save_note(
        &self,
        id: NoteId,
        opened: Option<u64>,
        bytes: Zeroizing<Vec<u8>>,
    ) -> Result<SavedNote, AgentError> {
        self.blocking(move |agent| agent.save_note(id, opened, &bytes)).await?
    }

    /// Removes a note that was opened in this version; `false` if it has changed since, and is kept.
    pub(crate) async fn delete_note(&self, id: NoteId, opened: u64) -> Result<bool, AgentError> {
        self.blocking(move |agent| agent.delete_note(id, opened)).await?
    }
}

impl Drop for Engine {
    /// The connection goes with the engine: it would keep the agent, and the home, for itself.
    fn drop(&mut self) {
        if let Some(keeping) = self.keeping().take() {
            keeping.abort();
        }
    }
}

/// Bytes in memory up to a limit.
struct Bounded {
    bytes: Zeroizing<Vec<u8>>,
    limit: usize,
}

impl Bounded {
    fn expecting(size: u64, limit: usize) -> Self {
        let expected = usize::try_from(size).unwrap_or(usize::MAX).min(limit);
        Self { bytes: Zeroizing::new(Vec::with_capacity(expected)), limit }
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_limit_is_not_read_into_memory() {
        let mut sink = Bounded { bytes: Zeroizing::default(), limit: 5 };
        sink.write_all(b"1234").unwrap();
        assert_eq!(sink.write_all(b"56").unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        sink.write_all(b"5").unwrap();
        assert_eq!(sink.bytes.as_slice(), b"12345");
    }
}
