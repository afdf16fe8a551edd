//! The keys of the database: one byte for the kind, then fields of fixed length or ended by a zero byte, all big-endian,
//! so that byte order is the order that the traits promise.

use jiff::Timestamp;
use jiff::civil::Date;
use mdm_core::account::{SourceName, StaffNumber};
use mdm_core::change::Key;
use mdm_core::code::CodeIndex;
use mdm_core::loss::LossIndex;
use mdm_core::operator::{InvitationHash, OperatorName, TokenHash};
use shared::cose::PublicKey;
use shared::ids::{AccountId, BatchId, EnrolmentId};
use shared::signed::Order;

use super::engine::Range;

/// Format of everything in this file and in [`super::encode`].
pub(super) const FORMAT: u64 = 1;

/// Behind every key of this file. An engine may keep keys of its own from here on.
pub(super) const END: &[u8] = &[0xf0];

/// CBOR of [`FORMAT`].
pub(super) const META_FORMAT: &[u8] = b"xf";
/// How many commits were applied, as 8 bytes: the version of what the next one writes is one more.
pub(crate) const META_COMMITS: &[u8] = b"xc";
/// CBOR of the journal's head.
pub(super) const META_HEAD: &[u8] = b"xh";
/// CBOR of [`super::large::Flipped`] while what a large change made true is on its way from the stage into place.
pub(super) const META_LARGE: &[u8] = b"xl";

/// Records by id.
pub(super) const ACCOUNT: u8 = b'a';
pub(super) const ASSIGNMENTS: u8 = b'i';
pub(super) const BATCH: u8 = b'b';
pub(super) const DAY_OF_USE: u8 = b't';
pub(super) const DEVICE: u8 = b'd';
pub(super) const DOCUMENT: u8 = b'f';
pub(super) const NOTE: u8 = b'n';
pub(super) const OPERATOR: u8 = b'o';
pub(super) const ROSTER: u8 = b'r';
pub(super) const SUBSTITUTES: u8 = b'g';
const CODE: u8 = b'c';
const COMMAND: u8 = b'm';
const LOSS: u8 = b'l';
const MAIL: u8 = b'k';
const PLAN_CHUNK: u8 = b'q';
const BEFORE_CHUNK: u8 = b'u';
const UPLOAD_PART: u8 = b'y';
const SHELF: u8 = b'h';
const POOL: u8 = b'p';
const SERVER: u8 = b'v';
const WAITING: u8 = b'w';

/// Index entries, whose value is the key of the record.
const ACCOUNT_BY_SOURCE: u8 = b'A';
const ACCOUNT_BY_NUMBER: u8 = b'N';
const CODE_BY_ACCOUNT: u8 = b'C';
const CODE_BY_EXPIRY: u8 = b'U';
const COMMAND_BY_DEVICE: u8 = b'M';
const DEVICE_BY_ACCOUNT: u8 = b'D';
const DEVICE_BY_KEY: u8 = b'K';
const LOSS_BY_INDEX: u8 = b'L';
const MAIL_BY_BATCH: u8 = b'B';
const MAIL_BY_TIME: u8 = b'Q';
const NOTE_BY_CHANGE: u8 = b'H';
const OPERATOR_BY_INVITATION: u8 = b'I';
const OPERATOR_BY_NAME: u8 = b'O';
const OPERATOR_BY_TOKEN: u8 = b'T';
const WAITING_BY_TURN: u8 = b'W';

