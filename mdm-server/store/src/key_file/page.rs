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
//! | 37 | 1 | 1 if a record is pending, else 0 |
//! | 38 | 2 | 0 |
//! | 40 | 32 | credential id |
//! | 72 | 192 | OPAQUE record (RFC 9807) |
//! | 264 | 32 | credential id of the pending record, or 0 |
//! | 296 | 192 | the pending record, or 0 |
//! | 488 | 32 | SHA-256 over the bytes before |
//! | 520 | 1528 | 0 |
//!
//! A record is pending while a PIN is being changed: the current one holds until a login has proved the other.

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
const PENDING: usize = 264;
const SUMMED: usize = PENDING + 32 + RECORD_LEN;
const USED: usize = SUMMED + 32;

/// The bytes of a half.
pub(super) type HalfBytes = Zeroizing<[u8; HALF_LEN]>;

/// What one registration gave.
#[derive(Clone, PartialEq)]
pub(super) struct Registered {
    pub(super) credential: CredentialId,
    pub(super) record: Record,
}

impl Registered {
    fn encode(&self, bytes: &mut [u8]) {
        bytes[..32].copy_from_slice(self.credential.expose());
        bytes[32..].copy_from_slice(self.record.expose());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (credential, record) = bytes.split_at(32);
        Some(Self { credential: CredentialId::from_slice(credential)?, record: Record::from_slice(record)? })
    }
}

/// What a half says.
#[derive(Clone)]
pub(super) struct Half {
    pub(super) sequence: u64,
    pub(super) enrolment: EnrolmentId,
    pub(super) attempts: Attempts,
    pub(super) signed_in: bool,
    pub(super) current: Registered,
    pub(super) pending: Option<Registered>,
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
        self.current.encode(&mut bytes[40..PENDING]);
        if let Some(pending) = &self.pending {
            bytes[37] = 1;
            pending.encode(&mut bytes[PENDING..SUMMED]);
        }
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
        let Some(current) = Registered::decode(&bytes[40..PENDING]) else { return Found::Torn };
        let pending = (bytes[37] == 1).then(|| Registered::decode(&bytes[PENDING..SUMMED])).flatten();
        Found::Whole(Box::new(Self {
            sequence: u64::from_be_bytes(fixed(&bytes[8..16])),
            enrolment: EnrolmentId::from_bytes(fixed(&bytes[16..32])),
            attempts: Attempts { used: number(32), limit: number(34) },
            signed_in: bytes[36] == 1,
            current,
            pending,
        }))
    }

    /// Whether both are of the same registrations.
    pub(super) fn same_record(&self, other: &Self) -> bool {
        self.enrolment == other.enrolment && self.current == other.current && self.pending == other.pending
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the caller slices that many")
}
