//! Changes that do not fit one atomic write: planned and staged where no reader looks, made true by one write (the
//! flip), then moved into place. Each step is one short turn of the writer; other commits go between the turns, and a
//! step is synced only with one of them, before the flip is answered, or when enough has gathered.
//!
//! Puts and events are staged in packs, many under one key. Staged journal entries have no place in the chain before the
//! flip: they are linked in memory behind the head of then, again if another commit came between, and the flip stores the
//! head before and after them. Linking is deterministic, so that a recovery links the staged events again, in their order,
//! and checks that it arrives at the same head.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Bound;

use mdm_core::audit::{self, AuditEvent};
use mdm_core::change::{Changeset, Key, Version, Write};
use serde::{Deserialize, Serialize};
use shared::ids::BatchId;
use shared::signed::JournalHead;

use super::encode;
use super::engine::{Engine, EngineError, Puts};
use super::layers::{self, Forward, Layers, Values};
use super::layout::{self, STAGED_EVENT, STAGED_PUT};
use super::planner::{Checked, Planner};
use super::writer::{Applied, Refusal, Reply, Writer, answer, link};
use crate::error::{CommitError, Conflict};
use crate::traits::{Committed, LargeChange};
use crate::{MAX_BYTES, MAX_PUTS, MAX_VALUE};

/// Writes planned, or unique values looked up, in one turn. A commit that comes meanwhile waits for one turn.
const WRITES_PER_TURN: usize = 100;
/// Events linked in one turn.
const EVENTS_PER_TURN: usize = 500;
/// Bytes staged or moved in one turn, and puts moved: sled takes some milliseconds for them.
const BYTES_PER_TURN: usize = 128 * 1024;
const PUTS_PER_TURN: usize = 300;
/// Bytes that may wait for a sync, so that none takes long.
const BYTES_PER_SYNC: usize = 2 * 1024 * 1024;
/// Bytes of a pack, unless its one value is longer: with its prefix no more than sled stores under one key.
const PACK: usize = 6 * 1_000;
/// How often events are linked turn by turn. Then they are linked in one, for which other commits wait.
const TRIES_TO_LINK: u32 = 4;

/// How far a large change is, as recovery needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Marker {
    /// Being staged: not true, to be discarded.
    Staging(BatchId),
    /// True, to be moved into place.
    Flipped {
        batch: BatchId,
        /// The journal's head before the staged events.
        before: JournalHead,
        /// The head after them.
        after: JournalHead,
    },
}

/// A staged put: length of the key as 2 bytes, key, 0 for a delete or 1 before the value.
pub(super) fn encode_put(key: &[u8], value: Option<&[u8]>) -> Vec<u8> {
    let length = u16::try_from(key.len()).expect("keys have a few hundred bytes");
    [&length.to_be_bytes(), key, &[u8::from(value.is_some())], value.unwrap_or_default()].concat()
}

/// The reverse of [`encode_put`].
pub(super) fn decode_put(bytes: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    match rest.split_first()? {
        (0, []) => Some((key.to_vec(), None)),
        (1, value) => Some((key.to_vec(), Some(value.to_vec()))),
        _ => None,
    }
}

/// Adds an item to a pack: its length as 4 bytes, then itself.
fn pack(pack: &mut Vec<u8>, item: &[u8]) {
    let length = u32::try_from(item.len()).expect("values have at most 64 KiB");
    pack.extend_from_slice(&length.to_be_bytes());
    pack.extend_from_slice(item);
}

/// The items of a pack.
pub(super) fn unpack(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut items = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let (item, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        items.push(item.to_vec());
        bytes = rest;
    }
    Some(items)
}

/// What is staged under one key: consecutive puts, or events.
struct Pack {
    staged: Vec<u8>,
    /// The first of its puts and the last, or how many events it has.
    items: Items,
}

enum Items {
    Puts(Vec<u8>, Vec<u8>),
    Events(u64),
}

enum Phase {
    Planning(Box<Planner>, std::vec::IntoIter<Write>),
    /// What is left to look up of unique values.
    Checking(Box<Checked>),
    /// Puts that are still to be staged; events go first.
    Staging(std::vec::IntoIter<(Vec<u8>, Option<Vec<u8>>)>),
    Linking(Linking),
    /// Packs that still have to be moved, journal entries first and in order.
    Moving(VecDeque<Pack>),
    /// How many of the packs are deleted again.
    Discarding(usize),
}

