//! One program a target.

use std::alloc::System;
use std::sync::OnceLock;

use e2e_fuzz::{COUNTING, StatsAlloc, Target};
pub use libfuzzer_sys;

/// What an input allocates is bounded, so it is counted.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = COUNTING;

/// Gives an input to the target of this name.
pub fn check(name: &str, bytes: &[u8]) {
    static TARGET: OnceLock<&Target> = OnceLock::new();
    TARGET.get_or_init(|| Target::named(name).expect("a program has the name of its target")).check(bytes);
}

/// The whole program of a target.
#[macro_export]
macro_rules! fuzz {
    ($name:literal) => {
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::check($name, bytes));
    };
}
