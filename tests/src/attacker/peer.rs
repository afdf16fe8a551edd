//! A device that keeps no rule, on [`ALPN_DEVICE`].

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use quinn::{Connection, Endpoint};
use rand::rngs::OsRng;
use shared::crypto::Secret;
use shared::grant::GrantKey;
use shared::ids::EnrolmentId;
use shared::opaque::{ExportKey, FinishedLogin, LoginStart, OpaqueError, Stretching, client_input};
use shared::wire::{
    ALPN_DEVICE, EXPORTER_LABEL_GRANT, GrantProof, Hello, Kind, Message, Run, RunAnswer, UnlockChallenge,
    UnlockFinish, UnlockStart,
};

use super::identity::Identity;
use super::raw::{Answer, RawStream, exporter, wait_closed};
use super::stolen::Unopened;
use super::tls;

/// How often an attacker's copy was opened, as it says: no less than whatever the server knows.
const LIE: u64 = u64::MAX;

/// A right KE3, not sent.
pub struct Challenged {
    /// The stream on which KE2 came.
    pub stream: RawStream,
    /// KE3.
    pub ke3: Vec<u8>,
    /// What the slot was sealed with.
    pub export_key: ExportKey,
    /// What proves the session grant, once KE3 was sent.
    pub grant_key: GrantKey,
}

/// Connects from a socket of its own. The endpoint must live as long as the connection.
pub(super) async fn connect(
    server: SocketAddr,
    alpn: &[u8],
    identity: Option<&Identity>,
) -> anyhow::Result<(Endpoint, Connection)> {
    let endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let connection = endpoint.connect_with(tls::client(alpn, identity)?, server, tls::NAME)?.await?;
    Ok((endpoint, connection))
}

/// A connection that says whatever it is told.
pub struct RawDevice {
    _endpoint: Endpoint,
    connection: Connection,
    run: Option<Run>,
}

impl RawDevice {
    /// Connects as `identity`, or without a certificate.
    pub async fn connect(server: SocketAddr, identity: Option<&Identity>) -> anyhow::Result<Self> {
        let (endpoint, connection) = connect(server, ALPN_DEVICE, identity).await?;
        Ok(Self { _endpoint: endpoint, connection, run: identity.map(Identity::run) })
    }

    /// Connects and reads nothing that the server sends on streams.
    pub async fn connect_deaf(server: SocketAddr, identity: &Identity) -> anyhow::Result<Self> {
        Self::connect_hearing(server, identity, 0).await
    }

    /// The same, but each stream brings so many bytes before somebody reads them: short answers come, long ones are stuck.
    pub async fn connect_hearing(server: SocketAddr, identity: &Identity, bytes: u8) -> anyhow::Result<Self> {
        let mut config = tls::client(ALPN_DEVICE, Some(identity))?;
        tls::deafen(&mut config, bytes)?;
        let endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let connection = endpoint.connect_with(config, server, tls::NAME)?.await?;
        Ok(Self { _endpoint: endpoint, connection, run: Some(identity.run()) })
    }

    /// The proof of a session grant over this connection.
    pub fn grant_tag(&self, key: &GrantKey, enrolment: EnrolmentId) -> anyhow::Result<[u8; 32]> {
        Ok(key.tag(enrolment, &exporter(&self.connection, EXPORTER_LABEL_GRANT)?))
    }

    /// Opens a stream.
    pub async fn stream(&self) -> anyhow::Result<RawStream> {
        RawStream::open(&self.connection).await
    }

    /// Waits for a stream of the server: a pushed command.
    pub async fn accept(&self) -> anyhow::Result<RawStream> {
        RawStream::accept(&self.connection).await
    }

    /// Sends one message on a stream of its own; what comes back.
    pub async fn ask<M: Message>(&self, message: &M) -> anyhow::Result<Answer> {
        let mut stream = self.stream().await?;
        stream.ask(message).await
    }

    /// A hello of this device.
    pub fn hello_message(&self) -> Hello {
        Hello {
            app_version: "attacker".to_owned(),
            last_applied: None,
            vault_epoch: LIE,
            checkpoint: None,
            signed_checkpoint: None,
            not_enforced: Vec::new(),
            run: self.run,
            pins: None,
        }
    }

    /// Says hello.
    pub async fn hello(&self) -> anyhow::Result<Answer> {
        self.ask(&self.hello_message()).await
    }

