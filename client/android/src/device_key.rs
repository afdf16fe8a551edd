//! The device key as the Keystore has it: it signs, and is never seen.

use std::sync::Arc;

use client_agent::{DeviceKey, KeyError};
use p256::ecdsa::Signature;
use shared::cose::{PublicKey, SignError, Signer};

use crate::keystore::{Fault, Kept, Keystore, make_best};

const WHAT: &str = "the device key";

/// Holds the device key in the Keystore.
pub struct KeystoreDeviceKey(Arc<dyn Keystore>);

impl KeystoreDeviceKey {
    /// The one of this Keystore.
    pub fn new(keystore: Arc<dyn Keystore>) -> Self {
        Self(keystore)
    }
}

impl DeviceKey for KeystoreDeviceKey {
    fn load(&self) -> Result<Option<Arc<dyn Signer>>, KeyError> {
        if !self.0.has(Kept::Signing).map_err(unavailable)? {
            return Ok(None);
        }
        let spki = self.0.public_key().map_err(unavailable)?;
        let public = PublicKey::from_spki_der(&spki).map_err(|_| KeyError::Damaged(WHAT))?;
        Ok(Some(Arc::new(KeystoreSigner { keystore: Arc::clone(&self.0), public })))
    }

    fn load_or_make(&self) -> Result<Arc<dyn Signer>, KeyError> {
        make_best(self.0.as_ref(), Kept::Signing).map_err(unavailable)?;
        self.load()?.ok_or(KeyError::NotMade("a device key"))
    }

    fn destroy(&self) -> Result<(), KeyError> {
        self.0.delete(Kept::Signing).map_err(unavailable)
    }
}

fn unavailable(fault: Fault) -> KeyError {
    KeyError::Unavailable(WHAT, fault.to_string())
}

/// A key that only the Keystore can use.
struct KeystoreSigner {
    keystore: Arc<dyn Keystore>,
    public: PublicKey,
}

impl Signer for KeystoreSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let der = self.keystore.sign(message).map_err(|fault| {
            tracing::error!(%fault, "the device key does not sign");
            SignError
        })?;
        // Java's form is a sequence of two numbers without leading zeros (X9.62), COSE's and TLS's ours is r ‖ s.
        let signature = Signature::from_der(&der).map_err(|_| SignError)?;
        Ok(signature.to_bytes().into())
    }
}
