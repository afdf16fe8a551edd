//! A server of [`ALPN_DEVICE`] with a stolen TLS key: phones believe who it is, and it says to them what it likes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use quinn::{Connection, Endpoint};
use shared::crypto::hazmat::sha256;
use shared::policy::Policy;
use shared::wire::{
    ALPN_DEVICE, CommandMessage, EnrolmentStanding, HelloReply, Kind, ReceiptAck, ReceiptMessage,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::identity::Identity;
use super::raw::{Answer, RawStream};
use super::tls;

const PATIENCE: Duration = Duration::from_secs(60);

/// Listens until it is dropped.
pub struct FalseServer {
    endpoint: Endpoint,
    address: SocketAddr,
}

impl FalseServer {
    /// Starts one that shows `identity`.
    pub fn start(identity: &Identity) -> anyhow::Result<Self> {
        let config = tls::server(ALPN_DEVICE, identity)?;
        let endpoint = Endpoint::server(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = endpoint.local_addr()?;
        Ok(Self { endpoint, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for a phone. Its hello is answered kindly, a receipt is acknowledged.
    pub async fn accept(&self) -> anyhow::Result<FalseLink> {
        let incoming = timeout(PATIENCE, self.endpoint.accept()).await.context("no phone came")?;
        let connection = incoming.context("the false server is closed")?.await?;
        let (sender, receipts) = mpsc::unbounded_channel();
        tokio::spawn(answer_streams(connection.clone(), sender));
        Ok(FalseLink { connection, receipts })
    }
}

/// A phone's connection to a [`FalseServer`].
pub struct FalseLink {
    connection: Connection,
    receipts: mpsc::UnboundedReceiver<Vec<u8>>,
}

impl FalseLink {
    /// Sends bytes as a command; what the phone says to it.
    pub async fn command(&self, command: &[u8]) -> anyhow::Result<Answer> {
        let mut stream = RawStream::open(&self.connection).await?;
        stream.ask(&CommandMessage { command: command.to_vec() }).await
    }

    /// Waits for a receipt.
    pub async fn receipt(&mut self) -> anyhow::Result<Vec<u8>> {
        let receipt = timeout(PATIENCE, self.receipts.recv()).await.context("no receipt came")?;
        receipt.context("the phone went away without a receipt")
    }
}

async fn answer_streams(connection: Connection, receipts: mpsc::UnboundedSender<Vec<u8>>) {
    while let Ok(mut stream) = RawStream::accept(&connection).await {
        let receipts = receipts.clone();
        tokio::spawn(async move {
            if let Err(error) = answer(&mut stream, &receipts).await {
                tracing::debug!(%error, "a phone's stream ended early");
            }
        });
    }
}

async fn answer(stream: &mut RawStream, receipts: &mpsc::UnboundedSender<Vec<u8>>) -> anyhow::Result<()> {
    let asked = stream.answer().await;
    match asked.kind() {
        Some(Kind::Hello) => stream.send(&kind_reply()).await,
        Some(Kind::Receipt) => {
            let receipt = asked.message::<ReceiptMessage>()?.receipt;
            stream.send(&ReceiptAck { digest: sha256(&[&receipt]) }).await?;
            Ok(receipts.send(receipt)?)
        }
        other => anyhow::bail!("the false server does not answer {other:?}"),
    }
}

fn kind_reply() -> HelloReply {
    HelloReply {
        server_time: Timestamp::now(),
        standing: EnrolmentStanding::Live,
        commands: Vec::new(),
        policy: Policy::default(),
        checkpoint: None,
        renew: false,
        pin_updates: Vec::new(),
    }
}
