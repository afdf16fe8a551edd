//! A connection to the server, and one exchange on it: frames in, frames out, within limits and a time.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream, VarInt};
use rustls::pki_types::CertificateDer;
use shared::wire::{
    CommandMessage, DecodeError, Frame, Kind, Message, PREFIX_LEN, RefusalReason, Refused, Unsupported,
    body_length,
};

use crate::device_state::ANSWER_WITHIN;
use crate::tls;

/// Application close code (docs/formats/wire.md): a command waits for the device; connect again and say hello.
const COMMAND_WAITS: VarInt = VarInt::from_u32(5);
/// The same: the device key is not registered.
const UNKNOWN_DEVICE: VarInt = VarInt::from_u32(2);
/// Three ways there and back over a link of two seconds.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
/// Frames of unknown kinds that are answered on one stream before it is given up.
const UNKNOWN_FRAMES: usize = 8;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name does not resolve.
    #[error("the address {server} cannot be found ({reason}): check it, and whether this device is online")]
    Resolve {
        /// `host:port`.
        server: String,
        /// What the resolver said.
        reason: String,
    },
    /// No socket, no route.
    #[error("this device is offline: {0}")]
    Offline(String),
    /// Nothing came back.
    #[error("{0} does not answer: it is down, or UDP is blocked on this network; try another network")]
    Silent(String),
    /// The key in the handshake is not pinned.
    #[error(
        "the server at {0} does not have the key that this device knows: nothing was sent; tell the administrator"
    )]
    WrongServer(String),
    /// The handshake or the connection failed otherwise.
    #[error("no connection to {server}: {reason}")]
    Failed {
        /// `host:port`.
        server: String,
        /// What went wrong.
        reason: String,
    },
}

/// Why an exchange did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The connection or stream broke.
    #[error("the connection to the server was lost ({0}): try again")]
    Lost(String),
    /// Nothing came in time.
    #[error("the server did not answer in time: try again")]
    Timeout,
    /// Not a message this side accepts.
    #[error("the server sent something that is not understood: {0}")]
    Decode(#[from] DecodeError),
    /// The server says no.
    #[error("{0}")]
    Refused(RefusalReason),
    /// The server says no, and when to come again.
    #[error("too many tries: try again in {0} seconds")]
    TooSoon(u32),
    /// The server answered with a command: a wiped enrolment gets nothing else.
    #[error("the server answered with a command")]
    Command(Vec<u8>),
    /// The server does not know the message.
    #[error("the server does not support message kind {0}: it is older than this app")]
    Unsupported(u16),
}

/// A connection and the socket under it. Dropping it hangs up.
#[derive(Debug)]
pub struct Link {
    pub(crate) connection: Connection,
    endpoint: Endpoint,
}

