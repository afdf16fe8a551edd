//! The authenticated index: which records are in the vault, in which version. In memory by name; on disk a base and the
//! changes since, so that one put does not write all names anew.
//!
//! Base and deltas are written in pieces of a few KiB. The root, written with every commit, seals the generation, where the
//! base is, and a hash over exactly the sealed bytes of base and deltas: a piece that was changed, removed, repeated, moved or
//! taken from an older time is found. A whole older copy of the vault is not found here: the mark beside it finds it (`mark`).

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use shared::crypto::hazmat::{TAG_LEN, sha256};
use zeroize::Zeroizing;

use crate::content::FileId;
use crate::error::Damage;
use crate::format::{Header, Space, Tag};
use crate::keys::{Keys, Sealed};
use crate::name::Name;

/// Estimated bytes of a piece: as records, pieces stay below what sled syncs.
const PIECE: usize = 6 * 1024;
/// What an entry takes besides its name, at most.
const ENTRY_OVERHEAD: usize = 80;

/// What the index says of one record.
pub(crate) struct Listed {
    pub(crate) space: Space,
    pub(crate) name: Name,
    pub(crate) tag: Tag,
    pub(crate) version: u64,
    pub(crate) size: u64,
    pub(crate) stored_at: i64,
    /// The file with the content, unless it stands in the record.
    pub(crate) content: Option<FileId>,
    /// What the record was sealed with: one of another history that has the same version has another.
    pub(crate) seal: Seal,
}

impl Listed {
    pub(crate) fn brief(&self) -> Brief {
        Brief { size: self.size, version: self.version, stored_at: self.stored_at }
    }
}

/// The authentication tag of a record as it is stored.
pub(crate) type Seal = [u8; TAG_LEN];

/// By name, in a set.
#[derive(Clone)]
struct ByName(Arc<Listed>);

impl ByName {
    fn name(&self) -> &[u8] {
        self.0.name.as_bytes()
    }
}

impl Borrow<[u8]> for ByName {
    fn borrow(&self) -> &[u8] {
        self.name()
    }
}

impl Hash for ByName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for ByName {}

/// What a list says of a record besides its name.
#[derive(Clone, Copy)]
pub(crate) struct Brief {
    pub(crate) size: u64,
    pub(crate) version: u64,
    pub(crate) stored_at: i64,
}

/// The records of one space: found by name in one step; and in order, with all that a list says, so that listing goes through memory
/// from end to end and looks at no record.
#[derive(Default)]
struct Names {
    found: HashSet<ByName>,
    ordered: BTreeMap<Name, Brief>,
}

impl Names {
    fn all(&self) -> impl Iterator<Item = &Arc<Listed>> {
        self.ordered.keys().filter_map(|name| self.found.get(name.as_bytes())).map(|listed| &listed.0)
    }
}

/// All records, in memory while the vault is open. Names are erased when dropped.
#[derive(Default)]
pub(crate) struct Index {
    spaces: [Names; 16],
    count: usize,
}

fn position(space: Space) -> usize {
    usize::from(space.code() & 7) + if space.is_partial() { 8 } else { 0 }
}

impl Index {
    pub(crate) fn find(&self, space: Space, name: &str) -> Option<&Arc<Listed>> {
        self.spaces[position(space)].found.get(name.as_bytes()).map(|listed| &listed.0)
    }

    pub(crate) fn put(&mut self, listed: Arc<Listed>) {
        let names = &mut self.spaces[position(listed.space)];
        names.ordered.insert(listed.name.clone(), listed.brief());
        let added = names.found.replace(ByName(listed)).is_none();
        self.count += usize::from(added);
    }

    pub(crate) fn remove(&mut self, space: Space, name: &str) {
        let names = &mut self.spaces[position(space)];
        self.count -= usize::from(names.found.remove(name.as_bytes()));
        names.ordered.remove(name.as_bytes());
    }

    /// Records of one space.
    pub(crate) fn count_of(&self, space: Space) -> usize {
        self.spaces[position(space)].ordered.len()
    }

