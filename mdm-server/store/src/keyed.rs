//! The store over any ordered key-value engine: records under their keys, index entries beside them, one writer thread.
//!
//! A backend is an [`Engine`]; everything else is here, so that backends cannot differ in what they promise.
//! [`layout`] names the keys, [`encode`] the values, [`planner`] turns a changeset into puts, [`writer`] applies them,
//! [`layers`] keeps readers away from what is not durable yet, [`large`], [`stage`] and [`recovery`] handle changes that do
//! not fit one atomic write, [`reads`] answers the reading traits.

mod encode;
pub(crate) mod engine;
pub(crate) mod export;
mod large;
mod layers;
mod layout;
mod planner;
mod reads;
mod recovery;
mod stage;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::mpsc;
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;

use mdm_core::change::Changeset;
use tokio::sync::oneshot;

pub(crate) use engine::{Engine, EngineError, Puts, Range, Visit};
pub(crate) use layout::META_COMMITS;

use crate::error::CommitError;
use crate::traits::{BoxFuture, Committed, LargeChange, Store};
use layers::Layers;
use writer::{Order, Reply, Writer};

/// What readers and the writer share.
struct Shared<E> {
    engine: E,
    layers: RwLock<Layers>,
}

/// A store over an engine. Closing it (dropping) ends the writer after the commits that were already asked for.
pub(crate) struct KeyedStore<E: Engine> {
    shared: Arc<Shared<E>>,
    orders: Option<mpsc::Sender<Order>>,
    writer: Option<JoinHandle<()>>,
}

impl<E: Engine> KeyedStore<E> {
    /// Recovers what a crash left in the middle, checks that the journal's head is its last entry, and starts the writer.
    pub(crate) fn open(engine: E) -> Result<Self, EngineError> {
        let recovered = recovery::recover(&engine)?;
        let shared = Arc::new(Shared { engine, layers: RwLock::default() });
        let (orders, queue) = mpsc::channel();
        let writer = Writer::new(Arc::clone(&shared), recovered, queue);
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| EngineError::io(&error))?;
        Ok(Self { shared, orders: Some(orders), writer: Some(writer) })
    }

    fn ask(&self, order: impl FnOnce(Reply) -> Order) -> BoxFuture<'_, Result<Committed, CommitError>> {
        let (reply, answer) = oneshot::channel();
        let sent = self.orders.as_ref().is_some_and(|orders| orders.send(order(reply)).is_ok());
        Box::pin(async move {
            if !sent {
                return Err(CommitError::Closed);
            }
            answer.await.unwrap_or(Err(CommitError::Closed))
        })
    }
}

impl<E: Engine> Store for KeyedStore<E> {
    fn commit(&self, changes: Changeset) -> BoxFuture<'_, Result<Committed, CommitError>> {
        self.ask(|reply| Order::Commit(changes, reply))
    }

    fn commit_large(&self, change: LargeChange) -> BoxFuture<'_, Result<Committed, CommitError>> {
        self.ask(|reply| Order::Large(Box::new(change), reply))
    }
}

impl<E: Engine> Drop for KeyedStore<E> {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writer of the store ended by a panic");
        }
    }
}
