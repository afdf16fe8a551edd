//! Records to store. A number makes each one different and the same again.

use jiff::Timestamp;
use jiff::civil::Date;
use mdm_core::absence::Absence;
use mdm_core::account::{Account, AccountState, Attributes, Dated, Roster, SourceName, StaffNumber};
use mdm_core::assignment::{Assignments, Remembered};
use mdm_core::audit::{Actor, AuditEvent, Happening, PersonalValue, Subject};
use mdm_core::batch::{
    Batch, BatchState, KeptRows, Mode, Origin, PlanChunk, PlanItem, PlanKind, PlanSummary, PlanWord, Release,
    UploadPart,
};
use mdm_core::change::{Changeset, Record};
use mdm_core::code::{CodeIndex, CodeRecord, CodeState};
use mdm_core::command::CommandRecord;
use mdm_core::device::{Device, DeviceState};
use mdm_core::document::{
    Audience, Content, ContentId, DepartmentName, Document, Folder, Label, Level, MAX_DEPARTMENTS, MediaType,
    Title,
};
use mdm_core::license::{DayOfUse, Pool, WaitingEntry};
use mdm_core::loss::{LossIndex, LossRecord};
use mdm_core::mail::{MailItem, MailKind, MailState};
use mdm_core::note::{Held, Note, REMEMBERED, Shelf};
use mdm_core::operator::{
    Credentials, Deputy, Invitation, InvitationHash, Operator, OperatorName, PasswordHash, Role,
    SealedTotpSecret, SignIn, TokenHash,
};
use mdm_core::sheet::{Column, Header, MAX_ASSIGNED, Meaning};
use mdm_core::substitute::{CodePoint, MAX_ENTRIES, Substitute, Substitutes};
use mdm_core::undo::{Before, BeforeChunk, Mark};
use rand::SeedableRng;
use rand::rngs::StdRng;
use shared::cose::{PublicKey, Signer, SoftwareKey};
use shared::ids::{AccountId, BatchId, CommandId, DocumentId, EnrolmentId, MailId, NoteId, OperatorId};
use shared::signed::{Action, Order};
use shared::wire::{DeviceDescription, KeyLevel};

