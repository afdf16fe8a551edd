//! The stage: bytes apart from the map, in which the bulk of a large change stands one value behind the other until it is moved
//! into the map. An item is the length of its key as 2 bytes, that of its value as 4 ([`DELETE`] for none), key, value.

use std::collections::BTreeMap;

use super::engine::{Engine, EngineError};

/// Instead of the length of a value: the key is to be deleted.
const DELETE: u32 = u32::MAX;
const LENGTHS: usize = 6;
/// Bytes that are read at once.
const BLOCK: usize = 256 * 1024;

/// Where the value of a key stands in the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Value {
        at: u64,
        length: u32,
    },
    /// Nowhere: the key is to be deleted.
    Deleted,
}

impl Place {
    /// Bytes of the value.
    pub(super) fn length(self) -> usize {
        match self {
            Self::Value { length, .. } => length as usize,
            Self::Deleted => 0,
        }
    }

    /// The value.
    pub(super) fn load<E: Engine>(self, engine: &E) -> Result<Option<Vec<u8>>, EngineError> {
        match self {
            Self::Value { at, length } => {
                let value = engine.staged(at, length as usize)?;
                if value.len() == length as usize { Ok(Some(value)) } else { Err(damaged()) }
            }
            Self::Deleted => Ok(None),
        }
    }
}

fn damaged() -> EngineError {
    EngineError::Damaged("the staged part of a large change".to_owned())
}

/// What is staged, by key.
pub(super) type Places = BTreeMap<Box<[u8]>, Place>;

/// The end of the stage, and what is not written to it yet.
#[derive(Clone, Default)]
pub(super) struct Tail {
    /// Bytes that are written.
    at: u64,
    bytes: Vec<u8>,
    /// Over all that is written.
    check: crc32fast::Hasher,
}

impl Tail {
    /// Adds an item. Says where its value stands.
    pub(super) fn add(&mut self, key: &[u8], value: Option<&[u8]>) -> Place {
        let key_length = u16::try_from(key.len()).expect("keys have a few hundred bytes");
        let length =
            value.map(|value| u32::try_from(value.len()).expect("a value is no longer than MAX_VALUE"));
        self.bytes.extend_from_slice(&key_length.to_be_bytes());
        self.bytes.extend_from_slice(&length.unwrap_or(DELETE).to_be_bytes());
        self.bytes.extend_from_slice(key);
        let at = self.at + self.bytes.len() as u64;
        self.bytes.extend_from_slice(value.unwrap_or_default());
        length.map_or(Place::Deleted, |length| Place::Value { at, length })
    }

    /// Bytes that wait to be written.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of the stage when all is written.
    pub(super) fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }

    /// Writes what waits. Says how many bytes that were.
    pub(super) fn write<E: Engine>(&mut self, engine: &E) -> Result<usize, EngineError> {
        engine.stage(self.at, &self.bytes)?;
        self.check.update(&self.bytes);
        self.at = self.end();
        let written = self.bytes.len();
        self.bytes.clear();
        Ok(written)
    }

    /// CRC-32 over all that is written.
    pub(super) fn check(&self) -> u32 {
        self.check.clone().finalize()
    }
}

/// Shows all items of a stage of so many bytes, in their order. What is not what was staged is reported at the latest when all
/// was shown.
pub(super) fn each<E: Engine>(
    engine: &E,
    end: u64,
    check: u32,
    mut show: impl FnMut(&[u8], Place),
) -> Result<(), EngineError> {
    let mut hasher = crc32fast::Hasher::new();
    let mut block = Vec::new();
    let (mut begin, mut read) = (0, 0);
    while begin < end {
        let wanted = usize::try_from(end - read).unwrap_or(usize::MAX).min(BLOCK);
        let more = engine.staged(read, wanted)?;
        if more.is_empty() {
            return Err(damaged());
        }
        hasher.update(&more);
        read += more.len() as u64;
        block.extend_from_slice(&more);
        let mut rest = block.as_slice();
        while let Some((key, length, after)) = item(rest) {
            let at = begin + (rest.len() - after.len()) as u64;
            let place = length.map_or(Place::Deleted, |length| Place::Value { at, length });
            let Some(after) = after.get(place.length()..) else { break };
            show(key, place);
            begin += (rest.len() - after.len()) as u64;
            rest = after;
        }
        block = rest.to_vec();
    }
    if hasher.finalize() == check { Ok(()) } else { Err(damaged()) }
}

/// The first item: its key, the length of its value, and all from its value on; `None` if its end is not there.
fn item(bytes: &[u8]) -> Option<(&[u8], Option<u32>, &[u8])> {
    let (lengths, rest) = bytes.split_first_chunk::<LENGTHS>()?;
    let [k0, k1, v0, v1, v2, v3] = *lengths;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([k0, k1])))?;
    let length = u32::from_be_bytes([v0, v1, v2, v3]);
    Some((key, (length != DELETE).then_some(length), rest))
}

#[cfg(test)]
mod tests {
    use super::super::engine::Puts;
    use super::*;
    use crate::memory::MemoryEngine;

    /// More than one block.
    fn staged(engine: &MemoryEngine) -> (Tail, Puts) {
        let mut tail = Tail::default();
        let mut items = Puts::new();
        for number in 0..40_u8 {
            let value = (number % 3 != 0).then(|| vec![number; usize::from(number) * 2_000]);
            items.push((vec![number, 1], value));
        }
        for (key, value) in &items {
            tail.add(key, value.as_deref());
            if tail.waiting() > 100_000 {
                tail.write(engine).unwrap();
            }
        }
        tail.write(engine).unwrap();
        (tail, items)
    }

    #[test]
    fn what_is_staged_is_found_where_it_is_said_to_stand() {
        let engine = MemoryEngine::default();
        let (tail, items) = staged(&engine);
        let mut found = Vec::new();
        each(&engine, tail.end(), tail.check(), |key, place| {
            found.push((key.to_vec(), place.load(&engine).unwrap()));
        })
        .unwrap();
        assert_eq!(found, items);
        assert!(tail.end() > 2 * BLOCK as u64);
    }

    #[test]
    fn a_stage_that_is_not_what_was_staged_is_reported() {
        let engine = MemoryEngine::default();
        let (tail, _) = staged(&engine);
        let read = |end, check| each(&engine, end, check, |_, _| ());
        read(tail.end(), tail.check()).unwrap();
        assert!(matches!(read(tail.end(), !tail.check()), Err(EngineError::Damaged(_))));
        assert!(matches!(read(tail.end() - 1, tail.check()), Err(EngineError::Damaged(_))));
        for at in [0, 3, tail.end() - 1] {
            let byte = engine.staged(at, 1).unwrap();
            engine.stage(at, &[!byte[0]]).unwrap();
            assert!(matches!(read(tail.end(), tail.check()), Err(EngineError::Damaged(_))), "{at}");
            engine.stage(at, &byte).unwrap();
        }
        engine.clear_stage().unwrap();
        assert!(matches!(read(tail.end(), tail.check()), Err(EngineError::Damaged(_))));
    }
}
