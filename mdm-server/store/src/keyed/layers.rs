//! What readers see: the engine's bytes under two layers.
//!
//! *Shadow* holds the old value of everything that is applied but not durable yet. *Forward* holds what a large change
//! has made true and the writer has not moved into place yet. A reader looks into shadow, then forward, then the engine,
//! under one lock: it sees only durable states, each of them whole.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::engine::{Engine, EngineError, Range};

/// A value on its way into place.
pub(super) struct Moving {
    pub(super) value: Option<Vec<u8>>,
    /// Where it is staged.
    pub(super) staged: Vec<u8>,
}

/// Both layers.
#[derive(Default)]
pub(super) struct Layers {
    pub(super) shadow: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    pub(super) forward: BTreeMap<Vec<u8>, Moving>,
}

/// Nothing in here can be left half-done by a panic, so that a poisoned lock is as good as any.
pub(super) fn read(layers: &RwLock<Layers>) -> RwLockReadGuard<'_, Layers> {
    layers.read().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn write(layers: &RwLock<Layers>) -> RwLockWriteGuard<'_, Layers> {
    layers.write().unwrap_or_else(PoisonError::into_inner)
}

type Pair<'a> = (&'a Vec<u8>, Option<&'a Vec<u8>>);

impl Layers {
    fn over(&self, key: &[u8]) -> Option<Option<&Vec<u8>>> {
        let shadow = self.shadow.get(key).map(Option::as_ref);
        shadow.or_else(|| self.forward.get(key).map(|moving| moving.value.as_ref()))
    }

    pub(super) fn get<E: Engine>(&self, engine: &E, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        match self.over(key) {
            Some(value) => Ok(value.cloned()),
            None => engine.get(key),
        }
    }

    /// Shows what stands in a range, in order, until told to stop.
    pub(super) fn scan<E: Engine>(
        &self,
        engine: &E,
        range: &Range,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, EngineError>,
    ) -> Result<(), EngineError> {
        let over = self.over_range(range);
        let mut over = over.into_iter().peekable();
        let mut stopped = false;
        engine.scan(range, &mut |key, load| {
            let comes_before = |other: &[u8]| if range.reverse { other > key } else { other < key };
            while let Some((other, value)) = over.next_if(|(other, _)| comes_before(other)) {
                if let Some(value) = value
                    && visit(other, value)?.is_break()
                {
                    stopped = true;
                    return Ok(ControlFlow::Break(()));
                }
            }
            let flow = match over.next_if(|(other, _)| other.as_slice() == key) {
                Some((_, Some(value))) => visit(key, value)?,
                Some((_, None)) => ControlFlow::Continue(()),
                None => match load()? {
                    Some(value) => visit(key, &value)?,
                    None => ControlFlow::Continue(()),
                },
            };
            stopped |= flow.is_break();
            Ok(flow)
        })?;
        for (other, value) in over {
            match value {
                Some(value) if !stopped => stopped = visit(other, value)?.is_break(),
                _ => {}
            }
        }
        Ok(())
    }

    /// Both layers within a range, shadow over forward, in the order of the range.
    fn over_range(&self, range: &Range) -> Vec<Pair<'_>> {
        if self.shadow.is_empty() && self.forward.is_empty() {
            return Vec::new();
        }
        let bounds = (Bound::Included(&range.start), Bound::Excluded(&range.end));
        let mut pairs: BTreeMap<_, _> = self
            .forward
            .range::<Vec<u8>, _>(bounds)
            .map(|(key, moving)| (key, moving.value.as_ref()))
            .collect();
        pairs.extend(self.shadow.range::<Vec<u8>, _>(bounds).map(|(key, value)| (key, value.as_ref())));
        match range.reverse {
            false => pairs.into_iter().collect(),
            true => pairs.into_iter().rev().collect(),
        }
    }
}
