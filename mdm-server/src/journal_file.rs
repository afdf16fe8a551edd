//! The exported journal: verified line by line, in bounded memory whatever the file is. `mdmctl audit` reads and writes
//! the file; a server is not needed.

use std::io::BufRead;

use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use jiff::Timestamp;
use mdm_core::audit::{ChainError, Entry, PersonalValue, Walk};
use serde::{Deserialize, Serialize};
use shared::cose::{self, PublicKey, VerifyError};
use shared::signed::{Checkpoint, JournalHead};

use crate::api::types::{CheckpointView, EntryView};

#[cfg(test)]
mod tests;

/// Most bytes of a line. An entry's bytes are below 64 KiB, 88 KiB in base64; its personal values are short.
const MAX_LINE: usize = 1024 * 1024;

/// What is known from elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Anchors {
    /// SHA-256 of the checkpoint key's SubjectPublicKeyInfo.
    pub key: Option<[u8; 32]>,
    /// A head that the journal had.
    pub at_least: Option<JournalHead>,
}

/// What `--key` or `--at-least` should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnchor {
    /// Not a key.
    #[error(
        "--key is the SHA-256 fingerprint of the checkpoint key, 64 hexadecimal digits, or its SubjectPublicKeyInfo \
         in base64"
    )]
    Key,
    /// Not a head.
    #[error("--at-least is SEQ:HASH, like 120:9f86d0…, the hash of 64 hexadecimal digits")]
    AtLeast,
}

impl Anchors {
    /// Reads `--key` and `--at-least`.
    pub fn parse(key: Option<&str>, at_least: Option<&str>) -> Result<Self, NoAnchor> {
        let key = key.map(|text| fingerprint(text).ok_or(NoAnchor::Key));
        let at_least = at_least.map(|text| head(text).ok_or(NoAnchor::AtLeast));
        Ok(Self { key: key.transpose()?, at_least: at_least.transpose()? })
    }
}

fn hash(text: &str) -> Option<[u8; 32]> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}

fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let spki = || BASE64.decode(text.as_bytes()).ok().and_then(|der| PublicKey::from_spki_der(&der).ok());
    hash(&text.replace(':', "")).or_else(|| spki().map(|key| key.fingerprint()))
}

fn head(text: &str) -> Option<JournalHead> {
    let (sequence, digits) = text.trim().split_once(':')?;
    Some(JournalHead { sequence: sequence.parse().ok()?, hash: hash(digits)? })
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// How many entries there are.
    pub entries: u64,
    /// The chain value after the last, hexadecimal.
    pub head: String,
    /// When that was the head, as signed.
    pub checkpoint_at: Timestamp,
    /// SHA-256 of the key that signed it, hexadecimal.
    pub key_fingerprint: String,
    /// How many personal values are no longer there. That breaks nothing.
    pub personal_values_deleted: u64,
    /// Whether anything outside the file vouches for it.
    pub anchored: bool,
    /// The same in words.
    pub verdict: String,
}

