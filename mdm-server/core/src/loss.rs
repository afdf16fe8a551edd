//! 紛失連絡コード: what is torn off a letter and kept apart from the phone. Whoever types it blocks its account's devices, and can
//! do nothing else by it. ADR 19.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::crockford::{self, ReadError};
use shared::crypto::{MacKey, Purpose, Secret};
use shared::ids::AccountId;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::change::{Changeset, Record, Stored};
use crate::code::{CodeIndex, CodeRecord};

/// Of five bits each: 80 bits.
const SYMBOLS: usize = 16;
const GROUP: usize = 4;

/// A loss code. Whoever has it can block: no `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct LossCode([u8; SYMBOLS]);

impl LossCode {
    /// Reads a typed code.
    pub fn parse(text: &str) -> Result<Self, ReadError> {
        crockford::read(text).map(Self)
    }

    /// As printed: four groups of four, then the check character.
    pub fn to_text(&self) -> Zeroizing<String> {
        crockford::write(&self.0, GROUP)
    }
}

/// The server's index value of a loss code: HMAC over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LossIndex(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// The loss code of the last letter of an account. The code itself is nowhere: it is made again from the activation code's index,
/// so that a letter printed twice has the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossRecord {
    /// The key: whose devices it blocks.
    pub account: AccountId,
    /// What finds it.
    pub index: LossIndex,
    /// When its letter was first printed.
    pub printed_at: Timestamp,
}

/// The server's keys over loss codes.
pub struct LossKeys {
    make: MacKey,
    index: MacKey,
}

impl fmt::Debug for LossKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LossKeys")
    }
}

impl LossKeys {
    /// Both keys, from the master key.
    pub fn derive(master: &Secret<32>) -> Self {
        Self {
            make: Purpose::LossCode.derive_mac_key(&[master.expose()], b""),
            index: Purpose::LossIndex.derive_mac_key(&[master.expose()], b""),
        }
    }

    /// The loss code that stands on the same letter as an activation code.
    pub fn beside(&self, code: CodeIndex) -> LossCode {
        let tag = Zeroizing::new(self.make.tag(&[&code.0]));
        let bytes = tag.first_chunk().expect("a tag has 32 bytes");
        LossCode(crockford::reduced(*bytes))
    }

    /// A letter with this activation code is printed: its loss code takes the place of the account's earlier one.
    pub fn print(&self, code: &CodeRecord, earlier: Option<Stored<LossRecord>>, now: Timestamp) -> Changeset {
        let index = self.index(&self.beside(code.index));
        let record = LossRecord { account: code.account, index, printed_at: now };
        let mut changes = Changeset::default();
        match earlier {
            Some(earlier) if earlier.value.index == record.index => {}
            Some(earlier) => changes.update(earlier.version, Record::Loss(record)),
            None => changes.insert(Record::Loss(record)),
        }
        changes
    }

    /// Where a loss code stands.
    pub fn index(&self, code: &LossCode) -> LossIndex {
        LossIndex(self.index.tag(&[&code.0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use crate::change::Version;
    use crate::code::CodeKeys;

    fn stored(changes: &Changeset) -> Stored<LossRecord> {
        match changes.writes.as_slice() {
            [write] => match &write.record {
                Some(Record::Loss(loss)) => Stored { version: Version(1), value: loss.clone() },
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_letter_printed_twice_has_one_loss_code_and_another_letter_another() {
        let mut rng = StdRng::seed_from_u64(7);
        let master = Secret::make(&mut rng);
        let (codes, losses) = (CodeKeys::derive(&master), LossKeys::derive(&master));
        let now = Timestamp::UNIX_EPOCH;
        let account = AccountId::make(now, &mut rng);
        let [first, second] = [(), ()].map(|()| codes.issue(account, now, now, &mut rng));

        let record = stored(&losses.print(&first, None, now));
        assert_eq!(record.value.index, losses.index(&losses.beside(first.index)));
        assert_eq!(losses.print(&first, Some(record.clone()), now), Changeset::default());

        let newer = losses.beside(second.index);
        assert_ne!(losses.beside(first.index).to_text(), newer.to_text());
        let replaced = losses.print(&second, Some(record.clone()), now);
        assert_eq!(replaced.writes[0].expected, record.version);
        assert_eq!(stored(&replaced).value.index, losses.index(&newer));
    }

    #[test]
    fn a_typed_loss_code_is_found_under_the_master_key_only() {
        let mut rng = StdRng::seed_from_u64(8);
        let keys = LossKeys::derive(&Secret::make(&mut rng));
        let code = keys.beside(CodeIndex([3; 32]));
        let typed = LossCode::parse(&code.to_text().to_lowercase().replace('-', " ")).unwrap();
        assert_eq!(keys.index(&typed), keys.index(&code));
        let other = LossKeys::derive(&Secret::make(&mut rng));
        assert_ne!(other.index(&code), keys.index(&code));
        assert_ne!(other.beside(CodeIndex([3; 32])).to_text(), code.to_text());
    }
}
