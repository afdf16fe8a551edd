//! What the tests of the shell begin with: a service over the store in memory, a clock to turn, operators and people.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use mdm_core::account::SourceName;
use mdm_core::audit::{Actor, AuditEvent, Entry, Happening, PersonalValue, Subject};
use mdm_core::batch::Mode;
use mdm_core::change::{Changeset, Record};
use mdm_core::device::{Device, DeviceState};
use mdm_core::operator::rules::{self, Acting, NewOperator};
use mdm_core::operator::{INVITATION_VALID_FOR, Operator, OperatorName, Role};
use rand::rngs::OsRng;
use shared::cose::{PublicKey, Signer, SoftwareKey};
use shared::crypto::Secret;
use shared::ids::{AccountId, BatchId, EnrolmentId, OperatorId};
use shared::opaque::RECORD_LEN;
use shared::wire::{DeviceDescription, KeyLevel};
use totp_rs::Totp;

use crate::clock::Clock;
use crate::config::{Batches, Config, Devices, Documents, Letters, Listen, Notes};
use crate::keyring::Keyring;
use crate::service::Service;
use crate::tls::CertificateAuthority;
use crate::use_cases::batches::{self, Upload};
use crate::use_cases::operators::{self, NewInvitation, token_hash};

/// A clock that stands until it is turned.
pub(crate) struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub(crate) fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }

    pub(crate) fn advance_days(&self, days: i64) {
        self.advance(SignedDuration::from_hours(24 * days));
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// What operators of tests sign in with.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// An operator who can sign in, with the phone that shows their codes.
pub(crate) struct ReadyOperator {
    pub(crate) operator: Operator,
    phone: Totp,
}

impl ReadyOperator {
    /// What the phone shows at that moment.
    pub(crate) fn code_at(&self, at: Timestamp) -> String {
        self.phone.generate(at.as_second().try_into().unwrap()).to_string()
    }
}

/// A service and its clock.
pub(crate) struct World {
    pub(crate) service: Arc<Service>,
    pub(crate) clock: Arc<TestClock>,
    /// The data folder, which goes with the world.
    _data: tempfile::TempDir,
}

/// The beginning of April 2027 in Japan.
pub(crate) fn april() -> Timestamp {
    "2027-04-01T00:00:00+09:00".parse().unwrap()
}

pub(crate) fn config() -> Config {
    Config {
        organisation: "玉手県".to_owned(),
        public_address: "localhost:4433".to_owned(),
        time_zone: "Asia/Tokyo".to_owned(),
        data: "/nonexistent/data".into(),
        secrets: "/nonexistent/secrets".into(),
        listen: Listen {
            quic: "127.0.0.1:0".parse().unwrap(),
            https: "127.0.0.1:0".parse().unwrap(),
            https_names: vec!["localhost".to_owned()],
        },
        devices: Devices::default(),
        documents: Documents::default(),
        notes: Notes::default(),
        letters: Letters::default(),
        batches: Batches::default(),
        mail: None,
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (keyring, _) = Keyring::make(folder.path(), &Secret::make(&mut OsRng), &mut OsRng).unwrap();
        let ca = CertificateAuthority::new(&keyring).unwrap();
        let clock = Arc::new(TestClock(Mutex::new(april())));
        let store = mdm_store::memory::open();
        let unlock_records = mdm_store::key_file::in_memory();
        let config = Config { data: folder.path().to_owned(), ..config() };
        let service = Service::new(config, store, unlock_records, keyring, ca, clock.clone());
        Self { service: Arc::new(service), clock, _data: folder }
    }

    /// Adds an operator who is named like their role, as `init` adds the first owner: with a token, invited, not signed
    /// in. Gives the token.
    pub(crate) async fn operator(&self, role: Role) -> String {
        let token = format!("token-of-{role:?}");
        let now = self.clock.now();
        let id = OperatorId::make(now, &mut OsRng);
        let invitation =
            NewInvitation::make(&self.service.keyring, id, now, INVITATION_VALID_FOR, &mut OsRng).stored;
        let name = OperatorName::new(&format!("{role:?}")).unwrap();
        let new = NewOperator { id, name, role, invitation, token: Some(token_hash(&token)) };
        let personal = PersonalValue::make("name", new.name.as_str(), &mut OsRng);
        let changes = rules::invite(&[], new, personal, Acting { actor: Actor::Server, now }).unwrap();
        self.service.commit(changes).await.unwrap();
        token
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Invites an operator who accepts at once. A minute and a half passes, so that no code of now is spent by it.
    pub(crate) async fn ready(&self, name: &str, role: Role) -> ReadyOperator {
        let name = OperatorName::new(name).unwrap();
        let made = operators::invite(&self.service, name, role, Actor::Server).await.unwrap();
        let invited = operators::invited(&self.service, &made.code).await.unwrap().unwrap();
        let phone = Totp::from_url(invited.otpauth_url.as_str()).unwrap();
        let mut ready = ReadyOperator { operator: invited.operator, phone };
        let code = ready.code_at(self.now());
        ready.operator = operators::accept(&self.service, &made.code, PASSWORD, &code).await.unwrap();
        self.clock.advance(SignedDuration::from_secs(90));
        ready
    }

    /// Uploads a staff file of the source 知事部局 and applies it.
    pub(crate) async fn apply(&self, csv: &str, mode: Mode) -> BatchId {
        let upload = Upload {
            source: SourceName::new("知事部局").unwrap(),
            mode,
            declared: mdm_core::sheet::Declared::default(),
            file_name: None,
            effective_at: None,
            temporary_until: None,
        };
        let batch =
            batches::upload(&self.service, csv.as_bytes().to_vec(), upload, Actor::Server).await.unwrap();
        batches::take_effect(&self.service, batch.id, Actor::Server).await.unwrap();
        batch.id
    }

    /// A device of an account, as if it had been enrolled.
    pub(crate) async fn device(&self, account: AccountId, state: DeviceState) -> EnrolmentId {
        let key = SoftwareKey::from_pkcs8(&SoftwareKey::make_pkcs8().unwrap()).unwrap();
        let enrolment = EnrolmentId::make(self.clock.now(), &mut OsRng);
        self.device_with(enrolment, key.public_key().clone(), account, state).await;
        enrolment
    }

    /// The same under a known enrolment and key.
    pub(crate) async fn device_with(
        &self,
        enrolment: EnrolmentId,
        key: PublicKey,
        account: AccountId,
        state: DeviceState,
    ) {
        add_device(&self.service, enrolment, key, account, state).await;
    }

    /// A PIN for a device, and so many attempts at it that failed.
    pub(crate) async fn use_up_attempts(&self, enrolment: EnrolmentId, attempts: u16) {
        let records = &self.service.unlock_records;
        let record = Secret::from_bytes([1; RECORD_LEN]);
        let limit = self.service.config.devices.unlock_attempts;
        records.put(enrolment, Secret::from_bytes([2; 32]), record, limit).await.unwrap();
        for _ in 0..attempts {
            records.charge(enrolment).await.unwrap();
        }
    }

    /// The account with a staff number of the source 知事部局.
    pub(crate) async fn account(&self, number: &str) -> mdm_core::account::Account {
        let who = crate::use_cases::accounts::Who::parse(number, None).unwrap();
        crate::use_cases::accounts::find(&self.service, &who).await.unwrap().value
    }

    /// The whole journal.
    pub(crate) async fn journal(&self) -> Vec<Entry> {
        self.service.store.journal_entries(0, mdm_store::MAX_PAGE).await.unwrap()
    }
}

/// Stores a device as if it had been enrolled.
pub(crate) async fn add_device(
    service: &Service,
    enrolment: EnrolmentId,
    key: PublicKey,
    account: AccountId,
    state: DeviceState,
) {
    let now = service.clock.now();
    let device = Device {
        enrolment,
        account,
        key,
        description: DeviceDescription {
            model: "test".to_owned(),
            platform: "Linux".to_owned(),
            app_version: "0.1.0".to_owned(),
            key_level: KeyLevel::Software,
        },
        state,
        enrolled_at: now,
        last_contact: None,
        last_unlock: None,
        vault_epoch: 0,
        copy_suspected_at: None,
        copy_sign: None,
        blocked_by: None,
        runs: mdm_core::run::Runs::default(),
        may_be_open_until: None,
        copy_may_open: false,
        grant: None,
        certificate_until: now,
        last_command: shared::signed::Order::default(),
        last_applied: None,
        pins: None,
        pin_changes: 0,
    };
    let mut changes = Changeset::default();
    let enrolled = Happening::DeviceEnrolled;
    changes.note(AuditEvent::new(now, Actor::Server, enrolled, Subject::device(&device)));
    changes.insert(Record::Device(device));
    service.commit(changes).await.unwrap();
}
