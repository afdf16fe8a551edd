//! Work over content streams: what goes on by itself while a connection is up and the vault is open. Here: when it runs, when it
//! is tried again, when it ends. What is done is in `documents` and `outbox`.
//!
//! Each kind of work is a function `async fn(&Arc<Agent>, &Connection) -> Result<Option<Duration>, AgentError>` that does everything
//! there is to do and returns. What fails by itself it sets aside ([`is_of_one_stream`]), and says after how long that is to be
//! tried again. It opens its streams by [`Agent::content`], which proves the session grant first, and touches the vault by
//! [`Agent::with_vault`] inside [`Agent::blocking`], one chunk at a time. To add a kind: a [`Notify`] in [`ContentWork`] that
//! wakes it, and a line in [`Agent::do_content`]. The kinds run side by side, so that a long download does not hold up a note.
//!
//! A future of work is dropped in the middle when the connection goes or the vault closes (lock, block, wipe, the end of a lease):
//! what it holds has to leave nothing open then, and what it has begun on the disk is found again by the next.

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use client_core::Backoff;
use client_core::sync::Misbehaviour;
use quinn::Connection;
use rand::Rng as _;
use shared::wire::RefusalReason;
use tokio::sync::{Notify, watch};

use crate::agent::{Agent, rng};
use crate::documents::{self, Desk};
use crate::error::AgentError;
use crate::link::ExchangeError;
use crate::outbox::{self, Edits};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Without news, work is looked for after so long, and up to a quarter more: phones that came together do not stay together.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(240);

/// What work over content streams is woken by, and what it keeps while the vault is open.
#[derive(Default)]
pub(crate) struct ContentWork {
    opening: watch::Sender<Opening>,
    /// There may be news of documents.
    pub(crate) documents: Notify,
    desk: Mutex<Option<Arc<Desk>>>,
    /// There may be notes to send, or news of them.
    pub(crate) notes: Notify,
    notes_desk: Mutex<Option<(Opening, outbox::Desk)>>,
    edits: Mutex<Edits>,
    /// Held by whoever proves the session grant.
    pub(crate) proving: tokio::sync::Mutex<()>,
}

/// One opening of the vault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Opening {
    number: u64,
    is_open: bool,
}

impl ContentWork {
    pub(crate) fn vault_opened(&self) {
        self.opening.send_modify(|opening| *opening = Opening { number: opening.number + 1, is_open: true });
    }

    /// Whatever work holds of the vault goes.
    pub(crate) fn vault_closed(&self) {
        self.opening.send_modify(|opening| opening.is_open = false);
        *self.desk() = None;
        // Who is at this desk needs what the caller holds, and clears it when leaving.
        if let Ok(mut desk) = self.notes_desk.try_lock() {
            *desk = None;
        }
    }

    /// The opening that there is now.
    pub(crate) fn opening(&self) -> Opening {
        *self.opening.borrow()
    }

    /// What is known of documents in this opening of the vault.
    pub(crate) fn desk(&self) -> MutexGuard<'_, Option<Arc<Desk>>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ContentWork {
    /// What is known of notes, and in which opening of the vault.
    pub(crate) fn notes_desk(&self) -> MutexGuard<'_, Option<(Opening, outbox::Desk)>> {
        self.notes_desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When notes were last written.
    pub(crate) fn edits(&self) -> MutexGuard<'_, Edits> {
        self.edits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it is one stream that has failed, on a connection that is good, and in a way that says nothing of the device or the moment:
/// what was asked for there cannot be had now, and others can.
pub(crate) fn is_of_one_stream(connection: &Connection, error: &AgentError) -> bool {
    let is_of_one = match error {
        AgentError::Documents(misbehaviour) => *misbehaviour == Misbehaviour::Chunk,
        AgentError::Exchange(ExchangeError::Refused(reason)) => {
            matches!(reason, RefusalReason::Unavailable | RefusalReason::Malformed | RefusalReason::Other(_))
        }
        AgentError::Exchange(error) => matches!(error, ExchangeError::Lost(_) | ExchangeError::Decode(_)),
        _ => false,
    };
    is_of_one && connection.close_reason().is_none()
}

impl Agent {
    /// Has documents looked for now: news of the server, or somebody who waits.
    pub fn look_for_documents(&self) {
        self.content.documents.notify_one();
    }

    /// All work over content streams of one connection. Never ends by itself.
    pub(crate) async fn do_content(self: &Arc<Self>, connection: &Connection) -> Infallible {
        tokio::select! {
            never = self.keep_doing(&self.content.documents, || documents::sync(self, connection)) => never,
            never = self.keep_doing(&self.content.notes, || outbox::sync(self, connection)) => never,
        }
    }

    /// Does one kind of work whenever the vault is open: at once, when `news` come, and from time to time; after a failure with
    /// growing pauses.
    async fn keep_doing<W>(self: &Arc<Self>, news: &Notify, work: impl Fn() -> W) -> Infallible
    where
        W: Future<Output = Result<Option<Duration>, AgentError>>,
    {
        let mut opening = self.content.opening.subscribe();
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            // The sender lives in the agent, and so longer than this.
            drop(opening.wait_for(|opening| opening.is_open).await);
            let outcome = tokio::select! {
                outcome = work() => outcome,
                _ = opening.changed() => continue,
            };
            let pause = match outcome {
                Ok(next_try) => {
                    backoff.succeeded();
                    let look_again = LOOK_AGAIN.mul_f64(1.0 + rng().gen_range(0.0..0.25));
                    next_try.map_or(look_again, |next_try| next_try.min(look_again))
                }
                Err(error) => {
                    self.work_failed(error).await;
                    backoff.failed(&mut rng())
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = news.notified() => {}
                _ = opening.changed() => {}
            }
        }
    }

    async fn work_failed(self: &Arc<Self>, error: AgentError) {
        let AgentError::Exchange(ExchangeError::Command(command)) = error else {
            return tracing::info!(%error, "work over a content stream ended early and is tried again");
        };
        // A wiped enrolment is answered with its wipe and nothing else.
        let obeyed = self.blocking(move |agent| agent.obey(&command)).await;
        if let Err(error) = obeyed.and_then(std::convert::identity) {
            tracing::error!(%error, "a command in the place of content was not obeyed");
        }
    }
}
