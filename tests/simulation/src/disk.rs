//! The modelled disk of a phone: what a write has reached and what it has not when the power goes.
//!
//! Every step of a write can be the last one. What was not synced is there afterwards or not, file by file; a write in
//! place may be torn. Renaming is atomic, as on the file systems that the real one runs on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use client_core::lease::StoredLease;

use crate::body::Body;
use crate::phone::DeviceState;
use crate::sim::Sim;

/// The files of a home, by the names that `vault::Home` gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    DeviceSecret,
    DeviceKey,
    State,
    OnlineSlot,
    OfflineSlot,
    LeaseSecret,
    Lease,
    Note(u32),
    Intent,
    Receipt,
    Gone,
}

impl Name {
    /// What holds, or helps to derive, the vault key: `vault::erase::key_files`.
    pub(crate) const KEYS: [Self; 5] =
        [Self::DeviceSecret, Self::OnlineSlot, Self::LeaseSecret, Self::OfflineSlot, Self::Lease];

    /// What is no data and outlives `RemoveData`.
    fn is_kept(self) -> bool {
        matches!(self, Self::DeviceKey | Self::State | Self::Receipt | Self::Intent | Self::Gone)
    }
}

/// What a file holds.
#[derive(Clone)]
pub(crate) enum Content {
    Bytes(Rc<[u8]>),
    State(Rc<DeviceState>),
    Lease(Rc<StoredLease>),
    Zeros,
    Torn,
}

impl Content {
    pub(crate) fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(bytes.into().into())
    }

    pub(crate) fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// Why a write did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DiskError {
    #[error("the power went")]
    PowerCut,
    #[error("the disk refused")]
    Refused,
}

#[derive(Clone, Default)]
struct File {
    durable: Option<Content>,
    cached: Option<Content>,
    /// Whether the two differ.
    dirty: bool,
    /// Whether they differ by a write over the bytes that were there, which may be torn.
    in_place: bool,
}

/// A phone's disk.
pub(crate) struct Disk {
    files: RefCell<BTreeMap<Name, File>>,
    body: Rc<Body>,
    sim: Rc<Sim>,
    /// The power goes at the write that makes this zero.
    fuse: Cell<Option<u32>>,
    /// One destroying write in so many is refused.
    refuses: Cell<Option<u32>>,
}

impl Disk {
    pub(crate) fn new(body: Rc<Body>, sim: Rc<Sim>) -> Self {
        Self { files: RefCell::default(), body, sim, fuse: Cell::new(None), refuses: Cell::new(None) }
    }

    /// The power will go at the `writes`th step of a write from now.
    pub(crate) fn light_fuse(&self, writes: u32) {
        self.fuse.set(Some(writes));
    }

    pub(crate) fn disarm(&self) {
        self.fuse.set(None);
        self.refuses.set(None);
    }

    /// From now on one destroying write in `one_in` fails.
    pub(crate) fn wear_out(&self, one_in: u32) {
        self.refuses.set(Some(one_in));
    }

    /// A step of a write: done if the power is still there.
    fn step(&self) -> Result<(), DiskError> {
        if !self.body.powered.get() {
            return Err(DiskError::PowerCut);
        }
        if let Some(left) = self.fuse.get() {
            self.fuse.set(left.checked_sub(1));
            if left == 0 {
                self.body.powered.set(false);
                return Err(DiskError::PowerCut);
            }
        }
        Ok(())
    }

    fn may_refuse(&self) -> Result<(), DiskError> {
        match self.refuses.get() {
            Some(one_in) if self.sim.one_in(one_in) => {
                self.sim.log.count("fault: disk refused");
                Err(DiskError::Refused)
            }
            _ => Ok(()),
        }
    }

    fn cache(&self, name: Name, content: Option<Content>, in_place: bool) {
        let mut files = self.files.borrow_mut();
        let file = files.entry(name).or_default();
        file.cached = content;
        file.dirty = true;
        file.in_place = in_place;
    }

    fn sync(&self, name: Name) {
        if let Some(file) = self.files.borrow_mut().get_mut(&name) {
            file.durable = file.cached.clone();
            (file.dirty, file.in_place) = (false, false);
        }
    }

    /// What a running process reads.
    pub(crate) fn read(&self, name: Name) -> Option<Content> {
        self.files.borrow().get(&name)?.cached.clone()
    }

    /// What is there whatever becomes of the power.
    pub(crate) fn durable(&self, name: Name) -> Option<Content> {
        self.files.borrow().get(&name)?.durable.clone()
    }

    /// Every file that is there, or may be after a power cut.
    pub(crate) fn names(&self) -> Vec<Name> {
        let there = |file: &File| file.durable.is_some() || file.cached.is_some();
        self.files.borrow().iter().filter(|(_, file)| there(file)).map(|(name, _)| *name).collect()
    }

    /// `files::replace`: a new file, synced, renamed over the old one, and the folder synced.
    pub(crate) fn replace(&self, name: Name, content: Content) -> Result<(), DiskError> {
        self.step()?;
        self.step()?;
        self.cache(name, Some(content), false);
        self.step()?;
        self.sync(name);
        self.step()
    }

    /// A write whose sync is left out.
    pub(crate) fn replace_unsynced(&self, name: Name, content: Content) -> Result<(), DiskError> {
        self.step()?;
        self.cache(name, Some(content), false);
        self.step()
    }

    /// `intent::write`: over the bytes that are there.
    pub(crate) fn write_in_place(&self, name: Name, content: Content) -> Result<(), DiskError> {
        self.may_refuse()?;
        self.step()?;
        self.cache(name, Some(content), true);
        self.step()?;
        self.sync(name);
        self.step()
    }

    /// `files::destroy`: overwritten, synced, unlinked, the folder synced.
    pub(crate) fn destroy(&self, name: Name) -> Result<(), DiskError> {
        self.step()?;
        if self.read(name).is_none() {
            return Ok(());
        }
        self.may_refuse()?;
        self.cache(name, Some(Content::Zeros), false);
        self.step()?;
        self.sync(name);
        self.step()?;
        self.remove(name)
    }

    /// `files::remove`, and the folder synced.
    pub(crate) fn remove(&self, name: Name) -> Result<(), DiskError> {
        self.may_refuse()?;
        self.cache(name, None, false);
        self.step()?;
        self.sync(name);
        self.step()
    }

    /// `erase::remove_data`: everything but what the receipt needs.
    pub(crate) fn remove_data(&self) -> Result<(), DiskError> {
        for name in self.names().into_iter().filter(|name| !name.is_kept()) {
            self.remove(name)?;
        }
        self.step()
    }

    /// What is still there, or may come back, that an erase should have removed.
    pub(crate) fn data_left(&self) -> Vec<Name> {
        self.names().into_iter().filter(|name| !name.is_kept()).collect()
    }

    /// The power is gone: what was not synced is there or not, as it happens.
    pub(crate) fn lose_power(&self) {
        self.fuse.set(None);
        for file in self.files.borrow_mut().values_mut().filter(|file| file.dirty) {
            match self.sim.draw(0..4) {
                0 | 1 => file.durable = file.cached.clone(),
                2 if file.in_place => {
                    self.sim.log.count("fault: write torn");
                    file.durable = Some(Content::Torn);
                }
                _ => self.sim.log.count("fault: write lost"),
            }
            file.cached = file.durable.clone();
            (file.dirty, file.in_place) = (false, false);
        }
    }
}