    /// Records of all spaces.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The records whose names begin with `prefix`, in the order of their names' bytes.
    pub(crate) fn list(&self, space: Space, prefix: &str) -> impl Iterator<Item = (&Name, &Brief)> {
        let prefix = prefix.as_bytes();
        let from: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(prefix), Bound::Unbounded);
        let ordered = self.spaces[position(space)].ordered.range::<[u8], _>(from);
        // Comparing with nothing is not free: libc's `memcmp` may read, under an empty mask, where an empty slice points, and a
        // masked read of what is not mapped takes the processor hundreds of cycles.
        ordered.take_while(move |(name, _)| prefix.is_empty() || name.as_bytes().starts_with(prefix))
    }

    /// Records of all spaces, each in the order of its names.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Listed>> {
        self.spaces.iter().flat_map(Names::all)
    }

    /// The contents that records have, in no order.
    pub(crate) fn contents(&self) -> impl Iterator<Item = FileId> {
        self.spaces.iter().flat_map(|names| &names.found).filter_map(|listed| listed.0.content)
    }

    /// The records of one space, in the order of their names.
    pub(crate) fn all_of(&self, space: Space) -> impl Iterator<Item = &Arc<Listed>> {
        self.spaces[position(space)].all()
    }
}

/// A record that is written, or one that goes.
pub(crate) enum Change {
    Put(Arc<Listed>),
    Remove(Space, Zeroizing<String>),
}

impl Change {
    pub(crate) fn place(&self) -> (Space, &str) {
        match self {
            Self::Put(listed) => (listed.space, &listed.name),
            Self::Remove(space, name) => (*space, name),
        }
    }
}

/// `[version, size, stored_at, content id or null, seal]`
type Facts = (u64, u64, i64, Option<ByteArray<16>>, ByteArray<TAG_LEN>);

/// `[space, name, facts or null]`: null is a removal.
#[derive(Serialize, Deserialize)]
struct Line<'a>(Space, std::borrow::Cow<'a, str>, Option<Facts>);

fn line<'a>(change: &'a Change) -> Line<'a> {
    let facts = match change {
        Change::Put(listed) => {
            let (content, seal) = (listed.content.map(ByteArray::new), ByteArray::new(listed.seal));
            Some((listed.version, listed.size, listed.stored_at, content, seal))
        }
        Change::Remove(..) => None,
    };
    let (space, name) = change.place();
    Line(space, name.into(), facts)
}

/// Where base and deltas are, and what exactly they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Root {
    /// Rises by one with every commit.
    pub(crate) generation: u64,
    /// Generation of the commit that wrote the base.
    pub(crate) base: u64,
    /// Pieces of the base.
    pub(crate) pieces: u32,
    /// SHA-256 over the base's sealed pieces, then for each delta over the hash before and its sealed pieces.
    #[serde(with = "serde_bytes")]
    pub(crate) chain: [u8; 32],
}

fn root_aad(header: Header) -> Vec<u8> {
    [b"r".as_slice(), &header.to_bytes()].concat()
}

impl Root {
    pub(crate) fn seal(
        &self,
        keys: &Keys,
        (header, epoch): (Header, u32),
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Vec<u8> {
        let mut sealed = Vec::new();
        keys.seal_onto(&mut sealed, (Sealed::Index, epoch), &root_aad(header), &[&self.encode()], rng);
        sealed
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let fields = (self.generation, self.base, self.pieces, ByteArray::new(self.chain));
        ciborium::into_writer(&fields, &mut bytes).expect("a root in memory encodes into a vector");
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let (generation, base, pieces, chain): (u64, u64, u32, ByteArray<32>) =
            ciborium::from_reader(bytes).map_err(|_| Damage::Index)?;
        Ok(Self { generation, base, pieces, chain: chain.into_array() })
    }

    /// A root and the key epoch that it is sealed in, whichever that is.
    pub(crate) fn open(keys: &Keys, header: Header, sealed: &[u8]) -> Result<(Self, u32), Damage> {
        let opened = keys.open_of_any_epoch(Sealed::Index, &root_aad(header), sealed);
        let (opened, epoch) = opened.ok_or(Damage::Index)?;
        Ok((Self::decode(&opened)?, epoch))
    }
}

/// Whether a part of the index holds all names or changes to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Base,
    Delta,
}

