//! The session grant on the phone: proved once on each connection that is to carry content, told to the server when nobody
//! needs it any more. When that is, [`client_core::Session::needs_grant`] says.

use std::sync::Arc;

use client_core::State;
use quinn::Connection;
use shared::grant::GrantKey;
use shared::wire::{EXPORTER_LABEL_GRANT, GrantAccepted, GrantEnd, GrantEnded, GrantProof, RefusalReason};
use vault::FileError;

use crate::agent::{Agent, Inner};
use crate::clock::moment;
use crate::error::AgentError;
use crate::link::{Exchange, ExchangeError};

/// What was proved, and where: a connection is known by its exporter.
struct Proven {
    exporter: [u8; 32],
    tag: [u8; 32],
}

/// What this process has of the grant.
#[derive(Default)]
pub(crate) struct Grant {
    /// While the vault is open.
    key: Option<GrantKey>,
    /// Whether the server may still honour it.
    alive: bool,
    /// Of the grant that is alive, or was alive last.
    proven: Option<Proven>,
    /// It is over here, and the server is to be told.
    to_be_ended: bool,
}

impl Grant {
    /// At the start of the process; `lease_runs` if a durable one goes on.
    pub(crate) fn at_start(lease_runs: bool) -> Self {
        Self { alive: lease_runs, ..Self::default() }
    }

    /// The vault is closed.
    pub(crate) fn forget_key(&mut self) {
        self.key = None;
    }
}

fn exporter(connection: &Connection) -> Result<[u8; 32], ExchangeError> {
    let mut exporter = [0; 32];
    let exported = connection.export_keying_material(&mut exporter, EXPORTER_LABEL_GRANT, b"");
    let lost = |_| ExchangeError::Lost("it exports no keying material".to_owned());
    exported.map(|()| exporter).map_err(lost)
}

impl Agent {
    /// The vault was opened. Without a key (it could not be read within a lease) content waits for the next unlock with the
    /// server.
    pub(crate) fn take_grant(&self, inner: &mut Inner, key: Option<GrantKey>) {
        inner.grant = Grant { alive: key.is_some(), key, ..Grant::default() };
        self.grant_news.notify_one();
    }

    /// Ends it here once nobody needs it: overwrites what is stored and has the server told.
    pub(crate) fn end_unneeded_grant(&self, inner: &mut Inner) -> Result<(), FileError> {
        if !inner.grant.alive || inner.session.needs_grant(moment().boot) {
            return Ok(());
        }
        inner.grant.key = None;
        inner.grant.alive = false;
        inner.grant.to_be_ended = true;
        self.grant_news.notify_one();
        vault::grant::destroy(&self.home)
    }

    /// Opens a stream for content, after this connection has proved the grant.
    pub(crate) async fn content(self: &Arc<Self>, connection: &Connection) -> Result<Exchange, AgentError> {
        self.prove_grant(connection).await?;
        Ok(Exchange::open(connection).await?)
    }

    async fn prove_grant(self: &Arc<Self>, connection: &Connection) -> Result<(), AgentError> {
        // Content and news of the unlock come at once: the second finds it proved.
        let _proving = self.content.proving.lock().await;
        let exporter = exporter(connection)?;
        let tag = {
            let inner = self.inner();
            let device = inner.device.as_ref().ok_or(AgentError::Unenrolled)?;
            let key = inner.grant.key.as_ref().ok_or(ExchangeError::Refused(RefusalReason::NoGrant))?;
            if inner.grant.proven.as_ref().is_some_and(|proven| proven.exporter == exporter) {
                return Ok(());
            }
            key.tag(device.enrolment, &exporter)
        };
        match Exchange::ask::<_, GrantAccepted>(connection, &GrantProof { tag }).await {
            Ok(_) => {}
            Err(ExchangeError::Command(command)) => {
                self.blocking(move |agent| agent.obey(&command)).await??;
                return Err(AgentError::Wiped);
            }
            Err(error) => return Err(error.into()),
        }
        let mut inner = self.inner();
        // A newer unlock may have come meanwhile: this proof is not of its grant.
        let device = inner.device.as_ref().map(|device| device.enrolment);
        let same = device.zip(inner.grant.key.as_ref()).is_none_or(|(id, key)| key.tag(id, &exporter) == tag);
        if same {
            inner.grant.proven = Some(Proven { exporter, tag });
        }
        Ok(())
    }

    /// Shows or tells the server what has become of the grant. What fails is no loss: content asks again, and a grant that
    /// nobody has ends by itself.
    pub(crate) async fn tell_grant(self: &Arc<Self>, connection: &Connection) {
        let outcome = match self.state() {
            State::Open => self.prove_grant(connection).await,
            State::Locked | State::Unlocking => self.end_grant(connection).await,
            _ => Ok(()),
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "the server did not hear of the session grant");
        }
    }

    /// The same before a connection is closed: what was locked meanwhile is told on it.
    pub(crate) async fn tell_grant_ended(self: &Arc<Self>, connection: &Connection) {
        if self.state() == State::Locked && connection.close_reason().is_none() {
            self.tell_grant(connection).await;
        }
    }

    async fn end_grant(self: &Arc<Self>, connection: &Connection) -> Result<(), AgentError> {
        let exporter = exporter(connection)?;
        let tag = {
            let mut inner = self.inner();
            let to_be_ended = std::mem::take(&mut inner.grant.to_be_ended);
            let proven = inner.grant.proven.as_ref().filter(|proven| proven.exporter == exporter);
            match proven.filter(|_| to_be_ended) {
                Some(proven) => proven.tag,
                None => return Ok(()),
            }
        };
        Exchange::ask::<_, GrantEnded>(connection, &GrantEnd { tag }).await?;
        Ok(())
    }
}
