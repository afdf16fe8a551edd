//! A relay of UDP packets that reads none of them: the honest way from one address to another.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, JoinSet};

const PACKET: usize = 64 * 1024;

/// Passes packets on until it is dropped.
pub struct Relay {
    address: SocketAddr,
    task: AbortHandle,
}

impl Relay {
    /// A relay to `server`.
    pub async fn start(server: SocketAddr) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let address = socket.local_addr()?;
        let task = tokio::spawn(pass_on(Arc::new(socket), server)).abort_handle();
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(front: Arc<UdpSocket>, server: SocketAddr) -> std::io::Result<()> {
    let mut ways: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut returning = JoinSet::new();
    let mut packet = vec![0; PACKET];
    loop {
        let (length, client) = front.recv_from(&mut packet).await?;
        let way = match ways.get(&client) {
            Some(way) => way.clone(),
            None => {
                let way = Arc::new(UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?);
                way.connect(server).await?;
                returning.spawn(pass_back(front.clone(), way.clone(), client));
                ways.insert(client, way.clone());
                way
            }
        };
        // A packet that cannot be sent is a packet lost.
        let _ = way.send(&packet[..length]).await;
    }
}

async fn pass_back(front: Arc<UdpSocket>, way: Arc<UdpSocket>, client: SocketAddr) {
    let mut packet = vec![0; PACKET];
    while let Ok(length) = way.recv(&mut packet).await {
        let _ = front.send_to(&packet[..length], client).await;
    }
}
