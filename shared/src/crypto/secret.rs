//! Bytes that must not be seen: zeroed when dropped, without `Debug`, compared in constant time.

use rand::{CryptoRng, RngCore};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// `N` secret bytes. They lie on the heap, so that moving a secret leaves no copy of them behind.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Takes over bytes that came from storage or a key exchange. The caller's copy stays the caller's to erase.
    pub fn from_bytes(bytes: [u8; N]) -> Self {
        Self(Box::new(bytes))
    }

    /// The same, from a slice; `None` if it is not `N` bytes long.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; N] = bytes.try_into().ok()?;
        Some(Self::filled(|place| place.copy_from_slice(bytes)))
    }

    /// Fresh random bytes.
    pub fn make(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        Self::filled(|place| rng.fill_bytes(place))
    }

    /// What `fill` writes, in the place where it stays.
    pub(super) fn filled(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self(Box::new([0; N]));
        fill(&mut secret.0);
        secret
    }

    /// The bytes themselves, named so that every look at them can be found.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_ref()).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}
