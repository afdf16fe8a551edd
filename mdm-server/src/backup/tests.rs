//! Backups of a whole data folder, in a temporary one.

use std::sync::Arc;

use mdm_core::audit::{Actor, AuditEvent, Happening, Subject};
use mdm_core::change::Changeset;
use rand::rngs::OsRng;
use tempfile::TempDir;

use super::make::{self, Order};
use super::restore::{self, RestoreError, Source};
use super::*;
use crate::clock::SystemClock;
use crate::config::Config;
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
        tombstones: Some(made.tombstones),
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
    let swapped = Source { from: made.folder, key_file: Some(made.tombstones), tombstones: None };
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