/// Events that get their places behind a head.
struct Linking {
    tries: u32,
    before: JournalHead,
    after: JournalHead,
    linked: usize,
    entries: Values,
}

impl Linking {
    fn behind(head: &JournalHead, tries: u32) -> Self {
        Self { tries, before: head.clone(), after: head.clone(), linked: 0, entries: Values::new() }
    }

    fn link(&mut self, events: &[AuditEvent]) -> Result<(), CommitError> {
        for event in events {
            let entry = audit::link(&self.after, event);
            self.after = entry.head();
            let value = encode::to_cbor(&entry);
            if value.len() > MAX_VALUE {
                let what = format!("the journal entry of {:?}", event.what);
                return Err(CommitError::TooLarge { what, bytes: value.len() });
            }
            self.entries.insert(layout::journal(self.after.sequence), Some(value));
        }
        self.linked += events.len();
        Ok(())
    }
}

/// One large change on its way.
pub(super) struct Job {
    batch: BatchId,
    reply: Option<Reply>,
    events: Vec<AuditEvent>,
    last: Changeset,
    writes: Vec<Write>,
    /// How many of the events are staged.
    events_staged: usize,
    /// How many of the puts are.
    puts_staged: u64,
    packs: Vec<Pack>,
    /// The puts that are staged.
    puts: Values,
    touched: HashMap<Vec<u8>, Key>,
    overtaken: Option<Key>,
    phase: Option<Phase>,
}

impl Job {
    pub(super) fn new(change: LargeChange, reply: Reply) -> Self {
        Self {
            batch: change.batch,
            reply: Some(reply),
            events: change.staged.events,
            last: change.last,
            writes: change.staged.writes,
            events_staged: 0,
            puts_staged: 0,
            packs: Vec::new(),
            puts: Values::new(),
            touched: HashMap::new(),
            overtaken: None,
            phase: None,
        }
    }

    fn refuse(&mut self, error: CommitError) {
        if let Some(reply) = self.reply.take() {
            answer(reply, Err(error));
        }
    }

    /// The next events as a pack.
    fn pack_events(&mut self) -> Result<Option<(Pack, Vec<u8>)>, CommitError> {
        let first = self.events_staged;
        let mut bytes = Vec::new();
        while let Some(event) = self.events.get(self.events_staged) {
            let value = encode::to_cbor(event);
            if value.len() > MAX_VALUE {
                let what = format!("the journal event {:?}", event.what);
                return Err(CommitError::TooLarge { what, bytes: value.len() });
            }
            if !bytes.is_empty() && bytes.len() + value.len() > PACK {
                break;
            }
            pack(&mut bytes, &value);
            self.events_staged += 1;
        }
        let count = (self.events_staged - first) as u64;
        let items = Items::Events(count);
        Ok((count > 0).then(|| (Pack { staged: layout::staged(STAGED_EVENT, first as u64), items }, bytes)))
    }

    /// The next puts as a pack.
    fn pack_puts(
        &mut self,
        puts: &mut std::vec::IntoIter<(Vec<u8>, Option<Vec<u8>>)>,
    ) -> Option<(Pack, Vec<u8>)> {
        let staged = layout::staged(STAGED_PUT, self.puts_staged);
        let mut bytes = Vec::new();
        let mut range: Option<(Vec<u8>, Vec<u8>)> = None;
        while let Some((key, value)) = puts.as_slice().first() {
            let put = encode_put(key, value.as_deref());
            if !bytes.is_empty() && bytes.len() + put.len() > PACK {
                break;
            }
            pack(&mut bytes, &put);
            range.get_or_insert_with(|| (key.clone(), key.clone())).1.clone_from(key);
            self.puts_staged += 1;
            self.puts.extend(puts.next());
        }
        range.map(|(first, last)| (Pack { staged, items: Items::Puts(first, last) }, bytes))
    }
}

/// Large changes, one after the other.
#[derive(Default)]
pub(super) struct Queue {
    active: Option<Job>,
    waiting: VecDeque<Job>,
    /// A flip that is applied: to be shown and answered with the next sync.
    flipped: Option<(Forward, Applied)>,
    /// Bytes applied since the last sync.
    unsynced: usize,
    /// Keys of staged puts with a mark that they are not to be moved.
    marked: BTreeSet<Vec<u8>>,
}

