//! The device under the agent, as Android is one.

use std::sync::Arc;

use client_agent::{Confinement, Platform};
use shared::wire::DeviceDescription;

use crate::device_key::KeystoreDeviceKey;
use crate::device_secret::KeystoreSecret;
use crate::jvm::{AndroidKeystore, System};
use crate::keystore::{Fault, Keystore, level};

/// Why there is none. There is no way round the Keystore: keys in files would pass for what they are not.
#[derive(Debug, thiserror::Error)]
#[error("the keys of this device are not available: {0}")]
pub struct PlatformError(#[from] Fault);

/// The platform of this phone.
pub fn of(system: &System, app_version: &str) -> Result<Platform, PlatformError> {
    let keystore = AndroidKeystore::new(system.vm(), system.api_level()?);
    let (model, version) = system.names()?;
    platform(Arc::new(keystore), &model, &version, app_version)
}

/// A platform whose keys are in `keystore`. `model` and `system` are what the device says of itself.
pub fn platform(
    keystore: Arc<dyn Keystore>,
    model: &str,
    system: &str,
    app_version: &str,
) -> Result<Platform, PlatformError> {
    let short = |text: &str| text.chars().take(64).collect::<String>();
    let description = DeviceDescription {
        model: short(model),
        platform: short(system),
        app_version: short(app_version),
        key_level: level(&keystore)?,
    };
    Ok(Platform {
        device_key: Arc::new(KeystoreDeviceKey::new(Arc::clone(&keystore))),
        secrets: Arc::new(KeystoreSecret::new(keystore)),
        description,
        // Nothing is asked of the kernel: to Android each app is a user of its own, and its folder nobody else's.
        confinement: Confinement::default(),
    })
}
