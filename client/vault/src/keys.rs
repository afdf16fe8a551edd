//! The subkeys of an open vault: made from the vault key, by space and key epoch, each expanded once.
//!
//! A sealed value begins with the key epoch it was sealed in, so that values of all epochs are read.

use std::sync::{Arc, PoisonError, RwLock};

use rand::{CryptoRng, RngCore};
use shared::crypto::Purpose;
use shared::crypto::safe::{PreparedMacKey, PreparedSealingKey};
use shared::ids::EnrolmentId;
use zeroize::Zeroizing;

use crate::format::{Header, Space, Tag};
use crate::slots::VaultKey;

/// Bytes of the key epoch before a sealed value.
pub(crate) const EPOCH_LEN: usize = 4;

/// What a sealing key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sealed {
    /// Records of one space.
    Records(Space),
    /// Root and pieces of the index.
    Index,
}

/// The keys of one vault.
pub(crate) struct Keys {
    key: VaultKey,
    /// Enrolment id and salt: what every context begins with.
    context: [u8; 32],
    names: PreparedMacKey,
    /// In order: there are few, and one is looked for with every record that is read.
    expanded: RwLock<Vec<Expanded>>,
}

/// A key, and what it is of: its epoch and what it is for.
type Expanded = ((u32, Sealed), Arc<PreparedSealingKey>);

impl Keys {
    pub(crate) fn new(key: &VaultKey, enrolment: EnrolmentId, header: Header) -> Self {
        let mut context = [0; 32];
        context[..16].copy_from_slice(enrolment.as_bytes());
        context[16..].copy_from_slice(&header.salt);
        let names = Purpose::VaultNames.derive_mac_key(&[key.expose()], &context).prepare();
        Self { key: key.clone(), context, names, expanded: RwLock::default() }
    }

    /// The first half of HMAC-SHA-256 over the space's code and the name.
    pub(crate) fn tag(&self, space: Space, name: &str) -> Tag {
        let tag = self.names.tag(&[&[space.code()], name.as_bytes()]);
        *tag.first_chunk().expect("HMAC-SHA-256 has more than 16 bytes")
    }

    /// The key of an epoch. Callers bound the epoch, so that a changed store makes no more keys than there were epochs.
    pub(crate) fn sealing(&self, sealed: Sealed, epoch: u32) -> Arc<PreparedSealingKey> {
        let wanted = (epoch, sealed);
        let expanded = self.expanded.read().unwrap_or_else(PoisonError::into_inner);
        if let Ok(at) = expanded.binary_search_by_key(&wanted, |(of, _)| *of) {
            return Arc::clone(&expanded[at].1);
        }
        drop(expanded);
        let made = Arc::new(self.derive(sealed, epoch));
        let mut expanded = self.expanded.write().unwrap_or_else(PoisonError::into_inner);
        match expanded.binary_search_by_key(&wanted, |(of, _)| *of) {
            Ok(at) => Arc::clone(&expanded[at].1),
            Err(at) => {
                expanded.insert(at, (wanted, Arc::clone(&made)));
                made
            }
        }
    }

    fn derive(&self, sealed: Sealed, epoch: u32) -> PreparedSealingKey {
        let mut context = self.context.to_vec();
        context.extend_from_slice(&epoch.to_be_bytes());
        let purpose = match sealed {
            Sealed::Records(space) => {
                context.push(space.code());
                Purpose::VaultRecords
            }
            Sealed::Index => Purpose::VaultIndex,
        };
        purpose.derive_sealing_key(&[self.key.expose()], &context).prepare()
    }

    /// Appends `epoch ‖ nonce ‖ ciphertext ‖ tag` to `out`; what is sealed is the concatenation of `parts`.
    pub(crate) fn seal_onto(
        &self,
        out: &mut Vec<u8>,
        (sealed, epoch): (Sealed, u32),
        aad: &[u8],
        parts: &[&[u8]],
        rng: &mut (impl RngCore + CryptoRng),
    ) {
        out.extend_from_slice(&epoch.to_be_bytes());
        self.sealing(sealed, epoch).seal_onto(out, aad, parts, rng);
    }

    /// The same of whatever epoch it says it is of, which is given, too. Only what opens costs memory.
    pub(crate) fn open_of_any_epoch(
        &self,
        sealed: Sealed,
        aad: &[u8],
        bytes: &[u8],
    ) -> Option<(Zeroizing<Vec<u8>>, u32)> {
        let (epoch, bytes) = (key_epoch(bytes)?, bytes.get(EPOCH_LEN..)?);
        let opened = self.derive(sealed, epoch).open(aad, bytes).ok()?;
        Some((opened, epoch))
    }

    /// Opens what [`Self::seal_onto`] appended, of an epoch from 1 up to `newest`.
    pub(crate) fn open(
        &self,
        (sealed, newest): (Sealed, u32),
        aad: &[u8],
        bytes: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let epoch = key_epoch(bytes).filter(|epoch| *epoch <= newest)?;
        self.sealing(sealed, epoch).open(aad, bytes.get(EPOCH_LEN..)?).ok()
    }
}

/// The key epoch that something sealed says it is of; none is 0.
pub(crate) fn key_epoch(sealed: &[u8]) -> Option<u32> {
    let epoch = sealed.first_chunk::<EPOCH_LEN>().map(|epoch| u32::from_be_bytes(*epoch))?;
    (epoch > 0).then_some(epoch)
}