impl Queue {
    pub(super) fn push(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.active.is_none() && self.waiting.is_empty()
    }

    /// Whether somebody waits for what was applied, or enough of it has gathered.
    pub(super) fn wants_sync(&self) -> bool {
        self.flipped.is_some() || self.unsynced > BYTES_PER_SYNC || (self.unsynced > 0 && self.is_idle())
    }

    /// A commit writes these keys: a change that is still being prepared upon one of them ends.
    pub(super) fn overtake(&mut self, keys: &HashMap<Vec<u8>, Key>) {
        let Some(job) = &mut self.active else { return };
        let touched = match &job.phase {
            Some(Phase::Planning(planner, _)) => planner.touched(),
            Some(Phase::Checking(checked)) => checked.touched(),
            Some(Phase::Staging(_) | Phase::Linking(_)) => &job.touched,
            None | Some(Phase::Moving(_) | Phase::Discarding(_)) => return,
        };
        if let Some(key) = keys.keys().find_map(|key| touched.get(key)) {
            job.overtaken = Some(key.clone());
        }
    }

    /// A commit overwrites a staged put that is true and not in place. Says whether it is the first to do so.
    pub(super) fn mark_overtaken(&mut self, key: &[u8]) -> bool {
        self.marked.insert(key.to_vec())
    }

    /// What was applied is durable.
    pub(super) fn show(&mut self, layers: &mut Layers) {
        self.unsynced = 0;
        if let Some((forward, applied)) = self.flipped.take() {
            layers.forward = forward;
            applied.succeed();
        }
    }

    /// The engine failed. Gives the flip that was applied and not yet durable, if there was one; a change before its flip
    /// is refused, one after it is true and moved into place by the recovery.
    pub(super) fn fail(&mut self, error: &EngineError) -> Option<Applied> {
        if let Some(mut job) = self.active.take() {
            job.refuse(error.clone().refused());
        }
        self.unsynced = 0;
        self.marked.clear();
        self.flipped.take().map(|(_, applied)| applied)
    }
}

impl<E: Engine> Writer<E> {
    /// One turn of the large change that is on its way, if there is one.
    pub(super) fn step_large(&mut self) -> Result<(), EngineError> {
        let Some(mut job) = self.large.active.take().or_else(|| self.large.waiting.pop_front()) else {
            return Ok(());
        };
        match self.turn(&mut job) {
            Ok(Some(phase)) => job.phase = Some(phase),
            Ok(None) => return Ok(()),
            Err(Refusal::Change(error)) => {
                job.refuse(error);
                if job.packs.is_empty() {
                    return Ok(());
                }
                job.phase = Some(Phase::Discarding(0));
            }
            Err(Refusal::Engine(error)) => {
                self.large.active = Some(job);
                return Err(error);
            }
        }
        self.large.active = Some(job);
        Ok(())
    }

    fn turn(&mut self, job: &mut Job) -> Result<Option<Phase>, Refusal> {
        if let Some(key) = job.overtaken.take() {
            return Err(Conflict::Overtaken { key }.into());
        }
        match job.phase.take() {
            None => self.begin(job),
            Some(Phase::Planning(planner, writes)) => self.plan(planner, writes),
            Some(Phase::Checking(checked)) => self.check(job, checked),
            Some(Phase::Staging(puts)) => self.stage(job, puts),
            Some(Phase::Linking(linking)) => self.link(job, linking),
            Some(Phase::Moving(packs)) => self.move_packs(packs),
            Some(Phase::Discarding(deleted)) => self.discard(job, deleted),
        }
    }

    fn begin(&mut self, job: &mut Job) -> Result<Option<Phase>, Refusal> {
        self.mend().map_err(|error| Refusal::Change(error.refused()))?;
        // The number is this change's alone: no record it writes can have the version of another write.
        self.commits += 1;
        let planner = Box::new(Planner::new(Version(self.commits)));
        Ok(Some(Phase::Planning(planner, std::mem::take(&mut job.writes).into_iter())))
    }

