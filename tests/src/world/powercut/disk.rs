//! The disk: what is promised to be on it, and what may be.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::record::Change;
use super::tree::{Entry, Tree};

/// What a disk writes at once.
const SECTOR: usize = 512;

type Node = usize;
type Names = BTreeMap<OsString, Node>;

/// Written and not synced.
#[derive(Debug, Clone)]
enum Pending {
    Bytes { place: usize, bytes: Vec<u8> },
    Size(usize),
}

#[derive(Debug, Clone)]
enum Kind {
    File { durable: Vec<u8>, now: Vec<u8>, pending: Vec<Pending> },
    Folder { durable: Names, now: Names },
}

/// A change of names that is not synced: what it adds and what it removes stand or fall together.
#[derive(Debug, Clone)]
struct NameChange {
    added: Option<(Node, OsString, Node)>,
    removed: Option<(Node, OsString, Node)>,
}

/// How much of what was not synced is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All of it.
    All,
    /// Nothing: the process alone was ended.
    Nothing,
    /// By this seed.
    Some(u64),
}

/// A folder on a disk, with what its programs see and what would be left of it.
#[derive(Debug, Clone)]
pub struct Disk {
    nodes: Vec<Kind>,
    /// The node that an inode stands for now.
    inodes: HashMap<u64, Node>,
    names: Vec<NameChange>,
}

const ROOT: Node = 0;

impl Disk {
    /// A disk on which all of this is synced.
    pub fn new(start: &Tree) -> Self {
        let mut disk = Self { nodes: Vec::new(), inodes: HashMap::new(), names: Vec::new() };
        // Folders come before what is in them.
        for (path, (inode, entry)) in &start.entries {
            let node = disk.add(match entry {
                Entry::File(bytes) => {
                    Kind::File { durable: bytes.clone(), now: bytes.clone(), pending: Vec::new() }
                }
                Entry::Folder => Kind::Folder { durable: Names::new(), now: Names::new() },
            });
            disk.inodes.insert(*inode, node);
            if let Some((folder, name)) = disk.place(path)
                && let Kind::Folder { durable, now } = &mut disk.nodes[folder]
            {
                durable.insert(name.clone(), node);
                now.insert(name, node);
            }
        }
        disk
    }

    fn add(&mut self, kind: Kind) -> Node {
        self.nodes.push(kind);
        self.nodes.len() - 1
    }

    /// The folder that a path is in, as programs see it now, and the name in it.
    fn place(&self, path: &Path) -> Option<(Node, OsString)> {
        let name = path.file_name()?.to_owned();
        let mut node = ROOT;
        for part in path.parent().into_iter().flat_map(Path::iter) {
            node = self.look_up(node, part)?;
        }
        Some((node, name))
    }

    fn look_up(&self, folder: Node, name: &OsStr) -> Option<Node> {
        match &self.nodes[folder] {
            Kind::Folder { now, .. } => now.get(name).copied(),
            Kind::File { .. } => None,
        }
    }

