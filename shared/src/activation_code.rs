//! Activation codes: 100 random bits as 20 Crockford base-32 characters and a check character.
//!
//! What is typed from a printed letter; how it is written and read is [`crate::crockford`]'s. The code itself never travels: both
//! ends derive a lookup id and a proof key from it.

use rand::{CryptoRng, RngCore};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::crockford::{self, ReadError};
use crate::crypto::{MacKey, Purpose};

const SYMBOLS: usize = 20;
const GROUP: usize = 5;

/// Why a text is no activation code. The messages are safe to show: they do not repeat what was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseCodeError {
    /// Not 21 characters without hyphens and blanks.
    #[error("an activation code has 21 characters without hyphens; this has {0}: compare it with the letter")]
    Length(usize),
    /// A character outside the alphabet, counted from 1.
    #[error("character {0} of the activation code is not used in codes: compare it with the letter")]
    Character(usize),
    /// The check character does not fit the others.
    #[error(
        "the activation code has a typing error: its check character does not fit, compare it with the letter"
    )]
    Check,
}

/// A one-time secret that turns a provisional account into an enrolled device.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ActivationCode([u8; SYMBOLS]);

impl ActivationCode {
    /// A fresh code.
    pub fn make(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        Self(crockford::make(rng))
    }

    /// Reads a typed or scanned code.
    pub fn parse(text: &str) -> Result<Self, ParseCodeError> {
        Ok(Self(crockford::read(text)?))
    }

    /// The code as printed: four groups of five, then the check character.
    pub fn to_text(&self) -> Zeroizing<String> {
        crockford::write(&self.0, GROUP)
    }

    /// What the client shows so that the server can find the code. Says nothing of the code itself: 100 random bits
    /// cannot be searched.
    pub fn lookup_id(&self) -> [u8; 16] {
        *Purpose::EnrolLookup.derive_bytes(&[&self.0], b"").expose()
    }

    /// The key with which both ends prove, over the TLS exporter, that they know the code.
    pub fn proof_key(&self) -> MacKey {
        Purpose::EnrolProof.derive_mac_key(&[&self.0], b"")
    }
}

impl From<ReadError> for ParseCodeError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Length(length) => Self::Length(length),
            ReadError::Character(at) => Self::Character(at),
            ReadError::Check => Self::Check,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;

    fn code(seed: u64) -> ActivationCode {
        ActivationCode::make(&mut rand::rngs::StdRng::seed_from_u64(seed))
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(seed: u64) {
            let text = code(seed).to_text();
            let sloppy = text.to_lowercase().replace('0', "o").replace('1', "L").replace('-', " - ");
            prop_assert_eq!(ActivationCode::parse(&sloppy).unwrap().lookup_id(), code(seed).lookup_id());
        }

        #[test]
        fn one_mistyped_character_is_found(seed: u64, at in 0_usize..20, other in 0_usize..32) {
            let mut typed: Vec<char> = code(seed).to_text().replace('-', "").chars().collect();
            let replacement = crate::crockford::tests::symbol(other);
            prop_assume!(typed[at] != replacement);
            typed[at] = replacement;
            let typed: String = typed.into_iter().collect();
            prop_assert_eq!(ActivationCode::parse(&typed).err(), Some(ParseCodeError::Check));
        }
    }

    #[test]
    fn errors_say_where_without_repeating_what_was_typed() {
        assert_eq!(ActivationCode::parse("").err(), Some(ParseCodeError::Length(0)));
        assert_eq!(ActivationCode::parse("0000U0000000000000000").err(), Some(ParseCodeError::Character(5)));
        assert!(ActivationCode::parse("00000-00000-00000-00000-0").is_ok());
    }

    #[test]
    fn derived_values_are_pinned() {
        use data_encoding::HEXLOWER;
        let code = ActivationCode::parse("00000-00000-00000-00000-0").unwrap();
        assert_eq!(HEXLOWER.encode(&code.lookup_id()), "0dcad5c9e74ddcaedbb320e231d0ed8f");
        assert_eq!(
            HEXLOWER.encode(&code.proof_key().tag(&[b"exporter"])),
            "27acb0814e61144edf060f30fb6d1371e799aab2aef97b604352c6501a08f465"
        );
    }
}
