//! A map behind a lock.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use crate::keyed::{Engine, EngineError, Puts, Range, Visit};

/// Bytes in memory. A clone is the same bytes: what a second open of a folder is to a disk.
#[derive(Clone, Default)]
pub(crate) struct MemoryEngine {
    map: Arc<RwLock<BTreeMap<Vec<u8>, Vec<u8>>>>,
    stage: Arc<RwLock<Vec<u8>>>,
}

/// Writes where they belong, behind what is there or over it.
pub(crate) fn write_at(stage: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let at = usize::try_from(at).expect("a stage in memory fits into it");
    stage.resize(stage.len().max(at + bytes.len()), 0);
    stage[at..at + bytes.len()].copy_from_slice(bytes);
}

/// What is there of the bytes asked for.
pub(crate) fn read_at(stage: &[u8], at: u64, length: usize) -> Vec<u8> {
    let rest = usize::try_from(at).ok().and_then(|at| stage.get(at..)).unwrap_or_default();
    rest[..length.min(rest.len())].to_vec()
}

impl MemoryEngine {
    /// The key of a range that comes first in its order.
    fn first(&self, range: &Range) -> Option<Vec<u8>> {
        if range.start >= range.end {
            return None;
        }
        let bounds = (Bound::Included(&range.start), Bound::Excluded(&range.end));
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let mut rows = map.range::<Vec<u8>, _>(bounds);
        let row = if range.reverse { rows.next_back() } else { rows.next() };
        row.map(|(key, _)| key.clone())
    }
}

impl Engine for MemoryEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.map.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn scan(&self, range: &Range, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        let mut rest = range.clone();
        // Nothing is locked while somebody looks: they may read, and a writer that waits would keep them from it.
        while let Some(key) = self.first(&rest) {
            if visit(&key, &|| self.get(&key))?.is_break() {
                break;
            }
            if rest.reverse {
                rest.end = key;
            } else {
                rest.start = [key.as_slice(), &[0]].concat();
            }
        }
        Ok(())
    }

    fn room(&self, _bytes: usize, _reserve: bool) -> Result<(), EngineError> {
        Ok(())
    }

    fn apply(&self, puts: Puts) -> Result<(), EngineError> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
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

    fn stage(&self, at: u64, bytes: &[u8]) -> Result<(), EngineError> {
        write_at(&mut self.stage.write().unwrap_or_else(PoisonError::into_inner), at, bytes);
        Ok(())
    }

    fn staged(&self, at: u64, length: usize) -> Result<Vec<u8>, EngineError> {
        Ok(read_at(&self.stage.read().unwrap_or_else(PoisonError::into_inner), at, length))
    }

    fn begin_sync_stage(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn sync_stage(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn clear_stage(&self) -> Result<(), EngineError> {
        self.stage.write().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    fn reopen(&self) -> Result<(), EngineError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    #[test]
    fn who_looks_through_a_range_may_read_and_others_may_write_meanwhile() {
        let engine = MemoryEngine::default();
        let key = |n: u8| vec![n];
        engine.apply((1..=4).map(|n| (key(n), Some(key(n)))).collect()).unwrap();
        for reverse in [false, true] {
            let range = Range { start: key(1), end: key(4), reverse };
            let mut seen = Vec::new();
            engine
                .scan(&range, &mut |key, load| {
                    engine.apply(vec![(vec![9], Some(key.to_vec()))])?;
                    assert_eq!(engine.get(&[9])?, load()?);
                    seen.push(key[0]);
                    Ok(ControlFlow::Continue(()))
                })
                .unwrap();
            assert_eq!(seen, if reverse { [3, 2, 1] } else { [1, 2, 3] });
        }
    }
}
