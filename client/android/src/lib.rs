//! What Android has that a desktop has not, behind the traits of `client-agent`: the device key and the device secret in the
//! Keystore, a window that is not captured, a life cycle, and a network that comes and goes. No Slint: the app around this is the
//! crate `client`.
//!
//! The rules are here and are tested on any machine over a [`Keystore`] of the test's own. What needs Android's Java VM is
//! in [`jvm`], which decides nothing.

#[cfg(target_os = "android")]
pub mod activity;
mod device_key;
mod device_secret;
pub mod jvm;
mod keystore;
mod life;
mod network;
mod platform;

pub use device_key::KeystoreDeviceKey;
pub use device_secret::KeystoreSecret;
pub use keystore::{Fault, Kept, Keystore, Place};
pub use life::{Act, Life, Moment};
pub use network::NetworkWatch;
pub use platform::{PlatformError, of, platform};

#[cfg(test)]
mod tests;