/// Why a file does not verify.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be read any further.
    #[error("line {line} cannot be read: {cause}")]
    Io {
        /// Which line, from 1.
        line: u64,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// A line over the limit.
    #[error(
        "line {line} has more than {MAX_LINE} bytes, which no entry has (entry {entry} should stand there)"
    )]
    LineTooLong {
        /// Which line, from 1.
        line: u64,
        /// What should stand there.
        entry: u64,
    },
    /// A line that does not decode.
    #[error("line {line} is not a journal entry (entry {entry} should stand there): {problem}")]
    NotAnEntry {
        /// Which line, from 1.
        line: u64,
        /// What should stand there.
        entry: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The chain breaks.
    #[error("line {line}: {cause}")]
    Chain {
        /// Which line, from 1.
        line: u64,
        /// How.
        cause: ChainError,
    },
    /// The file has no last line.
    #[error(
        "the file ends after entry {entries} without a checkpoint: it is cut off, export the journal again"
    )]
    NoCheckpoint {
        /// How many entries there are.
        entries: u64,
    },
    /// Lines after the last.
    #[error("line {line}: something follows the checkpoint, which is the end of an export")]
    AfterCheckpoint {
        /// Which line, from 1.
        line: u64,
    },
    /// Changed, or signed by another key than it names.
    #[error("the checkpoint does not verify: {0}")]
    Checkpoint(VerifyError),
    /// What stands beside the signed checkpoint is not what is in it.
    #[error("the checkpoint's line says another head or time than what is signed in it")]
    CheckpointLine,
    /// The signed head is not where the entries lead.
    #[error(
        "the checkpoint is signed for entry {signed}, but the entries end with {found} or another chain value: entries are missing or were replaced"
    )]
    OtherHead {
        /// The last entry, as signed.
        signed: u64,
        /// The last entry in the file.
        found: u64,
    },
    /// Rightly signed, by somebody else.
    #[error(
        "the checkpoint is signed by the key {found}, not by the one given: the file is of another server or was made anew"
    )]
    OtherKey {
        /// Its fingerprint, hexadecimal.
        found: String,
    },
    /// The known head is not in this chain.
    #[error(
        "entry {0} has another chain value than the one given: the journal was rewritten before it, or is of another server"
    )]
    AnchorDiffers(u64),
    /// The known head lies behind the end.
    #[error(
        "the journal ends with entry {last}, before the given entry {wanted}: entries were cut off at the end"
    )]
    AnchorMissing {
        /// The entry that is known.
        wanted: u64,
        /// The last entry in the file.
        last: u64,
    },
}

/// Verifies what `mdmctl audit export` wrote: one [`EntryView`] a line in order, then one [`CheckpointView`].
///
/// # Errors
/// The first thing that is wrong with it, and where.
pub fn verify(lines: impl BufRead, anchors: &Anchors) -> Result<Verdict, JournalError> {
    verify_each(lines, anchors, |_| {})
}

/// The same, showing each entry when it was linked. What was shown is worth nothing unless all of the file verifies.
///
/// # Errors
/// The first thing that is wrong with it, and where.
pub fn verify_each(
    lines: impl BufRead,
    anchors: &Anchors,
    mut show: impl FnMut(&Entry),
) -> Result<Verdict, JournalError> {
    let mut lines = Lines { reader: lines, number: 0, bytes: Vec::new() };
    let mut walk = Walk::begin();
    let mut at_least_seen = anchors.at_least.as_ref().is_none_or(|anchor| *anchor == walk.verified().head);
    let checkpoint = loop {
        let reached = walk.verified().head.sequence;
        if !lines.advance(reached + 1)? {
            return Err(JournalError::NoCheckpoint { entries: reached });
        }
        match parse(&lines.bytes) {
            Ok(Line::Checkpoint(checkpoint)) => break checkpoint,
            Ok(Line::Entry(entry)) => {
                walk.step(&entry).map_err(|cause| JournalError::Chain { line: lines.number, cause })?;
                show(&entry);
            }
            Err(problem) => {
                return Err(JournalError::NotAnEntry { line: lines.number, entry: reached + 1, problem });
            }
        }
        if let Some(anchor) = anchors.at_least.as_ref().filter(|anchor| anchor.sequence == reached + 1) {
            if *anchor != walk.verified().head {
                return Err(JournalError::AnchorDiffers(anchor.sequence));
            }
            at_least_seen = true;
        }
    };
    let last = walk.verified().head.sequence;
    if lines.advance(last + 1)? {
        return Err(JournalError::AfterCheckpoint { line: lines.number });
    }
    let key = check_checkpoint(&checkpoint, &walk.verified().head, anchors)?;
    match &anchors.at_least {
        Some(anchor) if !at_least_seen => Err(JournalError::AnchorMissing { wanted: anchor.sequence, last }),
        _ => Ok(verdict(&walk, checkpoint.at, &key, anchors)),
    }
}

/// The fingerprint of the key that a checkpoint's line names, hexadecimal.
pub fn fingerprint_of(line: &CheckpointView) -> Option<String> {
    let der = BASE64.decode(line.key.as_bytes()).ok()?;
    let key = PublicKey::from_spki_der(&der).ok()?;
    Some(HEXLOWER.encode(&key.fingerprint()))
}

