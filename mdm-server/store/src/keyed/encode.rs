//! The values of the database: a record is its version as 8 bytes, then its CBOR; and the index entries of each record.

use ciborium::{from_reader, into_writer};
use mdm_core::change::{Key, Record, Stored, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::engine::EngineError;
use super::layout;
use crate::error::Unique;

const VERSION_LEN: usize = 8;

/// An entry that leads to a record.
pub(super) struct IndexEntry {
    pub(super) key: Vec<u8>,
    /// Set if no other record may have it.
    pub(super) unique: Option<Unique>,
}

pub(super) fn to_cbor(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    into_writer(value, &mut bytes).expect("a record in memory encodes into a vector");
    bytes
}

pub(super) fn from_cbor<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, EngineError> {
    from_reader(bytes).map_err(|error| EngineError::Damaged(format!("{what} ({error})")))
}

pub(super) fn encode(version: Version, record: &Record) -> Vec<u8> {
    let mut bytes = version.0.to_be_bytes().to_vec();
    match record {
        Record::Account(value) => into_writer(value, &mut bytes),
        Record::Roster(value) => into_writer(value, &mut bytes),
        Record::Assignments(value) => into_writer(value, &mut bytes),
        Record::Substitutes(value) => into_writer(value, &mut bytes),
        Record::Pool(value) => into_writer(value, &mut bytes),
        Record::Waiting(value) => into_writer(value, &mut bytes),
        Record::DayOfUse(value) => into_writer(value, &mut bytes),
        Record::Code(value) => into_writer(value, &mut bytes),
        Record::Loss(value) => into_writer(value, &mut bytes),
        Record::Mail(value) => into_writer(value, &mut bytes),
        Record::Device(value) => into_writer(value, &mut bytes),
        Record::Command(value) => into_writer(value, &mut bytes),
        Record::Batch(value) => into_writer(value, &mut bytes),
        Record::PlanChunk(value) => into_writer(value, &mut bytes),
        Record::BeforeChunk(value) => into_writer(value, &mut bytes),
        Record::UploadPart(value) => into_writer(value, &mut bytes),
        Record::Operator(value) => into_writer(value, &mut bytes),
        Record::Document(value) => into_writer(value, &mut bytes),
        Record::Note(value) => into_writer(value, &mut bytes),
        Record::Shelf(value) => into_writer(value, &mut bytes),
        Record::Server(value) => into_writer(value, &mut bytes),
    }
    .expect("a record in memory encodes into a vector");
    bytes
}

/// The version in a stored value.
pub(super) fn version(name: &Key, bytes: &[u8]) -> Result<Version, EngineError> {
    let version = bytes.first_chunk::<VERSION_LEN>().ok_or_else(|| damaged(name))?;
    Ok(Version(u64::from_be_bytes(*version)))
}

pub(super) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<Stored<T>, EngineError> {
    let (version, cbor) =
        bytes.split_first_chunk::<VERSION_LEN>().ok_or_else(|| EngineError::Damaged(what.to_owned()))?;
    Ok(Stored { version: Version(u64::from_be_bytes(*version)), value: from_cbor(what, cbor)? })
}

/// The record that `name` names.
pub(super) fn decode_record(name: &Key, bytes: &[u8]) -> Result<Record, EngineError> {
    let cbor = bytes.get(VERSION_LEN..).ok_or_else(|| damaged(name))?;
    match name {
        Key::Account(_) => from_reader(cbor).map(Record::Account),
        Key::Roster(_) => from_reader(cbor).map(Record::Roster),
        Key::Assignments(_) => from_reader(cbor).map(Record::Assignments),
        Key::Substitutes(_) => from_reader(cbor).map(Record::Substitutes),
        Key::Pool => from_reader(cbor).map(Record::Pool),
        Key::Waiting(_) => from_reader(cbor).map(Record::Waiting),
        Key::DayOfUse(_) => from_reader(cbor).map(Record::DayOfUse),
        Key::Code(_) => from_reader(cbor).map(Record::Code),
        Key::Loss(_) => from_reader(cbor).map(Record::Loss),
        Key::Mail(_) => from_reader(cbor).map(Record::Mail),
        Key::Device(_) => from_reader(cbor).map(Record::Device),
        Key::Command(_) => from_reader(cbor).map(Record::Command),
        Key::Batch(_) => from_reader(cbor).map(Record::Batch),
        Key::PlanChunk(..) => from_reader(cbor).map(Record::PlanChunk),
        Key::BeforeChunk(..) => from_reader(cbor).map(Record::BeforeChunk),
        Key::UploadPart(..) => from_reader(cbor).map(Record::UploadPart),
        Key::Operator(_) => from_reader(cbor).map(Record::Operator),
        Key::Document(_) => from_reader(cbor).map(Record::Document),
        Key::Note(..) => from_reader(cbor).map(Record::Note),
        Key::Shelf(_) => from_reader(cbor).map(Record::Shelf),
        Key::Server => from_reader(cbor).map(Record::Server),
    }
    .map_err(|_| damaged(name))
}

fn damaged(name: &Key) -> EngineError {
    EngineError::Damaged(format!("record {name:?}"))
}

/// The entries that lead to a record. Empty for records that are only read by their key.
pub(super) fn index_entries(record: &Record) -> Vec<IndexEntry> {
    let plain = |key| IndexEntry { key, unique: None };
    let unique = |key, unique| IndexEntry { key, unique: Some(unique) };
    match record {
        Record::Account(account) => {
            let mut entries = vec![plain(layout::account_by_source(&account.source, account.id))];
            if account.holds_number() {
                let number = layout::account_by_number(&account.source, &account.current().staff_number);
                entries.push(unique(number, Unique::StaffNumber));
            }
            entries
        }
        Record::Waiting(entry) => {
            vec![plain(layout::waiting_turn(entry.since, entry.place, entry.account))]
        }
        Record::Code(code) => {
            let mut entries = vec![plain(layout::code_by_account(code.account, code.issued_at, code.index))];
            if code.is_usable() {
                entries.push(plain(layout::usable_code(code.expires_at, code.index)));
            }
            entries
        }
        Record::Loss(loss) => vec![plain(layout::loss_by_index(loss.index))],
        Record::Mail(item) => {
            let due = item.due().map(|due| plain(layout::queued_mail_at(due, item.code)));
            let batch = item.batch.map(|batch| plain(layout::mail_of_batch_with(batch, item.code)));
            due.into_iter().chain(batch).collect()
        }
        Record::Device(device) => vec![
            plain(layout::device_of_account(device.account, device.enrolment)),
            unique(layout::device_by_key(&device.key), Unique::DeviceKey),
        ],
        Record::Command(command) => {
            vec![plain(layout::command_of(command.enrolment, command.order, command.id.as_bytes()))]
        }
        Record::Operator(operator) => {
            let mut entries = vec![unique(layout::operator_by_name(&operator.name), Unique::OperatorName)];
            entries.extend(
                operator.token.map(|token| unique(layout::operator_by_token(token), Unique::OperatorToken)),
            );
            entries.extend(operator.invitation().map(|invitation| {
                unique(layout::operator_by_invitation(invitation.hash), Unique::OperatorInvitation)
            }));
            entries
        }
        Record::Note(note) => vec![plain(layout::note_by_change(note.account, note.change))],
        Record::Document(_)
        | Record::Shelf(_)
        | Record::Roster(_)
        | Record::Assignments(_)
        | Record::Substitutes(_)
        | Record::Pool(_)
        | Record::DayOfUse(_)
        | Record::Batch(_)
        | Record::PlanChunk(_)
        | Record::BeforeChunk(_)
        | Record::UploadPart(_)
        | Record::Server(_) => Vec::new(),
    }
}
