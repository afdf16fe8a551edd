//! Changes that do not fit one atomic write: planned and staged where no reader looks, made true by one write (the
//! flip), then moved into place. Each step is one turn of the writer; other commits go between the turns.
//!
//! Staged journal entries have no place in the chain before the flip. The flip links them in memory and stores the head
//! before and after them; linking is deterministic, so that a recovery links the staged events again, in their order, and
//! checks that it arrives at the same head.

use std::collections::{BTreeMap, HashMap, VecDeque};

use mdm_core::audit::AuditEvent;
use mdm_core::change::{Changeset, Key, Version, Write};
use serde::{Deserialize, Serialize};
use shared::ids::BatchId;
use shared::signed::JournalHead;

use super::encode;
use super::engine::{Engine, EngineError, Puts};
use super::layers::{self, Layers, Moving};
use super::layout::{self, STAGED_EVENT, STAGED_PUT};
use super::planner::Planner;
use super::writer::{Applied, Refusal, Reply, Writer, answer, link};
use crate::error::{CommitError, Conflict};
use crate::traits::{Committed, LargeChange};
use crate::{MAX_BYTES, MAX_PUTS, MAX_VALUE};

/// Writes planned in one turn: their reads take about as long as a chunk's puts.
const WRITES_PER_TURN: usize = 500;

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

enum Phase {
    Planning(Box<Planner>, std::vec::IntoIter<Write>),
    /// How many of the staged values are stored.
    Staging(usize),
    Flipping,
    /// Keys that still have to be moved, journal entries first and in order.
    Moving(VecDeque<Vec<u8>>),
    /// How many of the staged values are deleted again.
    Discarding(usize),
}

/// One large change on its way.
pub(super) struct Job {
    batch: BatchId,
    reply: Option<Reply>,
    events: Vec<AuditEvent>,
    last: Changeset,
    writes: Vec<Write>,
    /// What the staged part puts, each key once.
    puts: Puts,
    /// Staged values under their keys: events, then puts.
    staged: Puts,
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
            puts: Vec::new(),
            staged: Vec::new(),
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

    /// Works out the staged values of a planned change.
    fn stage(&mut self, planner: Planner) -> Result<(), CommitError> {
        (self.puts, self.touched) = planner.into_parts();
        for (number, event) in (0..).zip(&self.events) {
            let value = encode::to_cbor(event);
            if value.len() > MAX_VALUE {
                let what = format!("the journal event {:?}", event.what);
                return Err(CommitError::TooLarge { what, bytes: value.len() });
            }
            self.staged.push((layout::staged(STAGED_EVENT, number), Some(value)));
        }
        for (number, (key, value)) in (0..).zip(&self.puts) {
            let value = encode_put(key, value.as_deref());
            self.staged.push((layout::staged(STAGED_PUT, number), Some(value)));
        }
        Ok(())
    }
}

/// What readers are to see once the round is durable.
enum Effect {
    Nothing,
    Flip(BTreeMap<Vec<u8>, Moving>, Applied),
    Moved(Vec<Vec<u8>>),
}

/// Large changes, one after the other.
#[derive(Default)]
pub(super) struct Queue {
    active: Option<Job>,
    waiting: VecDeque<Job>,
    applied: Option<Effect>,
}

impl Queue {
    pub(super) fn push(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.active.is_none() && self.waiting.is_empty()
    }

    pub(super) fn has_applied(&self) -> bool {
        self.applied.is_some()
    }

    /// A commit writes these keys: a change that is still being prepared upon one of them ends.
    pub(super) fn overtake(&mut self, keys: &HashMap<Vec<u8>, Key>) {
        let Some(job) = &mut self.active else { return };
        let touched = match &job.phase {
            Some(Phase::Planning(planner, _)) => planner.touched(),
            Some(Phase::Staging(_) | Phase::Flipping) => &job.touched,
            None | Some(Phase::Moving(_) | Phase::Discarding(_)) => return,
        };
        if let Some(key) = keys.keys().find_map(|key| touched.get(key)) {
            job.overtaken = Some(key.clone());
        }
    }

    /// The round is durable.
    pub(super) fn show(&mut self, layers: &mut Layers) {
        match self.applied.take() {
            Some(Effect::Flip(forward, applied)) => {
                layers.forward = forward;
                applied.succeed();
            }
            Some(Effect::Moved(keys)) => keys.iter().for_each(|key| drop(layers.forward.remove(key))),
            Some(Effect::Nothing) | None => {}
        }
    }