impl Link {
    /// Connects to `server` (`host:port`), trying each of its addresses.
    pub(crate) async fn open(server: &str, config: quinn::ClientConfig) -> Result<Self, ConnectError> {
        let resolved = tokio::net::lookup_host(server).await.map_err(|error| ConnectError::Resolve {
            server: server.to_owned(),
            reason: error.to_string(),
        })?;
        let mut last = ConnectError::Resolve { server: server.to_owned(), reason: "no address".to_owned() };
        for address in resolved {
            match Self::open_address(server, address, config.clone()).await {
                Ok(link) => return Ok(link),
                // A server that answers with another key says more than an address that cannot be reached.
                Err(_) if matches!(last, ConnectError::WrongServer(_)) => {}
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn open_address(
        server: &str,
        address: SocketAddr,
        config: quinn::ClientConfig,
    ) -> Result<Self, ConnectError> {
        let local = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let endpoint = Endpoint::client(local).map_err(|error| ConnectError::Offline(error.to_string()))?;
        let connecting = endpoint
            .connect_with(config, address, tls::SERVER_NAME)
            .map_err(|error| ConnectError::Failed { server: server.to_owned(), reason: error.to_string() })?;
        match tokio::time::timeout(CONNECT_WITHIN, connecting).await {
            Ok(Ok(connection)) => Ok(Self { connection, endpoint }),
            Ok(Err(error)) => Err(connect_error(server, &error)),
            Err(_) => Err(ConnectError::Silent(server.to_owned())),
        }
    }

    /// Whether the server has hung up because a command waits.
    pub(crate) fn command_waits(&self) -> bool {
        command_waits(&self.connection)
    }

    /// Whether the server has hung up because it knows no such device.
    pub(crate) fn is_unknown_device(&self) -> bool {
        closed_with(&self.connection, UNKNOWN_DEVICE)
    }

    /// SHA-256 of the SubjectPublicKeyInfo that the server showed.
    pub(crate) fn server_fingerprint(&self) -> Option<[u8; 32]> {
        let identity = self.connection.peer_identity()?;
        let chain = identity.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        tls::key_fingerprint(chain.first()?)
    }

    /// Says goodbye and waits until it is said.
    pub(crate) async fn close(self) {
        self.connection.close(VarInt::from_u32(0), b"");
        // The peer may be gone; what is owed to it is one packet.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.endpoint.wait_idle()).await;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.connection.close(VarInt::from_u32(0), b"");
    }
}

/// Whether the server has closed the connection because a command waits.
pub(crate) fn command_waits(connection: &Connection) -> bool {
    closed_with(connection, COMMAND_WAITS)
}

fn closed_with(connection: &Connection, code: VarInt) -> bool {
    match connection.close_reason() {
        Some(ConnectionError::ApplicationClosed(close)) => close.error_code == code,
        _ => false,
    }
}

fn connect_error(server: &str, error: &ConnectionError) -> ConnectError {
    let server = server.to_owned();
    match error {
        ConnectionError::TimedOut => ConnectError::Silent(server),
        // TLS alert unknown_ca (RFC 8446 section 6.2) is what our own verifier raises for a key that is not pinned.
        ConnectionError::TransportError(error) if u64::from(error.code) == 0x100 + 48 => {
            ConnectError::WrongServer(server)
        }
        other => ConnectError::Failed { server, reason: other.to_string() },
    }
}

fn lost(error: impl std::fmt::Display) -> ExchangeError {
    ExchangeError::Lost(error.to_string())
}

/// One bidirectional stream.
pub(crate) struct Exchange {
    send: SendStream,
    recv: RecvStream,
}

impl Exchange {
    /// Opens one.
    pub(crate) async fn open(connection: &Connection) -> Result<Self, ExchangeError> {
        let (send, recv) = connection.open_bi().await.map_err(lost)?;
        Ok(Self { send, recv })
    }

    /// Takes one that the server opened.
    pub(crate) fn accepted((send, recv): (SendStream, RecvStream)) -> Self {
        Self { send, recv }
    }

    pub(crate) async fn send<M: Message>(&mut self, message: &M) -> Result<(), ExchangeError> {
        self.send.write_all(&message.to_frame()).await.map_err(lost)
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&mut self) {
        // Finishing a stream that the peer has stopped changes nothing.
        let _ = self.send.finish();
    }

    /// The next frame of a known kind; others are answered as unsupported and skipped.
    pub(crate) async fn receive(&mut self) -> Result<Frame, ExchangeError> {
        tokio::time::timeout(ANSWER_WITHIN, self.receive_known()).await.map_err(|_| ExchangeError::Timeout)?
    }

    async fn receive_known(&mut self) -> Result<Frame, ExchangeError> {
        for _ in 0..UNKNOWN_FRAMES {
            let mut prefix = [0; PREFIX_LEN];
            self.recv.read_exact(&mut prefix).await.map_err(lost)?;
            let mut body = vec![0; body_length(prefix)?];
            self.recv.read_exact(&mut body).await.map_err(lost)?;
            match Frame::parse(&body) {
                Err(DecodeError::UnknownKind(kind)) => self.send(&Unsupported { kind }).await?,
                parsed => return Ok(parsed?),
            }
        }
        Err(lost("too many messages of unknown kinds"))
    }

    /// The next message, which has to be an `M`; refusals, commands and "unsupported" become errors of their own.
    pub(crate) async fn expect<M: Message>(&mut self) -> Result<M, ExchangeError> {
        Ok(self.answer().await?.decode()?)
    }

    /// The same where more than one kind of message may come.
    pub(crate) async fn answer(&mut self) -> Result<Frame, ExchangeError> {
        let frame = self.receive().await?;
        match frame.kind() {
            Kind::Refused => match frame.decode()? {
                Refused { reason: RefusalReason::TooManyTries, retry_after: Some(seconds) } => {
                    Err(ExchangeError::TooSoon(seconds))
                }
                Refused { reason, .. } => Err(ExchangeError::Refused(reason)),
            },
            Kind::Command => Err(ExchangeError::Command(frame.decode::<CommandMessage>()?.command)),
            Kind::Unsupported => Err(ExchangeError::Unsupported(frame.decode::<Unsupported>()?.kind)),
            _ => Ok(frame),
        }
    }

    /// Waits until the peer has ended the stream, too.
    pub(crate) async fn wait_for_end(&mut self, at_most: Duration) {
        // What is waited for is a courtesy: the message is repeated at the next hello.
        let _ = tokio::time::timeout(at_most, self.recv.read_to_end(1024)).await;
    }

    /// Sends one message and expects one answer, on a stream of its own.
    pub(crate) async fn ask<Q: Message, A: Message>(
        connection: &Connection,
        question: &Q,
    ) -> Result<A, ExchangeError> {
        let mut exchange = Self::open(connection).await?;
        exchange.send(question).await?;
        exchange.finish();
        exchange.expect().await
    }
}
