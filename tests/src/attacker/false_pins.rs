//! A server with a key of its own that hands out updates of the server's keys, and waits for phones to believe them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use quinn::crypto::rustls::HandshakeData;
use quinn::{Connection, Endpoint};
use shared::wire::{ALPN_DEVICE, ALPN_PINS, PinsAnswer, PinsRequest};
use tokio::task::AbortHandle;

use super::identity::Identity;
use super::raw::RawStream;
use super::tls;

/// What came of it.
#[derive(Default)]
struct Counts {
    asked: usize,
    believed: usize,
}

/// Listens until it is dropped.
pub struct FalsePins {
    endpoint: Endpoint,
    address: SocketAddr,
    updates: Arc<Mutex<Vec<Vec<u8>>>>,
    counts: Arc<Mutex<Counts>>,
    task: AbortHandle,
}

impl FalsePins {
    /// Starts one that shows `identity`.
    pub fn start(identity: &Identity) -> anyhow::Result<Self> {
        let config = tls::server_of(&[ALPN_DEVICE, ALPN_PINS], identity)?;
        let endpoint = Endpoint::server(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = endpoint.local_addr()?;
        let (updates, counts) = (Arc::default(), Arc::default());
        let serving = serve(endpoint.clone(), Arc::clone(&updates), Arc::clone(&counts));
        let task = tokio::spawn(serving).abort_handle();
        Ok(Self { endpoint, address, updates, counts, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Hands these out from now.
    pub fn hand_out(&self, updates: Vec<Vec<u8>>) {
        *self.updates.lock().unwrap_or_else(PoisonError::into_inner) = updates;
    }

    /// How often it was asked for updates.
    pub fn asked(&self) -> usize {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).asked
    }

    /// How many phones have taken it for their server.
    pub fn believed(&self) -> usize {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).believed
    }
}

impl Drop for FalsePins {
    fn drop(&mut self) {
        self.task.abort();
        self.endpoint.close(0_u8.into(), b"");
    }
}

async fn serve(endpoint: Endpoint, updates: Arc<Mutex<Vec<Vec<u8>>>>, counts: Arc<Mutex<Counts>>) {
    while let Some(incoming) = endpoint.accept().await {
        let (updates, counts) = (Arc::clone(&updates), Arc::clone(&counts));
        tokio::spawn(async move {
            // A phone that sees a key it does not know ends the handshake.
            let Ok(connection) = incoming.await else { return };
            if protocol(&connection).as_deref() == Some(ALPN_PINS) {
                counts.lock().unwrap_or_else(PoisonError::into_inner).asked += 1;
                let updates = updates.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Err(error) = answer(&connection, updates).await {
                    tracing::debug!(%error, "a phone left without its answer");
                }
            } else if connection.accept_bi().await.is_ok() {
                // It speaks only after it has verified the key.
                counts.lock().unwrap_or_else(PoisonError::into_inner).believed += 1;
            }
            connection.closed().await;
        });
    }
}

fn protocol(connection: &Connection) -> Option<Vec<u8>> {
    connection.handshake_data()?.downcast::<HandshakeData>().ok()?.protocol
}

async fn answer(connection: &Connection, updates: Vec<Vec<u8>>) -> anyhow::Result<()> {
    let mut stream = RawStream::accept(connection).await?;
    let PinsRequest {} = stream.answer().await.message()?;
    stream.send(&PinsAnswer { updates: updates.into_iter().map(Into::into).collect() }).await
}