    fn plan(
        &mut self,
        mut planner: Box<Planner>,
        mut writes: std::vec::IntoIter<Write>,
    ) -> Result<Option<Phase>, Refusal> {
        let latest = |key: &[u8]| self.latest(key);
        for write in writes.by_ref().take(WRITES_PER_TURN) {
            planner.add(write, &latest)?;
        }
        Ok(Some(match writes.len() {
            0 => Phase::Checking(Box::new(planner.all_added())),
            _ => Phase::Planning(planner, writes),
        }))
    }

    fn check(&mut self, job: &mut Job, mut checked: Box<Checked>) -> Result<Option<Phase>, Refusal> {
        if !checked.check(WRITES_PER_TURN, &|key: &[u8]| self.latest(key))? {
            return Ok(Some(Phase::Checking(checked)));
        }
        let (puts, touched) = checked.into_parts();
        job.touched = touched;
        Ok(Some(Phase::Staging(puts.into_iter())))
    }

    fn stage(
        &mut self,
        job: &mut Job,
        mut rest: std::vec::IntoIter<(Vec<u8>, Option<Vec<u8>>)>,
    ) -> Result<Option<Phase>, Refusal> {
        let mut puts = vec![
            (layout::META_LARGE.to_vec(), Some(encode::to_cbor(&Marker::Staging(job.batch)))),
            // Counts the number that this change took when it began.
            (layout::META_COMMITS.to_vec(), Some(self.commits.to_be_bytes().to_vec())),
        ];
        let mut bytes = 0;
        let mut packs = Vec::new();
        let is_over = loop {
            let Some((pack, value)) = job.pack_events()?.or_else(|| job.pack_puts(&mut rest)) else {
                break true;
            };
            bytes += value.len();
            puts.push((pack.staged.clone(), Some(value)));
            packs.push(pack);
            if bytes > BYTES_PER_TURN {
                break false;
            }
        };
        self.shared.engine.room(bytes, false).map_err(|error| Refusal::Change(error.refused()))?;
        // Also what fails may be there.
        job.packs.extend(packs);
        self.apply_large(puts, bytes)?;
        Ok(Some(if is_over { Phase::Linking(Linking::behind(&self.head, 1)) } else { Phase::Staging(rest) }))
    }

    fn apply_large(&mut self, puts: Puts, bytes: usize) -> Result<(), Refusal> {
        self.shared.engine.apply(puts).map_err(Refusal::Engine)?;
        // At least one, so that deletes are synced as well.
        self.large.unsynced += bytes.max(1);
        Ok(())
    }

    /// Links events behind the head of now. When another commit has moved it, all is linked again.
    fn link(&mut self, job: &mut Job, mut linking: Linking) -> Result<Option<Phase>, Refusal> {
        if linking.before != self.head {
            linking = Linking::behind(&self.head, linking.tries + 1);
        }
        let left = &job.events[linking.linked..];
        let at_once =
            if linking.tries > TRIES_TO_LINK { left.len() } else { left.len().min(EVENTS_PER_TURN) };
        linking.link(&left[..at_once])?;
        if linking.linked < job.events.len() {
            return Ok(Some(Phase::Linking(linking)));
        }
        self.flip(job, linking)
    }

