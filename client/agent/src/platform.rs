//! What differs between a phone with a secure element and a folder on a desktop: where the device key and the device secret
//! live. The files of the vault and the rules know nothing of it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rand::rngs::OsRng;
use shared::cose::{Signer, SoftwareKey};
use shared::crypto::Secret;
use shared::wire::{DeviceDescription, KeyLevel};
use vault::{FileError, Home, files};

use crate::confine::Confinement;

/// Why a key or secret is not available.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its file.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is there, but it is no key.
    #[error("{0} is damaged: have this device wiped and enrol it again")]
    Damaged(&'static str),
    /// The system holds it and does not let it be used: what it holds, and what it said.
    #[error("{0} is not available: {1}")]
    Unavailable(&'static str, String),
    /// The system refused to make one.
    #[error("the system could not make {0}: try again")]
    NotMade(&'static str),
}

/// Holds the device key: P-256, made at enrolment, never leaving the device.
pub trait DeviceKey: Send + Sync {
    /// The key; `None` if there is none.
    fn load(&self) -> Result<Option<Arc<dyn Signer>>, KeyError>;
    /// The key, made if there is none, and durable when this returns.
    fn load_or_make(&self) -> Result<Arc<dyn Signer>, KeyError>;
    /// Destroys it. None is no error.
    fn destroy(&self) -> Result<(), KeyError>;
}

/// Holds the device secret: 32 random bytes without which no slot opens and no PIN can be tested.
pub trait SecretStore: Send + Sync {
    /// The secret; `None` if there is none.
    fn load(&self) -> Result<Option<Secret<32>>, KeyError>;
    /// The secret, made if there is none, and durable when this returns.
    fn load_or_make(&self) -> Result<Secret<32>, KeyError>;
    /// Destroys it. None is no error.
    fn destroy(&self) -> Result<(), KeyError>;
}

/// The device under the agent.
#[derive(Clone)]
pub struct Platform {
    /// The device key.
    pub device_key: Arc<dyn DeviceKey>,
    /// The device secret.
    pub secrets: Arc<dyn SecretStore>,
    /// What the device says of itself at enrolment.
    pub description: DeviceDescription,
    /// How far this process has confined itself.
    pub confinement: Confinement,
}

impl fmt::Debug for Platform {
    /// Where the keys are, and nothing of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").field("key_level", &self.description.key_level).finish_non_exhaustive()
    }
}

impl Platform {
    /// Keys in files of `home`: as safe as the user account of the operating system, and reported as such.
    pub fn software(home: &Home, model: &str, app_version: &str) -> Self {
        Self {
            device_key: Arc::new(KeyFile(home.device_key())),
            secrets: Arc::new(SecretFile(home.device_secret())),
            description: DeviceDescription {
                model: model.chars().take(64).collect(),
                platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
                app_version: app_version.chars().take(64).collect(),
                key_level: KeyLevel::Software,
            },
            confinement: Confinement::default(),
        }
    }

    /// The same in a process that has confined itself so far.
    pub fn confined(self, confinement: Confinement) -> Self {
        Self { confinement, ..self }
    }
}

const KEY_LIMIT: usize = 1024;

/// A device key as a PKCS#8 file.
struct KeyFile(PathBuf);

impl DeviceKey for KeyFile {
    fn load(&self) -> Result<Option<Arc<dyn Signer>>, KeyError> {
        let Some(pkcs8) = files::read(&self.0, KEY_LIMIT)? else { return Ok(None) };
        let key = SoftwareKey::from_pkcs8(&pkcs8).map_err(|_| KeyError::Damaged("the device key"))?;
        Ok(Some(Arc::new(key)))
    }

    fn load_or_make(&self) -> Result<Arc<dyn Signer>, KeyError> {
        if let Some(key) = self.load()? {
            return Ok(key);
        }
        let pkcs8 = SoftwareKey::make_pkcs8().map_err(|_| KeyError::NotMade("a device key"))?;
        files::replace_secret(&self.0, &pkcs8)?;
        self.load()?.ok_or(KeyError::NotMade("a device key"))
    }

    fn destroy(&self) -> Result<(), KeyError> {
        Ok(files::destroy(&self.0)?)
    }
}

/// A device secret as a file of 32 bytes.
struct SecretFile(PathBuf);

impl SecretStore for SecretFile {
    fn load(&self) -> Result<Option<Secret<32>>, KeyError> {
        let Some(bytes) = files::read(&self.0, KEY_LIMIT)? else { return Ok(None) };
        Ok(Some(Secret::from_slice(&bytes).ok_or(KeyError::Damaged("the device secret"))?))
    }

    fn load_or_make(&self) -> Result<Secret<32>, KeyError> {
        if let Some(secret) = self.load()? {
            return Ok(secret);
        }
        let secret = Secret::make(&mut OsRng);
        files::replace_secret(&self.0, secret.expose())?;
        Ok(secret)
    }

    fn destroy(&self) -> Result<(), KeyError> {
        Ok(files::destroy(&self.0)?)
    }
}
