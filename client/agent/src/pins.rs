//! Taking another set of the server's keys: from a hello's answer, or, when the server shows none of the keys that this
//! device knows, from whoever has a rightly signed one. Which that is, `client_core::pins` says.

use std::sync::Arc;

use client_core::PinUpdateError;
use client_core::pins::replaced;
use serde_bytes::ByteBuf;
use shared::wire::{ALPN_PINS, PinsAnswer, PinsRequest, PinsTaken, ServerKeys};

use crate::agent::{Agent, Inner};
use crate::error::AgentError;
use crate::link::{ConnectError, Exchange, Link};
use crate::tls::client_config;

/// Updates that are looked at in one answer.
const MAX_UPDATES: usize = 4;

impl Agent {
    /// Connects by `open`; if the server shows no key that is known, asks for updates and tries once more.
    pub(crate) async fn find_server<F>(self: &Arc<Self>, open: impl Fn() -> F) -> Result<Link, AgentError>
    where
        F: Future<Output = Result<Link, AgentError>>,
    {
        let refused = match open().await {
            Err(AgentError::Connect(ConnectError::WrongServer(server))) => server,
            opened => return opened,
        };
        match self.ask_for_pins(&refused).await {
            Ok(Some(_)) => open().await,
            Ok(None) => Err(ConnectError::WrongServer(refused).into()),
            Err(error) => {
                tracing::debug!(%error, "who answers there gave no update of the server's keys");
                Err(ConnectError::WrongServer(refused).into())
            }
        }
    }

    /// Asks whoever answers, and says nothing of this device.
    async fn ask_for_pins(self: &Arc<Self>, server: &str) -> Result<Option<PinsTaken>, AgentError> {
        let link = Link::open(server, client_config(ALPN_PINS, None, None)?).await?;
        let answer = Exchange::ask::<_, PinsAnswer>(&link.connection, &PinsRequest {}).await;
        link.close().await;
        let PinsAnswer { updates } = answer?;
        self.blocking(move |agent| agent.take_pins(&mut agent.inner(), &updates)).await?
    }

    /// Takes the updates that are newer and rightly signed; durable when this returns what to tell the server. Blocking.
    pub(crate) fn take_pins(
        &self,
        inner: &mut Inner,
        updates: &[ByteBuf],
    ) -> Result<Option<PinsTaken>, AgentError> {
        let erasing = inner.erase.as_mut().map(|erase| &mut erase.device);
        let is_erasing = erasing.is_some();
        let Some(device) = erasing.or(inner.device.as_mut()) else { return Ok(None) };
        let keys = after(&device.keys, updates);
        if keys.order == device.keys.order {
            return Ok(None);
        }
        let order = keys.order;
        if is_erasing {
            // What is stored verifies the stored wipe at the next start, and is about to go.
            device.keys = keys;
            return Ok(None);
        }
        let mut taken = device.clone();
        taken.keys = keys;
        taken.store(&self.home)?;
        let (command, lease) = (taken.keys.command.clone(), taken.keys.lease.clone());
        *device = taken;
        inner.session.keys_replaced(command, lease);
        tracing::info!(epoch = order.epoch, counter = order.counter, "the server's keys were replaced");
        Ok(Some(PinsTaken { order }))
    }
}

/// What `known` becomes by all updates that may be taken, in order.
fn after(known: &ServerKeys, updates: &[ByteBuf]) -> ServerKeys {
    let mut keys = known.clone();
    for update in updates.iter().take(MAX_UPDATES) {
        match replaced(&keys, update) {
            Ok(next) => keys = next,
            Err(PinUpdateError::NotNewer) => {}
            Err(error) => tracing::warn!(%error, "an update of the server's keys was refused"),
        }
    }
    keys
}
