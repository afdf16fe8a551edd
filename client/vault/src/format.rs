//! The bytes of format 1 that stand between the store and the keys: header, keys of the store, what is sealed in a record. The
//! whole of it is described in `docs/formats/vault.md`. Not here: the index (`index`) and the chunks of files (`content`).

use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Damage, VaultError};

/// The format that this crate writes and reads.
pub const FORMAT: u16 = 1;
/// Longest name of a record, in bytes.
pub const MAX_NAME: usize = 255;
/// Longest record that stands in the store itself, in bytes; a longer one is a file beside it. sled keeps up to 16 values in a
/// node, and moves nodes above 128 KiB to files that it does not sync: 17 records of this size stay below.
pub const INLINE_MAX: usize = 6 * 1024;

const MAGIC: &[u8; 9] = b"tbk-vault";
const SALT_LEN: usize = 16;

/// An HMAC'd name.
pub(crate) type Tag = [u8; 16];

pub(crate) const HEADER_KEY: &[u8] = b"h";
pub(crate) const SEALS_KEY: &[u8] = b"s";
pub(crate) const ROOT_KEY: &[u8] = b"i";
/// Before the keys of records.
pub(crate) const RECORD_PREFIX: u8 = b'r';

/// What stands in clear at the head of a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) salt: [u8; SALT_LEN],
}

impl Header {
    const LEN: usize = MAGIC.len() + 2 + SALT_LEN;

    pub(crate) fn make(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut salt = [0; SALT_LEN];
        rng.fill_bytes(&mut salt);
        Self { salt }
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..9].copy_from_slice(MAGIC);
        bytes[9..11].copy_from_slice(&FORMAT.to_be_bytes());
        bytes[11..].copy_from_slice(&self.salt);
        bytes
    }

    /// The format is judged before anything that only this format says.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, VaultError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(Damage::Header)?;
        let (format, salt) = rest.split_first_chunk::<2>().ok_or(Damage::Header)?;
        match u16::from_be_bytes(*format) {
            FORMAT => Ok(Self { salt: salt.try_into().map_err(|_| Damage::Header)? }),
            found if found > FORMAT => Err(VaultError::FormatNewer { found }),
            found => Err(VaultError::FormatOlder { found }),
        }
    }
}

/// A part of the vault with keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Collection {
    /// Files that the person put in.
    Files = 1,
    /// Notes.
    Notes = 2,
    /// What the organisation published.
    Documents = 3,
    /// What waits to be sent to the server.
    Outbox = 4,
    /// What the client keeps for itself.
    State = 5,
}

impl Collection {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Files, Self::Notes, Self::Documents, Self::Outbox, Self::State];
}

/// A collection, or the writes into it that were begun to be resumed. Each has keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub(crate) struct Space(u8);

impl Space {
    const PARTIAL: u8 = 0x80;

    pub(crate) fn of(collection: Collection) -> Self {
        Self(collection as u8)
    }

    pub(crate) fn partial(collection: Collection) -> Self {
        Self(collection as u8 | Self::PARTIAL)
    }

    pub(crate) fn code(self) -> u8 {
        self.0
    }

    pub(crate) fn is_partial(self) -> bool {
        self.0 & Self::PARTIAL != 0
    }

    pub(crate) fn collection(self) -> Collection {
        let code = self.0 & !Self::PARTIAL;
        let found = Collection::ALL.into_iter().find(|collection| *collection as u8 == code);
        found.expect("a space is made of a collection")
    }
}

impl TryFrom<u8> for Space {
    type Error = &'static str;

    fn try_from(code: u8) -> Result<Self, Self::Error> {
        let known = Collection::ALL.iter().any(|collection| *collection as u8 == code & !Self::PARTIAL);
        if known { Ok(Self(code)) } else { Err("no collection has this code") }
    }
}

impl From<Space> for u8 {
    fn from(space: Space) -> Self {
        space.0
    }
}