/// Whether the checkpoint is rightly signed, of this head, and by the key that is known.
fn check_checkpoint(
    line: &CheckpointView,
    head: &JournalHead,
    anchors: &Anchors,
) -> Result<PublicKey, JournalError> {
    let malformed = JournalError::Checkpoint(VerifyError::Malformed);
    let decode = |text: &str| BASE64.decode(text.as_bytes()).ok();
    let (Some(bytes), Some(der)) = (decode(&line.checkpoint), decode(&line.key)) else {
        return Err(malformed);
    };
    let Ok(key) = PublicKey::from_spki_der(&der) else { return Err(malformed) };
    if anchors.key.is_some_and(|known| known != key.fingerprint()) {
        return Err(JournalError::OtherKey { found: HEXLOWER.encode(&key.fingerprint()) });
    }
    let signed: Checkpoint = cose::verify(&bytes, b"", &key).map_err(JournalError::Checkpoint)?;
    if signed.head != *head {
        return Err(JournalError::OtherHead { signed: signed.head.sequence, found: head.sequence });
    }
    let said = JournalHead { sequence: line.sequence, hash: hash(&line.hash).unwrap_or_default() };
    if said != signed.head || line.at != signed.at {
        return Err(JournalError::CheckpointLine);
    }
    Ok(key)
}

fn verdict(walk: &Walk, checkpoint_at: Timestamp, key: &PublicKey, anchors: &Anchors) -> Verdict {
    let verdict = match (&anchors.key, &anchors.at_least) {
        (Some(_), Some(_)) => {
            "verified: complete up to the checkpoint, by the given key, and with the given entry"
        }
        (Some(_), None) => "verified: complete up to the checkpoint, by the given key",
        (None, Some(_)) => "verified up to the given entry; what follows it is internally consistent only",
        (None, None) => {
            "internally consistent only: whoever can write the file could have made all of it anew; give --key or \
             --at-least"
        }
    };
    let verified = walk.verified();
    Verdict {
        entries: verified.head.sequence,
        head: HEXLOWER.encode(&verified.head.hash),
        checkpoint_at,
        key_fingerprint: HEXLOWER.encode(&key.fingerprint()),
        personal_values_deleted: verified.personal_deleted,
        anchored: *anchors != Anchors::default(),
        verdict: verdict.to_owned(),
    }
}

/// Lines of bounded length, one in memory at a time.
struct Lines<R> {
    reader: R,
    number: u64,
    bytes: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line; false at the end of the file. `entry` is what should stand there.
    fn advance(&mut self, entry: u64) -> Result<bool, JournalError> {
        use std::io::Read as _;
        self.number += 1;
        self.bytes.clear();
        let line = self.number;
        let mut bounded = self.reader.by_ref().take(MAX_LINE as u64 + 1);
        let read = bounded.read_until(b'\n', &mut self.bytes);
        read.map_err(|cause| JournalError::Io { line, cause })?;
        if self.bytes.len() > MAX_LINE {
            return Err(JournalError::LineTooLong { line, entry });
        }
        Ok(!self.bytes.is_empty())
    }
}

enum Line {
    Entry(Entry),
    Checkpoint(CheckpointView),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AnyLine {
    Checkpoint(CheckpointView),
    Entry(EntryView),
}

fn parse(bytes: &[u8]) -> Result<Line, String> {
    let unlike = |_| "it is neither an entry nor a checkpoint in JSON".to_owned();
    match serde_json::from_slice(bytes).map_err(unlike)? {
        AnyLine::Checkpoint(checkpoint) => Ok(Line::Checkpoint(checkpoint)),
        AnyLine::Entry(view) => entry(view).map(Line::Entry),
    }
}

fn entry(view: EntryView) -> Result<Entry, String> {
    let bytes = BASE64.decode(view.bytes.as_bytes()).map_err(|_| "`bytes` is not base64".to_owned())?;
    let hash = hash(&view.hash).ok_or("`hash` has not 64 hexadecimal digits")?;
    let mut personal = Vec::with_capacity(view.personal.len());
    for value in view.personal {
        let salt =
            HEXLOWER_PERMISSIVE.decode(value.salt.as_bytes()).ok().and_then(|salt| salt.try_into().ok());
        let salt = salt.ok_or("`salt` has not 32 hexadecimal digits")?;
        personal.push(PersonalValue { field: value.field, salt, value: value.value });
    }
    Ok(Entry { sequence: view.sequence, bytes, hash, personal })
}