    /// The engine failed. Gives the flip that was applied and not yet durable, if there was one; a change before its flip
    /// is refused, one after it is true and moved into place by the recovery.
    pub(super) fn fail(&mut self, error: &EngineError) -> Option<Applied> {
        if let Some(mut job) = self.active.take() {
            job.refuse(error.clone().refused());
        }
        match self.applied.take() {
            Some(Effect::Flip(_, applied)) => Some(applied),
            _ => None,
        }
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
                if job.staged.is_empty() {
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
            Some(Phase::Planning(planner, writes)) => self.plan(job, planner, writes),
            Some(Phase::Staging(stored)) => self.stage_chunk(job, stored),
            Some(Phase::Flipping) => self.flip(job),
            Some(Phase::Moving(keys)) => self.move_chunk(keys),
            Some(Phase::Discarding(deleted)) => self.discard_chunk(job, deleted),
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
        job: &mut Job,
        mut planner: Box<Planner>,
        mut writes: std::vec::IntoIter<Write>,
    ) -> Result<Option<Phase>, Refusal> {
        let latest = |key: &[u8]| self.latest(key);
        for write in writes.by_ref().take(WRITES_PER_TURN) {
            planner.add(write, &latest)?;
        }
        if writes.len() > 0 {
            return Ok(Some(Phase::Planning(planner, writes)));
        }
        planner.check_unique(&latest)?;
        job.stage(*planner)?;
        Ok(Some(Phase::Staging(0)))
    }

    fn stage_chunk(&mut self, job: &mut Job, stored: usize) -> Result<Option<Phase>, Refusal> {
        let marker = Marker::Staging(job.batch);
        let mut puts = vec![
            (layout::META_LARGE.to_vec(), Some(encode::to_cbor(&marker))),
            // Counts the number that this change took when it began.
            (layout::META_COMMITS.to_vec(), Some(self.commits.to_be_bytes().to_vec())),
        ];
        let meta = puts.len();
        let mut bytes = 0;
        for (key, value) in &job.staged[stored..] {
            if puts.len() == MAX_PUTS || bytes > MAX_BYTES {
                break;
            }
            bytes += value.as_ref().map_or(0, Vec::len);
            puts.push((key.clone(), value.clone()));
        }
        let stored = stored + puts.len() - meta;
        self.shared.engine.room(bytes, false).map_err(|error| Refusal::Change(error.refused()))?;
        self.apply_large(puts, Effect::Nothing)?;
        Ok(Some(if stored < job.staged.len() { Phase::Staging(stored) } else { Phase::Flipping }))
    }

    fn apply_large(&mut self, puts: Puts, effect: Effect) -> Result<(), Refusal> {
        self.shared.engine.apply(puts).map_err(Refusal::Engine)?;
        self.large.applied = Some(effect);
        Ok(())
    }

    fn flip(&mut self, job: &mut Job) -> Result<Option<Phase>, Refusal> {
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
        let before = self.head.clone();
        let (after, entries) = link(before.clone(), &job.events)?;
        let (head, last_entries) = link(after.clone(), &job.last.events)?;
        let bytes = planner.bytes() + last_entries.iter().map(|(_, value)| value.len()).sum::<usize>();
        let count = planner.len() + last_entries.len();
        if count > MAX_PUTS || bytes > MAX_BYTES {
            return Err(CommitError::TooMany { puts: count, bytes }.into());
        }
        self.shared.engine.room(bytes, false).map_err(|error| Refusal::Change(error.refused()))?;

        let marker = Marker::Flipped { batch: job.batch, before, after };
        let mut puts = planner.into_puts();
        puts.extend(last_entries.into_iter().map(|(key, value)| (key, Some(value))));
        puts.push((layout::META_LARGE.to_vec(), Some(encode::to_cbor(&marker))));
        let flip = Committed { head: head.clone() };
        let flip = job.reply.take().map(|reply| Applied::new(self.commits + 1, flip, reply));
        if let Err(error) = self.put(puts, head) {
            // It may be there all the same: the answer waits for what the next open finds.
            self.large.applied = flip.map(|flip| Effect::Flip(BTreeMap::new(), flip));
            return Err(Refusal::Engine(error));
        }

        let entries = entries.into_iter().map(|(key, value)| (key, Some(value)));
        let values = entries.chain(std::mem::take(&mut job.puts));
        let mut order = VecDeque::with_capacity(job.staged.len());
        let mut forward = BTreeMap::new();
        for ((staged, _), (key, value)) in std::mem::take(&mut job.staged).into_iter().zip(values) {
            order.push_back(key.clone());
            forward.insert(key, Moving { value, staged });
        }
        self.large.applied = flip.map(|flip| Effect::Flip(forward, flip));
        Ok(Some(Phase::Moving(order)))
    }

    /// Moves what no later commit has overwritten; at the end takes the marker away.
    fn move_chunk(&mut self, mut keys: VecDeque<Vec<u8>>) -> Result<Option<Phase>, Refusal> {
        let mut puts = Vec::new();
        let mut moved = Vec::new();
        let mut bytes = 0;
        {
            let layers = layers::read(&self.shared.layers);
            while puts.len() + 2 <= MAX_PUTS && bytes <= MAX_BYTES {
                let Some(key) = keys.pop_front() else { break };
                if self.superseded.contains(&key) {
                    continue;
                }
                let Some(Moving { value, staged }) = layers.forward.get(&key) else { continue };
                bytes += value.as_ref().map_or(0, Vec::len);
                puts.push((key.clone(), value.clone()));
                puts.push((staged.clone(), None));
                moved.push(key);
            }
        }
        if moved.is_empty() {
            self.apply_large(vec![(layout::META_LARGE.to_vec(), None)], Effect::Nothing)?;
            return Ok(None);
        }
        self.apply_large(puts, Effect::Moved(moved))?;
        Ok(Some(Phase::Moving(keys)))
    }

    fn discard_chunk(&mut self, job: &Job, deleted: usize) -> Result<Option<Phase>, Refusal> {
        let mut puts: Puts =
            job.staged[deleted..].iter().take(MAX_PUTS - 1).map(|(key, _)| (key.clone(), None)).collect();
        let deleted = deleted + puts.len();
        let over = deleted == job.staged.len();
        if over {
            puts.push((layout::META_LARGE.to_vec(), None));
        }
        self.apply_large(puts, Effect::Nothing)?;
        Ok((!over).then_some(Phase::Discarding(deleted)))
    }
}
