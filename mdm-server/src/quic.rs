//! The door for devices: one UDP socket, three protocols told apart by ALPN, everything bounded before it is known who calls.

mod content;
mod device;
mod enrol;
mod exchange;
mod grant;
mod limits;
mod live;
mod notes;
mod outgoing;
mod pin;
mod pins;
mod rates;
mod second;
mod second_device;
mod unlock;

pub use live::LiveConnections;
pub(crate) use notes::Receiving;
pub(crate) use rates::{CALLS_PER_MINUTE, DeviceRate, REPORTS_PER_MINUTE};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::BbrConfig;
use quinn::crypto::rustls::{HandshakeData, QuicServerConfig};
use quinn::{Endpoint, IdleTimeout, Incoming, TransportConfig, VarInt};
use shared::wire::{ALPN_DEVICE, ALPN_ENROL, ALPN_PINS};
use tokio::sync::watch;

use self::limits::Limits;
use crate::service::Service;

/// Streams that one peer may have open at a time.
const MAX_STREAMS: u32 = 16;
/// Bytes that one stream may have under way to the server: some frames, so that a long way does not slow a phone down.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Bytes that one connection may have under way to the device: 1 MB a second over a way of two seconds.
const SEND_WINDOW: u64 = 2 * 1024 * 1024;
/// Silence after which a connection is given up; devices send keep-alives more often.
const IDLE: Duration = Duration::from_secs(60);
/// Time for a handshake, and for each message of an exchange.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Close codes of the application (RFC 9000 section 20.2).
mod close {
    use super::VarInt;

    pub(super) const DONE: VarInt = VarInt::from_u32(0);
    pub(super) const NO_CERTIFICATE: VarInt = VarInt::from_u32(1);
    pub(super) const UNKNOWN_DEVICE: VarInt = VarInt::from_u32(2);
    pub(super) const TOO_MANY: VarInt = VarInt::from_u32(3);
    pub(super) const SHUTDOWN: VarInt = VarInt::from_u32(4);
    pub(super) const COMMAND_WAITS: VarInt = VarInt::from_u32(5);
    pub(super) const REPLACED: VarInt = VarInt::from_u32(6);
}

/// Why the QUIC side does not start.
#[derive(Debug, thiserror::Error)]
pub enum QuicError {
    /// The socket.
    #[error("cannot listen for devices on UDP {address}: {cause}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// The TLS configuration lacks what QUIC needs.
    #[error("cannot configure QUIC: {0}")]
    Config(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
}

/// Opens the socket.
pub fn bind(tls: rustls::ServerConfig, address: SocketAddr) -> Result<Endpoint, QuicError> {
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(MAX_STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(STREAM_WINDOW * 4))
        .send_window(SEND_WINDOW)
        // Mobile links lose packets without being full: ADR 12.
        .congestion_controller_factory(Arc::new(BbrConfig::default()))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE.as_millis() as u32))));
    config.transport_config(Arc::new(transport));
    Endpoint::server(config, address).map_err(|cause| QuicError::Bind { address, cause })
}

/// Serves devices until `shutdown` turns true.
pub async fn serve(service: Arc<Service>, endpoint: Endpoint, mut shutdown: watch::Receiver<bool>) {
    let limits = Arc::new(Limits::default());
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            _ = shutdown.wait_for(|down| *down) => None,
        };
        let Some(incoming) = incoming else { break };
        admit(&service, &limits, &endpoint, incoming);
    }
    endpoint.close(close::SHUTDOWN, b"the server is shutting down");
    endpoint.wait_idle().await;
}

/// Decides on a first packet. Who has not proved its address can only use up what is set aside for the unproved: forged
/// packets with somebody's address cost that somebody a round trip, not the service.
fn admit(service: &Arc<Service>, limits: &Arc<Limits>, endpoint: &Endpoint, incoming: Incoming) {
    let source = incoming.remote_address().ip();
    let open = endpoint.open_connections();
    if !incoming.remote_address_validated() {
        if limits.is_crowded(open) || !limits.admits_unproved(source) {
            // A retry that cannot be sent is a packet lost: the client sends again.
            let _ = incoming.retry();
            return;
        }
    } else if !limits.admits_handshake(source) {
        return incoming.refuse();
    }
    if limits.is_full(open) {
        return incoming.refuse();
    }
    let (service, limits) = (service.clone(), limits.clone());
    tokio::spawn(async move {
        if let Err(error) = handle(service, limits, incoming).await {
            tracing::debug!(%error, "connection ended");
        }
    });
}

async fn handle(
    service: Arc<Service>,
    limits: Arc<Limits>,
    incoming: Incoming,
) -> Result<(), quinn::ConnectionError> {
    let Ok(connection) = tokio::time::timeout(PATIENCE, incoming.accept()?).await else { return Ok(()) };
    let connection = connection?;
    let protocol = connection
        .handshake_data()
        .and_then(|data| data.downcast::<HandshakeData>().ok())
        .and_then(|data| data.protocol);
    match protocol.as_deref() {
        Some(ALPN_ENROL) => enrol::serve(&service, &limits, connection).await,
        Some(ALPN_PINS) => pins::serve(&service, &limits, connection).await,
        Some(ALPN_DEVICE) => device::serve(service, connection).await,
        _ => connection.close(close::DONE, b"unknown protocol"),
    }
    Ok(())
}
