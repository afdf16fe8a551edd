//! Time-based one-time passwords (RFC 6238): SHA-1, 6 digits, 30 seconds, which is what every authenticator can. Here: the
//! secret, sealed and opened, and which step a code belongs to. That a step counts once is `mdm_core::operator::sign_in`'s.

use jiff::Timestamp;
use mdm_core::operator::{OperatorName, SealedTotpSecret};
use rand::{CryptoRng, RngCore};
use shared::crypto::Secret;
use shared::ids::OperatorId;
use totp_rs::{Algorithm, Builder, Totp, TotpError};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::keyring::Keyring;
use crate::use_cases::{Refusal, UseCaseError};

/// Bytes of a secret (RFC 4226 section 4, R6: 160 bits).
const SECRET_LEN: usize = 20;
/// Steps before and after the current one whose codes count as well (RFC 6238 section 5.2).
const WINDOW: u16 = 1;
/// Longest text that is looked at as a code: six digits of full width with blanks between them.
const CODE_MAX: usize = 64;

/// A fresh secret for an operator's authenticator.
pub(super) fn make_secret(
    keyring: &Keyring,
    operator: OperatorId,
    rng: &mut (impl RngCore + CryptoRng),
) -> SealedTotpSecret {
    let secret = Secret::<SECRET_LEN>::make(rng);
    SealedTotpSecret(keyring.totp.seal(operator.as_bytes(), secret.expose(), rng))
}

/// What an operator's authenticator computes.
pub(crate) struct Authenticator(Totp);

impl Authenticator {
    /// Opens a sealed secret.
    pub(crate) fn open(
        keyring: &Keyring,
        organisation: &str,
        operator: (OperatorId, &OperatorName),
        sealed: &SealedTotpSecret,
    ) -> Result<Self, UseCaseError> {
        let (id, name) = operator;
        let unusable = || UseCaseError::from(Refusal::AuthenticatorDoesNotOpen(name.clone()));
        let secret = keyring.totp.open(id.as_bytes(), &sealed.0).map_err(|_| unusable())?;
        let totp = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_step_duration(30)
            .with_skew(WINDOW)
            .with_secret(secret.to_vec())
            // A colon would end the issuer in the label of the address.
            .with_issuer(Some(organisation.replace(':', " ")))
            .with_account_name(name.as_str())
            .build()
            .map_err(|_| unusable())?;
        Ok(Self(totp))
    }

    /// The address that an authenticator reads from a QR code.
    pub(super) fn url(&self) -> Result<Zeroizing<String>, TotpError> {
        self.0.to_url().map(Zeroizing::new)
    }

    /// The secret for who types it.
    pub(super) fn secret_base32(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.secret().to_base32())
    }

    /// Which step within the window a code belongs to. Blanks and digits of full width are as good as plain digits.
    pub(crate) fn step_of(&self, code: &str, now: Timestamp) -> Option<u64> {
        if code.len() > CODE_MAX {
            return None;
        }
        let code: Zeroizing<String> = Zeroizing::new(code.nfkc().filter(|c| !c.is_whitespace()).collect());
        self.0.check(&code, u64::try_from(now.as_second()).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn keyring() -> Keyring {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = StdRng::seed_from_u64(3);
        Keyring::make(folder.path(), &Secret::make(&mut rng), &mut rng).unwrap().0
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn codes_are_those_of_rfc_6238_appendix_b_for_sha_1() {
        let (keyring, mut rng) = (keyring(), StdRng::seed_from_u64(4));
        let id = OperatorId::make(at(0), &mut rng);
        let name = OperatorName::new("sato").unwrap();
        let sealed = SealedTotpSecret(keyring.totp.seal(id.as_bytes(), b"12345678901234567890", &mut rng));
        let authenticator = Authenticator::open(&keyring, "玉手: 県", (id, &name), &sealed).unwrap();
        // The last six of the eight digits there.
        let vectors = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (second, code) in vectors {
            let step = u64::try_from(second / 30).unwrap();
            assert_eq!(authenticator.step_of(code, at(second)), Some(step));
            assert_eq!(authenticator.step_of(code, at(second + 30)), Some(step));
            assert_eq!(authenticator.step_of(code, at(second + 60)), None);
        }
        for no_code in ["", "28708", "2870822", "+87082", "28708２a"] {
            assert_eq!(authenticator.step_of(no_code, at(59)), None);
        }
        assert_eq!(authenticator.step_of(" ２８７ 082\n", at(59)), Some(1));
    }

    #[test]
    fn a_secret_opens_for_its_operator_alone() {
        let (keyring, mut rng) = (keyring(), StdRng::seed_from_u64(4));
        let (mine, other) = (OperatorId::make(at(0), &mut rng), OperatorId::make(at(0), &mut rng));
        let name = OperatorName::new("sato").unwrap();
        let sealed = make_secret(&keyring, mine, &mut rng);
        assert!(Authenticator::open(&keyring, "x", (mine, &name), &sealed).is_ok());
        let error = Authenticator::open(&keyring, "x", (other, &name), &sealed).err().unwrap();
        assert!(matches!(error, UseCaseError::Refused(Refusal::AuthenticatorDoesNotOpen(_))));
    }
}
