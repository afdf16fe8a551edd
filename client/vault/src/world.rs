//! What the tests of this crate share: a vault in a folder of its own, and ways to change what is on disk.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shared::ids::EnrolmentId;

use crate::format::{Space, record_key};
use crate::{Collection, Damage, EntryInfo, Home, Vault, VaultError, VaultKey};

pub(crate) const NOW: Timestamp = Timestamp::UNIX_EPOCH;
pub(crate) const FILES: Collection = Collection::Files;
pub(crate) const NOTES: Collection = Collection::Notes;

pub(crate) struct World {
    folder: Folder,
    pub(crate) key: VaultKey,
    pub(crate) enrolment: EnrolmentId,
    pub(crate) rng: StdRng,
}

/// Where a world is: in a folder that goes with it, or one of somebody else.
enum Folder {
    Own(tempfile::TempDir),
    Given(PathBuf),
}

/// The same keys in every process, and in each its own chance; no vault is made.
fn world_with(folder: Folder) -> World {
    let mut rng = StdRng::seed_from_u64(1);
    let key = VaultKey::make(&mut rng);
    let enrolment = EnrolmentId::make(NOW, &mut rng);
    World { folder, key, enrolment, rng: StdRng::from_entropy() }
}

pub(crate) fn world_in(folder: tempfile::TempDir) -> World {
    world_with(Folder::Own(folder))
}

pub(crate) fn world_at(folder: PathBuf) -> World {
    world_with(Folder::Given(folder))
}

pub(crate) fn world() -> (World, Vault) {
    let mut world = world_in(tempfile::tempdir().unwrap());
    let vault = Vault::create(&world.home(), &world.key, world.enrolment, &mut world.rng).unwrap();
    (world, vault)
}

impl World {
    pub(crate) fn path(&self) -> &Path {
        match &self.folder {
            Folder::Own(folder) => folder.path(),
            Folder::Given(path) => path,
        }
    }

    pub(crate) fn home(&self) -> Home {
        Home::new(self.path())
    }

    pub(crate) fn open(&self) -> Result<Vault, VaultError> {
        Vault::open(&self.home(), &self.key, self.enrolment)
    }

    /// Stores through the files' way in, whatever the length.
    pub(crate) fn store(&mut self, vault: &Vault, name: &str, bytes: &[u8]) -> EntryInfo {
        vault.store_file((FILES, name), &mut &bytes[..], NOW, &mut self.rng).unwrap()
    }

    pub(crate) fn put(&mut self, vault: &Vault, name: &str, bytes: &[u8]) {
        vault.put(NOTES, name, bytes, NOW, &mut self.rng).unwrap();
    }

    /// The files that hold contents.
    pub(crate) fn contents(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.home().contents_dir()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// The file with the content of `name`.
    pub(crate) fn content_of(&self, vault: &Vault, name: &str) -> PathBuf {
        let id = vault.index().find(Space::of(FILES), name).unwrap().content.unwrap();
        vault.contents().path(&id)
    }
}

pub(crate) fn load(vault: &Vault, name: &str) -> Result<Vec<u8>, VaultError> {
    let mut bytes = Vec::new();
    vault.load_file(FILES, name, &mut bytes).map(|_| bytes)
}

pub(crate) fn note(vault: &Vault, name: &str) -> Result<Vec<u8>, VaultError> {
    vault.get(NOTES, name).map(|bytes| bytes.to_vec())
}

pub(crate) fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

pub(crate) fn damage<T>(result: Result<T, VaultError>) -> Option<Damage> {
    match result {
        Err(VaultError::Damaged(damage)) => Some(damage),
        _ => None,
    }
}

/// Where the store has a note.
pub(crate) fn key_of(vault: &Vault, name: &str) -> Vec<u8> {
    let space = Space::of(NOTES);
    record_key(space, &vault.keys().tag(space, name)).to_vec()
}

/// Changes the store behind the vault's back.
pub(crate) fn set(vault: &Vault, key: &[u8], value: Option<&[u8]>) {
    let mut batch = sled::Batch::default();
    match value {
        Some(value) => batch.insert(key, value),
        None => batch.remove(key),
    }
    vault.store().apply(batch).unwrap();
    vault.store().sync().unwrap();
}

pub(crate) fn stored(vault: &Vault, key: &[u8]) -> Vec<u8> {
    vault.store().get(key).unwrap().unwrap().to_vec()
}

/// All keys of the store, in order.
pub(crate) fn keys(vault: &Vault) -> Vec<Vec<u8>> {
    vault.store().scan(&[]).map(|row| row.unwrap().0.to_vec()).collect()
}
