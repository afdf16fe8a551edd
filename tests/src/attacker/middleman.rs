//! A middleman: ends TLS towards the client with a key of its own, speaks TLS to the real server, and passes frames on.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use quinn::{Connection, Endpoint};
use shared::wire::{ALPN_ENROL, Frame, PREFIX_LEN};
use tokio::task::AbortHandle;

use super::identity::Identity;
use super::peer::connect;
use super::raw::RawStream;
use super::tls;

/// What went through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overheard {
    /// From clients to the server.
    pub from_client: Vec<Frame>,
    /// From the server to clients.
    pub from_server: Vec<Frame>,
}

type Shared = Arc<Mutex<Overheard>>;

/// Stands between clients and a server until it is dropped.
pub struct Middleman {
    address: SocketAddr,
    overheard: Shared,
    endpoint: Endpoint,
    task: AbortHandle,
}

impl Middleman {
    /// Stands before `server`.
    pub fn start(server: SocketAddr) -> anyhow::Result<Self> {
        let config = tls::server(ALPN_ENROL, &Identity::fresh()?)?;
        let endpoint = Endpoint::server(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = endpoint.local_addr()?;
        let overheard = Shared::default();
        let task = tokio::spawn(serve(endpoint.clone(), server, overheard.clone())).abort_handle();
        Ok(Self { address, overheard, endpoint, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What went through by now.
    pub fn overheard(&self) -> Overheard {
        self.overheard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Middleman {
    fn drop(&mut self) {
        self.task.abort();
        self.endpoint.close(0_u8.into(), b"");
    }
}

async fn serve(endpoint: Endpoint, server: SocketAddr, overheard: Shared) {
    while let Some(incoming) = endpoint.accept().await {
        let overheard = overheard.clone();
        tokio::spawn(async move {
            let Ok(client) = incoming.await else { return };
            if let Err(error) = stand_between(&client, server, overheard).await {
                tracing::debug!(%error, "the middleman's conversation ended");
            }
        });
    }
}

async fn stand_between(client: &Connection, server: SocketAddr, overheard: Shared) -> anyhow::Result<()> {
    let mut before = RawStream::accept(client).await?;
    let (_endpoint, connection) = connect(server, ALPN_ENROL, None).await?;
    let mut behind = RawStream::open(&connection).await?;
    // An enrolment is a conversation in turns that the client begins.
    loop {
        let question = before.next_bytes().await?;
        note(&overheard, &question, |overheard| &mut overheard.from_client);
        behind.send_bytes(&question).await?;
        let answer = behind.next_bytes().await?;
        note(&overheard, &answer, |overheard| &mut overheard.from_server);
        before.send_bytes(&answer).await?;
    }
}

fn note(overheard: &Shared, bytes: &[u8], list: impl FnOnce(&mut Overheard) -> &mut Vec<Frame>) {
    if let Ok(frame) = Frame::parse(&bytes[PREFIX_LEN..]) {
        list(&mut overheard.lock().unwrap_or_else(PoisonError::into_inner)).push(frame);
    }
}
