//! What the end-to-end tests and the demo share: each module says what it holds.

pub mod attacker;
pub mod bench;
pub mod browser;
pub mod demo;
pub mod phone;
pub mod roster;
pub mod web;
pub mod world;
