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

    /// The code of a moment, as the operator's phone shows it.
    #[cfg(test)]
    pub(crate) fn code_at(&self, at: Timestamp) -> String {
        self.0.generate(at.as_second().try_into().unwrap()).to_string()
    }
}
