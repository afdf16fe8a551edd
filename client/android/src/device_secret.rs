//! The device secret by the Keystore: what its HMAC key makes of one label. The key is never seen and goes with no copy of the
//! app's folder; what it makes is in memory while it is used, as the file of a desktop is.

use std::sync::Arc;

use client_agent::{KeyError, SecretStore};
use shared::crypto::Secret;

use crate::keystore::{Fault, Kept, Keystore, make_best};

const WHAT: &str = "the device secret";
/// What is authenticated. Another label would be another secret, and no slot of before would open.
const LABEL: &[u8] = b"tbk/1/android/device-secret";

/// Holds the device secret behind the Keystore.
pub struct KeystoreSecret(Arc<dyn Keystore>);

impl KeystoreSecret {
    /// The one of this Keystore.
    pub fn new(keystore: Arc<dyn Keystore>) -> Self {
        Self(keystore)
    }
}

impl SecretStore for KeystoreSecret {
    fn load(&self) -> Result<Option<Secret<32>>, KeyError> {
        if !self.0.has(Kept::Mac).map_err(unavailable)? {
            return Ok(None);
        }
        let bytes = self.0.mac(LABEL).map_err(unavailable)?;
        Ok(Some(Secret::from_slice(&bytes).ok_or(KeyError::Damaged(WHAT))?))
    }

    fn load_or_make(&self) -> Result<Secret<32>, KeyError> {
        make_best(self.0.as_ref(), Kept::Mac).map_err(unavailable)?;
        self.load()?.ok_or(KeyError::NotMade("a device secret"))
    }

    fn destroy(&self) -> Result<(), KeyError> {
        self.0.delete(Kept::Mac).map_err(unavailable)
    }
}

fn unavailable(fault: Fault) -> KeyError {
    KeyError::Unavailable(WHAT, fault.to_string())
}