/// Journal entries by sequence number.
const JOURNAL: u8 = b'j';
/// Keys in the stage that a later commit has overwritten: not to be moved.
pub(super) const OVERTAKEN: u8 = b'z';

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// Where a record is.
pub(super) fn record(name: &Key) -> Vec<u8> {
    match name {
        Key::Account(id) => key(ACCOUNT, &[id.as_bytes()]),
        Key::Roster(source) => key(ROSTER, &[source.as_str().as_bytes()]),
        Key::Assignments(source) => key(ASSIGNMENTS, &[source.as_str().as_bytes()]),
        Key::Substitutes(source) => key(SUBSTITUTES, &[source.as_str().as_bytes()]),
        Key::Pool => key(POOL, &[]),
        Key::Waiting(account) => key(WAITING, &[account.as_bytes()]),
        Key::DayOfUse(at) => key(DAY_OF_USE, &[&day(*at)]),
        Key::Code(index) => key(CODE, &[&index.0]),
        Key::Loss(account) => key(LOSS, &[account.as_bytes()]),
        Key::Mail(code) => key(MAIL, &[&code.0]),
        Key::Device(enrolment) => key(DEVICE, &[enrolment.as_bytes()]),
        Key::Command(id) => key(COMMAND, &[id.as_bytes()]),
        Key::Batch(id) => key(BATCH, &[id.as_bytes()]),
        Key::PlanChunk(batch, number) => part_of(PLAN_CHUNK, *batch, *number),
        Key::BeforeChunk(batch, number) => part_of(BEFORE_CHUNK, *batch, *number),
        Key::UploadPart(batch, number) => part_of(UPLOAD_PART, *batch, *number),
        Key::Operator(id) => key(OPERATOR, &[id.as_bytes()]),
        Key::Document(id) => key(DOCUMENT, &[id.as_bytes()]),
        Key::Note(account, id) => key(NOTE, &[account.as_bytes(), id.as_bytes()]),
        Key::Shelf(account) => key(SHELF, &[account.as_bytes()]),
        Key::Server => key(SERVER, &[]),
    }
}

fn part_of(kind: u8, batch: BatchId, number: u32) -> Vec<u8> {
    key(kind, &[batch.as_bytes(), &number.to_be_bytes()])
}

/// Source names have no control characters, so that a zero byte ends them.
pub(super) fn accounts_of_source(source: &SourceName) -> Vec<u8> {
    key(ACCOUNT_BY_SOURCE, &[source.as_str().as_bytes(), &[0]])
}

pub(super) fn account_by_source(source: &SourceName, account: AccountId) -> Vec<u8> {
    [&accounts_of_source(source), account.as_bytes().as_slice()].concat()
}

pub(super) fn account_by_number(source: &SourceName, number: &StaffNumber) -> Vec<u8> {
    key(ACCOUNT_BY_NUMBER, &[source.as_str().as_bytes(), &[0], number.as_str().as_bytes()])
}

pub(super) fn codes_of_account(account: AccountId) -> Vec<u8> {
    key(CODE_BY_ACCOUNT, &[account.as_bytes()])
}

pub(super) fn code_by_account(account: AccountId, issued_at: Timestamp, index: CodeIndex) -> Vec<u8> {
    [&codes_of_account(account), time(issued_at).as_slice(), &index.0].concat()
}

pub(super) fn loss_by_index(index: LossIndex) -> Vec<u8> {
    key(LOSS_BY_INDEX, &[&index.0])
}

pub(super) fn queued_mail() -> Vec<u8> {
    key(MAIL_BY_TIME, &[])
}

pub(super) fn queued_mail_at(not_before: Timestamp, code: CodeIndex) -> Vec<u8> {
    key(MAIL_BY_TIME, &[&time(not_before), &code.0])
}

pub(super) fn mail_of_batch(batch: BatchId) -> Vec<u8> {
    key(MAIL_BY_BATCH, &[batch.as_bytes()])
}

pub(super) fn mail_of_batch_with(batch: BatchId, code: CodeIndex) -> Vec<u8> {
    key(MAIL_BY_BATCH, &[batch.as_bytes(), &code.0])
}

pub(super) fn usable_codes() -> Vec<u8> {
    key(CODE_BY_EXPIRY, &[])
}

pub(super) fn usable_code(expires_at: Timestamp, index: CodeIndex) -> Vec<u8> {
    key(CODE_BY_EXPIRY, &[&time(expires_at), &index.0])
}

pub(super) fn commands_of(enrolment: EnrolmentId) -> Vec<u8> {
    key(COMMAND_BY_DEVICE, &[enrolment.as_bytes()])
}

pub(super) fn command_of(enrolment: EnrolmentId, order: Order, id: &[u8; 16]) -> Vec<u8> {
    [&commands_of(enrolment), order.epoch.to_be_bytes().as_slice(), &order.counter.to_be_bytes(), id].concat()
}

pub(super) fn devices_of_account(account: AccountId) -> Vec<u8> {
    key(DEVICE_BY_ACCOUNT, &[account.as_bytes()])
}

