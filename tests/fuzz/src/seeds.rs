//! Seeds: inputs from the real encoders, so that a fuzzer begins behind the first checks, and mutations of them, so that a
//! replay without a fuzzer meets more than what is right.
//!
//! All of them are the same at each run, but for signatures, whose nonces are random.

mod phone;
mod server;
mod sheets;
mod statements;
mod wire;

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// One input.
pub struct Seed {
    /// Its file.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The seeds of every target.
pub fn all() -> BTreeMap<&'static str, Vec<Seed>> {
    let mut seeds = Seeds::default();
    wire::add(&mut seeds);
    statements::add(&mut seeds);
    sheets::add(&mut seeds);
    phone::add(&mut seeds);
    server::add(&mut seeds);
    seeds.0
}

#[derive(Default)]
struct Seeds(BTreeMap<&'static str, Vec<Seed>>);

impl Seeds {
    /// One input.
    fn add(&mut self, target: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.entry(target).or_default().push(Seed { name: name.into(), bytes: bytes.into() });
    }

    /// An input and what damage makes of it: its first half, a flipped bit, a piece twice.
    fn add_mutated(&mut self, target: &'static str, name: &str, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        let mut rng = StdRng::seed_from_u64(bytes.len() as u64);
        self.add(target, format!("{name}-cut"), &bytes[..bytes.len() / 2]);
        if !bytes.is_empty() {
            let mut flipped = bytes.clone();
            flipped[rng.gen_range(0..bytes.len())] ^= 1 << rng.gen_range(0..8);
            self.add(target, format!("{name}-flipped"), flipped);
            let at = rng.gen_range(0..bytes.len());
            let piece = &bytes[at..(at + 8).min(bytes.len())];
            self.add(target, format!("{name}-doubled"), [&bytes[..at], piece, &bytes[at..]].concat());
        }
        self.add(target, name, bytes);
    }
}
