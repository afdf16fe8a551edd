//! Putting other keys in the place of those that devices know, and the signed statements that tell them. Sealing the
//! result is the commit; what is left to do after it is written beside it.

use std::path::Path;

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use shared::cose::{self, PublicKey, Signer, SoftwareKey};
use shared::crypto::Secret;
use shared::signed::{PinOrder, PinUpdate, SigningKeys};
use zeroize::{Zeroize as _, Zeroizing};

use super::{Keyring, KeyringError, SEALED_FILE, Secrets};

/// How the keys were replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    /// The spare took the place of the TLS key.
    Rotated,
    /// The recovery key signed for new keys of all kinds.
    Recovered,
}

/// A replacement that is sealed and not yet followed by everything else: public files and the journal's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    /// How.
    pub(crate) how: How,
    /// When.
    pub(crate) at: Timestamp,
    /// Where the journal stood before: the event is behind it, if it is there.
    pub(crate) journal: u64,
}

/// What the sealed file has about the set of pins.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Pins {
    /// Which set it is.
    order: PinOrder,
    /// The newest update that the recovery key signed.
    recovery: Option<ByteBuf>,
    /// The newest that the command key signed after it.
    rotation: Option<ByteBuf>,
    unfinished: Option<Unfinished>,
}

/// Moment and place of a replacement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replacing {
    /// When.
    pub(crate) now: Timestamp,
    /// Where the journal stands.
    pub(crate) journal: u64,
}

impl Replacing {
    fn unfinished(self, how: How) -> Unfinished {
        Unfinished { how, at: self.now, journal: self.journal }
    }

    /// The next number, also on a data folder that has forgotten some: no clock of ours stands before what it said.
    fn next(self, last: u64) -> u64 {
        let seconds = u64::try_from(self.now.as_second()).unwrap_or(0);
        seconds.max(last.saturating_add(1))
    }
}

impl Keyring {
    /// Which set of pins this is.
    pub(crate) fn pin_order(&self) -> PinOrder {
        self.secrets.pins.order
    }

    /// What is left to do after the last replacement.
    pub(crate) fn unfinished(&self) -> Option<Unfinished> {
        self.secrets.pins.unfinished
    }

    /// The signed updates that lead a device from any earlier set to this one, in order.
    pub(crate) fn pin_updates(&self) -> Vec<ByteBuf> {
        let Pins { recovery, rotation, .. } = &self.secrets.pins;
        recovery.iter().chain(rotation).cloned().collect()
    }

    /// The pin of the spare.
    pub(crate) fn spare_pin(&self) -> [u8; 32] {
        *self.secrets.spare_pin
    }

    /// The recovery key's public half.
    pub(crate) fn recovery(&self) -> &PublicKey {
        &self.secrets.recovery
    }

    /// Puts the spare in the place of the TLS key and another spare beside it. Signed by the command key.
    pub(crate) fn rotated(
        self,
        spare: &Zeroizing<Vec<u8>>,
        new_spare: &PublicKey,
        master: &Secret<32>,
        replacing: Replacing,
    ) -> Result<Self, KeyringError> {
        let Self { mut secrets, command, .. } = self;
        let tls = SoftwareKey::from_pkcs8(spare)?;
        let order = PinOrder { counter: replacing.next(secrets.pins.order.counter), ..secrets.pins.order };
        let update = signed(order, [tls.public_key(), new_spare], None, &secrets, &command, replacing.now)?;
        secrets.tls.zeroize();
        secrets.tls = spare.to_vec();
        secrets.spare_pin = new_spare.fingerprint().into();
        secrets.pins.order = order;
        secrets.pins.rotation = Some(update);
        secrets.pins.unfinished = Some(replacing.unfinished(How::Rotated));
        Self::assemble(secrets, master)
    }

    /// Makes the TLS key, the authority's and those that sign anew. Signed by the recovery key, which stays.
    pub(crate) fn recovered(
        self,
        recovery: &SoftwareKey,
        new_spare: &PublicKey,
        master: &Secret<32>,
        replacing: Replacing,
    ) -> Result<Self, KeyringError> {
        let Self { mut secrets, .. } = self;
        let Secrets { tls, ca, command, lease, checkpoint, .. } = &mut secrets;
        for key in [tls, ca, command, lease, checkpoint] {
            key.zeroize();
            *key = SoftwareKey::make_pkcs8()?.to_vec();
        }
        let public = |pkcs8: &[u8]| SoftwareKey::from_pkcs8(pkcs8).map(|key| key.public_key().clone());
        let keys = SigningKeys {
            command: public(&secrets.command)?,
            lease: public(&secrets.lease)?,
            checkpoint: public(&secrets.checkpoint)?,
        };
        let tls = public(&secrets.tls)?;
        let order = PinOrder { epoch: replacing.next(secrets.pins.order.epoch), counter: 0 };
        let update = signed(order, [&tls, new_spare], Some(keys), &secrets, recovery, replacing.now)?;
        secrets.spare_pin = new_spare.fingerprint().into();
        secrets.pins = Pins {
            order,
            recovery: Some(update),
            rotation: None,
            unfinished: Some(replacing.unfinished(How::Recovered)),
        };
        Self::assemble(secrets, master)
    }

    /// Nothing is left to do after the last replacement.
    pub(crate) fn finished(&mut self) {
        self.secrets.pins.unfinished = None;
    }

    /// Puts the secrets in the place of those that are sealed in `data`, as a whole or not at all.
    pub(crate) fn store(
        &self,
        data: &Path,
        master: &Secret<32>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(), KeyringError> {
        let sealed = self.secrets.seal(master, rng)?;
        let path = data.join(SEALED_FILE);
        crate::init::replace_private(&path, &sealed).map_err(|cause| KeyringError::Io { path, cause })
    }
}

fn signed(
    order: PinOrder,
    pins: [&PublicKey; 2],
    keys: Option<SigningKeys>,
    secrets: &Secrets,
    signer: &SoftwareKey,
    now: Timestamp,
) -> Result<ByteBuf, KeyringError> {
    let pins = pins.map(|key| ByteArray::new(key.fingerprint())).to_vec();
    let update = PinUpdate { order, issued_at: now, pins, keys };
    Ok(cose::sign(&update, &secrets.recovery.fingerprint(), signer)?.into())
}