impl Part {
    /// What its keys in the store begin with.
    pub(crate) fn letter(self) -> u8 {
        match self {
            Self::Base => b'b',
            Self::Delta => b'd',
        }
    }

    /// The key of a piece in the store, and what it is bound to.
    pub(crate) fn key(self, generation: u64, piece: u32) -> [u8; 13] {
        let mut key = [0; 13];
        key[0] = self.letter();
        key[1..9].copy_from_slice(&generation.to_be_bytes());
        key[9..].copy_from_slice(&piece.to_be_bytes());
        key
    }
}

/// Cuts changes into pieces. An entry is never cut.
pub(crate) fn pieces(changes: &[Change]) -> Vec<&[Change]> {
    let (mut cut, mut start, mut weight) = (Vec::new(), 0, 0);
    for (at, change) in changes.iter().enumerate() {
        let entry = change.place().1.len() + ENTRY_OVERHEAD;
        if weight + entry > PIECE {
            cut.push(&changes[start..at]);
            (start, weight) = (at, 0);
        }
        weight += entry;
    }
    if start < changes.len() {
        cut.push(&changes[start..]);
    }
    cut
}

/// Seals one piece; `more` says whether another follows.
pub(crate) fn seal_piece(
    keys: &Keys,
    epoch: u32,
    key: &[u8; 13],
    (more, changes): (bool, &[Change]),
    rng: &mut (impl RngCore + CryptoRng),
) -> Vec<u8> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(PIECE + ENTRY_OVERHEAD));
    let lines: Vec<Line<'_>> = changes.iter().map(line).collect();
    ciborium::into_writer(&(more, lines), &mut *bytes).expect("a piece in memory encodes into a vector");
    let mut sealed = Vec::with_capacity(bytes.len() + 64);
    keys.seal_onto(&mut sealed, (Sealed::Index, epoch), key, &[&bytes], rng);
    sealed
}

/// Whether another piece follows, and this one's lines.
fn decode_piece(bytes: &[u8]) -> Result<(bool, Vec<Line<'static>>), Damage> {
    ciborium::from_reader(bytes).map_err(|_| Damage::Index)
}

/// Reads a piece, and writes what was read.
pub(crate) fn rewritten_piece(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut again = Vec::new();
    ciborium::into_writer(&decode_piece(bytes).ok()?, &mut again).expect("a piece in memory encodes");
    Some(again)
}

/// Puts one piece's lines into `index`; says whether another piece follows.
pub(crate) fn open_piece(
    keys: &Keys,
    newest: u32,
    key: &[u8; 13],
    sealed: &[u8],
    index: &mut Index,
) -> Result<bool, Damage> {
    let opened = keys.open((Sealed::Index, newest), key, sealed).ok_or(Damage::Index)?;
    let (more, lines) = decode_piece(&opened)?;
    for Line(space, name, facts) in lines {
        let name = Zeroizing::new(name.into_owned());
        let Some((version, size, stored_at, content, seal)) = facts else {
            index.remove(space, &name);
            continue;
        };
        let (tag, content) = (keys.tag(space, &name), content.map(ByteArray::into_array));
        let (seal, name) = (seal.into_array(), Name::new(&name));
        index.put(Arc::new(Listed { space, name, tag, version, size, stored_at, content, seal }));
    }
    Ok(more)
}

/// The hash over the base's sealed pieces.
pub(crate) fn chain_base<'a>(sealed: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    sha256(&sealed.collect::<Vec<_>>())
}

/// The hash after one more delta.
pub(crate) fn chain_delta<'a>(before: &'a [u8; 32], sealed: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    sha256(&std::iter::once(before.as_slice()).chain(sealed).collect::<Vec<_>>())
}