    /// Answers probes of its run until the connection ends, as an app does.
    pub async fn answer_probes(&self) -> anyhow::Result<()> {
        let run = self.run.context("an identity")?.id;
        while let Ok(mut stream) = self.accept().await {
            if stream.answer().await.kind() == Some(Kind::RunProbe) {
                stream.send(&RunAnswer { run }).await?;
            }
        }
        Ok(())
    }

    /// Proves a session grant over this connection.
    pub async fn prove_grant(&self, key: &GrantKey, enrolment: EnrolmentId) -> anyhow::Result<Answer> {
        let mut exporter = [0; 32];
        let exported = self.connection.export_keying_material(&mut exporter, EXPORTER_LABEL_GRANT, b"");
        anyhow::ensure!(exported.is_ok(), "the connection exports no keying material");
        self.ask(&GrantProof { tag: key.tag(enrolment, &exporter) }).await
    }

    /// Sends a KE1 for some PIN, and waits for nothing.
    pub async fn send_ke1(&self) -> anyhow::Result<RawStream> {
        let (_, ke1) = LoginStart::make(Secret::make(&mut OsRng), &mut OsRng)?;
        let mut stream = self.stream().await?;
        stream.send(&UnlockStart { ke1, vault_epoch: LIE }).await?;
        Ok(stream)
    }

    /// Sends a KE1 for some PIN. The stream stays open for a KE3.
    pub async fn start_unlock(&self) -> anyhow::Result<(RawStream, Answer)> {
        let mut stream = self.send_ke1().await?;
        let answer = stream.answer().await;
        Ok((stream, answer))
    }

    /// Sends a KE1 for this PIN and works out KE3.
    pub async fn challenge(
        &self,
        pin: &str,
        device_secret: &Secret<32>,
        enrolment: EnrolmentId,
        stretching: Stretching,
    ) -> Result<Challenged, Unopened> {
        let input = client_input(pin, device_secret, enrolment);
        let (login, ke1) = LoginStart::make(input, &mut OsRng).map_err(anyhow::Error::from)?;
        let mut stream = self.stream().await?;
        let answer = stream.ask(&UnlockStart { ke1, vault_epoch: LIE }).await?;
        if answer.kind() != Some(Kind::UnlockChallenge) {
            return Err(Unopened::NoHelp(answer));
        }
        let challenge: UnlockChallenge = answer.message()?;
        match login.finish(&challenge.ke2, enrolment, stretching, &mut OsRng) {
            Ok(FinishedLogin { ke3, export_key, grant_key }) => {
                Ok(Challenged { stream, ke3, export_key, grant_key })
            }
            Err(OpaqueError::NotVerified) => Err(Unopened::WrongPin),
            Err(other) => Err(Unopened::Broken(other.into())),
        }
    }

    /// A whole unlock; what comes back to KE3.
    pub async fn unlock(
        &self,
        pin: &str,
        device_secret: &Secret<32>,
        enrolment: EnrolmentId,
    ) -> Result<Answer, Unopened> {
        let mut challenged = self.challenge(pin, device_secret, enrolment, Stretching::default()).await?;
        Ok(challenged.stream.ask(&UnlockFinish { ke3: challenged.ke3 }).await?)
    }

    /// Comes `times` times and asks something each time. How often the server had let it send data before the handshake
    /// was over, by what it had given it before.
    pub async fn come_early(server: SocketAddr, identity: &Identity, times: usize) -> anyhow::Result<usize> {
        let config = tls::client(ALPN_DEVICE, Some(identity))?;
        let endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let mut early = 0;
        for _ in 0..times {
            let connecting = endpoint.connect_with(config.clone(), server, tls::NAME)?;
            let connection = match connecting.into_0rtt() {
                Ok((connection, accepted)) => {
                    early += usize::from(accepted.await);
                    connection
                }
                Err(connecting) => connecting.await?,
            };
            let device = Self { _endpoint: endpoint.clone(), connection, run: Some(identity.run()) };
            device.hello().await?;
            device.connection.close(0_u8.into(), b"");
        }
        Ok(early)
    }

    /// Waits until the server has closed the connection.
    pub async fn closed(&self) -> anyhow::Result<Answer> {
        wait_closed(&self.connection).await
    }
}
