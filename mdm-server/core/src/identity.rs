//! Whether a row is about the person who is known by its staff number, or about another one who has that number now.
//!
//! Of the dates that tell no more is kept than comparing needs: a mark under a key of the server. A hash without a key would
//! hide nothing, since there are only some ten thousand dates to try.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use shared::crypto::{MacKey, Purpose, Secret};
use shared::ids::AccountId;

use crate::account::{Account, Attributes, SourceName, StaffNumber};
use crate::audit::Actor;

/// Stands for a date of somebody: the same for the same date of the same number of a source, and nothing else can be told
/// from it without the server's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateMark(#[serde(with = "serde_bytes")] [u8; 16]);

/// Which date of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// 生年月日.
    Born,
    /// 採用年月日.
    Hired,
}

/// The server's key over dates.
pub struct DateKey(MacKey);

impl DateKey {
    /// The key, from the master key.
    pub fn derive(master: &Secret<32>) -> Self {
        Self(Purpose::DateMarks.derive_mac_key(&[master.expose()], b""))
    }

    /// The mark of a date: HMAC-SHA-256, the first 16 bytes, over what it tells, source ‖ 0 ‖ number ‖ 0, and the date as
    /// `YYYY-MM-DD`. Neither of the texts has control characters. By number, so that nobody sees who was born on one day.
    pub fn mark(&self, told: Told, source: &SourceName, number: &StaffNumber, date: Date) -> DateMark {
        let told: &[u8] = match told {
            Told::Born => b"born\0",
            Told::Hired => b"hired\0",
        };
        let (source, number, date) = (source.as_str(), number.as_str(), date.to_string());
        let tag = self.0.tag(&[told, source.as_bytes(), &[0], number.as_bytes(), &[0], date.as_bytes()]);
        let mut mark = [0; 16];
        mark.copy_from_slice(&tag[..16]);
        DateMark(mark)
    }
}

/// Who a row is about whose number is known but whose kana and date are others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// 同じ人: the person who is known.
    Same,
    /// 別の人: somebody who got the number of a person who has gone.
    Another,
}

/// What an admin said of one number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The number.
    pub number: StaffNumber,
    /// Who was known by it.
    pub account: AccountId,
    /// The row of the file, the header being row 1.
    pub row: u32,
    /// Who it is.
    pub whose: Whose,
    /// Who said so.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

/// How many numbers are decided in one batch, so that it stays below 64 KiB. A file in which more people are not who they
/// were is most likely the file of another list; if not, it is uploaded again when the plan with the first is in force.
pub const MAX_DECIDED: usize = 40;
/// Bytes of all these numbers.
const MAX_DECIDED_BYTES: usize = 20 * MAX_DECIDED;

/// Whether so much fits a batch.
pub(crate) fn fits(decided: &[Decided]) -> bool {
    let bytes: usize = decided.iter().map(|one| one.number.as_str().len()).sum();
    decided.len() <= MAX_DECIDED && bytes <= MAX_DECIDED_BYTES
}

/// Whether a row with these attributes is possibly about another person than the account of its number: kana and date of
/// birth are both others, or where no date of birth can be compared, kana and date of hire. What one side does not tell is
/// not another.
pub(crate) fn is_possibly_another(row: &Attributes, account: &Account) -> bool {
    let known = account.current();
    let kana = row.kana.as_deref().zip(known.kana.as_deref());
    let differ =
        |row: Option<DateMark>, known: Option<DateMark>| row.zip(known).map(|(row, known)| row != known);
    kana.is_some_and(|(row, known)| read_aloud(row) != read_aloud(known))
        && differ(row.born, known.born).or_else(|| differ(row.hired, known.hired)).unwrap_or(false)
}

/// Kana without what makes no sound: blanks, and whether they are hiragana or katakana.
fn read_aloud(kana: &str) -> String {
    let katakana = |c: char| match c {
        '\u{3041}'..='\u{3096}' => char::from_u32(u32::from(c) + 0x60).unwrap_or(c),
        _ => c,
    };
    kana.chars().filter(|c| !c.is_whitespace()).map(katakana).collect()
}

#[cfg(test)]
mod tests;
