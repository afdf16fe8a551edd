//! One stream on which anything may be said in any order, and what comes back.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use quinn::{Connection, ConnectionError, ReadError, ReadExactError, RecvStream, SendStream};
use shared::wire::{DecodeError, Frame, Kind, Message, PREFIX_LEN, RefusalReason, Refused};
use tokio::time::timeout;

/// How long an answer is waited for: longer than the server's own patience.
const PATIENCE: Duration = Duration::from_secs(40);

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A message.
    Frame(Frame),
    /// Bytes that are no message of this version.
    Garbage(DecodeError),
    /// The stream ended.
    End,
    /// The other side closed the connection with this application code (RFC 9000 section 10.2).
    Closed(u64),
    /// The connection broke otherwise.
    Lost(String),
    /// Nothing came in time.
    Silence,
}

impl Answer {
    /// Which message it is.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Frame(frame) => Some(frame.kind()),
            _ => None,
        }
    }

    /// Why it was refused, if that is what it says.
    pub fn refusal(&self) -> Option<RefusalReason> {
        match self {
            Self::Frame(frame) => frame.decode::<Refused>().ok().map(|refused| refused.reason),
            _ => None,
        }
    }

    /// The message, which has to be an `M`.
    pub fn message<M: Message>(&self) -> anyhow::Result<M> {
        match self {
            Self::Frame(frame) => {
                let message = frame.decode();
                message.with_context(|| match self.refusal() {
                    Some(reason) => format!("refused: {reason}"),
                    None => format!("a {:?} came", frame.kind()),
                })
            }
            other => anyhow::bail!("no message came: {other:?}"),
        }
    }
}

/// A well-formed frame of any kind and body.
pub fn frame(kind: u16, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    hostile_frame(1, kind, body)
}

/// A frame of any version, kind and body, however long.
pub fn hostile_frame(version: u8, kind: u16, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![0; PREFIX_LEN];
    ciborium::into_writer(&(version, kind, serde_bytes::Bytes::new(body)), &mut bytes)?;
    let length = u32::try_from(bytes.len() - PREFIX_LEN)?;
    bytes[..PREFIX_LEN].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// One bidirectional stream.
pub struct RawStream {
    connection: Connection,
    send: SendStream,
    recv: RecvStream,
}

impl RawStream {
    /// Opens one; waits until the other side allows it.
    pub async fn open(connection: &Connection) -> anyhow::Result<Self> {
        let (send, recv) =
            timeout(PATIENCE, connection.open_bi()).await.context("no stream was allowed")??;
        Ok(Self { connection: connection.clone(), send, recv })
    }

    /// Waits for one that the other side opens, as long as the connection lives.
    pub async fn accept(connection: &Connection) -> anyhow::Result<Self> {
        let (send, recv) = connection.accept_bi().await?;
        Ok(Self { connection: connection.clone(), send, recv })
    }

    /// Sends bytes as they are.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        timeout(PATIENCE, self.send.write_all(bytes)).await.context("the other side does not read")??;
        Ok(())
    }

    /// Sends a message.
    pub async fn send<M: Message>(&mut self, message: &M) -> anyhow::Result<()> {
        self.send_bytes(&message.to_frame()).await
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        // A stream that the other side has stopped is finished as well.
        let _ = self.send.finish();
    }

    /// What comes back next.
    pub async fn answer(&mut self) -> Answer {
        match timeout(PATIENCE, self.read_frame()).await {
            Ok(Ok(bytes)) => match Frame::parse(&bytes) {
                Ok(frame) => Answer::Frame(frame),
                Err(error) => Answer::Garbage(error),
            },
            Ok(Err(error)) => self.ended(error),
            Err(_) => Answer::Silence,
        }
    }

    /// The bytes of the next frame, prefix included.
    pub async fn next_bytes(&mut self) -> anyhow::Result<Vec<u8>> {
        let body = timeout(PATIENCE, self.read_frame()).await.context("nothing came")??;
        let length = u32::try_from(body.len())?;
        Ok([&length.to_be_bytes(), body.as_slice()].concat())
    }

    /// Sends a message and waits for what comes back.
    pub async fn ask<M: Message>(&mut self, message: &M) -> anyhow::Result<Answer> {
        self.send(message).await?;
        Ok(self.answer().await)
    }

    async fn read_frame(&mut self) -> Result<Vec<u8>, ReadExactError> {
        let mut prefix = [0; PREFIX_LEN];
        self.recv.read_exact(&mut prefix).await?;
        let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
        // Nothing honest is longer; a longer frame is cut here and does not parse.
        let mut body = vec![0; length.min(1024 * 1024)];
        self.recv.read_exact(&mut body).await?;
        Ok(body)
    }

    fn ended(&self, error: ReadExactError) -> Answer {
        let lost = match error {
            ReadExactError::FinishedEarly(_) | ReadExactError::ReadError(ReadError::Reset(_)) => None,
            ReadExactError::ReadError(ReadError::ConnectionLost(error)) => Some(error),
            ReadExactError::ReadError(error) => return Answer::Lost(error.to_string()),
        };
        match lost.or_else(|| self.connection.close_reason()) {
            None => Answer::End,
            Some(error) => closed(&error),
        }
    }
}

/// How a connection ended.
pub(super) fn closed(error: &ConnectionError) -> Answer {
    match error {
        ConnectionError::ApplicationClosed(close) => Answer::Closed(close.error_code.into_inner()),
        other => Answer::Lost(other.to_string()),
    }
}

/// Waits until the other side has closed the connection.
pub(super) async fn wait_closed(connection: &Connection) -> anyhow::Result<Answer> {
    let error = timeout(PATIENCE, connection.closed()).await.context("the connection was not closed")?;
    Ok(closed(&error))
}

/// A TLS exporter that proofs are bound to.
pub(super) fn exporter(connection: &Connection, label: &[u8]) -> anyhow::Result<[u8; 32]> {
    let mut exporter = [0; 32];
    let exported = connection.export_keying_material(&mut exporter, label, b"");
    ensure!(exported.is_ok(), "the connection exports no keying material");
    Ok(exporter)
}