    fn flip(&mut self, job: &mut Job, linking: Linking) -> Result<Option<Phase>, Refusal> {
        let mut planner = Planner::new(Version(self.commits + 1));
        let latest = |key: &[u8]| self.latest(key);
        for write in std::mem::take(&mut job.last.writes) {
            planner.add(write, &latest)?;
        }
        planner.check_unique(&latest)?;
        if let Some((_, key)) = planner.touched().iter().find(|(key, _)| job.touched.contains_key(*key)) {
            let problem = "the staged part of the large change writes it too";
            return Err(CommitError::Malformed { key: key.clone(), problem }.into());
        }
        let Linking { before, after, entries, .. } = linking;
        let (head, last_entries) = link(after.clone(), &job.last.events)?;
        let bytes = planner.bytes() + last_entries.iter().map(|(_, value)| value.len()).sum::<usize>();
        let count = planner.len() + last_entries.len();
        if count > MAX_PUTS || bytes > MAX_BYTES {
            return Err(CommitError::TooMany { puts: count, bytes }.into());
        }
        self.shared.engine.room(bytes, false).map_err(|error| Refusal::Change(error.refused()))?;

        let first = before.sequence + 1;
        let marker = Marker::Flipped { batch: job.batch, before, after };
        let mut puts = planner.into_puts();
        puts.extend(last_entries.into_iter().map(|(key, value)| (key, Some(value))));
        puts.push((layout::META_LARGE.to_vec(), Some(encode::to_cbor(&marker))));
        let flip = Committed { head: head.clone() };
        let reply = job.reply.take().expect("a change is answered at its flip or when it ends before");
        let flip = Applied::new(self.commits + 1, flip, reply);
        let forward = Forward { puts: std::mem::take(&mut job.puts), entries };
        let put = self.put(puts, head);
        // If that failed it may be there all the same: the answer waits for what the next open finds.
        self.large.flipped = Some((forward, flip));
        put.map_err(Refusal::Engine)?;
        // Nothing of them is looked at any more.
        (job.events, job.touched) = (Vec::new(), HashMap::new());
        let mut packs: VecDeque<Pack> = std::mem::take(&mut job.packs).into();
        let mut sequence = first;
        for pack in &mut packs {
            if let Items::Events(count) = pack.items {
                pack.items = Items::Puts(layout::journal(sequence), layout::journal(sequence + count - 1));
                sequence += count;
            }
        }
        Ok(Some(Phase::Moving(packs)))
    }

    /// Moves what no later commit has overwritten; at the end takes the marker away.
    fn move_packs(&mut self, mut packs: VecDeque<Pack>) -> Result<Option<Phase>, Refusal> {
        let mut puts = Vec::new();
        let mut moved = Vec::new();
        let mut bytes = 0;
        if packs.is_empty() {
            self.apply_large(vec![(layout::META_LARGE.to_vec(), None)], 0)?;
            return Ok(None);
        }
        while puts.len() < PUTS_PER_TURN && bytes < BYTES_PER_TURN {
            let Some(Pack { staged, items }) = packs.pop_front() else { break };
            puts.push((staged, None));
            let Items::Puts(first, last) = items else { continue };
            let range = (Bound::Included(first.as_slice()), Bound::Included(last.as_slice()));
            let layers = layers::read(&self.shared.layers);
            let Forward { puts: records, entries } = &layers.forward;
            for (key, value) in entries.range::<[u8], _>(range).chain(records.range::<[u8], _>(range)) {
                if !self.superseded.contains(key) {
                    bytes += value.as_ref().map_or(0, Vec::len);
                    puts.push((key.clone(), value.clone()));
                    moved.push(key.clone());
                }
            }
            let marked: Vec<Vec<u8>> = self.large.marked.range::<[u8], _>(range).cloned().collect();
            for key in marked {
                puts.push((layout::overtaken(&key), None));
                self.large.marked.remove(&key);
            }
        }
        self.apply_large(puts, bytes)?;
        // The engine has the same values now; whether they are durable makes no difference to what is true.
        let mut layers = layers::write(&self.shared.layers);
        moved.iter().for_each(|key| layers.forward.remove(key));
        Ok(Some(Phase::Moving(packs)))
    }

    fn discard(&mut self, job: &Job, deleted: usize) -> Result<Option<Phase>, Refusal> {
        let chunk = job.packs[deleted..].iter().take(PUTS_PER_TURN);
        let mut puts: Puts = chunk.map(|pack| (pack.staged.clone(), None)).collect();
        let deleted = deleted + puts.len();
        let over = deleted == job.packs.len();
        if over {
            puts.push((layout::META_LARGE.to_vec(), None));
        }
        self.apply_large(puts, 0)?;
        Ok((!over).then_some(Phase::Discarding(deleted)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_gives_back_what_was_put_in_and_a_torn_one_nothing() {
        let items = [vec![], vec![7; 300], vec![1]];
        let mut bytes = Vec::new();
        items.iter().for_each(|item| pack(&mut bytes, item));
        assert_eq!(unpack(&bytes).unwrap(), items);
        assert_eq!(unpack(&[]).unwrap(), Vec::<Vec<u8>>::new());
        for end in 1..bytes.len() {
            let whole = unpack(&bytes[..end]);
            assert!(whole.is_none_or(|found| found.len() < items.len()), "{end}");
        }
    }
}
