//! What a batch leaves behind so that it can be undone: of everybody whom it made different, what they were before and
//! a mark of what it left them as.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::crypto::hazmat::sha256;
use shared::ids::{AccountId, BatchId, EnrolmentId};

use crate::account::{Account, AccountState, Attributes, Seat};
use crate::batch::PlanWord;

/// One account that a batch made different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Whose.
    pub account: AccountId,
    /// What the plan did to them; absent if a seat came to them and nothing else.
    pub word: Option<PlanWord>,
    /// What they were; absent if they joined, as most are.
    pub was: Option<Box<Was>>,
    /// What the batch left them as: who is different now was changed since.
    pub left_as: Mark,
    /// Devices that the batch had blocked.
    pub blocked: Vec<EnrolmentId>,
    /// The seat that they got by it.
    pub served: Option<Served>,
}

/// What an account was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Was {
    /// What held of the person, if the batch says otherwise.
    pub attributes: Option<Attributes>,
    /// All of it that a batch changes, in short.
    pub mark: Mark,
    /// Where the account stood.
    pub state: AccountState,
    /// Since when.
    pub state_since: Timestamp,
    /// 利用希望.
    pub wishes_seat: bool,
    /// The seat, if the batch took it.
    pub seat: Option<Seat>,
    /// When the account had last come back.
    pub returned_at: Option<Timestamp>,
    /// When they had first signed in.
    pub signed_in_at: Option<Timestamp>,
    /// Their turn on the waiting list.
    pub waited: Option<Turn>,
}

impl Was {
    /// What a batch changed, of an account as it was loaded and as it is to be.
    pub(crate) fn new(before: &Account, now: &Account, waited: Option<Turn>) -> Self {
        let Account { state, state_since, wishes_seat, seat, returned_at, signed_in_at, .. } = *before;
        Self {
            attributes: (before.current() != now.current()).then(|| before.current().clone()),
            mark: Mark::of(before),
            state,
            state_since,
            wishes_seat,
            // What it took; a seat that it left alone is not its to give back.
            seat: seat.filter(|_| now.seat.is_none()),
            returned_at,
            signed_in_at,
            waited,
        }
    }
}

/// A turn on the waiting list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Turn {
    /// Since when.
    pub since: Timestamp,
    /// Place among those who wait since then.
    pub place: u32,
}

/// A seat given from the waiting list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// How many the batch gave before it.
    pub order: u32,
    /// The turn that was theirs until then.
    pub turn: Turn,
}

/// Tells what a roster says of an account from anything else it could say: SHA-256 over attributes, wish, whether the
/// account may work, and whose its number is now if it is not its own. A sign-in, a code or a seat that changes hands leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl Mark {
    /// The account's.
    pub fn of(account: &Account) -> Self {
        let said = encoded(&(account.current(), account.wishes_seat, account.may_work()));
        let passed = account.number_passed.map(|passed| encoded(&passed.to)).unwrap_or_default();
        Self(sha256(&[&said, &passed]))
    }
}

/// A part of what a batch leaves behind that fits a stored value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeforeChunk {
    /// Of which batch.
    pub batch: BatchId,
    /// Which part, from 0.
    pub number: u32,
    /// By account.
    pub items: Vec<Before>,
}

/// Bytes of accounts, encoded, at which a [`BeforeChunk`] is cut: with the longest account behind them it stays below 64 KiB.
const CHUNK_BYTES: usize = 40 * 1024;

impl BeforeChunk {
    /// Cuts what a batch leaves behind into parts.
    pub(crate) fn cut(batch: BatchId, befores: Vec<Before>) -> Vec<Self> {
        let mut chunks: Vec<Self> = Vec::new();
        let mut bytes = CHUNK_BYTES;
        for before in befores {
            if bytes >= CHUNK_BYTES {
                let number = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
                chunks.push(Self { batch, number, items: Vec::new() });
                bytes = 0;
            }
            bytes += encoded(&before).len();
            if let Some(chunk) = chunks.last_mut() {
                chunk.items.push(before);
            }
        }
        chunks
    }
}

fn encoded(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("a value in memory encodes into a vector");
    bytes
}
