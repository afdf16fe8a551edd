//! A simulated world: one server and its phones in one thread, from a seed.
//!
//! The rules (`mdm-core`), the store (`mdm-store` in memory), the unlock records, the session and the erase
//! (`client-core`), the signed statements, the wire messages and the PIN exchange are the real ones. The shells around them
//! (QUIC, files, tokio) are modelled here, each function named like its counterpart and in the same order;
//! `docs/simulation.md` says what that proves and what not. Nothing here is shipped.

mod body;
mod disk;
mod executor;
mod fault;
mod log;
mod network;
mod phone;
mod run;
mod script;
mod server;
mod sim;
mod watch;
mod world;

pub use fault::Fault;
pub use log::Counts;
pub use run::{Failure, Run, run};
pub use script::Script;
pub use watch::{Invariant, Violation};
pub use world::{Outcome, play};
