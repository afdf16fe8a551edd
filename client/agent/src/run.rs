//! Staying connected: connect, hello, wait; again after a pause when the connection breaks; until the device is erased.

use std::sync::Arc;
use std::time::Duration;

use client_core::{Backoff, State};
use shared::wire::RefusalReason;

use crate::agent::{Agent, Event, rng};
use crate::error::AgentError;
use crate::link::{ExchangeError, Link};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// The longest after an answer that somebody at the office or at the phone has to change: rare enough for thousands of phones left
/// behind by an enrolment that broke off, and soon enough for a wipe or for whoever waits for the helpdesk's act. Opening the app
/// or enrolling asks at once.
const LONGEST_PAUSE_UNCURED: Duration = Duration::from_secs(15 * 60);
/// How often the clock is looked at.
const TICK: Duration = Duration::from_secs(1);

/// Why [`Agent::run`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// The device was erased and the server has the receipt.
    Erased,
}

/// How a connection ended that was up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ConnectionEnd {
    /// The server asks to be called back: a command waits.
    CommandWaits,
    /// In any other way.
    Lost,
}

/// Whether an answer stays what it is until somebody does something about it.
fn is_uncured(error: &AgentError) -> bool {
    use RefusalReason::{DeviceUnknown, NotEnrolled};
    match error {
        AgentError::Exchange(ExchangeError::Refused(reason)) => matches!(reason, NotEnrolled | DeviceUnknown),
        AgentError::UnknownDevice => true,
        _ => false,
    }
}

/// How long the server has said that it answers nothing.
fn asked_to_wait(error: &AgentError) -> Option<Duration> {
    match error {
        AgentError::Exchange(ExchangeError::TooSoon(seconds)) => {
            Some(Duration::from_secs((*seconds).into()).min(LONGEST_PAUSE_UNCURED))
        }
        _ => None,
    }
}

impl Agent {
    /// Stays connected and obeys until the device is erased. Whoever wants it to stop drops the future, and then closes
    /// the agent.
    pub async fn run(self: &Arc<Self>) -> Result<RunEnd, AgentError> {
        // One future, not two tasks: who drops it is rid of both, and of what they hold of the agent.
        tokio::select! {
            end = self.stay_connected() => end,
            error = self.keep_time() => Err(error),
        }
    }

    /// Never ends unless time cannot be kept any more: then nothing would end leases.
    async fn keep_time(self: &Arc<Self>) -> AgentError {
        loop {
            tokio::time::sleep(TICK).await;
            if let Err(error) = self.blocking(Self::tick).await {
                return error;
            }
        }
    }

    async fn stay_connected(self: &Arc<Self>) -> Result<RunEnd, AgentError> {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            match self.state() {
                State::Gone => return Ok(RunEnd::Erased),
                State::Unenrolled => return Err(AgentError::Unenrolled),
                // A step that failed is tried again, also without a network.
                State::Wiping => self.blocking(Self::continue_erase).await?,
                _ => {}
            }
            let pause = match self.connect_and_serve(&mut backoff).await {
                Ok(ConnectionEnd::CommandWaits) => backoff.called_back(&mut rng()),
                Ok(ConnectionEnd::Lost) => backoff.failed(&mut rng()),
                // This device's own files are not usable: waiting does not cure that.
                Err(error @ (AgentError::Missing(_) | AgentError::Tls(_))) => return Err(error),
                Err(error) => {
                    tracing::info!(%error, "not connected");
                    let pause = match is_uncured(&error) {
                        true => backoff.failed_within(LONGEST_PAUSE_UNCURED, &mut rng()),
                        false => backoff.failed(&mut rng()),
                    };
                    asked_to_wait(&error).map_or(pause, |wait| pause.max(wait))
                }
            };
            if self.state() != State::Gone {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    // Enrolled meanwhile, or woken otherwise.
                    () = self.wake.notified() => {}
                }
            }
        }
    }

    async fn connect_and_serve(self: &Arc<Self>, backoff: &mut Backoff) -> Result<ConnectionEnd, AgentError> {
        let link = self.connect().await?;
        let outcome = match self.greet_once(&link).await {
            Ok(()) => {
                backoff.succeeded();
                // Beside the commands: who waits for a chunk is not to hold up a wipe.
                tokio::select! {
                    end = self.serve(&link) => end,
                    never = self.do_content(&link.connection) => match never {},
                }
            }
            Err(error) => Err(error),
        };
        let command_waits = link.command_waits();
        let unknown = link.is_unknown_device();
        self.close(link).await;
        self.observer.event(Event::Disconnected);
        // Whatever else failed then, failed because the server had hung up.
        match outcome {
            _ if command_waits => Ok(ConnectionEnd::CommandWaits),
            _ if unknown => Err(AgentError::UnknownDevice),
            outcome => outcome.map(|()| ConnectionEnd::Lost),
        }
    }

    /// Until the connection breaks, or a wipe has been obeyed.
    async fn serve(self: &Arc<Self>, link: &Link) -> Result<(), AgentError> {
        // What was unlocked before this connection came is shown on it as well.
        self.grant_news.notify_one();
        loop {
            if matches!(self.state(), State::Wiping | State::Gone) {
                return self.deliver_receipt(&link.connection).await;
            }
            tokio::select! {
                _ = link.connection.closed() => return Ok(()),
                () = self.grant_news.notified() => self.tell_grant(&link.connection).await,
                () = self.wake.notified() => {}
            }
        }
    }
}
