//! The format of a page: 4096 bytes, two halves that are written in turn, so that one is whole whatever happens.
//!
//! | offset in a half | bytes | |
//! |---|---|---|
//! | 0 | 8 | `tbk-unl1` |
//! | 8 | 8 | sequence number of the write, big-endian; the greater of the two halves is current |
//! | 16 | 16 | enrolment id |
//! | 32 | 2 | attempts used, big-endian |
//! | 34 | 2 | attempts limit, big-endian |
//! | 36 | 1 | 1 once a login was verified, else 0 |
//! | 37 | 3 | 0 |
//! | 40 | 32 | credential id |
//! | 72 | 192 | OPAQUE record (RFC 9807) |
//! | 264 | 32 | SHA-256 over the bytes before |
//! | 296 | 1752 | 0 |

use shared::crypto::hazmat::sha256;
use shared::ids::EnrolmentId;
use shared::opaque::{CredentialId, RECORD_LEN, Record};
use zeroize::Zeroizing;

use crate::traits::Attempts;

/// Bytes of a page.
pub(super) const PAGE_LEN: usize = 4096;
/// Bytes of a half.
pub(super) const HALF_LEN: usize = PAGE_LEN / 2;
/// The header page's first bytes; the rest of it is zero.
pub(super) const HEADER: &[u8; 16] = b"tbk-key-file/1\r\n";

const MAGIC: &[u8; 8] = b"tbk-unl1";
const SUMMED: usize = 264;
const USED: usize = SUMMED + 32;

/// The bytes of a half.
pub(super) type HalfBytes = Zeroizing<[u8; HALF_LEN]>;

/// What a half says.
pub(super) struct Half {
    pub(super) sequence: u64,
    pub(super) enrolment: EnrolmentId,
    pub(super) attempts: Attempts,
    pub(super) signed_in: bool,
    pub(super) credential: CredentialId,
    pub(super) record: Record,
}

/// What is found where a half should be.
pub(super) enum Found {
    Whole(Box<Half>),
    /// All zeros.
    Empty,
    /// What may be a write that a crash cut off.
    Torn,
    /// Anything else.
    Foreign,
}

impl Half {
    pub(super) fn encode(&self) -> HalfBytes {
        let mut bytes = Zeroizing::new([0; HALF_LEN]);
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[16..32].copy_from_slice(self.enrolment.as_bytes());
        bytes[32..34].copy_from_slice(&self.attempts.used.to_be_bytes());
        bytes[34..36].copy_from_slice(&self.attempts.limit.to_be_bytes());
        bytes[36] = u8::from(self.signed_in);
        bytes[40..72].copy_from_slice(self.credential.expose());
        bytes[72..SUMMED].copy_from_slice(self.record.expose());
        let sum = sha256(&[&bytes[..SUMMED]]);
        bytes[SUMMED..USED].copy_from_slice(&sum);
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HALF_LEN]) -> Found {
        if bytes.iter().all(|byte| *byte == 0) {
            return Found::Empty;
        }
        let whole = bytes.starts_with(MAGIC)
            && sha256(&[&bytes[..SUMMED]]) == bytes[SUMMED..USED]
            && bytes[USED..].iter().all(|byte| *byte == 0);
        if !whole {
            // A write that is cut off leaves bytes of this format or zeros, wherever it is cut.
            let begins = bytes.iter().zip(MAGIC).all(|(byte, magic)| *byte == 0 || byte == magic);
            let ends = bytes[USED..].iter().all(|byte| *byte == 0);
            return if begins && ends { Found::Torn } else { Found::Foreign };
        }
        let number = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let (Some(credential), Some(record)) =
            (CredentialId::from_slice(&bytes[40..72]), Record::from_slice(&bytes[72..72 + RECORD_LEN]))
        else {
            return Found::Torn;
        };
        Found::Whole(Box::new(Self {
            sequence: u64::from_be_bytes(fixed(&bytes[8..16])),
            enrolment: EnrolmentId::from_bytes(fixed(&bytes[16..32])),
            attempts: Attempts { used: number(32), limit: number(34) },
            signed_in: bytes[36] == 1,
            credential,
            record,
        }))
    }

    /// Whether both are of the same registration.
    pub(super) fn same_record(&self, other: &Self) -> bool {
        self.enrolment == other.enrolment
            && self.credential == other.credential
            && self.record == other.record
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the caller slices that many")
}
