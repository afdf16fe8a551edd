//! The vault, by its public face, as the app uses it.

use std::io::{Read, Write};
use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;
use rand::SeedableRng as _;
use rand::rngs::{OsRng, StdRng};
use shared::ids::EnrolmentId;
use vault::{Batch, Collection, Home, MAX_BATCH, Vault, VaultKey};

use crate::store::Store;

const IN: Collection = Collection::Notes;

/// An open vault.
pub(crate) struct Ours(Vault);

impl Ours {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let home = Home::new(folder);
        // Whoever has the secrets opens the vault with the key; how a slot gives it is not measured here.
        let key = VaultKey::make(&mut StdRng::seed_from_u64(1));
        let enrolment = EnrolmentId::from_bytes([1; 16]);
        let vault = if home.store_dir().exists() {
            Vault::open(&home, &key, enrolment)?
        } else {
            Vault::create(&home, &key, enrolment, &mut OsRng)?
        };
        Ok(Self(vault))
    }

    pub(crate) fn put_file(&self, name: &str, source: &mut dyn Read) -> Result<()> {
        self.0.store_file((IN, name), source, Timestamp::now(), &mut OsRng)?;
        Ok(())
    }

    pub(crate) fn get_file(&self, name: &str, sink: &mut dyn Write) -> Result<u64> {
        Ok(self.0.load_file(IN, name, sink)?)
    }
}

impl Store for Ours {
    fn put(&mut self, name: &str, value: &[u8]) -> Result<()> {
        self.0.put(IN, name, value, Timestamp::now(), &mut OsRng)?;
        Ok(())
    }

    fn put_all(&mut self, records: &[(String, Vec<u8>)]) -> Result<()> {
        for records in records.chunks(MAX_BATCH) {
            let mut batch = Batch::new();
            for (name, value) in records {
                batch.put(IN, name, value)?;
            }
            self.0.commit(batch, Timestamp::now(), &mut OsRng)?;
        }
        Ok(())
    }

    fn get(&mut self, name: &str) -> Result<Vec<u8>> {
        Ok(std::mem::take(&mut *self.0.get(IN, name)?))
    }

    fn list(&mut self, look: &mut dyn FnMut(&str)) -> Result<()> {
        Ok(self.0.each(IN, "", |entry| look(entry.name))?)
    }
}
