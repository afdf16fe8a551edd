//! The attacker's tool: our own crates with every check removed, for tests that show what stops an attack.
//!
//! It reads no clock, keeps no count of tries, obeys no block, wipe or lease end, and believes any server. [`StolenHome`]
//! opens a copied phone, [`RawDevice`] and [`RawEnrol`] say anything to a server, [`Impostor`], [`Middleman`],
//! [`FalsePins`] and [`FalseServer`] stand where a server should, [`Relay`] is the honest way there, and [`UnlockSecrets`] is what a wipe has
//! to destroy at the server.

mod enrol;
mod false_pins;
mod false_server;
mod identity;
mod impostor;
mod middleman;
mod peer;
mod raw;
mod relay;
mod stolen;
mod tls;
mod traces;

pub use enrol::{Enrolled, RawEnrol};
pub use false_pins::FalsePins;
pub use false_server::{FalseLink, FalseServer};
pub use identity::{Identity, Validity};
pub use impostor::{Belief, Heard, Impostor};
pub use middleman::{Middleman, Overheard};
pub use peer::{Challenged, RawDevice};
pub use raw::{Answer, RawStream, frame, hostile_frame};
pub use relay::Relay;
pub use stolen::{Begun, OpenedBy, StolenHome, Unopened};
pub use traces::{UnlockSecrets, unlock_secrets};