pub(crate) fn bytes<const N: usize>(number: u32) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[N - 4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(crate) fn account_id(number: u32) -> AccountId {
    AccountId::from_bytes(bytes(number))
}

pub(crate) fn enrolment(number: u32) -> EnrolmentId {
    EnrolmentId::from_bytes(bytes(number))
}

pub(crate) fn batch_id(number: u32) -> BatchId {
    BatchId::from_bytes(bytes(number))
}

pub(crate) fn source(name: &str) -> SourceName {
    SourceName::new(name).unwrap()
}

pub(crate) fn staff_number(number: u32) -> StaffNumber {
    StaffNumber::new(&format!("{number:06}")).unwrap()
}

pub(crate) fn account(number: u32) -> Account {
    Account {
        id: account_id(number),
        source: source("市長部局"),
        history: vec![Dated { from: at(0), value: attributes(number) }],
        state: AccountState::Provisional,
        state_since: at(0),
        wishes_seat: true,
        seat: None,
        created_at: at(0),
        returned_at: None,
        signed_in_at: None,
        code_issued_at: None,
        absences: vec![Absence { from: Date::constant(2027, 5, 1), until: None }],
        number_passed: None,
    }
}

pub(crate) fn attributes(number: u32) -> Attributes {
    Attributes {
        staff_number: staff_number(number),
        name: format!("髙橋 {number}"),
        kana: Some("タカハシ".to_owned()),
        mail: None,
        title: Some("主査".to_owned()),
        employment: None,
        term_ends: None,
        temporary_until: None,
        born: None,
        hired: None,
        departments: Vec::new(),
    }
}

pub(crate) fn device_key(number: u32) -> PublicKey {
    // Any point will do: a store verifies no signature.
    let pkcs8 = SoftwareKey::make_pkcs8().unwrap();
    let mut der = SoftwareKey::from_pkcs8(&pkcs8).unwrap().public_key().spki_der().to_vec();
    let point = der.len() - 64;
    der[point..].copy_from_slice(&bytes::<64>(number));
    PublicKey::from_spki_der(&der).unwrap()
}

pub(crate) fn device(number: u32, account: u32) -> Device {
    Device {
        enrolment: enrolment(number),
        account: account_id(account),
        key: device_key(number),
        description: DeviceDescription {
            model: "Phone".to_owned(),
            platform: "Linux".to_owned(),
            app_version: "0.1.0".to_owned(),
            key_level: KeyLevel::Software,
        },
        state: DeviceState::Live,
        enrolled_at: at(0),
        last_contact: None,
        last_unlock: None,
        vault_epoch: 0,
        pin_changes: 0,
        copy_suspected_at: None,
        copy_sign: None,
        blocked_by: None,
        runs: mdm_core::run::Runs::default(),
        may_be_open_until: None,
        copy_may_open: false,
        grant: None,
        certificate_until: at(1_000_000),
        last_command: Order::default(),
        last_applied: None,
        pins: None,
    }
}

pub(crate) fn code(number: u32, account: u32, expires: i64) -> CodeRecord {
    CodeRecord {
        index: CodeIndex(bytes(number)),
        account: account_id(account),
        sealed: vec![1; 60],
        issued_at: at(i64::from(number)),
        valid_from: at(0),
        expires_at: at(expires),
        tries: 0,
        state: CodeState::Open,
        asked_by: None,
    }
}

pub(crate) fn loss(account: u32, number: u32) -> LossRecord {
    LossRecord { account: account_id(account), index: LossIndex(bytes(number)), printed_at: at(0) }
}

pub(crate) fn mail(number: u32, of_batch: u32, state: MailState) -> MailItem {
    MailItem {
        code: CodeIndex(bytes(number)),
        id: MailId::from_bytes(bytes(number)),
        kind: MailKind::ActivationCode,
        account: account_id(number),
        batch: Some(batch_id(of_batch)),
        state,
        due_since: at(0),
    }
}

pub(crate) fn command(number: u32, device: u32, counter: u32) -> CommandRecord {
    CommandRecord {
        id: CommandId::from_bytes(bytes(number)),
        enrolment: enrolment(device),
        order: Order { epoch: 0, counter },
        action: Action::Block,
        issued_at: at(0),
        signed: vec![2; 150],
    }
}

pub(crate) fn waiting(number: u32, since: i64, place: u32) -> WaitingEntry {
    WaitingEntry { account: account_id(number), since: at(since), place }
}

pub(crate) fn day_of_use(day: Date) -> DayOfUse {
    DayOfUse::of(day, &Pool { size: 700, reserved: 20, assigned: 600, temporary: 4 }, 0, 31)
}

pub(crate) fn batch(number: u32, state: BatchState) -> Batch {
    Batch {
        id: batch_id(number),
        source: source("市長部局"),
        mode: Mode::Roster,
        uploaded_at: at(0),
        uploaded_by: Actor::Server,
        digest: [3; 32],
        encoding: "CP932".to_owned(),
        delimiter: "comma".to_owned(),
        layout: "own".to_owned(),
        unused_sheets: Vec::new(),
        lost_zeros: None,
        unused_columns: Vec::new(),
        assigned: Vec::new(),
        private_use: Vec::new(),
        private_use_total: 0,
        normalised_rows: Vec::new(),
        normalised_total: 0,
        like_leave: Vec::new(),
        kept: KeptRows::default(),
        roster_version: 0,
        state,
        summary: PlanSummary::default(),
        chunks: 0,
        origin: Origin::File,
        padded_to: None,
        temporary_until: Some(Date::constant(2027, 9, 30)),
        mends: None,
        earlier_authors: Vec::new(),
        decided: Vec::new(),
        befores: 0,
        plan_digest: [4; 32],
        release: Release::default(),
    }
}

pub(crate) fn before_chunk(batch: u32, number: u32) -> BeforeChunk {
    let before = Before {
        account: account_id(7),
        word: Some(PlanWord::Join),
        was: None,
        left_as: Mark([8; 32]),
        blocked: vec![enrolment(3)],
        served: None,
    };
    BeforeChunk { batch: batch_id(batch), number, items: vec![before] }
}

pub(crate) fn plan_chunk(batch: u32, number: u32, items: usize) -> PlanChunk {
    let item = |row: usize| PlanItem {
        row: u32::try_from(row).ok(),
        account: Some(account_id(7)),
        kind: PlanKind::Move { attributes: attributes(7), wishes_seat: true },
        held_back: false,
    };
    PlanChunk { batch: batch_id(batch), number, items: (0..items).map(item).collect() }
}

pub(crate) fn upload_part(batch: u32, number: u32) -> UploadPart {
    UploadPart { batch: batch_id(batch), number, bytes: vec![7; 48 << 10] }
}

pub(crate) fn operator(number: u32) -> Operator {
    Operator {
        id: OperatorId::from_bytes(bytes(number)),
        name: OperatorName::new(&format!("Admin-{number}")).unwrap(),
        role: Role::Owner,
        token: Some(TokenHash(bytes(number))),
        sign_in: SignIn::Ready(Credentials {
            password: PasswordHash("$argon2id$".to_owned()),
            totp_secret: SealedTotpSecret(vec![4; 48]),
            last_step: number.into(),
        }),
        session_epoch: 1,
        created_at: at(0),
        disabled_at: None,
        deputy: Some(Deputy { from: at(1), until: at(20) }),
    }
}

/// An operator without a token whose invitation has the same number.
pub(crate) fn invited(number: u32) -> Operator {
    let invitation = Invitation {
        hash: InvitationHash(bytes(number)),
        expires_at: at(10),
        totp_secret: SealedTotpSecret(vec![5; 48]),
    };
    Operator { token: None, sign_in: SignIn::Invited(invitation), ..operator(number) }
}

/// With as large an audience as there may be.
pub(crate) fn document(number: u32) -> Document {
    let department = |number: usize| DepartmentName {
        source: source(&"区".repeat(64)),
        name: format!("{number:03}{}", "課".repeat(197)),
    };
    Document {
        id: DocumentId::from_bytes(bytes(number)),
        version: 2,
        label: Label {
            title: Title::new("避難所運営マニュアル").unwrap(),
            folder: Folder::new("防災/手引き").unwrap(),
            media_type: MediaType::unknown(),
            level: Level::Two,
            audience: Audience::Departments((0..MAX_DEPARTMENTS).map(department).collect()),
            notice: false,
        },
        content: Content { id: ContentId(bytes(number)), size: number.into(), hash: [6; 32] },
        published_at: at(0),
        published_by: Actor::Server,
        unpublished_at: None,
    }
}

/// With as many revisions as are remembered.
pub(crate) fn note(account: u32, number: u32, change: u64) -> Note {
    let content = Content { id: ContentId(bytes(number)), size: number.into(), hash: [6; 32] };
    Note {
        account: account_id(account),
        id: NoteId::from_bytes(bytes(number)),
        parent: Some(NoteId::from_bytes([0xff; 16])),
        revision: 40,
        change,
        held: Some(Held { media_type: MediaType::unknown(), content }),
        hashes: vec![Some([6; 32].into()); REMEMBERED],
        stored_at: at(0),
        stored_by: enrolment(1),
    }
}

pub(crate) fn shelf(account: u32, change: u64) -> Shelf {
    Shelf { account: account_id(account), change, notes: 3, deleted: 1, bytes: 7 }
}

pub(crate) fn roster(name: &str, version: u64) -> Roster {
    Roster { source: source(name), version }
}

/// With as many headers as there may be.
pub(crate) fn assignments(name: &str) -> Assignments {
    let header = |number| Header::new(&format!("{number}{}", "列".repeat(40))).unwrap();
    let remembered = Remembered { meaning: Meaning::Column(Column::DepartmentCode), said_at: at(1) };
    let entries = (0..MAX_ASSIGNED).map(|number| (header(number), remembered));
    Assignments { source: source(name), entries: entries.collect() }
}

/// With as many entries as there may be.
pub(crate) fn substitutes(name: &str) -> Substitutes {
    let codes = (0xE000_u32..).take(MAX_ENTRIES).map(|code| CodePoint::try_from(code).unwrap());
    let text = Substitute::new("はしご髙").unwrap();
    Substitutes { source: source(name), entries: codes.map(|code| (code, text.clone())).collect() }
}

pub(crate) fn event(number: u32) -> AuditEvent {
    let mut rng = StdRng::seed_from_u64(number.into());
    AuditEvent::new(at(1), Actor::Server, Happening::AccountJoined, Subject::account(account_id(number)))
        .fact("number", number)
        .personal(PersonalValue::make("name", "髙橋", &mut rng))
}

/// Inserts records that are not there yet.
pub(crate) fn inserts(records: impl IntoIterator<Item = Record>) -> Changeset {
    let mut changes = Changeset::default();
    records.into_iter().for_each(|record| changes.insert(record));
    changes
}
