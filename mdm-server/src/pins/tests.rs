//! Replacing keys on a data folder, and what is refused before anything is changed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use shared::cose;
use shared::signed::PinUpdate;

use super::*;
use crate::clock::SystemClock;
use crate::init::{OFFLINE_FOLDER, RECOVERY_KEY_FILE, SPARE_KEY_FILE};
use crate::keyring::SEALED_FILE;
use crate::testing::april;

struct Place {
    folder: tempfile::TempDir,
    config: Config,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            data: folder.path().join("data"),
            secrets: folder.path().join("secrets"),
            ..crate::testing::config()
        };
        let file = folder.path().join("mdm-server.toml");
        init::init(&config, &file, "佐藤", april(), &mut OsRng).await.unwrap();
        Self { folder, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn offline(&self, name: &str) -> PathBuf {
        self.config.secrets.join(OFFLINE_FOLDER).join(name)
    }

    async fn rotate(&self, spare: &Path, out: &Path) -> Result<Shown, PinsError> {
        rotate(self.config.clone(), spare, out, Arc::new(SystemClock)).await
    }

    async fn recover(&self, recovery: &Path, out: &Path) -> Result<Shown, PinsError> {
        recover(self.config.clone(), recovery, out, Arc::new(SystemClock)).await
    }

    async fn show(&self) -> Shown {
        show(self.config.clone(), Arc::new(SystemClock)).await.unwrap()
    }

    fn keyring(&self) -> Keyring {
        Keyring::open(&self.config.data, &read_master_key(&self.config.secrets).unwrap()).unwrap()
    }

    async fn noted(&self) -> Vec<Happening> {
        let store = server::open_store(&self.config.data).unwrap();
        let entries = store.journal_entries(0, MAX_PAGE).await.unwrap();
        let whats = entries.iter().map(|entry| entry.body().unwrap().what);
        whats.filter(|what| matches!(what, Happening::PinsRotated | Happening::PinsRecovered)).collect()
    }
}

#[tokio::test]
async fn a_rotation_makes_the_spare_the_key_in_use_and_another_the_spare() {
    let place = Place::new().await;
    let before = place.show().await;
    let (command, opaque) = {
        let keyring = place.keyring();
        (keyring.command.public_key().clone(), keyring.opaque.to_bytes().to_vec())
    };
    let out = place.path("spare-2");
    let after = place.rotate(&place.offline(SPARE_KEY_FILE), &out).await.unwrap();
    assert_eq!(after.current, before.spare);
    assert_ne!(after.spare, before.spare);
    assert!(after.order > before.order);
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o400);
    assert_eq!(place.show().await, after);

    let keyring = place.keyring();
    assert_eq!(*keyring.command.public_key(), command);
    assert_eq!(keyring.opaque.to_bytes().to_vec(), opaque, "who has a PIN keeps it");
    let [update] = &keyring.pin_updates()[..] else { panic!("one update") };
    let update: PinUpdate = cose::verify(update, &keyring.recovery().fingerprint(), &command).unwrap();
    assert_eq!(update.pins, keyring.server_keys().unwrap().pins);
    drop(keyring);

    let third = place.rotate(&out, &place.path("spare-3")).await.unwrap();
    assert_eq!((third.current, third.order > after.order), (after.spare, true));
    assert_eq!(place.keyring().pin_updates().len(), 1, "the newest alone");
    assert_eq!(place.noted().await, [Happening::PinsRotated, Happening::PinsRotated]);
}

#[tokio::test]
async fn a_recovery_makes_every_key_anew_but_its_own() {
    let place = Place::new().await;
    let recovery = place.offline(RECOVERY_KEY_FILE);
    assert_eq!(fs::metadata(&recovery).unwrap().permissions().mode() & 0o777, 0o400);
    place.rotate(&place.offline(SPARE_KEY_FILE), &place.path("spare-2")).await.unwrap();
    let before = place.keyring();
    let ca = fs::read(place.config.data.join(CA_FILE)).unwrap();
    let shown = place.recover(&recovery, &place.path("spare-3")).await.unwrap();
    let after = place.keyring();
    let (old, new) = (before.server_keys().unwrap(), after.server_keys().unwrap());
    assert!(old.pins.iter().all(|pin| !new.pins.contains(pin)));
    assert_ne!((&old.command, &old.lease, &old.checkpoint), (&new.command, &new.lease, &new.checkpoint));
    assert_ne!(before.ca_pkcs8(), after.ca_pkcs8());
    assert_eq!(old.recovery, new.recovery);
    assert_eq!(before.opaque.to_bytes().to_vec(), after.opaque.to_bytes().to_vec());
    assert_ne!(fs::read(place.config.data.join(CA_FILE)).unwrap(), ca);
    let journal_key = fs::read_to_string(place.config.data.join(JOURNAL_KEY_FILE)).unwrap();
    assert_eq!(journal_key, shown.journal_key);

    // Somebody of long ago, somebody of the rotation, somebody who goes on from here.
    drop((before, after));
    place.rotate(&place.path("spare-3"), &place.path("spare-4")).await.unwrap();
    let keyring = place.keyring();
    let first = shared::wire::ServerKeys { order: PinOrder::default(), ..old.clone() };
    for known in [first, old, new] {
        let led = keyring
            .pin_updates()
            .iter()
            .fold(known, |known, update| as_a_device_would(&known, update).unwrap_or(known));
        assert_eq!(led, keyring.server_keys().unwrap());
    }
    drop(keyring);
    let expected = [Happening::PinsRotated, Happening::PinsRecovered, Happening::PinsRotated];
    assert_eq!(place.noted().await, expected);
}

