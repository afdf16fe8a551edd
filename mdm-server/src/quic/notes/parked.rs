//! What came of contents whose stream broke: kept for a while, so that the device goes on where it stood. Bounded in time and
//! number; a server that was restarted has none.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use shared::ids::{AccountId, NoteId};

use crate::documents::ContentWriter;

/// How many are kept of one account.
const OF_ONE: usize = 4;
/// How many are kept together: each is an open file.
const TOGETHER: usize = 256;
/// For how long.
const FOR: SignedDuration = SignedDuration::from_hours(1);

/// What is being sent: the same again has the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) account: AccountId,
    pub(super) note: NoteId,
    pub(super) hash: [u8; 32],
    pub(super) size: u64,
}

struct Parked {
    sending: Sending,
    writer: ContentWriter,
    since: Timestamp,
}

/// Parts of contents, the oldest first.
#[derive(Default)]
pub(crate) struct Receiving(Mutex<Vec<Parked>>);

impl Receiving {
    fn kept(&self, now: Timestamp) -> std::sync::MutexGuard<'_, Vec<Parked>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|parked| now.duration_since(parked.since) < FOR);
        kept
    }

    /// What there is of these contents; the caller has it alone.
    pub(super) fn take_up(&self, sending: &Sending, now: Timestamp) -> Option<ContentWriter> {
        let mut kept = self.kept(now);
        let place = kept.iter().position(|parked| parked.sending == *sending)?;
        Some(kept.remove(place).writer)
    }

    /// Keeps what came so far. The oldest goes where there are too many.
    pub(super) fn put_by(&self, sending: Sending, writer: ContentWriter, now: Timestamp) {
        let mut kept = self.kept(now);
        // Another stream may have sent a part of the same: the longer one is kept.
        let longer =
            |parked: &Parked| parked.sending == sending && parked.writer.received() > writer.received();
        if kept.iter().any(longer) {
            return;
        }
        kept.retain(|parked| parked.sending != sending);
        if kept.iter().filter(|parked| parked.sending.account == sending.account).count() >= OF_ONE
            && let Some(place) = kept.iter().position(|parked| parked.sending.account == sending.account)
        {
            kept.remove(place);
        }
        if kept.len() >= TOGETHER {
            kept.remove(0);
        }
        kept.push(Parked { sending, writer, since: now });
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::OsRng;
    use shared::crypto::Secret;

    use super::*;
    use crate::documents::{Contents, Limits};

    fn sending(account: u8, note: u8) -> Sending {
        let account = AccountId::from_bytes([account; 16]);
        Sending { account, note: NoteId::from_bytes([note; 16]), hash: [note; 32], size: 9 }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_part_is_kept_for_the_same_contents_only_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { largest: 100, together: 10_000 };
        let contents = Contents::new(folder.path(), "notes", Secret::from_bytes([7; 32]), limits);
        let files = || std::fs::read_dir(folder.path().join("notes")).unwrap().count();
        let begin = |bytes: &[u8]| {
            let mut writer = contents.begin(None, &mut OsRng).unwrap();
            writer.push(bytes).unwrap();
            writer
        };
        let receiving = Receiving::default();
        receiving.put_by(sending(1, 1), begin(b"12345"), at(0));
        assert!(receiving.take_up(&sending(1, 2), at(1)).is_none());
        assert!(receiving.take_up(&sending(2, 1), at(1)).is_none(), "another account");
        let writer = receiving.take_up(&sending(1, 1), at(1)).unwrap();
        assert_eq!(writer.received(), 5);
        assert!(receiving.take_up(&sending(1, 1), at(1)).is_none());
        receiving.put_by(sending(1, 1), writer, at(1));
        receiving.put_by(sending(1, 1), begin(b"123"), at(1));
        assert_eq!(files(), 1, "the longer of two is kept");
        assert!(receiving.take_up(&sending(1, 1), at(3_601)).is_none());
        assert_eq!(files(), 0, "what is not kept leaves nothing");

        for note in 0..9 {
            receiving.put_by(sending(1, note), begin(b"1"), at(0));
        }
        receiving.put_by(sending(2, 1), begin(b"1"), at(0));
        assert_eq!(files(), OF_ONE + 1);
        assert!(receiving.take_up(&sending(1, 8), at(1)).is_some(), "the newest are kept");
    }
}
