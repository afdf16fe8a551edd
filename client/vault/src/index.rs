//! The authenticated index: which record is in the vault in which version, so that a swapped, removed or rolled-back record
//! is found. A whole older copy of the vault is not found here. Each hello and unlock tells the server the vault epoch, by which
//! an older copy could be noticed; nothing compares it yet.
//!
//! Records are spread over 256 buckets by the first byte of their HMAC'd name. A bucket is the sorted list of (name,
//! version), sealed with its generation; the root seals the generations of all buckets. One change writes the record, its
//! bucket and the root in one batch.

use std::collections::BTreeMap;

use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use shared::crypto::SealingKey;

use crate::error::Damage;

/// An HMAC'd name.
pub(crate) type Tag = [u8; 32];

const ROOT_KEY: &[u8] = b"i/root";
const ROOT_AAD: &[u8] = b"tbk/1/vault-root";

/// Generations of the buckets that have one, and the newest of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Root {
    pub(crate) generation: u64,
    pub(crate) buckets: BTreeMap<u8, u64>,
}

/// The records of one bucket with their versions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Bucket(BTreeMap<ByteArray<32>, u64>);

impl Bucket {
    pub(crate) fn version(&self, tag: &Tag) -> Option<u64> {
        self.0.get(&ByteArray::new(*tag)).copied()
    }

    pub(crate) fn set(&mut self, tag: &Tag, version: Option<u64>) {
        match version {
            Some(version) => self.0.insert(ByteArray::new(*tag), version),
            None => self.0.remove(&ByteArray::new(*tag)),
        };
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = (Tag, u64)> {
        self.0.iter().map(|(tag, version)| (tag.into_array(), *version))
    }
}

pub(crate) fn bucket_key(bucket: u8) -> Vec<u8> {
    vec![b'i', b'/', bucket]
}

pub(crate) fn root_key() -> &'static [u8] {
    ROOT_KEY
}

fn bucket_aad(bucket: u8, generation: u64) -> Vec<u8> {
    [b"tbk/1/vault-bucket/".as_slice(), &[bucket], &generation.to_be_bytes()].concat()
}

fn seal<T: Serialize>(
    key: &SealingKey,
    aad: &[u8],
    value: &T,
    rng: &mut (impl RngCore + CryptoRng),
) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("an index in memory encodes into a vector");
    key.seal(aad, &bytes, rng)
}

pub(crate) fn seal_root(key: &SealingKey, root: &Root, rng: &mut (impl RngCore + CryptoRng)) -> Vec<u8> {
    seal(key, ROOT_AAD, root, rng)
}

pub(crate) fn open_root(key: &SealingKey, sealed: &[u8]) -> Result<Root, Damage> {
    let bytes = key.open(ROOT_AAD, sealed).map_err(|_| Damage::Index)?;
    ciborium::from_reader(bytes.as_slice()).map_err(|_| Damage::Index)
}

pub(crate) fn seal_bucket(
    key: &SealingKey,
    (bucket, generation): (u8, u64),
    content: &Bucket,
    rng: &mut (impl RngCore + CryptoRng),
) -> Vec<u8> {
    seal(key, &bucket_aad(bucket, generation), content, rng)
}

/// The bucket as `root` knows it; `stored` is what the store has.
pub(crate) fn open_bucket(
    key: &SealingKey,
    root: &Root,
    bucket: u8,
    stored: Option<&[u8]>,
) -> Result<Bucket, Damage> {
    let (generation, sealed) = match (root.buckets.get(&bucket), stored) {
        (None, None) => return Ok(Bucket::default()),
        (Some(generation), Some(sealed)) => (*generation, sealed),
        _ => return Err(Damage::Index),
    };
    let bytes = key.open(&bucket_aad(bucket, generation), sealed).map_err(|_| Damage::Index)?;
    ciborium::from_reader(bytes.as_slice()).map_err(|_| Damage::Index)
}

/// Seals under one subkey are counted, since random nonces bear 2²⁸ of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this vault has been written to 2^28 times: have the device enrolled anew")]
pub struct SealBudgetSpent;

/// A count that is reserved on disk in blocks before it is used, so that a crash loses a part of a block, never a seal.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SealBudget {
    used: u64,
    reserved: u64,
}

impl SealBudget {
    const BLOCK: u64 = 256;
    const LIMIT: u64 = 1 << 28;

    /// The budget whose stored reservation is `reserved`.
    pub(crate) fn from_reserved(reserved: u64) -> Self {
        Self { used: reserved, reserved }
    }

    /// Spends `seals`. `Some(reserved)` has to be durable before they are made.
    pub(crate) fn spend(&mut self, seals: u64) -> Result<Option<u64>, SealBudgetSpent> {
        let used = self.used.saturating_add(seals);
        if used > Self::LIMIT {
            return Err(SealBudgetSpent);
        }
        self.used = used;
        if used <= self.reserved {
            return Ok(None);
        }
        self.reserved = used.saturating_add(Self::BLOCK);
        Ok(Some(self.reserved))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seal_budget_is_reserved_before_use_and_ends() {
        let mut budget = SealBudget::default();
        assert_eq!(budget.spend(2), Ok(Some(258)));
        for _ in 0..128 {
            assert_eq!(budget.spend(2), Ok(None));
        }
        assert_eq!(budget.spend(2), Ok(Some(516)));
        let mut after_crash = SealBudget::from_reserved(516);
        assert_eq!(after_crash.spend(1), Ok(Some(517 + 256)), "what was reserved is not used again");
        assert_eq!(SealBudget::from_reserved((1 << 28) - 1).spend(2), Err(SealBudgetSpent));
    }
}
