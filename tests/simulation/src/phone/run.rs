//! `client_agent::run`: connect, hello, wait; again after a pause when the connection breaks; until the device is erased.

use std::rc::Rc;
use std::time::Duration;

use client_core::{Backoff, State};
use shared::wire::RefusalReason;

use super::agent::{Agent, AgentError};
use crate::executor::either;
use crate::network::{Close, ExchangeError};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How often the real agent looks at the clock: an open vault may be late by so much.
pub(crate) const TICK: Duration = Duration::from_secs(1);

impl Agent {
    /// Until the process ends.
    pub(crate) async fn run(self: Rc<Self>) {
        // Time is kept whatever becomes of the network.
        let time = self.clone();
        self.phone.sim.executor.spawn(self.phone.owner(), async move { time.keep_time().await });
        self.stay_connected().await;
    }

    /// Ticks when a deadline has passed, up to a second late, and every minute while a durable lease runs. The real agent
    /// ticks each second; the ticks in between find nothing to do.
    async fn keep_time(&self) {
        let executor = &self.phone.sim.executor;
        loop {
            let until = {
                let inner = self.inner.borrow();
                let moment = self.phone.moment();
                let until = inner.session.next_deadline().map(|deadline| moment.boot.until(deadline));
                let stores = inner.session.lease_to_store(moment, [0; 16]).map(|_| Duration::from_secs(60));
                until.into_iter().chain(stores).min()
            };
            let late = Duration::from_millis(self.phone.sim.draw(1..1000));
            match until {
                None => self.ticks.notified().await,
                Some(until) => {
                    let slept = executor.sleep(until.saturating_add(late));
                    if either(slept, self.ticks.notified()).await.is_ok() {
                        self.tick();
                    }
                }
            }
        }
    }

    async fn stay_connected(self: &Rc<Self>) {
        let executor = &self.phone.sim.executor;
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let rng = &mut self.phone.sim.crypto.clone();
        loop {
            match self.state() {
                // The app enrols again: nothing to do until it has.
                State::Gone | State::Unenrolled => {
                    self.wake.notified().await;
                    continue;
                }
                State::Wiping => self.continue_erase(),
                _ => {}
            }
            let mut call_back = false;
            match self.connect_and_serve(&mut backoff).await {
                Ok(close) => call_back = close == Close::CommandWaits,
                Err(AgentError::Missing(what)) => {
                    // Its key went with an enrolment that is begun again.
                    self.phone.say("phone: cannot connect", || format!("no {what}"));
                    self.wake.notified().await;
                    continue;
                }
                Err(AgentError::Exchange(ExchangeError::Refused(
                    reason @ (RefusalReason::NotEnrolled | RefusalReason::DeviceUnknown),
                ))) => {
                    // The real agent goes on asking, every few seconds, and gets the same answer: that is left out.
                    self.phone.say("phone: refused", || reason.to_string());
                    self.wake.notified().await;
                }
                Err(error) => self.phone.say("phone: not connected", || error.to_string()),
            }
            let pause = if call_back { backoff.called_back(rng) } else { backoff.failed(rng) };
            executor.sleep(pause).await;
            // The real agent tries every few seconds; tries that cannot reach anybody are left out.
            while !(self.phone.body.is_reachable() && self.phone.sim.server_is_up()) {
                self.phone.sim.reachable.notified().await;
            }
        }
    }

    async fn connect_and_serve(self: &Rc<Self>, backoff: &mut Backoff) -> Result<Close, AgentError> {
        let connection = self.connect().await?;
        let outcome = match self.greet_once(&connection).await {
            Ok(()) => {
                backoff.succeeded();
                self.serve(&connection).await
            }
            Err(error) => Err(error),
        };
        let close = connection.close_reason();
        self.close(&connection);
        if close == Some(Close::CommandWaits) {
            return Ok(Close::CommandWaits);
        }
        outcome.map(|()| close.unwrap_or(Close::Done))
    }

    /// Until the connection breaks, or a wipe has been obeyed.
    async fn serve(&self, connection: &crate::network::Connection) -> Result<(), AgentError> {
        loop {
            if matches!(self.state(), State::Wiping | State::Gone) {
                return self.deliver_receipt(connection).await;
            }
            if either(connection.closed(), self.wake.notified()).await.is_ok() {
                return Ok(());
            }
        }
    }
}
