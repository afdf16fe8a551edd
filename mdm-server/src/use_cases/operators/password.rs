//! Passwords: which are strong enough (length counts, composition does not, as in NIST SP 800-63B section 3.1.1.2, whose list
//! of common passwords is not kept here: a second factor stands beside each), and Argon2id (RFC 9106) over them, a few at a
//! time.

use argon2::password_hash::{PasswordHash as Phc, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use mdm_core::operator::{OperatorName, PasswordHash};
use rand::rngs::OsRng;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// Fewest characters.
pub const PASSWORD_MIN: usize = 12;
/// Most characters.
pub const PASSWORD_MAX: usize = 128;
/// Fewest different characters: `aaaaaaaaaaaa` is long and nothing else.
pub const PASSWORD_DIFFERENT: usize = 5;
/// Names shorter than this occur in passwords by chance.
const NAME_COUNTS_FROM: usize = 3;

/// Memory of one Argon2id in KiB, passes, lanes: OWASP's minimum, as for PINs on phones.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
/// How many run at once: one cannot keep the machine from its other work.
const AT_ONCE: usize = 2;
/// How many wait for that. At a tenth of a second each nobody waits longer than a few seconds; who comes then is told so.
const WAITING: usize = 32;

/// Takes as long to compare as any other, and nothing equals it.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$dGFtYXRlYmFrbyBkZWNveQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer than [`PASSWORD_MIN`] characters.
    #[error("the password has fewer than {PASSWORD_MIN} characters")]
    TooShort,
    /// More than [`PASSWORD_MAX`] characters.
    #[error("the password has more than {PASSWORD_MAX} characters")]
    TooLong,
    /// The sign-in name is part of it.
    #[error("the password contains the sign-in name")]
    ContainsName,
    /// Fewer than [`PASSWORD_DIFFERENT`] different characters.
    #[error("the password repeats the same few characters")]
    Repetitive,
}

/// Too many are waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked")]
pub(crate) struct Busy;

/// A password as it is compared: one form (NFKC) whatever keyboard it was typed on. The default is empty, and nobody's.
#[derive(Default)]
pub(crate) struct Password(Zeroizing<String>);

impl Password {
    /// Reads what was typed; `None` if no password is so long. Says nothing of its strength.
    pub(crate) fn read(typed: &str) -> Option<Self> {
        // No character has more than 4 bytes; the bound holds before anything is done with it.
        if typed.len() > 4 * PASSWORD_MAX {
            return None;
        }
        // Never grown, so that no copy is left behind: one character becomes at most 18.
        let mut text = Zeroizing::new(String::with_capacity(18 * 4 * typed.len()));
        text.extend(typed.nfkc());
        (text.chars().count() <= PASSWORD_MAX).then_some(Self(text))
    }

    /// A password that an operator of this name may set.
    pub(crate) fn new(typed: &str, name: &OperatorName) -> Result<Self, WeakPassword> {
        let password = Self::read(typed).ok_or(WeakPassword::TooLong)?;
        let text = &password.0;
        if text.chars().count() < PASSWORD_MIN {
            return Err(WeakPassword::TooShort);
        }
        let (folded, name) = (Zeroizing::new(text.to_lowercase()), name.folded());
        if name.chars().count() >= NAME_COUNTS_FROM && folded.contains(&name) {
            return Err(WeakPassword::ContainsName);
        }
        let mut different: Zeroizing<Vec<char>> = Zeroizing::new(text.chars().collect());
        different.sort_unstable();
        different.dedup();
        if different.len() < PASSWORD_DIFFERENT { Err(WeakPassword::Repetitive) } else { Ok(password) }
    }
}

/// Runs Argon2id off the threads that answer requests.
pub(crate) struct Passwords {
    running: Semaphore,
    waiting: Semaphore,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { running: Semaphore::new(AT_ONCE), waiting: Semaphore::new(AT_ONCE + WAITING) }
    }
}