/// Where the store has a record.
pub(crate) fn record_key(space: Space, tag: &Tag) -> [u8; 18] {
    let mut key = [0; 18];
    (key[0], key[1]) = (RECORD_PREFIX, space.code());
    key[2..].copy_from_slice(tag);
    key
}

/// The space and tag of a record's key.
pub(crate) fn parse_record_key(key: &[u8]) -> Option<(Space, Tag)> {
    let [RECORD_PREFIX, code, tag @ ..] = key else { return None };
    Some((Space::try_from(*code).ok()?, tag.try_into().ok()?))
}

/// What a record is bound to, besides the space, which its key is made for.
pub(crate) fn record_aad(tag: &Tag, version: u64) -> [u8; 24] {
    let mut aad = [0; 24];
    aad[..16].copy_from_slice(tag);
    aad[16..].copy_from_slice(&version.to_be_bytes());
    aad
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The bytes themselves.
    Inline,
    /// The key of a file's content.
    File,
}

/// What is sealed in a record behind its value, so that an index can be made anew from the records alone. Behind, so that
/// the value is had without copying.
pub(crate) struct Trailer<'a> {
    pub(crate) name: &'a str,
    pub(crate) stored_at: i64,
    pub(crate) kind: Kind,
}

impl Trailer<'_> {
    /// What stands behind the name: `stored_at (8) ‖ kind (1) ‖ length of name (1)`.
    pub(crate) fn end(&self) -> [u8; 10] {
        let mut end = [0; 10];
        end[..8].copy_from_slice(&self.stored_at.to_be_bytes());
        end[8] = match self.kind {
            Kind::Inline => 0,
            Kind::File => 1,
        };
        end[9] = u8::try_from(self.name.len()).expect("a name has at most 255 bytes");
        end
    }

    /// `value ‖ name ‖ end`.
    pub(crate) fn append_to(&self, value: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([value, self.name.as_bytes(), &self.end()].concat())
    }
}

/// Parts value and trailer.
pub(crate) fn split_record(bytes: &[u8]) -> Option<(&[u8], Trailer<'_>)> {
    let [rest @ .., kind, length] = bytes else { return None };
    let (rest, stored_at) = rest.split_last_chunk::<8>()?;
    let (value, name) = rest.split_at_checked(rest.len().checked_sub(usize::from(*length))?)?;
    let kind = match kind {
        0 => Kind::Inline,
        1 => Kind::File,
        _ => return None,
    };
    let name = std::str::from_utf8(name).ok()?;
    Some((value, Trailer { name, stored_at: i64::from_be_bytes(*stored_at), kind }))
}

/// Judges a name.
pub(crate) fn check_name(name: &str) -> Result<(), VaultError> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(VaultError::Name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_another_format_is_named_before_its_rest_is_read() {
        let bytes = Header { salt: [7; 16] }.to_bytes();
        assert_eq!(Header::parse(&bytes).unwrap(), Header { salt: [7; 16] });
        let mut newer = bytes[..12].to_vec();
        newer[10] = 2;
        assert!(matches!(Header::parse(&newer), Err(VaultError::FormatNewer { found: 2 })));
        newer[10] = 0;
        assert!(matches!(Header::parse(&newer), Err(VaultError::FormatOlder { found: 0 })));
        for damaged in [&bytes[..26], &bytes[..9], b"tbk-faults", b""] {
            assert!(matches!(Header::parse(damaged), Err(VaultError::Damaged(Damage::Header))));
        }
    }

    #[test]
    fn value_and_trailer_part_again() {
        let trailer = Trailer { name: "点検", stored_at: -5, kind: Kind::File };
        let bytes = trailer.append_to(b"value");
        let (value, parsed) = split_record(&bytes).unwrap();
        assert_eq!(
            (value, parsed.name, parsed.stored_at, parsed.kind),
            (&b"value"[..], "点検", -5, Kind::File)
        );
        assert!(split_record(&bytes[value.len() + 1..]).is_none(), "the name is cut");
        assert!(split_record(b"\0").is_none());
    }
}
