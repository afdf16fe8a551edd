//! Backups of a whole data folder, in a temporary one; what a restore makes of them, and a journal after it.

mod replayed;

use std::sync::Arc;

use jiff::SignedDuration;
use mdm_core::audit::{Actor, AuditEvent, Happening, Subject};
use mdm_core::change::Changeset;
use rand::rngs::OsRng;
use tempfile::TempDir;

use super::make::{self, Order};
use super::restore::{self, RestoreError, Source, Which};
use super::*;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::keyring::read_master_key;
use crate::{init, server};

/// An initialised server in a folder of its own.
async fn site() -> (TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = crate::testing::config();
    config.data = folder.path().join("data");
    config.secrets = folder.path().join("secrets");
    init::init(&config, &folder.path().join("config.toml"), "owner", jiff::Timestamp::now(), &mut OsRng)
        .await
        .unwrap();
    (folder, config)
}

fn order(folder: &TempDir) -> Order {
    Order { to: folder.path().join("backups"), key_files_to: None, keep_key_files_hours: 24 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_backed_up_is_there_again_with_its_journal_and_documents() {
    let (folder, config) = site().await;
    std::fs::create_dir_all(config.data.join(DOCUMENTS)).unwrap();
    std::fs::write(config.data.join(DOCUMENTS).join("one"), b"sealed").unwrap();
    std::fs::create_dir_all(config.data.join(NOTES)).unwrap();
    std::fs::write(config.data.join(NOTES).join("two"), b"sealed, too").unwrap();
    let service = server::open(config.clone(), Arc::new(SystemClock)).await.unwrap();
    for number in 0..2_500_u32 {
        let now = service.clock.now();
        let mut changes = Changeset::default();
        changes.note(
            AuditEvent::new(now, Actor::Server, Happening::ServerStarted, Subject::default())
                .fact("version", number),
        );
        service.commit(changes).await.unwrap();
    }
    let before = service.store.journal_head().await.unwrap();
    let made = make::make(&service, &order(&folder)).await.unwrap();
    assert_eq!(made.journal_sequence, before.sequence);
    drop(service);

    std::fs::rename(&config.data, folder.path().join("lost")).unwrap();
    let source = Source {
        from: made.folder.clone(),
        key_file: Some(made.key_file),
        old_key_file: false,
        tombstones: Which::Archive(made.tombstones),
    };
    let restored = restore::restore(&config, &source, Arc::new(SystemClock)).await.unwrap();
    assert_eq!(restored.journal_sequence, before.sequence);
    assert_eq!(std::fs::read(config.data.join(DOCUMENTS).join("one")).unwrap(), b"sealed");
    assert_eq!(std::fs::read(config.data.join(NOTES).join("two")).unwrap(), b"sealed, too");
    let service = server::open(config, Arc::new(SystemClock)).await.unwrap();
    assert!(service.quarantine().is_some() && service.epoch() > 0);
    let last = service.store.journal_entries(before.sequence - 1, 2).await.unwrap();
    assert_eq!(last[0].head(), before);
    assert_eq!(last[1].body().unwrap().what, Happening::QuarantineEntered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_file_is_no_tombstones_and_the_other_way() {
    let (folder, config) = site().await;
    let service = server::open(config.clone(), Arc::new(SystemClock)).await.unwrap();
    let made = make::make(&service, &order(&folder)).await.unwrap();
    drop(service);
    std::fs::rename(&config.data, folder.path().join("lost")).unwrap();
    let swapped = Source {
        from: made.folder,
        key_file: Some(made.tombstones),
        old_key_file: false,
        tombstones: Which::Newest,
    };
    let refused = restore::restore(&config, &swapped, Arc::new(SystemClock)).await.unwrap_err();
    assert!(matches!(refused, RestoreError::Archive(_)), "{refused}");
    assert!(!config.data.exists());
}

#[test]
fn a_backup_is_named_by_its_time_and_found_by_its_name() {
    let at = "2027-04-01T03:00:00Z".parse().unwrap();
    assert_eq!(stamp(at), "20270401T030000Z");
    assert_eq!(stamped_at(&stamp(at)), Some(at));
    for other in ["20270401T030000", "2027-04-01T0300Z", "notes", "20279901T030000Z", "２0270401T030000Z", ""]
    {
        assert_eq!(stamped_at(other), None, "{other}");
    }
}

/// A clock that is ahead.
struct Ahead(SignedDuration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(self.0).unwrap()
    }
}

/// Everything of one backup.
fn source(made: &make::Made) -> Source {
    Source {
        from: made.folder.clone(),
        key_file: Some(made.key_file.clone()),
        old_key_file: false,
        tombstones: Which::Newest,
    }
}

fn lose(folder: &TempDir, config: &Config, name: &str) {
    std::fs::rename(&config.data, folder.path().join(name)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_after_it_was_verified_is_not_restored() {
    let (folder, config) = site().await;
    std::fs::create_dir_all(config.data.join(DOCUMENTS)).unwrap();
    std::fs::write(config.data.join(DOCUMENTS).join("one"), b"sealed").unwrap();
    let service = server::open(config.clone(), Arc::new(SystemClock)).await.unwrap();
    let made = make::make(&service, &order(&folder)).await.unwrap();
    drop(service);
    lose(&folder, &config, "lost");
    let master = read_master_key(&config.secrets).unwrap();
    let source = source(&made);
    for name in [format!("{DOCUMENTS}/one"), ROWS_FILE.to_owned()] {
        let path = made.folder.join(&name);
        let whole = std::fs::read(&path).unwrap();
        let verified = restore::verify(&source, &master, Timestamp::now()).unwrap();
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &changed).unwrap();
        let refused = restore::write(&config, &source, verified, Arc::new(SystemClock)).await;
        let refused = refused.map(drop).unwrap_err();
        assert!(
            matches!(&refused, RestoreError::Damaged(found) if *found == name)
                || (name == ROWS_FILE && matches!(refused, RestoreError::Rows(_))),
            "{name}: {refused}"
        );
        // And what is there is served by nobody.
        let start = server::open(config.clone(), Arc::new(SystemClock)).await.map(drop).unwrap_err();
        assert!(matches!(start, server::StartError::RestoreUnfinished(_)), "{start}");
        std::fs::remove_dir_all(&config.data).unwrap();
        std::fs::write(&path, &whole).unwrap();
    }
    restore::restore(&config, &source, Arc::new(SystemClock)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_well_formed_and_not_the_ones_that_were_verified_are_not_restored() {
    let (folder, config) = site().await;
    let service = server::open(config.clone(), Arc::new(SystemClock)).await.unwrap();
    let made = make::make(&service, &order(&folder)).await.unwrap();
    let mut changes = Changeset::default();
    let started = Happening::ServerStarted;
    changes.note(AuditEvent::new(service.clock.now(), Actor::Server, started, Subject::default()));
    service.commit(changes).await.unwrap();
    let other = Order { to: folder.path().join("other"), ..order(&folder) };
    let other = make::make(&service, &other).await.unwrap();
    drop(service);
    lose(&folder, &config, "lost");
    let source = source(&made);
    let master = read_master_key(&config.secrets).unwrap();
    let verified = restore::verify(&source, &master, Timestamp::now()).unwrap();
    std::fs::copy(other.folder.join(ROWS_FILE), made.folder.join(ROWS_FILE)).unwrap();
    let refused = restore::write(&config, &source, verified, Arc::new(SystemClock)).await;
    let refused = refused.map(drop).unwrap_err();
    assert!(matches!(&refused, RestoreError::Damaged(found) if found == ROWS_FILE), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_file_that_is_past_its_day_is_restored_only_if_somebody_says_so_and_the_journal_tells() {
    let (folder, config) = site().await;
    let service = server::open(config.clone(), Arc::new(SystemClock)).await.unwrap();
    let made = make::make(&service, &order(&folder)).await.unwrap();
    drop(service);
    lose(&folder, &config, "lost");
    let source = source(&made);
    let later = || Arc::new(Ahead(SignedDuration::from_hours(25)));
    let refused = restore::restore(&config, &source, later()).await.unwrap_err();
    assert!(matches!(refused, RestoreError::KeyFileTooOld { keep_hours: 24, .. }), "{refused}");
    assert!(!config.data.exists());
    let source = Source { old_key_file: true, ..source };
    restore::restore(&config, &source, later()).await.unwrap();
    let service = server::open(config, Arc::new(SystemClock)).await.unwrap();
    let entries = service.store.journal_entries(0, mdm_store::MAX_PAGE).await.unwrap();
    let mut bodies = entries.iter().map(|entry| entry.body().unwrap());
    let entered = bodies.rfind(|body| body.what == Happening::QuarantineEntered).unwrap();
    assert!(entered.facts.contains(&("key-file-past-its-day".to_owned(), "true".to_owned())), "{entered:?}");
}
