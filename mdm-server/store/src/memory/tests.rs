//! The suite in memory.

use std::sync::Arc;

use super::engine::MemoryEngine;
use crate::conformance::{Place, store_suite};
use crate::keyed::KeyedStore;
use crate::traits::Store;

impl Place for MemoryEngine {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(KeyedStore::open(self.clone()).unwrap())
    }
}

store_suite!(MemoryEngine::default());