    /// Does what a program did.
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Make { path, inode } => {
                self.make(
                    path,
                    *inode,
                    Kind::File { durable: Vec::new(), now: Vec::new(), pending: Vec::new() },
                );
            }
            Change::MakeFolder { path, inode } => {
                self.make(path, *inode, Kind::Folder { durable: Names::new(), now: Names::new() });
            }
            Change::Write { inode, place, bytes } => {
                let place = usize::try_from(*place).unwrap_or(usize::MAX);
                self.write(*inode, Pending::Bytes { place, bytes: bytes.clone() });
            }
            Change::Resize { inode, size } => {
                self.write(*inode, Pending::Size(usize::try_from(*size).unwrap_or(usize::MAX)));
            }
            Change::Sync { inode } => {
                if let Some(node) = self.inodes.get(inode).copied() {
                    self.sync(node);
                }
            }
            Change::SyncAll => (0..self.nodes.len()).for_each(|node| self.sync(node)),
            Change::Rename { from, to } => self.rename(from, to),
            Change::Link { from, to } => {
                let node = self.place(from).and_then(|(folder, name)| self.look_up(folder, &name));
                if let (Some(node), Some((folder, name))) = (node, self.place(to)) {
                    self.change_names(NameChange { added: Some((folder, name, node)), removed: None });
                }
            }
            Change::Remove { path } | Change::RemoveFolder { path } => {
                if let Some(removed) = self.found(path) {
                    self.change_names(NameChange { added: None, removed: Some(removed) });
                }
            }
        }
    }

    fn found(&self, path: &Path) -> Option<(Node, OsString, Node)> {
        let (folder, name) = self.place(path)?;
        let node = self.look_up(folder, &name)?;
        Some((folder, name, node))
    }

    fn make(&mut self, path: &Path, inode: u64, kind: Kind) {
        let node = self.add(kind);
        self.inodes.insert(inode, node);
        if let Some((folder, name)) = self.place(path) {
            self.change_names(NameChange { added: Some((folder, name, node)), removed: None });
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        if let (Some(removed), Some((folder, name))) = (self.found(from), self.place(to)) {
            let added = Some((folder, name, removed.2));
            self.change_names(NameChange { added, removed: Some(removed) });
        }
    }

    fn change_names(&mut self, change: NameChange) {
        apply_names(&mut self.nodes, &change, |kind| match kind {
            Kind::Folder { now, .. } => Some(now),
            Kind::File { .. } => None,
        });
        self.names.push(change);
    }

    fn write(&mut self, inode: u64, change: Pending) {
        let Some(node) = self.inodes.get(&inode) else { return };
        if let Kind::File { now, pending, .. } = &mut self.nodes[*node] {
            apply_bytes(now, &change);
            pending.push(change);
        }
    }

    fn sync(&mut self, node: Node) {
        match &mut self.nodes[node] {
            Kind::File { durable, now, pending } => {
                durable.clone_from(now);
                pending.clear();
            }
            Kind::Folder { .. } => {
                let touches = |change: &NameChange| {
                    [&change.added, &change.removed].into_iter().flatten().any(|(folder, ..)| *folder == node)
                };
                let (synced, left) = std::mem::take(&mut self.names).into_iter().partition(touches);
                self.names = left;
                let synced: Vec<NameChange> = synced;
                for change in &synced {
                    apply_durable(&mut self.nodes, change);
                }
            }
        }
    }

    /// How much is not synced: files that were written to, and changes of names.
    pub fn unsynced(&self) -> usize {
        let written = |kind: &&Kind| matches!(kind, Kind::File { pending, .. } if !pending.is_empty());
        self.nodes.iter().filter(written).count() + self.names.len()
    }

    /// What programs see.
    pub fn kept(&self) -> Tree {
        self.cut(Loss::Nothing)
    }

    /// What is found after the power was cut here.
    pub fn cut(&self, loss: Loss) -> Tree {
        let mut rng = StdRng::seed_from_u64(if let Loss::Some(seed) = loss { seed } else { 0 });
        let mut after = self.clone();
        for change in self.surviving_names(loss, &mut rng) {
            apply_durable(&mut after.nodes, change);
        }
        let mut tree = Tree::default();
        let mut folders = vec![(PathBuf::new(), ROOT)];
        tree.entries.insert(PathBuf::new(), (0, Entry::Folder));
        while let Some((path, folder)) = folders.pop() {
            let Kind::Folder { durable, .. } = &after.nodes[folder] else { continue };
            for (name, node) in durable {
                let path = path.join(name);
                let entry = match &after.nodes[*node] {
                    Kind::Folder { .. } => {
                        folders.push((path.clone(), *node));
                        Entry::Folder
                    }
                    Kind::File { durable, now, pending } => Entry::File(match loss {
                        Loss::All => durable.clone(),
                        Loss::Nothing => now.clone(),
                        Loss::Some(_) => surviving_bytes(durable, pending, &mut rng),
                    }),
                };
                tree.entries.insert(path, (*node as u64, entry));
            }
        }
        tree
    }

    /// A journal keeps the first so many; a disk without one keeps any.
    fn surviving_names(&self, loss: Loss, rng: &mut StdRng) -> Vec<&NameChange> {
        match loss {
            Loss::All => Vec::new(),
            Loss::Nothing => self.names.iter().collect(),
            Loss::Some(_) if rng.gen_bool(0.5) => {
                let kept = rng.gen_range(0..=self.names.len());
                self.names[..kept].iter().collect()
            }
            Loss::Some(_) => self.names.iter().filter(|_| rng.gen_bool(0.5)).collect(),
        }
    }
}

