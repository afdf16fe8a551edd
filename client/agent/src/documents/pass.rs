//! One pass over a connection: the manifest, then whatever is missing. Not here: what is done on the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use client_core::sync::{Effect, Sync, Ticket};
use quinn::Connection;
use shared::wire::{DecodeError, DocumentRequest, Frame, Kind, ManifestRequest, Message};

use super::desk::{Desk, Next};
use crate::agent::Agent;
use crate::clock::moment;
use crate::content::{LOOK_AGAIN, is_of_one_stream};
use crate::error::AgentError;
use crate::link::{Exchange, ExchangeError};

/// Brings the documents in the vault in step with the server. What fails by itself is set aside, and the rest goes on; gives when
/// the first of that is to be tried again.
pub(crate) async fn sync(
    agent: &Arc<Agent>,
    connection: &Connection,
) -> Result<Option<Duration>, AgentError> {
    let desk = agent.blocking(Agent::desk).await??;
    desk.on_disk(agent, Desk::take_up).await?;
    let pass = Pass { agent, connection, desk: &desk, download: None, asked: Instant::now() };
    let outcome = pass.run().await;
    desk.show(agent);
    outcome.map(|()| desk.ask(Sync::next_try))
}

struct Pass<'a> {
    agent: &'a Arc<Agent>,
    connection: &'a Connection,
    desk: &'a Arc<Desk>,
    /// The contents that are coming. Dropping it asks the server to stop.
    download: Option<(Ticket, Exchange)>,
    /// When the manifest was asked for.
    asked: Instant,
}

impl Pass<'_> {
    async fn run(mut self) -> Result<(), AgentError> {
        self.desk.tell(|sync| Ok::<_, AgentError>(sync.connected(moment().boot)))?;
        loop {
            match self.desk.next() {
                Next::AskManifest(ticket, request) => {
                    self.ask_manifest(ticket, &request).await?;
                    continue;
                }
                Next::AskDocument(ticket, request) => {
                    self.ask_document(ticket, &request).await?;
                    continue;
                }
                Next::OnDisk => {
                    self.desk.on_disk(self.agent, Desk::perform).await?;
                    continue;
                }
                Next::Nothing => self.desk.show(self.agent),
            }
            if self.has_news().await {
                self.desk.tell(|sync| Ok::<_, AgentError>(sync.news()))?;
            } else if !self.receive().await? {
                return Ok(());
            }
        }
    }

    /// Whether the server may have another manifest, asked without waiting.
    async fn has_news(&self) -> bool {
        let woken = tokio::select! {
            biased;
            () = self.agent.content.documents.notified() => true,
            () = std::future::ready(()) => false,
        };
        woken || self.asked.elapsed() > LOOK_AGAIN
    }

    async fn ask_manifest(&mut self, ticket: Ticket, request: &ManifestRequest) -> Result<(), AgentError> {
        self.asked = Instant::now();
        let mut exchange = self.ask(request).await?;
        while self.desk.ask(|sync| sync.awaits(ticket)) {
            let frame = exchange.answer().await?;
            self.desk.tell(|sync| page(sync, ticket, &frame))?;
        }
        Ok(())
    }

    async fn ask_document(&mut self, ticket: Ticket, request: &DocumentRequest) -> Result<(), AgentError> {
        match self.ask(request).await {
            Ok(exchange) => self.download = Some((ticket, exchange)),
            Err(error) => self.set_aside(ticket, error)?,
        }
        Ok(())
    }

    /// What does not come by itself holds up nothing behind it.
    fn set_aside(&mut self, ticket: Ticket, error: AgentError) -> Result<(), AgentError> {
        if !is_of_one_stream(self.connection, &error) {
            return Err(error);
        }
        tracing::warn!(%error, "a document does not come, and is tried again later");
        self.download = None;
        self.desk.tell(|sync| Ok(sync.failed(ticket)))
    }

    async fn ask(&self, question: &impl Message) -> Result<Exchange, AgentError> {
        let mut exchange = self.agent.content(self.connection).await?;
        exchange.send(question).await?;
        exchange.finish();
        Ok(exchange)
    }

    /// Hears the next bytes of what is coming. `false` if nothing is.
    async fn receive(&mut self) -> Result<bool, AgentError> {
        let Some((ticket, exchange)) = &mut self.download else { return Ok(false) };
        let ticket = *ticket;
        if self.desk.ask(|sync| sync.awaits(ticket)) {
            let told = match exchange.answer().await {
                Ok(frame) => self.desk.tell(|sync| contents(sync, ticket, &frame)),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = told {
                self.set_aside(ticket, error)?;
            }
        } else {
            self.download = None;
        }
        Ok(true)
    }
}

fn page(sync: &mut Sync, ticket: Ticket, frame: &Frame) -> Result<Vec<Effect>, AgentError> {
    match frame.kind() {
        Kind::ManifestPage => Ok(sync.page(ticket, frame.decode().map_err(ExchangeError::from)?)?),
        Kind::ManifestUnchanged => Ok(sync.unchanged(ticket)),
        other => Err(ExchangeError::from(DecodeError::Unexpected(other)).into()),
    }
}

fn contents(sync: &mut Sync, ticket: Ticket, frame: &Frame) -> Result<Vec<Effect>, AgentError> {
    match frame.kind() {
        Kind::DocumentChunk => Ok(sync.chunk(ticket, frame.decode().map_err(ExchangeError::from)?)?),
        Kind::DocumentGone => Ok(sync.gone(ticket)),
        other => Err(ExchangeError::from(DecodeError::Unexpected(other)).into()),
    }
}
