//! The key of the session grant on the device while a lease runs, so that an unlock within the lease can prove it again.
//!
//! Sealed under the vault key, in a small file of its own that is overwritten when the lease ends: what the store removes
//! stays readable in its file for a while, and this key must not.

use rand::{CryptoRng, RngCore};
use shared::crypto::{Purpose, SealingKey};
use shared::grant::GrantKey;
use shared::ids::EnrolmentId;

use crate::VaultKey;
use crate::files::{self, FileError};
use crate::home::Home;

/// No stored grant is longer, in bytes.
const MAX_LEN: usize = 128;

fn sealing_key(vault_key: &VaultKey, enrolment: EnrolmentId) -> SealingKey {
    Purpose::GrantAtRest.derive_sealing_key(&[vault_key.expose()], enrolment.as_bytes())
}

/// Stores it in place of the one before.
pub fn store(
    home: &Home,
    vault_key: &VaultKey,
    enrolment: EnrolmentId,
    grant: &GrantKey,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(), FileError> {
    let sealed = sealing_key(vault_key, enrolment).seal(enrolment.as_bytes(), grant.expose(), rng);
    files::replace(&home.grant(), &sealed)
}

/// Reads it; `None` if there is none, or none of this vault: without it the next unlock with the server makes a new one.
pub fn load(
    home: &Home,
    vault_key: &VaultKey,
    enrolment: EnrolmentId,
) -> Result<Option<GrantKey>, FileError> {
    let Some(sealed) = files::read(&home.grant(), MAX_LEN)? else { return Ok(None) };
    let opened = sealing_key(vault_key, enrolment).open(enrolment.as_bytes(), &sealed);
    Ok(opened.ok().and_then(|bytes| GrantKey::from_slice(&bytes)))
}

/// Destroys it. None is no error.
pub fn destroy(home: &Home) -> Result<(), FileError> {
    files::destroy(&home.grant())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_grant_is_read_with_the_vault_key_it_was_stored_under_until_it_is_destroyed() {
        let mut rng = StdRng::seed_from_u64(1);
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        files::create_dir(&home.slots_dir()).unwrap();
        let (vault_key, other) = (VaultKey::make(&mut rng), VaultKey::make(&mut rng));
        let enrolment = EnrolmentId::from_bytes([5; 16]);
        let grant = GrantKey::from_slice(&[7; 32]).unwrap();
        store(&home, &vault_key, enrolment, &grant, &mut rng).unwrap();
        assert!(!std::fs::read(home.grant()).unwrap().windows(32).any(|bytes| bytes == [7; 32]));

        let read = |key: &VaultKey| load(&home, key, enrolment).unwrap().map(|grant| *grant.expose());
        assert_eq!(read(&vault_key), Some([7; 32]));
        assert_eq!(read(&other), None);
        destroy(&home).unwrap();
        assert_eq!(read(&vault_key), None);
        destroy(&home).unwrap();
    }
}
