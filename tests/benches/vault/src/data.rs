//! The data: the same for everybody, and nothing that could be compressed.

use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};

/// Bytes of a record.
pub(crate) const RECORD_LEN: usize = 1024;

/// The name of a record: as long as names are in use, and not in the order of its number.
pub(crate) fn name(number: usize) -> String {
    format!("notes/{:08x}/{number:08}", (number as u32).wrapping_mul(0x9e37_79b1))
}

/// The value of a record.
pub(crate) fn value(number: usize) -> Vec<u8> {
    let mut bytes = vec![0; RECORD_LEN];
    StdRng::seed_from_u64(number as u64).fill_bytes(&mut bytes);
    bytes
}

/// A large file.
pub(crate) fn file(megabytes: usize) -> Vec<u8> {
    let mut bytes = vec![0; megabytes * 1_000_000];
    StdRng::seed_from_u64(7).fill_bytes(&mut bytes);
    bytes
}
