//! AES-256-GCM (NIST SP 800-38D), HKDF-SHA-256 (RFC 5869) and HMAC-SHA-256 (RFC 2104) by ring, with nothing chosen for
//! the caller. A nonce used twice under one key gives both away: use [`super::safe`] unless a file format says otherwise.
//! Wherever ring has a key on the stack, the stack is overwritten afterwards (`stack`).

use ring::{aead, digest, hkdf, hmac};
use zeroize::Zeroizing;

use super::Secret;
use super::stack::{DEEP, SHALLOW, erased_after};

/// Bytes of an AES-256-GCM nonce.
pub const NONCE_LEN: usize = aead::NONCE_LEN;
/// Bytes of an AES-256-GCM tag.
pub const TAG_LEN: usize = 16;

/// The ciphertext, nonce, key and associated data do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("authenticated decryption failed")]
pub struct AuthenticationFailed;

fn aead_key(key: &Secret<32>) -> aead::LessSafeKey {
    let unbound = aead::UnboundKey::new(&aead::AES_256_GCM, key.expose()).expect("AES-256 takes 32 bytes");
    aead::LessSafeKey::new(unbound)
}

/// Ciphertext followed by the tag.
pub fn seal(key: &Secret<32>, nonce: [u8; NONCE_LEN], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(plaintext.len() + TAG_LEN);
    buffer.extend_from_slice(plaintext);
    erased_after::<DEEP, _>(|| {
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        aead_key(key)
            .seal_in_place_append_tag(nonce, aead::Aad::from(aad), &mut buffer)
            .expect("a buffer in memory is shorter than the 64 GiB that GCM can seal");
    });
    buffer
}

/// The plaintext of `sealed` (ciphertext ‖ tag).
pub fn open(
    key: &Secret<32>,
    nonce: [u8; NONCE_LEN],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, AuthenticationFailed> {
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let length = erased_after::<DEEP, _>(|| {
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        let opened = aead_key(key).open_in_place(nonce, aead::Aad::from(aad), &mut buffer);
        opened.map(|plaintext| plaintext.len()).map_err(|_| AuthenticationFailed)
    })?;
    buffer.truncate(length);
    Ok(buffer)
}

/// A key that is expanded once for many uses, in place and without copies.
pub struct PreparedKey(Box<aead::LessSafeKey>);

impl PreparedKey {
    /// Expands `key`.
    pub fn new(key: &Secret<32>) -> Self {
        erased_after::<DEEP, _>(|| Self::expanded(key))
    }

    /// Leaves the key on the stack.
    pub(super) fn expanded(key: &Secret<32>) -> Self {
        Self(Box::new(aead_key(key)))
    }

    /// Encrypts `buffer` in place and gives the tag.
    pub fn seal_in_place(&self, nonce: [u8; NONCE_LEN], aad: &[u8], buffer: &mut [u8]) -> [u8; TAG_LEN] {
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_separate_tag(nonce, aead::Aad::from(aad), buffer)
            .expect("a buffer in memory is shorter than the 64 GiB that GCM can seal")
            .as_ref()
            .try_into()
            .expect("a tag of AES-256-GCM has 16 bytes")
    }

    /// Decrypts `sealed` (ciphertext ‖ tag) in place and gives the part that is the plaintext. After an error the bytes
    /// are worth nothing.
    pub fn open_in_place<'a>(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], AuthenticationFailed> {
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        self.0.open_in_place(nonce, aead::Aad::from(aad), sealed).map_err(|_| AuthenticationFailed)
    }
}

impl Drop for PreparedKey {
    /// ring does not erase its keys; another key in the same place does. The box holds that place since [`Self::new`].
    fn drop(&mut self) {
        *self.0 = aead_key(&Secret::from_bytes([0; 32]));
        std::hint::black_box(&self.0);
    }
}

struct OutputLength<const N: usize>;

impl<const N: usize> hkdf::KeyType for OutputLength<N> {
    fn len(&self) -> usize {
        N
    }
}

/// HKDF-SHA-256: extract with `salt` from the concatenation of `ikm`, expand with the concatenation of `info`.
pub fn derive_hkdf<const N: usize>(salt: &[u8], ikm: &[&[u8]], info: &[&[u8]]) -> Secret<N> {
    let ikm = Zeroizing::new(ikm.concat());
    Secret::filled(|output| erased_after::<DEEP, _>(|| fill_hkdf(salt, &ikm, info, output)))
}

/// Leaves parts of `ikm` on the stack.
pub(super) fn fill_hkdf<const N: usize>(salt: &[u8], ikm: &[u8], info: &[&[u8]], output: &mut [u8; N]) {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(ikm);
    prk.expand(info, OutputLength::<N>)
        .and_then(|okm| okm.fill(output))
        .expect("HKDF-SHA-256 gives up to 8160 bytes");
}

/// HMAC-SHA-256 over the concatenation of `parts`.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    erased_after::<DEEP, _>(|| hmac(&hmac::Key::new(hmac::HMAC_SHA256, key), parts))
}

/// Leaves what the key was mixed into on the stack.
pub(super) fn hmac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context.sign().as_ref().try_into().expect("HMAC-SHA-256 gives 32 bytes")
}

/// A key of HMAC-SHA-256 that is mixed in once for many uses, in place and without copies.
pub struct PreparedMacKey(Box<hmac::Key>);

impl PreparedMacKey {
    /// Mixes `key` in.
    pub fn new(key: &[u8]) -> Self {
        erased_after::<DEEP, _>(|| Self(Box::new(hmac::Key::new(hmac::HMAC_SHA256, key))))
    }

    /// As [`hmac_sha256`].
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        erased_after::<SHALLOW, _>(|| hmac(&self.0, parts))
    }

    #[cfg(test)]
    pub(super) fn place(&self) -> &hmac::Key {
        &self.0
    }
}

impl Drop for PreparedMacKey {
    /// As [`PreparedKey`].
    fn drop(&mut self) {
        *self.0 = hmac::Key::new(hmac::HMAC_SHA256, &[]);
        std::hint::black_box(&self.0);
    }
}

/// SHA-256 over the concatenation of `parts`.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

/// SHA-256 over bytes that come one after the other.
pub struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Sha256 {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all of them.
    pub fn finish(self) -> [u8; 32] {
        self.0.finish().as_ref().try_into().expect("SHA-256 gives 32 bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER_PERMISSIVE as HEX;

    #[test]
    fn hkdf_matches_test_case_1_of_rfc_5869() {
        let okm: Secret<42> = derive_hkdf(
            &HEX.decode(b"000102030405060708090a0b0c").unwrap(),
            &[&[0x0b; 22]],
            &[&HEX.decode(b"f0f1f2f3f4f5f6f7f8f9").unwrap()],
        );
        assert_eq!(
            HEX.encode(okm.expose()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }

    #[test]
    fn aes_256_gcm_matches_test_case_14_of_the_gcm_specification() {
        let sealed = seal(&Secret::from_bytes([0; 32]), [0; 12], &[], &[0; 16]);
        assert_eq!(HEX.encode(&sealed), "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
    }

    #[test]
    fn hmac_matches_test_case_2_of_rfc_4231() {
        let tag = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(HEX.encode(&tag), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let prepared = PreparedMacKey::new(b"Jefe");
        for _ in 0..2 {
            assert_eq!(prepared.tag(&[b"what do ya want for ", b"nothing?"]), tag);
        }
    }
}