fn apply_names(nodes: &mut [Kind], change: &NameChange, which: impl Fn(&mut Kind) -> Option<&mut Names>) {
    if let Some((folder, name, node)) = &change.removed
        && let Some(names) = which(&mut nodes[*folder])
        // Not if another change that was kept has put something else there.
        && names.get(name) == Some(node)
    {
        names.remove(name);
    }
    if let Some((folder, name, node)) = &change.added
        && let Some(names) = which(&mut nodes[*folder])
    {
        names.insert(name.clone(), *node);
    }
}

fn apply_durable(nodes: &mut [Kind], change: &NameChange) {
    apply_names(nodes, change, |kind| match kind {
        Kind::Folder { durable, .. } => Some(durable),
        Kind::File { .. } => None,
    });
}

fn apply_bytes(content: &mut Vec<u8>, change: &Pending) {
    match change {
        Pending::Size(size) => content.resize(*size, 0),
        Pending::Bytes { place, bytes } => {
            let end = place + bytes.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            content[*place..end].copy_from_slice(bytes);
        }
    }
}

/// Any content that the page cache may have come to write: every sector as it was at some moment since the last sync, and
/// the size of some moment.
fn surviving_bytes(durable: &[u8], pending: &[Pending], rng: &mut StdRng) -> Vec<u8> {
    let after = |count: usize| {
        let mut content = durable.to_vec();
        pending[..count].iter().for_each(|change| apply_bytes(&mut content, change));
        content
    };
    // As often as torn: whole up to a moment, or not there at all.
    match rng.gen_range(0..4) {
        0 => return durable.to_vec(),
        1 => return after(rng.gen_range(0..=pending.len())),
        _ => {}
    }
    let mut size = durable.len();
    let mut sizes = vec![size];
    for change in pending {
        size = match change {
            Pending::Size(size) => *size,
            Pending::Bytes { place, bytes } => size.max(place + bytes.len()),
        };
        sizes.push(size);
    }
    let mut content = vec![0; sizes[rng.gen_range(0..sizes.len())]];
    for (index, sector) in content.chunks_mut(SECTOR).enumerate() {
        let from = index * SECTOR;
        let touching: Vec<usize> =
            (0..pending.len()).filter(|at| touches(&pending[*at], from, from + SECTOR)).collect();
        let moment = rng.gen_range(0..=touching.len()).checked_sub(1).map(|at| touching[at]);
        sector_at(durable, &pending[..moment.map_or(0, |at| at + 1)], from, sector);
    }
    content
}

fn touches(change: &Pending, from: usize, to: usize) -> bool {
    match change {
        Pending::Bytes { place, bytes } => *place < to && place + bytes.len() > from,
        Pending::Size(size) => *size < to,
    }
}

/// A sector as it was after these changes. What was never written is zeros.
fn sector_at(durable: &[u8], changes: &[Pending], from: usize, sector: &mut [u8]) {
    sector.fill(0);
    let there = durable.len().saturating_sub(from).min(sector.len());
    sector[..there].copy_from_slice(&durable[from.min(durable.len())..][..there]);
    for change in changes {
        match change {
            Pending::Size(size) => {
                let kept = size.saturating_sub(from).min(sector.len());
                sector[kept..].fill(0);
            }
            Pending::Bytes { place, bytes } => {
                let (first, last) = ((*place).max(from), (place + bytes.len()).min(from + sector.len()));
                if first < last {
                    sector[first - from..last - from].copy_from_slice(&bytes[first - place..last - place]);
                }
            }
        }
    }
}
