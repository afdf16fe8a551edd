//! What the end-to-end tests, the demo and the benches share: each module says what it holds.

pub mod attacker;
pub mod demo;
pub mod phone;
pub mod roster;
pub mod world;
