//! What a restored server knows again: by tombstones, by a journal, by its key file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures_util::stream;
use mdm_core::change::{Stored, Version};
use mdm_core::device::DeviceState;
use mdm_core::document::{Audience, Folder, Label, Level, MediaType, Title};
use mdm_core::operator::rules::{self, Acting};
use mdm_core::operator::{Operator, OperatorName};
use mdm_core::quarantine::LeaveError;
use mdm_core::unlock;
use shared::cose::{Signer as _, SoftwareKey};
use shared::crypto::Secret;
use shared::ids::{AccountId, DocumentId, EnrolmentId, OperatorId};
use shared::opaque::{CredentialId, record_mark};

use super::*;
use crate::api::types::{CheckpointView, EntryView};
use crate::backup::tombstones;
use crate::quarantine;
use crate::quarantine::replay::{self, LoadError};
use crate::service::Service;
use crate::use_cases::devices::{self, Order as Command};
use crate::use_cases::operators::token_hash;
use crate::use_cases::{Refusal, UseCaseError, documents, journal};

const COMMAND: Command<'static> = Command { actor: Actor::Server, reason: "left in a taxi" };

/// A server in a folder, whose data folder gets lost.
struct Story {
    folder: TempDir,
    config: Config,
    service: Option<Service>,
    names: std::ops::RangeFrom<u32>,
}

impl Story {
    async fn begin() -> Self {
        let (folder, config) = site().await;
        let mut story = Self { folder, config, service: None, names: 0.. };
        story.open().await;
        story
    }

    async fn open(&mut self) {
        self.service = None;
        self.service = Some(server::open(self.config.clone(), Arc::new(SystemClock)).await.unwrap());
    }

    fn service(&self) -> &Service {
        self.service.as_ref().unwrap()
    }

    fn name(&mut self, what: &str) -> PathBuf {
        self.folder.path().join(format!("{what}-{}", self.names.next().unwrap()))
    }

    /// A device with a record, which is named by the number of its PIN.
    async fn device(&self, number: u8) -> EnrolmentId {
        let key = SoftwareKey::from_pkcs8(&SoftwareKey::make_pkcs8().unwrap()).unwrap();
        let enrolment = EnrolmentId::from_bytes([number; 16]);
        let account = AccountId::from_bytes([number; 16]);
        let key = key.public_key().clone();
        crate::testing::add_device(self.service(), enrolment, key, account, DeviceState::Live).await;
        self.put_record(enrolment, number).await;
        enrolment
    }

    async fn put_record(&self, enrolment: EnrolmentId, number: u8) {
        let record = Secret::make(&mut OsRng);
        self.service().unlock_records.put(enrolment, credential(number), record, 10).await.unwrap();
    }

    /// The PIN of a device becomes the one of that number.
    async fn change_pin(&self, device: EnrolmentId, number: u8) {
        let stored = self.service().store.device(device).await.unwrap().unwrap();
        let mark = record_mark(&credential(number));
        self.service().commit(unlock::pin_proven(stored, &mark, Timestamp::now())).await.unwrap();
        // Nobody has signed in with these: to replace one is to register anew.
        self.put_record(device, number).await;
    }

    async fn publish(&self, title: &str) -> DocumentId {
        let bytes = stream::iter([Ok::<_, ()>(title.as_bytes().to_vec())]);
        let received = documents::receive(self.service(), None, bytes).await.unwrap();
        documents::publish(self.service(), label(title), received, Actor::Server).await.unwrap().id
    }

    async fn is_published(&self, document: DocumentId) -> bool {
        self.service().store.document(document).await.unwrap().unwrap().value.is_published()
    }

    /// A backup into a folder of its own.
    async fn backup(&mut self) -> make::Made {
        let to = self.name("backups");
        make::make(self.service(), &Order { to, ..order(&self.folder) }).await.unwrap()
    }

