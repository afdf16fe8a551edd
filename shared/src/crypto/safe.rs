//! Keys that can be used for one thing only.
//!
//! Every key comes from [`Purpose::derive_sealing_key`] or [`Purpose::derive_mac_key`], whose HKDF info is
//! `tbk/1/<purpose>/` followed by a context (an enrolment id, an epoch): two purposes or contexts never share a key.

use rand::{CryptoRng, RngCore};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Secret, hazmat};

/// What a derived key is for. The names are part of the format: they never change meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// Finds an activation code without knowing it: what the client shows before the server has proved itself.
    EnrolLookup,
    /// Proves possession of an activation code over the TLS exporter.
    EnrolProof,
    /// The server's index over activation codes.
    CodeIndex,
    /// Seals an activation code in the server's database until it is used.
    CodeSeal,
    /// Makes the loss code of a letter from the index of its activation code.
    LossCode,
    /// The server's index over loss codes.
    LossIndex,
    /// Marks of dates of birth and hire, by which a person is told from another with the same staff number.
    DateMarks,
    /// Seals the server's long-term secrets under the master key.
    ServerSecrets,
    /// Seals what an operator's authenticator computes codes from.
    OperatorTotp,
    /// Seals key file and tombstones in a backup of the server.
    Backup,
    /// Authenticates the manifest of a backup of the server.
    BackupManifest,
    /// Seals the contents of published documents on the server's disk.
    DocumentContents,
    /// Seals the contents of notes on the server's disk.
    NoteContents,
    /// The client's OPAQUE input, from PIN and device secret.
    OpaqueInput,
    /// Wraps the vault key in the online slot.
    OnlineSlot,
    /// Wraps the vault key in the offline slot.
    OfflineSlot,
    /// The key of a session grant, from the session key of a verified login.
    SessionGrant,
    /// Proves a session grant over the TLS exporter.
    GrantProof,
    /// Seals a session grant's key in the server's database.
    GrantSeal,
    /// Seals a session grant's key on the device, under the vault key, while a lease runs.
    GrantAtRest,
    /// Turns record names into opaque keys of the vault.
    VaultNames,
    /// Seals records of the vault.
    VaultRecords,
    /// Seals the sorted list of names of the vault.
    VaultIndex,
}

impl Purpose {
    fn label(self) -> &'static str {
        match self {
            Self::EnrolLookup => "enrol-lookup",
            Self::EnrolProof => "enrol-proof",
            Self::CodeIndex => "code-index",
            Self::CodeSeal => "code-seal",
            Self::LossCode => "loss-code",
            Self::LossIndex => "loss-index",
            Self::DateMarks => "date-marks",
            Self::ServerSecrets => "server-secrets",
            Self::OperatorTotp => "operator-totp",
            Self::Backup => "backup",
            Self::BackupManifest => "backup-manifest",
            Self::DocumentContents => "document-contents",
            Self::NoteContents => "note-contents",
            Self::OpaqueInput => "opaque-input",
            Self::OnlineSlot => "slot-online",
            Self::OfflineSlot => "slot-offline",
            Self::SessionGrant => "session-grant",
            Self::GrantProof => "grant-proof",
            Self::GrantSeal => "grant-seal",
            Self::GrantAtRest => "grant-at-rest",
            Self::VaultNames => "vault-names",
            Self::VaultRecords => "vault-records",
            Self::VaultIndex => "vault-index",
        }
    }

    /// `N` bytes for this purpose from `ikm` (concatenated), bound to `context`.
    ///
    /// Where more than one secret goes in, each has a fixed length or is last, so that no two inputs run together.
    pub fn derive_bytes<const N: usize>(self, ikm: &[&[u8]], context: &[u8]) -> Secret<N> {
        hazmat::derive_hkdf(&[], ikm, &[b"tbk/1/", self.label().as_bytes(), b"/", context])
    }

    /// A key that seals and opens.
    pub fn derive_sealing_key(self, ikm: &[&[u8]], context: &[u8]) -> SealingKey {
        SealingKey(self.derive_bytes(ikm, context))
    }

    /// A key that authenticates.
    pub fn derive_mac_key(self, ikm: &[&[u8]], context: &[u8]) -> MacKey {
        MacKey(self.derive_bytes(ikm, context))
    }
}

/// Sealed bytes could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Fewer bytes than a nonce and a tag.
    #[error("sealed bytes are too short")]
    TooShort,
    /// Wrong key, wrong associated data, or changed bytes; which of them cannot be known.
    #[error("sealed bytes do not open with this key and associated data")]
    Authentication,
}

/// AES-256-GCM under a random 96-bit nonce. At most 2²⁸ seals per key keep a repeated nonce below 2⁻⁴⁰.
#[derive(Clone)]
pub struct SealingKey(Secret<32>);

impl SealingKey {
    /// Nonce ‖ ciphertext ‖ tag, bound to `aad`.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8], rng: &mut (impl RngCore + CryptoRng)) -> Vec<u8> {
        let mut nonce = [0; hazmat::NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let mut sealed = nonce.to_vec();
        sealed.extend(hazmat::seal(&self.0, nonce, aad, plaintext));
        sealed
    }

