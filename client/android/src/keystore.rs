//! What is asked of Android's Keystore, and no more than that: a test can stand in for it.

use std::sync::Arc;

use shared::wire::KeyLevel;
use zeroize::Zeroizing;

/// Why the Keystore did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// This device has no such place: the next best is asked for.
    #[error("this device has no secure element for that")]
    NoSuchPlace,
    /// Anything else, as the system says it. No secret is in it.
    #[error("the Keystore refused: {0}")]
    Refused(String),
}

/// Where a key is made and stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A secure element of its own.
    StrongBox,
    /// Wherever the device keeps keys otherwise: mostly the trusted execution environment.
    Default,
}

/// What the Keystore keeps under one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// A P-256 key that signs SHA-256 (ES256).
    Signing,
    /// A 256-bit key for HMAC-SHA256.
    Mac,
}

impl Kept {
    /// Under which name.
    pub fn alias(self) -> &'static str {
        match self {
            Self::Signing => "tamatebako.device-key",
            Self::Mac => "tamatebako.device-secret",
        }
    }
}

/// Android's Keystore, which gives no key out.
pub trait Keystore: Send + Sync {
    /// Whether there is such a key.
    fn has(&self, kept: Kept) -> Result<bool, Fault>;
    /// Makes it in this place, durably; a place that the device has not is [`Fault::NoSuchPlace`].
    fn make(&self, kept: Kept, place: Place) -> Result<(), Fault>;
    /// Where it is, as the Keystore itself says.
    fn level(&self, kept: Kept) -> Result<KeyLevel, Fault>;
    /// The signing key's public half as SubjectPublicKeyInfo.
    fn public_key(&self) -> Result<Vec<u8>, Fault>;
    /// ECDSA over SHA-256 of `message`, in DER as Java has it.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Fault>;
    /// HMAC-SHA256 of `message`.
    fn mac(&self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault>;
    /// Destroys it. None is no error.
    fn delete(&self, kept: Kept) -> Result<(), Fault>;
}

/// Makes a key in the best place that the device has, unless it is there.
pub(crate) fn make_best(keystore: &dyn Keystore, kept: Kept) -> Result<(), Fault> {
    if keystore.has(kept)? {
        return Ok(());
    }
    match keystore.make(kept, Place::StrongBox) {
        Err(Fault::NoSuchPlace) => keystore.make(kept, Place::Default),
        made => made,
    }
}

/// The worse of both keys' levels. Keys that are not there are made for the question and deleted again: what a device reports is
/// settled before it enrols, and a key without an enrolment is nothing that should be found later.
pub(crate) fn level(keystore: &Arc<dyn Keystore>) -> Result<KeyLevel, Fault> {
    let mut worst = KeyLevel::Strongbox;
    for kept in [Kept::Signing, Kept::Mac] {
        let was_there = keystore.has(kept)?;
        make_best(keystore.as_ref(), kept)?;
        let level = keystore.level(kept);
        if !was_there {
            keystore.delete(kept)?;
        }
        worst = worse(worst, level?);
    }
    Ok(worst)
}

fn worse(one: KeyLevel, other: KeyLevel) -> KeyLevel {
    match (one, other) {
        (KeyLevel::Software, _) | (_, KeyLevel::Software) => KeyLevel::Software,
        (KeyLevel::Tee, _) | (_, KeyLevel::Tee) => KeyLevel::Tee,
        (KeyLevel::Strongbox, KeyLevel::Strongbox) => KeyLevel::Strongbox,
    }
}