    /// The data folder is lost, and restored.
    async fn restore(&mut self, source: &Source) -> restore::Restored {
        self.service = None;
        let lost = self.name("lost");
        std::fs::rename(&self.config.data, lost).unwrap();
        let restored = restore::restore(&self.config, source, Arc::new(SystemClock)).await.unwrap();
        self.open().await;
        restored
    }

    /// The journal as `mdmctl audit export` writes it.
    async fn export(&mut self) -> PathBuf {
        let path = self.name("journal");
        let checkpoint = journal::checkpoint(self.service()).await.unwrap();
        let entries = self.service().store.journal_entries(0, mdm_store::MAX_PAGE).await.unwrap();
        let mut lines: Vec<_> =
            entries.iter().map(|entry| serde_json::to_string(&EntryView::from(entry)).unwrap()).collect();
        lines.push(serde_json::to_string(&CheckpointView::from(&checkpoint)).unwrap());
        std::fs::write(&path, lines.join("\n")).unwrap();
        path
    }

    async fn state(&self, device: EnrolmentId) -> DeviceState {
        self.service().store.device(device).await.unwrap().unwrap().value.state
    }

    async fn records(&self) -> Vec<EnrolmentId> {
        self.service().unlock_records.list().await.unwrap()
    }

    fn archived(&self, made: &make::Made) -> BTreeMap<EnrolmentId, Timestamp> {
        let master = read_master_key(&self.config.secrets).unwrap();
        let archive: sealed::Tombstones = sealed::read(&made.tombstones, &master).unwrap();
        archive.tombstones.iter().map(|tombstone| (tombstone.enrolment, tombstone.at)).collect()
    }
}

fn label(title: &str) -> Label {
    Label {
        title: Title::new(title).unwrap(),
        folder: Folder::default(),
        media_type: MediaType::unknown(),
        level: Level::Two,
        audience: Audience::Organisation,
        notice: false,
    }
}

