//! Content on its way to a device: every part is handed to the connection in the enrolment's turn and only if it may leave by
//! then, and what was handed over and has not left is taken back when it may not leave any more.

use std::time::{Duration, Instant};

use shared::wire::{DocumentRequest, Message};
use tokio::time::timeout;

use super::PATIENCE;
use super::content::readable;
use super::device::Caller;
use super::exchange::{Exchange, ExchangeError};
use crate::service::Service;

/// How long a part may wait for the phone to read before others of the enrolment have their turn.
const HOLD_TURN: Duration = Duration::from_millis(200);
/// How often it is asked whether what was handed to the connection may still leave.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What has to be true for a part to leave.
#[derive(Debug, Clone)]
pub(super) enum While {
    /// The session grant holds.
    Granted,
    /// It holds, and the account may read this version of the document.
    Readable(DocumentRequest),
}

/// An answer of any length.
pub(super) struct Outgoing<'a> {
    service: &'a Service,
    caller: &'a Caller,
    exchange: &'a mut Exchange,
    condition: While,
    has_begun: bool,
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(
        service: &'a Service,
        caller: &'a Caller,
        exchange: &'a mut Exchange,
        condition: While,
    ) -> Self {
        Self { service, caller, exchange, condition, has_begun: false }
    }

    /// Hands a message to the connection. Whoever waits for a phone that does not read gives the enrolment's turn away
    /// meanwhile, and asks again whether it may go on.
    pub(super) async fn send<M: Message>(&mut self, message: &M) -> Result<(), ExchangeError> {
        let sent = self.hand_over(&message.to_frame()).await;
        self.or_taken_back(sent)
    }

    /// Waits until all of it was received, as long as it may be.
    pub(super) async fn deliver(mut self) -> Result<(), ExchangeError> {
        loop {
            if timeout(LOOK_EVERY, self.exchange.delivered()).await.is_ok() {
                return Ok(());
            }
            let may_go_on = self.may_go_on().await;
            self.or_taken_back(may_go_on)?;
        }
    }

    async fn hand_over(&mut self, frame: &[u8]) -> Result<(), ExchangeError> {
        let (mut rest, mut heard) = (frame, Instant::now());
        while !rest.is_empty() {
            let _held = self.caller.turn(self.service).await?;
            self.may_go_on().await?;
            match timeout(HOLD_TURN, self.exchange.send_some(rest)).await {
                Ok(written) => (rest, heard) = (&rest[written?..], Instant::now()),
                Err(_) if heard.elapsed() > PATIENCE => return Err(ExchangeError::Gone),
                Err(_) => {}
            }
            self.has_begun |= rest.len() < frame.len();
        }
        Ok(())
    }

    /// A failure before anything was handed over is told to the device; one in the middle ends the stream where it stands.
    fn or_taken_back(&mut self, outcome: Result<(), ExchangeError>) -> Result<(), ExchangeError> {
        if outcome.is_err() && self.has_begun {
            self.exchange.abandon();
        }
        outcome
    }

    async fn may_go_on(&self) -> Result<(), ExchangeError> {
        match &self.condition {
            While::Granted => self.caller.content(self.service).await.map(drop),
            While::Readable(request) => {
                let readable = readable(self.service, self.caller, request).await?;
                readable.map(drop).ok_or(ExchangeError::Gone)
            }
        }
    }
}
