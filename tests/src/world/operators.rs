//! Operators of the console: their password and the authenticator on their phone.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use totp_rs::{Algorithm, Builder, Secret, Totp};

use super::wait;

/// Seconds of a step (RFC 6238).
const STEP: i64 = 30;
/// A code of the step before is not taken any more so many seconds before that step leaves the window.
const MARGIN: i64 = 10;
/// What everybody thinks of.
const PASSWORD: &str = "misty morning at the pier";

/// Somebody who signs in at the console.
pub struct Operator {
    /// Their sign-in name.
    pub name: String,
    /// Their password.
    pub password: String,
    /// What their authenticator holds, in base 32.
    pub secret: String,
    totp: Totp,
    /// The last step whose code was given out: the server takes each once, and none before it.
    last: Mutex<i64>,
}

impl Operator {
    /// Somebody whose authenticator has just read this secret, and who has thought of a password.
    ///
    /// # Errors
    /// When the secret is none.
    pub fn new(name: &str, secret: &str) -> Result<Self> {
        let bytes = Secret::try_from_base32(secret).context("a secret in base 32")?;
        let totp = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_step_duration(STEP as u64)
            .with_secret(bytes)
            .build()?;
        let (name, secret) = (name.to_owned(), secret.to_owned());
        Ok(Self { name, password: PASSWORD.to_owned(), secret, totp, last: Mutex::new(0) })
    }

    /// A code that was not used yet. The server's window takes three at any time; for a fourth this waits until a new
    /// step has begun.
    ///
    /// # Errors
    /// When the system's clock stands still.
    pub fn code(&self) -> Result<String> {
        wait::until("a code that was not used yet", || self.code_at(Timestamp::now()))
    }

    /// The same by another clock; none, if the three of that moment are used.
    pub fn code_at(&self, now: Timestamp) -> Option<String> {
        let (step, into) = (now.as_second() / STEP, now.as_second() % STEP);
        let first = if into < STEP - MARGIN { step - 1 } else { step };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let next = first.max(*last + 1);
        if next > step + 1 {
            return None;
        }
        *last = next;
        u64::try_from(next * STEP).ok().map(|time| self.totp.generate(time).to_string())
    }

    /// What the authenticator shows at a moment, used or not.
    pub fn shown_at(&self, at: Timestamp) -> String {
        u64::try_from(at.as_second()).map(|time| self.totp.generate(time).to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_codes_a_moment_and_each_once() {
        let operator = Operator::new("owner", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP").unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut codes: Vec<String> = std::iter::from_fn(|| operator.code_at(now)).collect();
        assert_eq!(codes.len(), 3);
        let later = Timestamp::from_second(1_800_000_030).unwrap();
        codes.push(operator.code_at(later).unwrap());
        assert_eq!(operator.code_at(later), None);
        assert_eq!(codes[1], operator.shown_at(now));
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), 4);
    }
}