fn credential(number: u8) -> CredentialId {
    Secret::from_slice(&[number; 32]).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tombstones_never_become_fewer() {
    let mut story = Story::begin().await;
    let lost = story.device(1).await;
    let older = story.backup().await;
    let later = story.device(2).await;
    for device in [lost, later] {
        devices::wipe(story.service(), device, COMMAND).await.unwrap();
    }
    let newer = story.backup().await;
    assert_eq!(story.archived(&newer).len(), 2);

    // Of the two wipes the older database knows one device, and of the other nothing.
    let with = Source { tombstones: Which::Archive(newer.tombstones.clone()), ..source(&older) };
    let restored = story.restore(&with).await;
    assert_eq!((restored.again.wiped, restored.again.unknown), (vec![lost], vec![later]));
    let again = story.backup().await;
    assert_eq!(story.archived(&again), story.archived(&newer), "into another folder");

    // Without any, the archive that is there goes on to hold what it held.
    story.restore(&Source { tombstones: Which::None, ..source(&older) }).await;
    assert_eq!(story.state(lost).await, DeviceState::Live); // the control
    let before = story.archived(&newer);
    let made = in_another_second(&story, newer.folder.parent().unwrap()).await;
    assert_eq!(story.archived(&made), before);
    assert!(!newer.tombstones.exists(), "what stands in the newer one is removed");
    assert_eq!(tombstones::newest(made.tombstones.parent().unwrap()).unwrap(), Some(made.tombstones));
}

/// A backup into a folder that has one. They are named by the second.
async fn in_another_second(story: &Story, to: &Path) -> make::Made {
    loop {
        match make::make(story.service(), &Order { to: to.to_owned(), ..order(&story.folder) }).await {
            Err(make::BackupError::Exists(_)) => tokio::task::yield_now().await,
            made => return made.unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wipe_destroys_the_record_of_a_device_that_only_the_key_file_knows() {
    let mut story = Story::begin().await;
    story.device(1).await;
    let older = story.backup().await;
    let later = story.device(2).await;
    let newer = story.backup().await;
    devices::wipe(story.service(), later, COMMAND).await.unwrap();
    let newest = story.backup().await;
    let mixed = Source {
        key_file: Some(newer.key_file.clone()),
        tombstones: Which::Archive(newest.tombstones.clone()),
        ..source(&older)
    };
    // The control: without the tombstones its record is there.
    story.restore(&Source { tombstones: Which::None, ..mixed.clone() }).await;
    assert!(story.records().await.contains(&later));
    story.restore(&mixed).await;
    assert!(!story.records().await.contains(&later));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tombstones_nothing_is_restored_unless_somebody_says_so() {
    let mut story = Story::begin().await;
    let made = story.backup().await;
    std::fs::remove_file(&made.tombstones).unwrap();
    story.service = None;
    lose(&story.folder, &story.config, "lost");
    let restored = restore::restore(&story.config, &source(&made), Arc::new(SystemClock)).await;
    let refused = restored.map(drop).unwrap_err();
    assert!(matches!(refused, RestoreError::NoTombstones(_)), "{refused}");
    assert!(!story.config.data.exists());
    let said = Source { tombstones: Which::None, ..source(&made) };
    restore::restore(&story.config, &said, Arc::new(SystemClock)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_file_from_before_a_change_of_the_pin_opens_nothing() {
    let mut story = Story::begin().await;
    let (changed, same) = (story.device(1).await, story.device(2).await);
    let older = story.backup().await;
    story.change_pin(changed, 3).await;
    let journal = story.export().await;
    let newer = story.backup().await;

    // The database is newer than the key file, and says so itself.
    let mixed = Source { key_file: Some(older.key_file.clone()), ..source(&newer) };
    let restored = story.restore(&mixed).await;
    assert_eq!(restored.again.records_destroyed, 1);
    assert_eq!(story.records().await, [same]);

    // Both are older, and the journal says so.
    story.restore(&source(&older)).await;
    assert_eq!(story.records().await, [changed, same]); // the control: until then the old PIN would be back
    let loaded = replay::load(story.service(), &journal, true).await.unwrap();
    assert_eq!((loaded.again.records_destroyed, loaded.goes_on), (1, None));
    assert_eq!(story.records().await, [same]);

    // The key file has the new PIN: it stays.
    let mixed = Source { key_file: Some(newer.key_file.clone()), ..source(&older) };
    story.restore(&mixed).await;
    replay::load(story.service(), &journal, true).await.unwrap();
    assert_eq!(story.records().await, [changed, same]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_nobody_bears_out_is_followed_and_ends_no_quarantine() {
    let mut story = Story::begin().await;
    let (first, second) = (story.device(1).await, story.device(2).await);
    let backup = story.backup().await;
    devices::wipe(story.service(), first, COMMAND).await.unwrap();
    let stale = story.export().await;
    devices::wipe(story.service(), second, COMMAND).await.unwrap();
    let seen = story.service().checkpoint().await.unwrap();
    let newest = story.export().await;

    story.restore(&source(&backup)).await;
    let loaded = replay::load(story.service(), &stale, false).await.unwrap();
    assert!(loaded.goes_on.is_some() && story.service().quarantine().is_some());
    assert!(matches!(story.state(first).await, DeviceState::Wiped(_)), "what it says is done at once");
    assert_eq!(story.service().quarantine().unwrap().known_until, loaded.until);

    // A phone calls that has seen more. Now the stale one is refused by name, whatever is said, and the newest is taken.
    quarantine::shown(story.service(), first, &seen).await.unwrap();
    let refused = replay::load(story.service(), &stale, true).await.unwrap_err();
    let LoadError::UseCase(UseCaseError::Refused(Refusal::Leave(LeaveError::JournalTooOld { .. }))) = refused
    else {
        panic!("{refused}")
    };
    assert_eq!(story.state(second).await, DeviceState::Live);
    let loaded = replay::load(story.service(), &newest, false).await.unwrap();
    assert_eq!((loaded.goes_on, story.service().quarantine()), (None, None));
    assert!(matches!(story.state(second).await, DeviceState::Wiped(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_was_followed_ends_the_quarantine_once_a_phone_bears_it_out() {
    let mut story = Story::begin().await;
    let (lost, other) = (story.device(1).await, story.device(2).await);
    let backup = story.backup().await;
    devices::wipe(story.service(), lost, COMMAND).await.unwrap();
    let seen = story.service().checkpoint().await.unwrap();
    let newest = story.export().await;

    story.restore(&source(&backup)).await;
    let loaded = replay::load(story.service(), &newest, false).await.unwrap();
    assert!(loaded.goes_on.is_some(), "nobody has called yet");
    let again = replay::load(story.service(), &newest, false).await.unwrap();
    assert!(again.goes_on.is_some(), "the control: loading it twice bears nothing out");
    quarantine::shown(story.service(), other, &seen).await.unwrap();
    let loaded = replay::load(story.service(), &newest, false).await.unwrap();
    assert_eq!((loaded.goes_on, story.service().quarantine()), (None, None));
    // It goes on being shown, and says nothing new.
    quarantine::shown(story.service(), other, &seen).await.unwrap();
    assert_eq!(story.service().quarantine(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_back_after_the_backup_is_taken_back_again() {
    let mut story = Story::begin().await;
    story.device(1).await;
    let (secret, manual) = (story.publish("secret").await, story.publish("manual").await);
    let backup = story.backup().await;
    let later = story.publish("later").await;
    documents::replace(story.service(), manual, label("manual 2"), None, Actor::Server).await.unwrap();
    for document in [secret, later] {
        documents::unpublish(story.service(), document, Actor::Server).await.unwrap();
    }
    let journal = story.export().await;

    story.restore(&source(&backup)).await;
    assert!(story.is_published(secret).await, "the control: the backup has it");
    let loaded = replay::load(story.service(), &journal, false).await.unwrap();
    assert!(loaded.goes_on.is_some(), "at once, whatever ends the quarantine");
    assert_eq!((loaded.again.unpublished, loaded.again.replaced), (1, 1));
    assert!(!story.is_published(secret).await && story.is_published(manual).await);
    let contents = std::fs::read_dir(story.config.data.join(DOCUMENTS)).unwrap().count();
    assert_eq!(contents, 1, "its contents are gone");
    let again = replay::load(story.service(), &journal, true).await.unwrap().again;
    assert_eq!((again.unpublished, again.replaced), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_owner_who_was_disabled_is_disabled_again_and_the_journal_goes_on() {
    let mut story = Story::begin().await;
    let lost = story.device(1).await;
    let backup = story.backup().await;
    let owner = story.service().store.operators().await.unwrap().remove(0);
    // On the line that was lost another owner stood by; in the backup the one is the last.
    let other = Operator {
        id: OperatorId::make(Timestamp::now(), &mut OsRng),
        name: OperatorName::new("another").unwrap(),
        token: Some(token_hash("another")),
        ..owner.value.clone()
    };
    let acting = Acting { actor: Actor::Server, now: Timestamp::now() };
    let id = owner.value.id;
    let all = [owner, Stored { version: Version(0), value: other }];
    let mut disabled = rules::disable(&all, id, acting).unwrap();
    disabled.writes.retain(|write| write.expected.0 > 0);
    story.service().commit(disabled).await.unwrap();
    devices::wipe(story.service(), lost, COMMAND).await.unwrap();
    let journal = story.export().await;

    story.restore(&source(&backup)).await;
    let loaded = replay::load(story.service(), &journal, true).await.unwrap();
    assert_eq!((loaded.again.operators, loaded.again.wiped, loaded.goes_on), (1, vec![lost], None));
    assert!(!loaded.owner_signs_in);
    let owner = story.service().store.operator(id).await.unwrap().unwrap().value;
    assert!(!owner.is_enabled() && owner.token.is_none());
}
