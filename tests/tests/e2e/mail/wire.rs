//! What can be read between the two: everything goes through here and is kept.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

pub(super) use e2e::world::files::contains;

/// A relay that keeps what the client says. It ends when it is dropped.
pub(super) struct Tap {
    address: SocketAddr,
    said: Arc<Mutex<Vec<u8>>>,
    _runtime: Runtime,
}

impl Tap {
    /// In front of this address.
    pub(super) fn before(server: SocketAddr) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, said) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<u8>>>::default());
        let kept = said.clone();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server, kept.clone()));
            }
        });
        Self { address, said, _runtime: runtime }
    }

    /// Where it listens on this machine.
    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// All that the client has said.
    pub(super) fn said(&self) -> Vec<u8> {
        self.said.lock().unwrap().clone()
    }
}

async fn relay(client: TcpStream, server: SocketAddr, said: Arc<Mutex<Vec<u8>>>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::join!(pass(from_client, to_server, Some(said)), pass(from_server, to_client, None));
}

/// Until one of the two ends.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    said: Option<Arc<Mutex<Vec<u8>>>>,
) {
    let mut part = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut part).await {
        if let Some(said) = &said {
            said.lock().unwrap().extend_from_slice(&part[..length]);
        }
        if to.write_all(&part[..length]).await.is_err() {
            return;
        }
    }
}
