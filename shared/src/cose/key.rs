//! P-256 keys as the product names them: by their SubjectPublicKeyInfo (RFC 5480).

use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypto::hazmat::sha256;

/// DER of `SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING` up to the 65 bytes of the point.
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const POINT_LEN: usize = 65;
const SPKI_LEN: usize = SPKI_PREFIX.len() + POINT_LEN;

/// The first 8 bytes of a key's SHA-256 fingerprint: the `kid` of a signed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId(pub [u8; 8]);

/// Bytes that are no uncompressed P-256 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the SubjectPublicKeyInfo of an uncompressed P-256 key")]
pub struct ParsePublicKeyError;

/// A P-256 public key as its SubjectPublicKeyInfo.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "serde_bytes::ByteBuf", into = "serde_bytes::ByteBuf")]
pub struct PublicKey([u8; SPKI_LEN]);

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo. That the point lies on the curve shows at the first signature.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, ParsePublicKeyError> {
        let bytes: [u8; SPKI_LEN] = der.try_into().map_err(|_| ParsePublicKeyError)?;
        match bytes.starts_with(&SPKI_PREFIX) && bytes[SPKI_PREFIX.len()] == 0x04 {
            true => Ok(Self(bytes)),
            false => Err(ParsePublicKeyError),
        }
    }

    fn from_point(point: &[u8]) -> Result<Self, ParsePublicKeyError> {
        Self::from_spki_der(&[&SPKI_PREFIX, point].concat())
    }

    /// The DER bytes.
    pub fn spki_der(&self) -> &[u8] {
        &self.0
    }

    /// The uncompressed point: 0x04 ‖ x ‖ y.
    pub fn point(&self) -> &[u8] {
        &self.0[SPKI_PREFIX.len()..]
    }

    /// SHA-256 of the SubjectPublicKeyInfo: what pins hold.
    pub fn fingerprint(&self) -> [u8; 32] {
        sha256(&[&self.0])
    }

    /// The `kid` of statements that this key signs.
    pub fn key_id(&self) -> KeyId {
        let fingerprint = self.fingerprint();
        KeyId(*fingerprint.first_chunk().expect("32 bytes begin with 8"))
    }

    /// Whether `signature` (r ‖ s, 64 bytes) is this key's over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        ring::signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.point())
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:016x})", u64::from_be_bytes(self.key_id().0))
    }
}

impl TryFrom<serde_bytes::ByteBuf> for PublicKey {
    type Error = ParsePublicKeyError;

    fn try_from(bytes: serde_bytes::ByteBuf) -> Result<Self, Self::Error> {
        Self::from_spki_der(&bytes)
    }
}

impl From<PublicKey> for serde_bytes::ByteBuf {
    fn from(key: PublicKey) -> Self {
        Self::from(key.0.to_vec())
    }
}

/// The key store could not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signing key is not available")]
pub struct SignError;

/// Something that holds a P-256 private key and signs with it: a file, a keystore, a smart card.
pub trait Signer: Send + Sync {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// ES256 over `message`: r ‖ s.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

/// A private key in memory.
///
/// The one place of this crate that draws randomness of its own: ring takes new keys and the nonces of signatures from the
/// operating system and lets no caller choose them, since a poor one gives the key away.
pub struct SoftwareKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
    random: SystemRandom,
}

impl SoftwareKey {
    /// A fresh key as PKCS#8 (RFC 5958), to be stored before it is used.
    pub fn make_pkcs8() -> Result<Zeroizing<Vec<u8>>, SignError> {
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map(|document| Zeroizing::new(document.as_ref().to_vec()))
            .map_err(|_| SignError)
    }

    /// The key in a PKCS#8 document.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, SignError> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random)
            .map_err(|_| SignError)?;
        let public = PublicKey::from_point(pair.public_key().as_ref()).map_err(|_| SignError)?;
        Ok(Self { pair, public, random })
    }
}

impl Signer for SoftwareKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let signature = self.pair.sign(&self.random, message).map_err(|_| SignError)?;
        signature.as_ref().try_into().map_err(|_| SignError)
    }
}
