//! Ways back from damage: find what is damaged, drop it knowingly, make the index anew from the records, or start over. All of
//! them say what is lost; what the server has can be fetched again afterwards, what it has not is gone.

use std::sync::Arc;

use rand::{CryptoRng, RngCore};
use shared::ids::EnrolmentId;

use crate::batch::{Batch, MAX_BATCH};
use crate::budget::SealBudget;
use crate::content::ContentRecord;
use crate::error::{Damage, VaultError};
use crate::files;
use crate::format::{
    Collection, Kind, RECORD_PREFIX, ROOT_KEY, parse_record_key, record_aad, record_key, split_record,
};
use crate::home::Home;
use crate::index::{Index, Listed, Part, Root, chain_base};
use crate::keys::{Sealed, key_epoch};
use crate::mark::Marked;
use crate::name::Name;
use crate::records::{EntryInfo, MAX_EPOCHS_AHEAD, Opened, Vault, Writer, next_generation};
use crate::slots::VaultKey;
use crate::store::StoreError;

/// Something that cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Where it was.
    pub collection: Collection,
    /// Its name; `None` where the index, which knew it, is lost too.
    pub name: Option<String>,
    /// It was a write that was begun and not finished.
    pub unfinished: bool,
    /// What is wrong with it.
    pub damage: Damage,
}

/// What [`Vault::salvage`] kept, and what it could not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Records that are whole.
    pub kept: usize,
    /// Records that are not.
    pub lost: Vec<Lost>,
    /// The index was made anew from the records: a record that had been removed or set back on disk by somebody is not noticed.
    pub index_lost: bool,
    /// Commits that were acknowledged and are not there: the newest changes of an unknown number of records are lost.
    pub commits_lost: u64,
}

impl Vault {
    /// Reads everything, and names what is damaged. What is not named is whole.
    pub fn check(&self) -> Result<Vec<Lost>, VaultError> {
        let all: Vec<Arc<Listed>> = self.index().all().map(Arc::clone).collect();
        let mut lost = Vec::new();
        for listed in all {
            self.check_open()?;
            match self.check_record(&listed) {
                Ok(()) | Err(VaultError::NotFound) => {}
                Err(VaultError::Damaged(damage)) => lost.push(Lost {
                    collection: listed.space.collection(),
                    name: Some(listed.name.to_string()),
                    unfinished: listed.space.is_partial(),
                    damage,
                }),
                Err(error) => return Err(error),
            }
        }
        Ok(lost)
    }

    fn check_record(&self, listed: &Listed) -> Result<(), VaultError> {
        if listed.space.is_partial() {
            // What is on disk of an unfinished write is verified when it is resumed.
            let (listed, stored) = self.lookup(listed.space, &listed.name)?;
            return self.open_record(&listed, &stored).map(drop);
        }
        let mut reader = self.file(listed.space.collection(), &listed.name)?;
        while self.read(&mut reader)?.is_some() {}
        Ok(())
    }

    /// Removes what [`Vault::check`] named, so that the rest can be used and the client fetches from the server what that has.
    pub fn drop_lost(&self, lost: &[Lost], rng: &mut (impl RngCore + CryptoRng)) -> Result<(), VaultError> {
        for lost in lost.chunks(MAX_BATCH) {
            let mut batch = Batch::new();
            for Lost { collection, name, unfinished, .. } in lost {
                match name {
                    Some(name) if *unfinished => batch.abandon(*collection, name)?,
                    Some(name) => batch.delete(*collection, name)?,
                    None => &mut batch,
                };
            }
            self.commit(batch, jiff::Timestamp::UNIX_EPOCH, rng)?;
        }
        Ok(())
    }

    /// Opens a vault that [`Vault::open`] calls damaged, keeps what is whole, drops the rest, and says which. Needs the header
    /// and a store that opens; without them only [`Vault::start_over`] is left.
    pub fn salvage(
        home: &Home,
        key: &VaultKey,
        enrolment: EnrolmentId,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Self, Salvaged), VaultError> {
        let opened = Opened::open(home, key, enrolment)?;
        let marked = opened.mark.read();
        let loaded = opened.budget().and_then(|budget| opened.load(budget));
        let (vault, mut salvaged) = match loaded {
            Ok((index, writer)) => {
                let commits_lost = marked.generation.saturating_sub(writer.root.generation);
                (opened.with(index, writer), Salvaged { commits_lost, ..Salvaged::default() })
            }
            Err(VaultError::Damaged(_)) => from_records(opened)?,
            Err(error) => return Err(error),
        };
        let lost = vault.check()?;
        // What was sent of a thing that is lost here must not be taken for a thing that was deleted here.
        let is_whole = lost.is_empty() && !salvaged.index_lost && salvaged.commits_lost == 0;
        let sent = if is_whole { Vec::new() } else { vault.list(Collection::Outbox)? };
        vault.begin_anew(&lost, &sent, marked, rng)?;
        salvaged.lost.extend(lost);
        salvaged.kept = vault.index().count();
        vault.sweep()?;
        Ok((vault, salvaged))
    }

