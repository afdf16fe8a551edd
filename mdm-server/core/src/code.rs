//! Activation codes as the server keeps them: found by an HMAC, readable only under the master key and only while they
//! can still be used.

use jiff::{SignedDuration, Timestamp};
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use shared::activation_code::ActivationCode;
use shared::crypto::{MacKey, OpenError, Purpose, SealingKey, Secret};
use shared::ids::{AccountId, EnrolmentId};

/// How long a code is valid.
pub const VALID_FOR: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How often a code may be tried.
pub const MAX_TRIES: u32 = 10;

/// The server's index value of a code: HMAC over its lookup id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CodeIndex(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// Where a code stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeState {
    /// Issued, not yet tried with success.
    Open,
    /// A device key has been registered by it; only that key may go on.
    Bound(EnrolmentId),
    /// The enrolment is complete.
    Used(EnrolmentId),
    /// Tried too often.
    Dead,
    /// Past its last day.
    Expired,
    /// Another code was issued instead, or the account left.
    Replaced,
}

/// One activation code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRecord {
    /// The key.
    pub index: CodeIndex,
    /// Whom it enrols.
    pub account: AccountId,
    /// The code's text under the server's code key with the account id as associated data; empty once it cannot be used.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// From when it can be used.
    pub valid_from: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// How often it was tried without becoming used.
    pub tries: u32,
    /// Where it stands.
    pub state: CodeState,
    /// The device of the same account that asked for it, to have another beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<EnrolmentId>,
}

impl CodeRecord {
    /// Whether an enrolment could still begin or go on.
    pub fn is_usable(&self) -> bool {
        matches!(self.state, CodeState::Open | CodeState::Bound(_))
    }

    /// Puts an end to the code and forgets its text.
    pub fn end(&mut self, state: CodeState) {
        self.state = state;
        self.sealed.clear();
    }
}

/// The server's keys over activation codes.
pub struct CodeKeys {
    index: MacKey,
    seal: SealingKey,
}

impl CodeKeys {
    /// Both keys, from the master key.
    pub fn derive(master: &Secret<32>) -> Self {
        Self {
            index: Purpose::CodeIndex.derive_mac_key(&[master.expose()], b""),
            seal: Purpose::CodeSeal.derive_sealing_key(&[master.expose()], b""),
        }
    }

    /// Where the code with this lookup id stands.
    pub fn index(&self, lookup: &[u8; 16]) -> CodeIndex {
        CodeIndex(self.index.tag(&[lookup]))
    }

    /// A fresh code for an account.
    pub fn issue(
        &self,
        account: AccountId,
        now: Timestamp,
        valid_from: Timestamp,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> CodeRecord {
        let code = ActivationCode::make(rng);
        CodeRecord {
            index: self.index(&code.lookup_id()),
            account,
            sealed: self.seal.seal(account.as_bytes(), code.to_text().as_bytes(), rng),
            issued_at: now,
            valid_from,
            expires_at: valid_from.saturating_add(VALID_FOR).unwrap_or(Timestamp::MAX),
            tries: 0,
            state: CodeState::Open,
            asked_by: None,
        }
    }

    /// The code itself, while it can be used.
    pub fn open(&self, record: &CodeRecord) -> Result<ActivationCode, OpenError> {
        let text = self.seal.open(record.account.as_bytes(), &record.sealed)?;
        let text = std::str::from_utf8(&text).map_err(|_| OpenError::Authentication)?;
        ActivationCode::parse(text).map_err(|_| OpenError::Authentication)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_code_is_found_by_its_lookup_id_and_read_under_the_master_key_only() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(5);
        let keys = CodeKeys::derive(&Secret::make(&mut rng));
        let account = AccountId::make(Timestamp::UNIX_EPOCH, &mut rng);
        let record = keys.issue(account, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, &mut rng);
        let code = keys.open(&record).unwrap();
        assert_eq!(keys.index(&code.lookup_id()), record.index);

        let other = CodeKeys::derive(&Secret::make(&mut rng));
        assert_eq!(other.open(&record).err(), Some(OpenError::Authentication));
    }
}
