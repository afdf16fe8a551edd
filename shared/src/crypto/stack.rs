//! Keys leave copies of themselves on the stack of the thread that computes with them: ring gives an expanded key by value, and its
//! hash contexts hold what a key was mixed into. Nothing overwrites them until the thread happens to go as deep again. Here the
//! place is overwritten at once. Not here: what lies on the heap, which its owner erases when it is dropped.

use std::hint::black_box;

/// Bytes below the caller's frame that a key's expansion, HKDF or a cipher stays within, also in a build that is not optimised.
pub(super) const DEEP: usize = 16 * 1024;
/// The same of one HMAC with a key that is prepared: contexts of a few hundred bytes.
pub(super) const SHALLOW: usize = 4 * 1024;

/// Runs `work`, then overwrites `BYTES` of the stack below this frame. What `work` gives is to hold no secret itself, but a box: a
/// value is moved through the frames of its callers, which are not overwritten.
pub(super) fn erased_after<const BYTES: usize, T>(work: impl FnOnce() -> T) -> T {
    let result = apart(work);
    overwrite::<BYTES>();
    result
}

/// In a frame below the caller's, never in it.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Its frame begins where that of [`apart`] began, and is all zeros.
#[inline(never)]
fn overwrite<const BYTES: usize>() {
    let mut zeros = [0_u8; BYTES];
    black_box(&mut zeros);
}

// The stack is looked at through the kernel's view of it, since nothing here may read memory without one.
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::crypto::Secret;
    use crate::crypto::hazmat::{self, PreparedKey, PreparedMacKey};

    /// How often 16 bytes of a key, any half of it, stand in the 64 KiB of stack below the caller.
    #[inline(never)]
    fn copies_below(turned: &[u8; 32]) -> usize {
        let here = 0_u8;
        let top = std::ptr::from_ref(black_box(&here)).addr();
        let mut stack = vec![0; 64 * 1024];
        let bottom = top - stack.len();
        File::open("/proc/self/mem").unwrap().read_exact_at(&mut stack, bottom as u64).unwrap();
        let is_half = |bytes: &[u8], half: &[u8]| bytes.iter().zip(half).all(|(a, b)| *a == !*b);
        stack.windows(16).filter(|bytes| turned.chunks(16).any(|half| is_half(bytes, half))).count()
    }

    /// Copies of parts of `secret` that are found after `work`, with all its bits turned: the search does not find itself.
    fn left_of<T>(secret: &Secret<32>, work: impl FnOnce() -> T) -> usize {
        let turned = std::array::from_fn(|at| !secret.expose()[at]);
        let done = work();
        let found = copies_below(&turned);
        drop(done);
        found
    }

    fn key() -> Secret<32> {
        Secret::make(&mut rand::rngs::OsRng)
    }

    #[test]
    fn expanding_a_key_leaves_none_of_it_on_the_stack() {
        let key = key();
        assert_eq!(left_of(&key, || PreparedKey::new(&key)), 0);
        assert!(left_of(&key, || PreparedKey::expanded(&key)) > 0, "without the defence a copy is found");
    }

    #[test]
    fn sealing_and_opening_once_leave_none_of_the_key_on_the_stack() {
        let key = key();
        let mut sealed = Vec::new();
        assert_eq!(left_of(&key, || sealed = hazmat::seal(&key, [1; 12], b"aad", b"plain")), 0);
        assert_eq!(left_of(&key, || hazmat::open(&key, [1; 12], b"aad", &sealed).unwrap()), 0);
        assert!(left_of(&key, || PreparedKey::expanded(&key)) > 0, "without the defence a copy is found");
    }

    #[test]
    fn deriving_a_key_leaves_none_of_it_on_the_stack() {
        let from = key();
        let derived = hazmat::derive_hkdf::<32>(&[], &[from.expose()], &[b"info"]);
        assert_eq!(left_of(&derived, || hazmat::derive_hkdf::<32>(&[], &[from.expose()], &[b"info"])), 0);
        let mut bare = Secret::from_bytes([0; 32]);
        let fill = |output: &mut [u8; 32]| hazmat::fill_hkdf(&[], from.expose(), &[b"info"], output);
        let without = left_of(&derived, || bare = Secret::filled(fill));
        assert!(without > 0, "without the defence a copy is found");
        assert!(bare == derived);
    }

    /// The hash after a prepared key's block, out of the place where the key lies; another key tells what of it is no key.
    fn mixed_in(key: &PreparedMacKey) -> Secret<32> {
        let bytes = |key: &PreparedMacKey| {
            let mut bytes = [0; size_of::<ring::hmac::Key>()];
            let at = std::ptr::from_ref(key.place()).addr();
            File::open("/proc/self/mem").unwrap().read_exact_at(&mut bytes, at as u64).unwrap();
            bytes
        };
        let (this, other) = (bytes(key), bytes(&PreparedMacKey::new(b"other")));
        let differs = |at: &usize| (*at..at + 32).step_by(4).all(|at| this[at..at + 4] != other[at..at + 4]);
        let at = (0..this.len() - 32).step_by(4).find(differs).unwrap();
        Secret::from_slice(&this[at..at + 32]).unwrap()
    }

    #[test]
    fn a_tag_leaves_nothing_on_the_stack_that_makes_tags() {
        let prepared = PreparedMacKey::new(key().expose());
        let mixed = erased_after::<DEEP, _>(|| mixed_in(&prepared));
        assert_eq!(left_of(&mixed, || prepared.tag(&[b"name"])), 0);
        let without = left_of(&mixed, || hazmat::hmac(prepared.place(), &[b"name"]));
        assert!(without > 0, "without the defence a copy is found");
    }
}
