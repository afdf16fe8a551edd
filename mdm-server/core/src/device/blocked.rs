//! What has a device blocked by itself, and how that is stored. Who wants a device blocked is in the audit journal.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shared::ids::BatchId;

/// What has a device blocked and may open it again, as long as nobody else wants it blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockedBy {
    /// A batch by which its account left: the undo of the batch opens it.
    Batch(BatchId),
    /// 猶予: the seat of its account is held before it is reclaimed. Restoring the seat opens it.
    Grace,
}

const GRACE: &str = "grace";

// A batch is stored as its bare id, as it was before anything else could block: records of then are read as they are.
impl Serialize for BlockedBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Batch(batch) => batch.serialize(serializer),
            Self::Grace => serializer.serialize_str(GRACE),
        }
    }
}

impl<'de> Deserialize<'de> for BlockedBy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Stored)
    }
}

struct Stored;

impl Visitor<'_> for Stored {
    type Value = BlockedBy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the id of a batch or {GRACE:?}")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<BlockedBy, E> {
        let id = <[u8; 16]>::try_from(bytes).map_err(|_| E::invalid_length(bytes.len(), &self))?;
        Ok(BlockedBy::Batch(BatchId::from_bytes(id)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<BlockedBy, E> {
        if text == GRACE {
            return Ok(BlockedBy::Grace);
        }
        text.parse().map(BlockedBy::Batch).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &impl Serialize) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Option<BlockedBy> {
        ciborium::from_reader(bytes).unwrap()
    }

    #[test]
    fn a_batch_is_read_as_it_was_stored_before_grace_was_known() {
        let batch = BatchId::make(crate::testing::noon(), &mut crate::testing::rng());
        let before = written(&Some(batch));
        assert_eq!(read(&before), Some(BlockedBy::Batch(batch)));
        assert_eq!(written(&Some(BlockedBy::Batch(batch))), before, "and so it is written");
        assert_eq!(read(&written(&None::<BatchId>)), None);
        assert_eq!(read(&written(&Some(BlockedBy::Grace))), Some(BlockedBy::Grace));
        assert!(ciborium::from_reader::<BlockedBy, _>(&written(&"else")[..]).is_err());
    }
}
