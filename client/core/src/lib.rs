//! The rules of the phone: session, unlock, lease, commands and wipe as state machines.
//!
//! Nothing here does IO, reads a clock or draws randomness: a [`Moment`] and a generator are arguments, and what is to
//! be done comes back as [`Effect`]s and [`EraseStep`]s. Files and keys are in `vault`; sockets, clocks and the driver
//! that executes effects are in `client-agent`.

mod aside;
pub mod backoff;
pub mod clock;
pub mod command;
pub mod erase;
pub mod lease;
pub mod outbox;
pub mod pin_delay;
pub mod pins;
pub mod session;
pub mod sync;

pub use backoff::Backoff;
pub use clock::{BootTime, Moment};
pub use command::{Accepted, VerifiedCommand, WipeAuthorised};
pub use erase::{EraseStep, Erasure, Findings, Next};
pub use lease::{RunningLease, VerifiedLease};
pub use pin_delay::{PinDelay, StoredPinDelay};
pub use pins::PinUpdateError;
pub use session::{CommandError, Effect, Identity, Notice, Progress, Session, State, Tested, UnlockRefusal};