impl Passwords {
    /// What is kept of a password.
    pub(crate) async fn hash(&self, password: Password) -> Result<PasswordHash, Busy> {
        self.run(move || {
            let salt = SaltString::generate(&mut OsRng);
            let hash = argon2().hash_password(password.0.as_bytes(), &salt);
            PasswordHash(hash.expect("cost and salt are within Argon2's ranges").to_string())
        })
        .await
    }

    /// Whether it is the password; without one to compare with, the same work for nothing.
    pub(crate) async fn verify(&self, password: Password, kept: Option<PasswordHash>) -> Result<bool, Busy> {
        self.run(move || {
            let real = kept.is_some();
            let kept = kept.unwrap_or_else(|| PasswordHash(DECOY.to_owned()));
            let Ok(kept) = Phc::new(&kept.0) else {
                tracing::error!("a stored password does not parse: invite that operator anew");
                return false;
            };
            argon2().verify_password(password.0.as_bytes(), &kept).is_ok() && real
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let _waiting = self.waiting.try_acquire().map_err(|_| Busy)?;
        let _running = self.running.acquire().await.map_err(|_| Busy)?;
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => Ok(done),
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => Err(Busy),
            },
        }
    }
}

fn argon2() -> Argon2<'static> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).expect("the cost is within Argon2's ranges");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    fn read(typed: &str) -> Password {
        Password::read(typed).unwrap()
    }

    #[tokio::test]
    async fn a_password_is_itself_on_every_keyboard_and_no_other_is() {
        let passwords = Passwords::default();
        let kept = passwords.hash(read("Ｃorrect が horse")).await.unwrap();
        assert!(kept.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", kept.0);
        for (typed, right) in [
            ("Correct が horse", true),
            ("Correct か\u{3099} horse", true),
            ("correct が horse", false),
            ("Correct が hors", false),
            ("", false),
        ] {
            assert_eq!(passwords.verify(read(typed), Some(kept.clone())).await, Ok(right), "{typed:?}");
        }
        let again = passwords.hash(read("Correct が horse")).await.unwrap();
        assert_ne!(again, kept, "salted");
    }

    #[tokio::test]
    async fn a_name_that_nobody_has_costs_what_a_real_one_costs() {
        let passwords = Passwords::default();
        let kept = passwords.hash(read("correct horse battery")).await.unwrap();
        let (real, decoy) = (Phc::new(&kept.0).unwrap(), Phc::new(DECOY).unwrap());
        assert_eq!(
            (real.algorithm, real.version, &real.params),
            (decoy.algorithm, decoy.version, &decoy.params)
        );
        let lengths = |hash: &Phc<'_>| (hash.salt.unwrap().len(), hash.hash.unwrap().len());
        assert_eq!(lengths(&real), lengths(&decoy));
        assert_eq!(passwords.verify(read("correct horse battery"), None).await, Ok(false));
    }

    #[tokio::test]
    async fn a_stored_password_that_does_not_parse_is_nobodys() {
        let damaged = PasswordHash("$argon2id$".to_owned());
        assert_eq!(
            Passwords::default().verify(read("correct horse battery"), Some(damaged)).await,
            Ok(false)
        );
    }

    #[tokio::test]
    async fn who_comes_when_too_many_wait_is_told_so() {
        let passwords = Passwords::default();
        let running = passwords.running.acquire_many(AT_ONCE as u32).await.unwrap();
        let mut waiting: Vec<_> =
            (0..AT_ONCE + WAITING).map(|_| Box::pin(passwords.verify(read("x"), None))).collect();
        for one in &mut waiting {
            assert!(one.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(passwords.verify(read("x"), None).await, Err(Busy));
        drop(running);
        waiting.truncate(1);
        assert_eq!(waiting.remove(0).await, Ok(false));
        assert_eq!(passwords.verify(read("x"), None).await, Ok(false));
    }
}
