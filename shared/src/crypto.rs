//! Symmetric cryptography, in two rooms.
//!
//! [`safe`] is what the product calls: keys with one purpose, nonces drawn inside, associated data demanded.
//! [`hazmat`] takes keys and nonces as they come and is for [`safe`], file formats and their test vectors only.
//! Functions named `derive_` are deterministic, `make_` draw from the generator they are given.

pub mod hazmat;
pub mod safe;
mod secret;
mod stack;
pub mod stream;

pub use safe::{MacKey, OpenError, Purpose, SealingKey};
pub use secret::Secret;
