//! A map behind a lock.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use crate::keyed::{Engine, EngineError, Puts, Range, Visit};

/// Bytes in memory. A clone is the same bytes: what a second open of a folder is to a disk.
#[derive(Clone, Default)]
pub(crate) struct MemoryEngine(Arc<RwLock<BTreeMap<Vec<u8>, Vec<u8>>>>);

impl Engine for MemoryEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn scan(&self, range: &Range, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        if range.start >= range.end {
            return Ok(());
        }
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let bounds = (Bound::Included(&range.start), Bound::Excluded(&range.end));
        let mut rows = map.range::<Vec<u8>, _>(bounds);
        while let Some((key, value)) = if range.reverse { rows.next_back() } else { rows.next() } {
            if visit(key, &|| Ok(Some(value.clone())))?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn room(&self, _bytes: usize, _reserve: bool) -> Result<(), EngineError> {
        Ok(())
    }

    fn apply(&self, puts: Puts) -> Result<(), EngineError> {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in puts {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(())
    }

    fn sync(&self, _commits: u64) -> Result<(), EngineError> {
        Ok(())
    }

    fn reopen(&self) -> Result<(), EngineError> {
        Ok(())
    }
}
