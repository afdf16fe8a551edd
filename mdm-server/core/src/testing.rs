//! What the tests of the rules begin with: an account with a seat, its code and its device.

pub(crate) mod book;

use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shared::cose::{PublicKey, Signer, SoftwareKey};
use shared::crypto::Secret;
use shared::ids::{AccountId, EnrolmentId};
use shared::signed::Order;
use shared::wire::{DeviceDescription, KeyLevel};

use crate::account::{Account, AccountState, Attributes, Dated, Seat, SourceName, StaffNumber};
use crate::change::{Changeset, Record, Stored, Version};
use crate::code::{CodeKeys, CodeRecord};
use crate::device::{Device, DeviceState};

pub(crate) fn rng() -> StdRng {
    StdRng::seed_from_u64(11)
}

pub(crate) fn noon() -> Timestamp {
    "2027-04-01T03:00:00Z".parse().unwrap()
}

pub(crate) fn software_key() -> SoftwareKey {
    SoftwareKey::from_pkcs8(&SoftwareKey::make_pkcs8().unwrap()).unwrap()
}

pub(crate) fn public_key() -> PublicKey {
    software_key().public_key().clone()
}

pub(crate) fn stored<T>(value: T) -> Stored<T> {
    Stored { version: Version(1), value }
}

pub(crate) fn account() -> Account {
    let attributes = Attributes {
        staff_number: StaffNumber::new("001234").unwrap(),
        name: "濵田 﨑子".to_owned(),
        kana: None,
        mail: None,
        title: None,
        employment: None,
        term_ends: None,
        temporary_until: None,
        born: None,
        hired: None,
        departments: Vec::new(),
    };
    Account {
        id: AccountId::make(noon(), &mut rng()),
        source: SourceName::new("知事部局").unwrap(),
        history: vec![Dated { from: noon(), value: attributes }],
        state: AccountState::Provisional,
        state_since: noon(),
        wishes_seat: true,
        seat: Some(Seat::new(noon())),
        created_at: noon(),
        returned_at: None,
        signed_in_at: None,
        code_issued_at: None,
        absences: Vec::new(),
        number_passed: None,
    }
}

pub(crate) fn code(account: &Account) -> CodeRecord {
    let mut rng = rng();
    CodeKeys::derive(&Secret::make(&mut rng)).issue(account.id, noon(), noon(), &mut rng)
}

pub(crate) fn description() -> DeviceDescription {
    DeviceDescription {
        model: "test".to_owned(),
        platform: "Linux".to_owned(),
        app_version: "0.1.0".to_owned(),
        key_level: KeyLevel::Software,
    }
}

pub(crate) fn device(account: &Account, key: PublicKey, state: DeviceState) -> Device {
    Device {
        enrolment: EnrolmentId::make(noon(), &mut rng()),
        account: account.id,
        key,
        description: description(),
        state,
        enrolled_at: noon(),
        last_contact: None,
        last_unlock: None,
        vault_epoch: 0,
        pin_changes: 0,
        copy_suspected_at: None,
        copy_sign: None,
        blocked_by: None,
        runs: crate::run::Runs::default(),
        may_be_open_until: None,
        copy_may_open: false,
        grant: None,
        certificate_until: crate::hello::certificate_until(noon()),
        last_command: Order::default(),
        last_applied: None,
        pins: None,
    }
}

/// The device that a changeset stores.
pub(crate) fn written_device(changes: &Changeset) -> Device {
    changes
        .writes
        .iter()
        .find_map(|write| match &write.record {
            Some(Record::Device(device)) => Some(device.clone()),
            _ => None,
        })
        .expect("the changeset stores a device")
}

/// The code that a changeset stores.
pub(crate) fn written_code(changes: &Changeset) -> Option<CodeRecord> {
    changes.writes.iter().find_map(|write| match &write.record {
        Some(Record::Code(code)) => Some(code.clone()),
        _ => None,
    })
}

/// The header above [`longest_row`].
pub(crate) const LONGEST_HEADER: &str = "職員番号,氏名,カナ,所属,所属コード,職名,任用区分,メール,任期満了日,生年月日,採用年月日,利用,本務兼務区分\n";

/// The longest person that is accepted, in characters of four bytes: a main post and as much of further ones as there may be.
pub(crate) fn longest_row(number: usize) -> String {
    let long = |count: usize| "𠮷".repeat(count);
    let mail = format!("{}@example.lg.jp", "m".repeat(186));
    let (staff, name, code, department) = (format!("{}{number:04}", long(28)), long(60), long(20), long(100));
    let rest = format!("{},{},{mail},2027/3/31,1990/4/1,2010/4/1,○", long(50), long(30));
    let main = format!("{staff},{name},{name},{department},{code},{rest},本務\n");
    let further = crate::plan::posts::MAX_POSTS_BYTES - 480;
    format!("{main}{staff},{name},{name},{},,{rest},兼務\n", long(further / 4))
}