    /// Removes store and contents and makes an empty vault in their place. Everything that was not sent to the server is lost.
    pub fn start_over(
        home: &Home,
        key: &VaultKey,
        enrolment: EnrolmentId,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Self, VaultError> {
        for path in [home.store_dir(), home.contents_dir()] {
            files::remove(&path).map_err(StoreError::from)?;
        }
        Self::create(home, key, enrolment, rng)
    }

    /// Writes the index anew without what is lost and those records of what was `sent`, under keys of a new epoch and with a generation above all that were.
    fn begin_anew(
        &self,
        lost: &[Lost],
        sent: &[EntryInfo],
        marked: Marked,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(), VaultError> {
        {
            let mut index = self.index_mut();
            for Lost { collection, name, unfinished, .. } in lost {
                let space = space_of(*collection, *unfinished);
                name.iter().for_each(|name| index.remove(space, name));
            }
            let outbox = space_of(Collection::Outbox, false);
            sent.iter().for_each(|record| index.remove(outbox, &record.name));
            let mut writer = self.writer();
            let generation = writer.root.generation.max(next_generation(marked.generation));
            writer.root = Root { generation, base: generation, pieces: 0, chain: [0; 32] };
            (writer.deltas, writer.delta_bytes, writer.base_bytes) = (Vec::new(), 0, 0);
            let epoch = within_reach(writer.budget.epoch, marked.key_epoch);
            writer.budget = SealBudget::new(epoch.checked_add(1).ok_or(Damage::Spent)?);
        }
        self.rewrite_index(rng)
    }

    /// Removes records, parts of indexes and contents that nothing points to.
    fn sweep(&self) -> Result<(), VaultError> {
        let mut unneeded = Vec::new();
        {
            let (index, base) = (self.index(), self.writer().root.base);
            let used: std::collections::HashSet<[u8; 18]> =
                index.all().map(|listed| record_key(listed.space, &listed.tag)).collect();
            for row in self.store().scan(&[]) {
                let (key, _) = row?;
                let needed = match key.first() {
                    Some(&RECORD_PREFIX) => {
                        <[u8; 18]>::try_from(key.as_ref()).is_ok_and(|key| used.contains(&key))
                    }
                    Some(b'b') => key.starts_with(&Part::Base.key(base, 0)[..9]),
                    Some(b'd') => false,
                    _ => true,
                };
                if !needed {
                    unneeded.push(key);
                }
            }
            self.contents().keep_only(index.contents())?;
        }
        for keys in unneeded.chunks(MAX_BATCH) {
            let mut batch = sled::Batch::default();
            keys.iter().for_each(|key| batch.remove(key.clone()));
            self.store().apply(batch)?;
        }
        Ok(self.store().sync()?)
    }
}

fn space_of(collection: Collection, unfinished: bool) -> crate::format::Space {
    use crate::format::Space;
    if unfinished { Space::partial(collection) } else { Space::of(collection) }
}

/// The higher of two key epochs, of which one is only said: it may be higher by as much as leaves enough for every salvage to come.
fn within_reach(known: u32, said: u32) -> u32 {
    known.max(said.min(known.saturating_add(MAX_EPOCHS_AHEAD / 4)))
}

/// How far the vault had come, by everything in the store that says so.
#[derive(Default)]
struct Reached {
    generation: u64,
    epoch: u32,
    /// By what does not open, and so may say anything.
    said_generation: u64,
    said_epoch: u32,
}

/// Generations that a salvage may leave out for what is only said.
const MAX_GENERATIONS_AHEAD: u64 = 1 << 32;

impl Reached {
    fn is_certain(&mut self, generation: u64, epoch: u32) {
        (self.generation, self.epoch) = (self.generation.max(generation), self.epoch.max(epoch));
    }

    fn is_said(&mut self, generation: u64, epoch: u32) {
        self.said_generation = self.said_generation.max(generation);
        self.said_epoch = self.said_epoch.max(epoch);
    }

    /// Nothing damaged makes an epoch begin twice, or a generation: what it says counts, within bounds.
    fn settled(&self) -> (u64, u32) {
        let generation = self.said_generation.min(self.generation.saturating_add(MAX_GENERATIONS_AHEAD));
        (self.generation.max(generation), within_reach(self.epoch, self.said_epoch))
    }

    /// By root and pieces of the index, whole or not.
    fn look_at_index(&mut self, opened: &Opened) -> Result<(), VaultError> {
        if let Some(sealed) = opened.store.get(ROOT_KEY)? {
            match Root::open(&opened.keys, opened.header, &sealed) {
                Ok((root, epoch)) => self.is_certain(root.generation, epoch),
                Err(_) => self.is_said(0, key_epoch(&sealed).unwrap_or_default()),
            }
        }
        for part in [Part::Base, Part::Delta] {
            for row in opened.store.scan(&[part.letter()]) {
                let (key, sealed) = row?;
                let Some(generation) = key.get(1..9).and_then(|bytes| bytes.try_into().ok()) else {
                    continue;
                };
                let generation = u64::from_be_bytes(generation);
                match opened.keys.open_of_any_epoch(Sealed::Index, &key, &sealed) {
                    Some((_, epoch)) => self.is_certain(generation, epoch),
                    None => self.is_said(generation, key_epoch(&sealed).unwrap_or_default()),
                }
            }
        }
        Ok(())
    }

    /// By a record that does not open.
    fn look_at_damaged(&mut self, stored: &[u8]) {
        let Some((version, sealed)) = stored.split_first_chunk() else { return };
        self.is_said(u64::from_be_bytes(*version), key_epoch(sealed).unwrap_or_default());
    }
}

/// An index of all records that open under their own names.
fn from_records(opened: Opened) -> Result<(Vault, Salvaged), VaultError> {
    let (mut index, mut salvaged) = (Index::default(), Salvaged { index_lost: true, ..Salvaged::default() });
    let mut reached =
        Reached { said_epoch: opened.budget().map_or(0, |budget| budget.epoch), ..Reached::default() };
    reached.look_at_index(&opened)?;
    for row in opened.store.scan(&[RECORD_PREFIX]) {
        let (key, stored) = row?;
        match read_record(&opened, &key, &stored) {
            Ok((listed, of_epoch)) => {
                reached.is_certain(listed.version, of_epoch);
                index.put(Arc::new(listed));
            }
            Err(damage) => {
                reached.look_at_damaged(&stored);
                let Some((space, _)) = parse_record_key(&key) else { continue };
                let (collection, unfinished) = (space.collection(), space.is_partial());
                salvaged.lost.push(Lost { collection, name: None, unfinished, damage });
            }
        }
    }
    // Not one of them: then it is not the records that are damaged, and they are not dropped.
    if index.count() == 0 && !salvaged.lost.is_empty() {
        return Err(Damage::Keys.into());
    }
    let (generation, epoch) = reached.settled();
    let root = Root { generation, base: generation, pieces: 0, chain: chain_base(std::iter::empty()) };
    let budget = SealBudget::new(epoch);
    let writer = Writer { root, budget, base_bytes: 0, deltas: Vec::new(), delta_bytes: 0 };
    Ok((opened.with(index, writer), salvaged))
}

/// A record as it says of itself that it is, and its key epoch.
fn read_record(opened: &Opened, key: &[u8], stored: &[u8]) -> Result<(Listed, u32), Damage> {
    let (space, tag) = parse_record_key(key).ok_or(Damage::Record)?;
    let (version, sealed) = stored.split_first_chunk().ok_or(Damage::Record)?;
    let version = u64::from_be_bytes(*version);
    // Any epoch: a record that opens under it was sealed in it.
    let opens = opened.keys.open_of_any_epoch(Sealed::Records(space), &record_aad(&tag, version), sealed);
    let (bytes, epoch) = opens.ok_or(Damage::Record)?;
    let (value, trailer) = split_record(&bytes).ok_or(Damage::Record)?;
    let name = Name::new(trailer.name);
    if opened.keys.tag(space, &name) != tag {
        return Err(Damage::Record);
    }
    let (size, content) = match trailer.kind {
        Kind::Inline => (value.len() as u64, None),
        Kind::File => {
            let record = ContentRecord::parse(value).ok_or(Damage::Record)?;
            (record.size(), Some(record.id()))
        }
    };
    let (stored_at, seal) = (trailer.stored_at, *sealed.last_chunk().ok_or(Damage::Record)?);
    Ok((Listed { space, name, tag, version, size, stored_at, content, seal }, epoch))
}

#[cfg(test)]
mod tests;
