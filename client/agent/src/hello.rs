//! Connecting as an enrolled device, the hello and what it brings, commands that the server pushes, and renewal.

use std::sync::{Arc, Weak};
use std::time::Duration;

use client_core::State;
use quinn::Connection;
use rustls::pki_types::CertificateDer;
use shared::cose;
use shared::signed::Checkpoint;
use shared::wire::{
    ALPN_DEVICE, CommandMessage, CommandResult, EnrolmentStanding, Hello, HelloReply, Kind, Message,
    RefusalReason, Refused, Renew, Renewed, RunAnswer, Unsupported,
};

use crate::agent::{Agent, Event, Inner};
use crate::clock::moment;
use crate::device_state::DeviceState;
use crate::error::AgentError;
use crate::link::{Exchange, ExchangeError, Link};
use crate::tls::{client_config, key_fingerprint};

const COMMAND_FRAMES: usize = 8;

impl Agent {
    /// Connects with the device certificate. From here on commands that the server pushes are obeyed; [`Agent::greet`] has
    /// to follow before anything else.
    pub async fn connect(self: &Arc<Self>) -> Result<Link, AgentError> {
        let link = self.find_server(|| self.open_link()).await?;
        tokio::spawn(accept_commands(Arc::downgrade(self), link.connection.clone()));
        Ok(link)
    }

    async fn open_link(self: &Arc<Self>) -> Result<Link, AgentError> {
        let (server, pins, certificate) = {
            let inner = self.inner();
            let erasing = inner.erase.as_ref().map(|erase| &erase.device);
            let device = erasing.or(inner.device.as_ref()).ok_or(match inner.session.state() {
                State::Gone => AgentError::Wiped,
                _ => AgentError::Unenrolled,
            })?;
            (device.server.clone(), device.pins(), device.certificate.clone())
        };
        let key = self.platform.device_key.load()?.ok_or(AgentError::Missing("the device key"))?;
        let config = client_config(ALPN_DEVICE, Some(pins), Some((certificate, key)))?;
        Ok(Link::open(&server, config).await?)
    }

    /// Closes a connection that [`Agent::connect`] made.
    pub async fn close(self: &Arc<Self>, link: Link) {
        self.tell_grant_ended(&link.connection).await;
        self.set_connection(None);
        link.close().await;
    }

    pub(crate) fn set_connection(&self, connection: Option<Connection>) {
        *self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = connection;
    }

    /// The connection that is up now.
    pub(crate) fn connection(&self) -> Option<Connection> {
        let connection = self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        connection.filter(|connection| connection.close_reason().is_none())
    }

    /// Says hello and obeys what comes back: commands, policy, renewal. A wipe is obeyed to the end, receipt included. If the
    /// server hangs up meanwhile because a command waits, that is fetched on one more connection.
    pub async fn greet(self: &Arc<Self>, link: &Link) -> Result<(), AgentError> {
        match self.greet_once(link).await {
            Err(_) if link.command_waits() => self.fetch_command().await,
            outcome => outcome,
        }
    }

    /// The server has hung up because a command waits: says hello on one more connection, which obeys it.
    pub(crate) async fn fetch_command(self: &Arc<Self>) -> Result<(), AgentError> {
        let link = self.connect().await?;
        let outcome = self.greet_once(&link).await;
        self.close(link).await;
        outcome
    }

    pub(crate) async fn greet_once(self: &Arc<Self>, link: &Link) -> Result<(), AgentError> {
        let connection = &link.connection;
        let hello = self.blocking(Self::hello).await?;
        match Exchange::ask::<_, HelloReply>(connection, &hello).await {
            Err(ExchangeError::Command(command)) => {
                self.blocking(move |agent| agent.obey(&command)).await??
            }
            Err(error) => return Err(error.into()),
            Ok(_) if self.state() == State::Wiping => {}
            Ok(reply) => {
                let renew = reply.renew;
                let updates = reply.pin_updates.clone();
                let taken =
                    self.blocking(move |agent| agent.take_pins(&mut agent.inner(), &updates)).await??;
                if let Some(taken) = taken {
                    report(connection, taken).await?;
                }
                let before = self.inner().session.progress().last_applied;
                self.blocking(move |agent| agent.take_reply(&reply)).await??;
                let after = self.inner().session.progress().last_applied;
                if let Some(last_applied) = after.filter(|_| after != before) {
                    report(connection, CommandResult { last_applied }).await?;
                }
                if renew && self.state() != State::Wiping {
                    self.renew(connection).await?;
                }
            }
        }
        if self.state() == State::Wiping {
            self.observer.event(Event::Connected);
            return self.deliver_receipt(connection).await;
        }
        self.set_connection(Some(connection.clone()));
        self.observer.event(Event::Connected);
        Ok(())
    }

    /// Blocking.
    fn hello(&self) -> Hello {
        let mut inner = self.inner();
        let blocked = inner.erase.as_ref().map(|erase| &erase.device).or(inner.device.as_ref());
        let blocked = blocked.is_some_and(|device| device.progress.blocked);
        // A block whose offline slot could not be destroyed has not been obeyed: it is tried again before it is reported.
        let obeyed = !blocked || self.drop_offline(&mut inner).is_ok();
        let device = inner.erase.as_ref().map(|erase| &erase.device).or(inner.device.as_ref());
        let progress = device.map(|device| device.progress).unwrap_or_default();
        Hello {
            app_version: self.platform.description.app_version.clone(),
            last_applied: progress.last_applied.filter(|_| obeyed),
            vault_epoch: device.map_or(0, |device| device.vault_epoch),
            checkpoint: device.and_then(|device| device.checkpoint.clone()),
            signed_checkpoint: device.and_then(|device| device.signed_checkpoint.clone()),
            not_enforced: device.map(|device| device.not_enforced()).unwrap_or_default(),
            run: Some(self.run),
            pins: device.map(|device| device.keys.order),
        }
    }

