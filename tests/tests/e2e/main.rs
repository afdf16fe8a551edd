//! End-to-end tests: real servers and phones as processes, one module for each thing that must hold.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod april;
mod calls;
mod commands;
mod confine;
mod console;
mod damage;
mod demo;
mod documents;
mod durability;
mod enrol;
mod interop;
mod kill;
mod letters;
mod mail;
mod memory;
mod notes;
mod pins;
mod powercut;
mod prepared;
mod renewal;
mod restore;
mod second_device;
mod secrets;
mod session;
mod sync;
mod thief;
mod unlock;
mod wipe;
