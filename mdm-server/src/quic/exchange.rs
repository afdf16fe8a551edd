//! One bidirectional stream: frames in, frames out, each within its limit and in time.

use mdm_store::{CommitError, ReadError, UnlockRecordsError};
use quinn::{RecvStream, SendStream};
use shared::wire::{
    CommandMessage, DecodeError, Frame, Message, PREFIX_LEN, RefusalReason, Refused, Unsupported, body_length,
};
use tokio::time::timeout;

use super::PATIENCE;
use crate::use_cases::UseCaseError;

/// Why an exchange ends early.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    /// The peer went away, or said nothing in time.
    #[error("the peer went away")]
    Gone,
    /// The peer sent what it should not.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The rules say no.
    #[error("refused: {0}")]
    Refused(RefusalReason),
    /// The device asks too often.
    #[error("the device asks too often: the next time in {seconds} s")]
    TooSoon {
        /// When it may ask again.
        seconds: u32,
    },
    /// The enrolment is wiped: answered with this signed command and nothing else.
    #[error("the enrolment is wiped")]
    Wiped(Vec<u8>),
    /// The server cannot do its part.
    #[error(transparent)]
    Server(#[from] UseCaseError),
}

impl From<RefusalReason> for ExchangeError {
    fn from(reason: RefusalReason) -> Self {
        Self::Refused(reason)
    }
}

impl From<ReadError> for ExchangeError {
    fn from(error: ReadError) -> Self {
        Self::Server(error.into())
    }
}

impl From<CommitError> for ExchangeError {
    fn from(error: CommitError) -> Self {
        Self::Server(error.into())
    }
}

impl From<UnlockRecordsError> for ExchangeError {
    fn from(cause: UnlockRecordsError) -> Self {
        Self::Server(UseCaseError::UnlockRecords { done: "", cause })
    }
}

impl ExchangeError {
    /// What the peer is told, if anybody is there to hear it. Inner errors stay in the log.
    fn reason(&self) -> Option<RefusalReason> {
        match self {
            Self::Gone | Self::Wiped(_) => None,
            Self::Decode(_) => Some(RefusalReason::Malformed),
            Self::Refused(reason) => Some(*reason),
            Self::TooSoon { .. } => Some(RefusalReason::TooManyTries),
            Self::Server(_) => Some(RefusalReason::Unavailable),
        }
    }
}

/// One stream.
pub(super) struct Exchange {
    send: SendStream,
    recv: RecvStream,
}

impl Exchange {
    pub(super) fn new((send, recv): (SendStream, RecvStream)) -> Self {
        Self { send, recv }
    }

    /// The next frame of a kind that is known. Others are answered and passed over.
    pub(super) async fn frame(&mut self) -> Result<Frame, ExchangeError> {
        timeout(PATIENCE, self.known_frame()).await.map_err(|_| ExchangeError::Gone)?
    }

    async fn known_frame(&mut self) -> Result<Frame, ExchangeError> {
        loop {
            let mut prefix = [0; PREFIX_LEN];
            self.recv.read_exact(&mut prefix).await.map_err(|_| ExchangeError::Gone)?;
            let mut bytes = vec![0; body_length(prefix)?];
            self.recv.read_exact(&mut bytes).await.map_err(|_| ExchangeError::Gone)?;
            match Frame::parse(&bytes) {
                Err(DecodeError::UnknownKind(kind)) => self.send(&Unsupported { kind }).await?,
                parsed => return Ok(parsed?),
            }
        }
    }

    /// The next message, which must be an `M`.
    pub(super) async fn receive<M: Message>(&mut self) -> Result<M, ExchangeError> {
        Ok(self.frame().await?.decode()?)
    }

    /// Sends a message.
    pub(super) async fn send<M: Message>(&mut self, message: &M) -> Result<(), ExchangeError> {
        let frame = message.to_frame();
        let written = timeout(PATIENCE, self.send.write_all(&frame)).await;
        written.map_err(|_| ExchangeError::Gone)?.map_err(|_| ExchangeError::Gone)
    }

    /// Hands some of `bytes` to the connection, and says how many: all of them or fewer. Dropped before that, none.
    pub(super) async fn send_some(&mut self, bytes: &[u8]) -> Result<usize, ExchangeError> {
        self.send.write(bytes).await.map_err(|_| ExchangeError::Gone)
    }

    /// Ends this side, and waits until the peer has received all of it, or does not want it any more.
    pub(super) async fn delivered(&mut self) {
        // Ended before, or stopped by the peer: there is nothing to wait for then.
        let _ = self.send.finish();
        let _ = self.send.stopped().await;
    }

    /// Takes back what was not sent yet; the peer hears that there is an end and no more.
    pub(super) fn abandon(&mut self) {
        // A stream that has ended has nothing to take back.
        let _ = self.send.reset(super::close::DONE);
    }

    /// Ends the exchange as it went, telling the peer of a failure, and waits until it was received.
    pub(super) async fn finish(mut self, result: Result<(), ExchangeError>) {
        if let Err(error) = result {
            match &error {
                ExchangeError::Server(cause) => tracing::error!(%cause, "exchange failed"),
                other => tracing::debug!(error = %other, "exchange ended"),
            }
            if let ExchangeError::Wiped(command) = error {
                // The same bytes at every question until the receipt comes; one that is not heard costs nothing.
                let _ = self.send(&CommandMessage { command }).await;
            } else if let Some(reason) = error.reason() {
                // A peer that is gone by now needs no answer.
                let retry_after = match error {
                    ExchangeError::TooSoon { seconds } => Some(seconds),
                    _ => None,
                };
                let _ = self.send(&Refused { reason, retry_after }).await;
            }
        }
        if self.send.finish().is_ok() {
            let _ = timeout(PATIENCE, self.send.stopped()).await;
        }
    }
}