    /// Blocking.
    fn take_reply(&self, reply: &HelloReply) -> Result<(), AgentError> {
        for command in &reply.commands {
            match self.obey(command) {
                Err(AgentError::Command(error)) => {
                    tracing::warn!(%error, "a command in the server's answer was refused");
                }
                obeyed => obeyed?,
            }
        }
        let mut inner = self.inner();
        if inner.erase.is_some() {
            return Ok(());
        }
        if reply.standing == EnrolmentStanding::Blocked {
            let effects = inner.session.help_withheld();
            self.execute(&mut inner, effects)?;
        }
        let effects = inner.session.policy_received(&reply.policy);
        self.execute(&mut inner, effects)?;
        self.remember(&mut inner, reply)
    }

    fn remember(&self, inner: &mut Inner, reply: &HelloReply) -> Result<(), AgentError> {
        let Some(device) = inner.device.as_mut() else { return Err(AgentError::Unenrolled) };
        device.heard(moment().now);
        device.last_run = Some(self.run.id);
        device.policy = reply.policy.clone();
        if let Some(signed) = &reply.checkpoint {
            let checkpoint: Checkpoint = cose::verify(signed, b"", &device.keys.checkpoint)?;
            if is_newer(device, &checkpoint) {
                device.checkpoint = Some(checkpoint.head);
                device.signed_checkpoint = Some(signed.clone());
            }
        }
        Ok(device.store(&self.home)?)
    }

    async fn renew(self: &Arc<Self>, connection: &Connection) -> Result<(), AgentError> {
        let Renewed { certificate } = match Exchange::ask(connection, &Renew {}).await {
            Err(ExchangeError::Command(command)) => {
                return self.blocking(move |agent| agent.obey(&command)).await?;
            }
            answer => answer?,
        };
        self.blocking(move |agent| {
            agent.check_certificate(&certificate)?;
            let mut inner = agent.inner();
            let Some(device) = inner.device.as_mut() else { return Ok(()) };
            device.certificate = certificate;
            Ok(device.store(&agent.home)?)
        })
        .await?
    }

    /// Whether a certificate is one of the device key.
    pub(crate) fn check_certificate(&self, certificate: &[u8]) -> Result<(), AgentError> {
        let key = self.platform.device_key.load()?.ok_or(AgentError::Missing("the device key"))?;
        let fingerprint = key_fingerprint(&CertificateDer::from(certificate));
        if fingerprint == Some(key.public_key().fingerprint()) {
            Ok(())
        } else {
            Err(AgentError::WrongCertificate)
        }
    }

    async fn answer_stream(self: &Arc<Self>, mut exchange: Exchange) -> Result<(), AgentError> {
        for _ in 0..COMMAND_FRAMES {
            let frame = exchange.receive().await?;
            match frame.kind() {
                Kind::Command => {}
                Kind::RunProbe => {
                    exchange.send(&RunAnswer { run: self.run.id }).await?;
                    break;
                }
                other => {
                    exchange.send(&Unsupported { kind: other.number() }).await?;
                    continue;
                }
            }
            let CommandMessage { command } = frame.decode().map_err(ExchangeError::from)?;
            let obeyed = self.blocking(move |agent| agent.obey(&command)).await?;
            if matches!(self.state(), State::Wiping | State::Gone) {
                break;
            }
            let last_applied = self.inner().session.progress().last_applied;
            match (obeyed, last_applied) {
                (Ok(()), Some(last_applied)) => exchange.send(&CommandResult { last_applied }).await?,
                (Err(AgentError::Command(error)), _) => {
                    tracing::warn!(%error, "a pushed command was refused");
                    exchange.send(&Refused::from(RefusalReason::ProofFailed)).await?;
                }
                (Err(error), _) => return Err(error),
                (Ok(()), None) => {}
            }
            break;
        }
        exchange.finish();
        Ok(())
    }
}

/// Whether a checkpoint is to be witnessed in the place of the one that is held. The journal of a server that was restored is
/// shorter than the one that was seen, and signed later; one whose clock was set back is longer. Only an answer that was
/// overtaken is neither. What was held has been shown, and the server has judged it, before this one came.
fn is_newer(device: &DeviceState, checkpoint: &Checkpoint) -> bool {
    let held = device.signed_checkpoint.as_ref();
    let held = held.and_then(|signed| cose::verify::<Checkpoint>(signed, b"", &device.keys.checkpoint).ok());
    held.is_none_or(|held| checkpoint.at > held.at || checkpoint.head.sequence > held.head.sequence)
}

/// Until the connection ends; does not keep the agent alive.
async fn accept_commands(agent: Weak<Agent>, connection: Connection) {
    while let Ok(stream) = connection.accept_bi().await {
        let Some(agent) = agent.upgrade() else { return };
        tokio::spawn(async move {
            if let Err(error) = agent.answer_stream(Exchange::accepted(stream)).await {
                tracing::debug!(%error, "a stream of the server ended early");
            }
        });
    }
}

/// Says what was done with the hello's answer, and waits until the server has it.
async fn report(connection: &Connection, result: impl Message) -> Result<(), AgentError> {
    let mut exchange = Exchange::open(connection).await?;
    exchange.send(&result).await?;
    exchange.finish();
    exchange.wait_for_end(Duration::from_secs(5)).await;
    Ok(())
}