/// What a device does with an update, as far as it verifies: the device's own rules are `client_core::pins`.
fn as_a_device_would(known: &shared::wire::ServerKeys, signed: &[u8]) -> Option<shared::wire::ServerKeys> {
    let id = known.server_id();
    let by_recovery = cose::verify::<PinUpdate>(signed, &id, &known.recovery).ok();
    let update = by_recovery.or_else(|| cose::verify(signed, &id, &known.command).ok())?;
    let mut keys = shared::wire::ServerKeys { pins: update.pins, order: update.order, ..known.clone() };
    if let Some(signing) = update.keys {
        (keys.command, keys.lease, keys.checkpoint) = (signing.command, signing.lease, signing.checkpoint);
    }
    (keys.order > known.order).then_some(keys)
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let place = Place::new().await;
    let sealed = || fs::read(place.config.data.join(SEALED_FILE)).unwrap();
    let before = sealed();
    let (spare, recovery) = (place.offline(SPARE_KEY_FILE), place.offline(RECOVERY_KEY_FILE));
    let (out, garbage) = (place.path("out"), place.path("garbage"));
    fs::write(&garbage, b"no key").unwrap();

    assert!(matches!(place.rotate(&recovery, &out).await, Err(PinsError::NotTheSpare(..))));
    assert!(matches!(place.recover(&spare, &out).await, Err(PinsError::NotTheRecoveryKey(..))));
    assert!(matches!(place.rotate(&garbage, &out).await, Err(PinsError::NotAKey(_))));
    assert!(matches!(place.rotate(&place.path("absent"), &out).await, Err(PinsError::File { .. })));
    assert!(matches!(place.rotate(&spare, &garbage).await, Err(PinsError::Exists(_))));
    assert_eq!(fs::read(&garbage).unwrap(), b"no key");
    let inside = place.config.data.join("spare");
    assert!(matches!(place.rotate(&spare, &inside).await, Err(PinsError::InData(_))));
    let held = server::open_store(&place.config.data).unwrap();
    assert!(matches!(place.rotate(&spare, &out).await, Err(PinsError::Open(_))), "the server runs");
    drop(held);
    assert!(!out.exists() && !inside.exists());
    assert_eq!(sealed(), before);
    assert_eq!(place.noted().await, []);

    place.rotate(&spare, &out).await.unwrap();
    assert!(matches!(place.rotate(&spare, &place.path("next")).await, Err(PinsError::InUse(_))));
}

#[tokio::test]
async fn what_was_interrupted_after_the_keys_were_replaced_is_finished_once_at_the_next_start() {
    let place = Place::new().await;
    let master = read_master_key(&place.config.secrets).unwrap();
    let recovery = SoftwareKey::from_pkcs8(&fs::read(place.offline(RECOVERY_KEY_FILE)).unwrap()).unwrap();
    let spare = SoftwareKey::from_pkcs8(&SoftwareKey::make_pkcs8().unwrap()).unwrap();
    let replacing = Replacing { now: april(), journal: 3 };
    let keyring = place.keyring().recovered(&recovery, spare.public_key(), &master, replacing).unwrap();
    keyring.store(&place.config.data, &master, &mut OsRng).unwrap();
    assert_eq!(place.noted().await, []);

    place.show().await;
    assert_eq!(place.noted().await, [Happening::PinsRecovered]);
    // Interrupted once more, between the journal and the end.
    keyring.store(&place.config.data, &master, &mut OsRng).unwrap();
    let shown = place.show().await;
    assert_eq!(place.noted().await, [Happening::PinsRecovered]);
    assert_eq!(place.keyring().unfinished(), None);
    assert_eq!(fs::read_to_string(place.config.data.join(JOURNAL_KEY_FILE)).unwrap(), shown.journal_key);
}

#[tokio::test]
async fn a_folder_that_has_forgotten_a_replacement_does_not_say_its_number_again() {
    let place = Place::new().await;
    let forgotten = fs::read(place.config.data.join(SEALED_FILE)).unwrap();
    let spare = place.offline(SPARE_KEY_FILE);
    let first = place.rotate(&spare, &place.path("spare-2")).await.unwrap();
    fs::write(place.config.data.join(SEALED_FILE), forgotten).unwrap();
    let later = Arc::new(Later);
    let second = rotate(place.config.clone(), &spare, &place.path("spare-3"), later).await.unwrap();
    assert!(second.order > first.order);
}

/// A clock an hour after the system's.
struct Later;

impl Clock for Later {
    fn now(&self) -> Timestamp {
        SystemClock.now() + jiff::SignedDuration::from_hours(1)
    }
}