pub(super) fn device_of_account(account: AccountId, enrolment: EnrolmentId) -> Vec<u8> {
    [&devices_of_account(account), enrolment.as_bytes().as_slice()].concat()
}

pub(super) fn device_by_key(device_key: &PublicKey) -> Vec<u8> {
    key(DEVICE_BY_KEY, &[&device_key.fingerprint()])
}

pub(super) fn notes_of_account(account: AccountId) -> Vec<u8> {
    key(NOTE_BY_CHANGE, &[account.as_bytes()])
}

/// A change is of one note, so that no other has its number.
pub(super) fn note_by_change(account: AccountId, change: u64) -> Vec<u8> {
    key(NOTE_BY_CHANGE, &[account.as_bytes(), &change.to_be_bytes()])
}

pub(super) fn operator_by_token(token: TokenHash) -> Vec<u8> {
    key(OPERATOR_BY_TOKEN, &[&token.0])
}

pub(super) fn operator_by_name(name: &OperatorName) -> Vec<u8> {
    key(OPERATOR_BY_NAME, &[name.folded().as_bytes()])
}

pub(super) fn operator_by_invitation(invitation: InvitationHash) -> Vec<u8> {
    key(OPERATOR_BY_INVITATION, &[&invitation.0])
}

pub(super) fn waiting_list() -> Vec<u8> {
    key(WAITING_BY_TURN, &[])
}

pub(super) fn waiting_turn(since: Timestamp, place: u32, account: AccountId) -> Vec<u8> {
    key(WAITING_BY_TURN, &[&time(since), &place.to_be_bytes(), account.as_bytes()])
}

pub(super) fn journal(sequence: u64) -> Vec<u8> {
    key(JOURNAL, &[&sequence.to_be_bytes()])
}

/// The sequence number of a journal entry, if it is the key of one.
pub(super) fn journal_sequence(key: &[u8]) -> Option<u64> {
    match key.split_first()? {
        (&JOURNAL, sequence) => sequence.try_into().ok().map(u64::from_be_bytes),
        _ => None,
    }
}

pub(super) fn overtaken(by_key: &[u8]) -> Vec<u8> {
    key(OVERTAKEN, &[by_key])
}

/// Whether it is the key of a journal entry.
pub(super) fn is_journal(key: &[u8]) -> bool {
    key.first() == Some(&JOURNAL)
}

/// All keys that begin with `prefix`.
pub(super) fn within(prefix: Vec<u8>) -> Range {
    let mut end = prefix.clone();
    // No prefix ends in 0xff bytes only: the first byte is an ASCII letter.
    while end.last() == Some(&0xff) {
        end.pop();
    }
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    Range { start: prefix, end, reverse: false }
}

/// Those of [`within`] that come after `key`.
pub(super) fn within_after(prefix: Vec<u8>, after: Option<Vec<u8>>) -> Range {
    let mut range = within(prefix);
    if let Some(mut after) = after {
        after.push(0);
        range.start = range.start.max(after);
    }
    range
}

/// Nanoseconds since 1970 with the sign bit turned, so that earlier times sort first.
fn time(at: Timestamp) -> [u8; 16] {
    (at.as_nanosecond() as u128 ^ (1 << 127)).to_be_bytes()
}

/// Year with the sign bit turned, month, day, so that earlier days sort first.
fn day(at: Date) -> [u8; 4] {
    let [century, year] = (at.year() as u16 ^ (1 << 15)).to_be_bytes();
    [century, year, at.month().unsigned_abs(), at.day().unsigned_abs()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_in_time_also_before_1970() {
        let times = [Timestamp::MIN, Timestamp::new(-1, 0).unwrap(), Timestamp::UNIX_EPOCH, Timestamp::MAX];
        assert!(times.map(time).is_sorted());
    }

    #[test]
    fn days_sort_in_time_also_before_christ() {
        let days = [Date::MIN, Date::constant(-1, 12, 31), Date::constant(2027, 3, 31), Date::MAX];
        assert!(days.map(day).is_sorted());
    }

    #[test]
    fn a_range_holds_all_that_begins_with_its_prefix() {
        let range = within(vec![b'D', 7, 0xff, 0xff]);
        assert_eq!(range.end, [b'D', 8]);
        assert_eq!(within_after(vec![b'D'], Some(vec![b'D', 3])).start, [b'D', 3, 0]);
    }
}
