//! The store in memory, for tests: the same code as on a disk, and nothing outlives the process.

pub(crate) mod engine;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::keyed::KeyedStore;
use crate::traits::Store;
pub(crate) use engine::MemoryEngine;

/// An empty store.
pub fn open() -> Arc<dyn Store> {
    Arc::new(KeyedStore::open(MemoryEngine::default()).expect("an empty map has nothing to recover"))
}