    /// What [`SealingKey::seal`] was given, if `aad` is the same.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (nonce, ciphertext) = sealed.split_first_chunk().ok_or(OpenError::TooShort)?;
        if ciphertext.len() < hazmat::TAG_LEN {
            return Err(OpenError::TooShort);
        }
        hazmat::open(&self.0, *nonce, aad, ciphertext).map_err(|_| OpenError::Authentication)
    }
}

impl SealingKey {
    /// The same key for many uses: expanded once.
    pub fn prepare(&self) -> PreparedSealingKey {
        PreparedSealingKey(hazmat::PreparedKey::new(&self.0))
    }
}

/// A [`SealingKey`] expanded once. What one seals the other opens.
pub struct PreparedSealingKey(hazmat::PreparedKey);

impl PreparedSealingKey {
    /// Appends to `out` what [`SealingKey::seal`] gives for the concatenation of `parts`, which is put together there and nowhere else.
    pub fn seal_onto(
        &self,
        out: &mut Vec<u8>,
        aad: &[u8],
        parts: &[&[u8]],
        rng: &mut (impl RngCore + CryptoRng),
    ) {
        let mut nonce = [0; hazmat::NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let length: usize = parts.iter().map(|part| part.len()).sum();
        // All at once: a vector that grows leaves plain bytes where it was.
        out.reserve(hazmat::NONCE_LEN + length + hazmat::TAG_LEN);
        out.extend_from_slice(&nonce);
        let start = out.len();
        parts.iter().for_each(|part| out.extend_from_slice(part));
        let tag = self.0.seal_in_place(nonce, aad, &mut out[start..]);
        out.extend_from_slice(&tag);
    }

    /// As [`SealingKey::open`].
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (nonce, ciphertext) = sealed.split_first_chunk().ok_or(OpenError::TooShort)?;
        if ciphertext.len() < hazmat::TAG_LEN {
            return Err(OpenError::TooShort);
        }
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let opened = self.0.open_in_place(*nonce, aad, &mut buffer);
        let length = opened.map_err(|_| OpenError::Authentication)?.len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// HMAC-SHA-256 for one purpose.
#[derive(Clone)]
pub struct MacKey(Secret<32>);

/// A [`MacKey`] mixed in once: its tags are the same.
pub struct PreparedMacKey(hazmat::PreparedMacKey);

impl PreparedMacKey {
    /// As [`MacKey::tag`].
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.0.tag(parts)
    }
}

impl MacKey {
    /// The same key for many uses.
    pub fn prepare(&self) -> PreparedMacKey {
        PreparedMacKey(hazmat::PreparedMacKey::new(self.0.expose()))
    }

    /// The tag over the concatenation of `parts`.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        hazmat::hmac_sha256(self.0.expose(), parts)
    }

    /// Whether `tag` is the tag over `parts`, in constant time.
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.tag(parts).ct_eq(tag).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;

    fn key(purpose: Purpose, context: &[u8]) -> SealingKey {
        purpose.derive_sealing_key(&[&[7; 32]], context)
    }

    proptest! {
        #[test]
        fn opens_only_what_it_sealed(plaintext: Vec<u8>, aad: Vec<u8>, flip: prop::sample::Index, seed: u64) {
            let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
            let key = key(Purpose::VaultRecords, b"a");
            let mut sealed = key.seal(&aad, &plaintext, &mut rng);
            let opened = key.open(&aad, &sealed).unwrap();
            prop_assert_eq!(&*opened, &plaintext);

            let at = flip.index(sealed.len());
            sealed[at] ^= 1;
            prop_assert_eq!(key.open(&aad, &sealed).err(), Some(OpenError::Authentication));
        }
    }

    #[test]
    fn a_prepared_key_opens_what_the_key_sealed_and_the_other_way() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let key = key(Purpose::VaultRecords, b"a");
        let prepared = key.prepare();
        let mut sealed = b"before".to_vec();
        prepared.seal_onto(&mut sealed, b"aad", &[b"smo", b"", b"ke"], &mut rng);
        assert_eq!(*key.open(b"aad", &sealed[6..]).unwrap(), b"smoke");
        let sealed = key.seal(b"aad", b"smoke", &mut rng);
        assert_eq!(*prepared.open(b"aad", &sealed).unwrap(), b"smoke");
        assert_eq!(prepared.open(b"other", &sealed).err(), Some(OpenError::Authentication));
        assert_eq!(prepared.open(b"aad", &sealed[..27]).err(), Some(OpenError::TooShort));
    }

    #[test]
    fn purposes_and_contexts_do_not_share_a_key() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let sealed = key(Purpose::VaultRecords, b"a").seal(b"", b"smoke", &mut rng);
        assert!(key(Purpose::VaultRecords, b"b").open(b"", &sealed).is_err());
        assert!(key(Purpose::VaultIndex, b"a").open(b"", &sealed).is_err());
        assert_eq!(
            key(Purpose::VaultRecords, b"a").open(b"", &sealed[..27]).err(),
            Some(OpenError::TooShort)
        );
    }
}
