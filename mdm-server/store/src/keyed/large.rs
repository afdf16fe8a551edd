//! Changes that do not fit one atomic write: worked out and staged where no reader looks, made true by one write (the
//! flip), then moved into place. Each step is one short turn of the writer; other commits go between the turns.
//!
//! The stage is synced before the flip, so that a recovery finds there all that the flip made true. Journal entries are staged
//! last: they get their places in the chain behind the head of then, and again if another commit moves the head before the flip.
//! The stage is emptied when all that was moved is durable.

use std::collections::{BTreeSet, HashMap, VecDeque};

use mdm_core::audit::{self, Events};
use mdm_core::change::{Changeset, Key, Version, Write};
use serde::{Deserialize, Serialize};
use shared::ids::BatchId;
use shared::signed::JournalHead;

use super::encode;
use super::engine::{Engine, EngineError, Puts};
use super::layers::{self, Entries, Forward, Layers};
use super::layout;
use super::planner::{Planner, Worked, work_out, written_twice};
use super::stage::{Place, Places, Tail};
use super::writer::{Applied, Refusal, Reply, Writer, answer, link};
use crate::error::{CommitError, Conflict, Unique};
use crate::traits::{Committed, LargeChange};
use crate::{MAX_BYTES, MAX_PUTS, MAX_VALUE};

/// Writes worked out in one turn. A commit that comes meanwhile waits for one turn.
const WRITES_PER_TURN: usize = 100;
/// Events linked in one turn.
const EVENTS_PER_TURN: usize = 500;
/// Bytes and puts moved in one turn: sled takes some milliseconds for them.
pub(super) const BYTES_PER_TURN: usize = 128 * 1024;
pub(super) const PUTS_PER_TURN: usize = 300;
/// Bytes that may wait for a sync, so that none takes long.
const BYTES_PER_SYNC: usize = 2 * 1024 * 1024;
/// How often events are linked with any commit between the turns. Then only urgent ones go between them, and others wait.
const TRIES_TO_LINK: u32 = 4;
/// And how often with urgent ones. Then they are linked in one turn.
const TRIES_BETWEEN_URGENT: u32 = 100;

/// A large change that is true and not in place yet, as recovery needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flipped {
    pub(super) batch: BatchId,
    /// The journal's head after the staged entries.
    pub(super) after: JournalHead,
    /// Bytes of the stage.
    pub(super) bytes: u64,
    /// CRC-32 over them.
    pub(super) check: u32,
    /// The last key that was moved. Journal entries are moved first.
    #[serde(with = "serde_bytes")]
    pub(super) moved: Option<Vec<u8>>,
}

impl Flipped {
    /// Whether a key was moved already.
    pub(super) fn has_moved(&self, key: &[u8]) -> bool {
        let order = |key: &[u8]| !layout::is_journal(key);
        self.moved.as_deref().is_some_and(|moved| (order(key), key) <= (order(moved), moved))
    }

    /// As it is stored.
    pub(super) fn marker(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        (layout::META_LARGE.to_vec(), Some(encode::to_cbor(self)))
    }
}

enum Phase {
    /// Writes are worked out and staged.
    Staging,
    /// Everything is staged but the journal.
    Linking(Linking),
    /// It is true; what is staged goes into place.
    Moving(Flipped),
}

/// Events that get their places behind a head.
struct Linking {
    tries: u32,
    before: JournalHead,
    after: JournalHead,
    linked: usize,
    /// Where their entries stand.
    entries: Entries,
    tail: Tail,
}

/// One large change on its way.
pub(super) struct Job {
    batch: BatchId,
    reply: Option<Reply>,
    writes: Box<dyn Iterator<Item = Write> + Send>,
    events: Box<dyn Events>,
    last: Changeset,
    /// Of what it writes.
    version: Version,
    /// Where everything is staged that it writes. No key that it depends upon is missing here.
    puts: Places,
    tail: Tail,
    /// Unique values that it takes from records that it has not come to yet, if it ever does.
    contested: HashMap<Vec<u8>, (Key, Unique)>,
    overtaken: Option<Key>,
    phase: Phase,
}

impl Job {
    pub(super) fn new(change: LargeChange, reply: Reply) -> Self {
        let LargeChange { batch, writes, events, last } = change;
        Self {
            batch,
            reply: Some(reply),
            writes,
            events,
            last,
            version: Version(0),
            puts: Places::new(),
            tail: Tail::default(),
            contested: HashMap::new(),
            overtaken: None,
            phase: Phase::Staging,
        }
    }

    fn refuse(&mut self, error: CommitError) {
        if let Some(reply) = self.reply.take() {
            answer(reply, Err(error));
        }
    }

    fn is_flipped(&self) -> bool {
        matches!(self.phase, Phase::Moving(_))
    }

    fn stage(&mut self, key: Vec<u8>, value: Option<&[u8]>) {
        let place = self.tail.add(&key, value);
        self.puts.insert(key.into_boxed_slice(), place);
    }

    /// Adds what one write comes to.
    fn add(
        &mut self,
        worked: Worked,
        is_taken: impl Fn(&[u8]) -> Result<bool, CommitError>,
    ) -> Result<(), CommitError> {
        let Worked { name, key, value, given_up, gained } = worked;
        for entry in given_up {
            self.contested.remove(&entry);
            if !self.puts.contains_key(entry.as_slice()) {
                self.stage(entry, None);
            }
        }
        for entry in gained {
            let Some(unique) = entry.unique else {
                self.stage(entry.key, Some(&key));
                continue;
            };
            match self.puts.get(entry.key.as_slice()) {
                Some(Place::Value { .. }) => return Err(Conflict::Taken { key: name, unique }.into()),
                Some(Place::Deleted) => {}
                None if is_taken(&entry.key)? => {
                    self.contested.insert(entry.key.clone(), (name.clone(), unique));
                }
                None => {}
            }
            self.stage(entry.key, Some(&key));
        }
        self.stage(key, value.as_deref());
        Ok(())
    }

    /// All writes are added: what is contested now is taken.
    fn all_added(&mut self) -> Result<(), CommitError> {
        match self.contested.drain().next() {
            Some((_, (key, unique))) => Err(Conflict::Taken { key, unique }.into()),
            None => Ok(()),
        }
    }

    /// Begins to link its events, behind everything else that is staged.
    fn linking(&self, head: &JournalHead, tries: u32) -> Linking {
        let (before, after) = (head.clone(), head.clone());
        Linking {
            tries,
            before,
            after,
            linked: 0,
            entries: Entries::from(head.sequence + 1),
            tail: self.tail.clone(),
        }
    }
}

impl Linking {
    /// Links so many more of them.
    fn link(&mut self, events: &dyn Events, more: usize) -> Result<(), CommitError> {
        for number in self.linked..self.linked + more {
            let event = events.event(number);
            let entry = audit::link(&self.after, &event);
            self.after = entry.head();
            let value = encode::to_cbor(&entry);
            if value.len() > MAX_VALUE {
                let what = format!("the journal entry of {:?}", event.what);
                return Err(CommitError::TooLarge { what, bytes: value.len() });
            }
            let key = layout::journal(self.after.sequence);
            let place = self.tail.add(&key, Some(&value));
            self.entries.push(place);
        }
        self.linked += more;
        Ok(())
    }
}

/// Large changes, one after the other.
#[derive(Default)]
pub(super) struct Queue {
    active: Option<Job>,
    waiting: VecDeque<Job>,
    /// A flip that is applied: to be shown and answered with the next sync.
    flipped: Option<(Forward, Applied)>,
    /// Bytes staged since the last sync of the stage.
    staged: usize,
    /// Bytes moved since the last sync.
    moved: usize,
    /// Bytes that are true and still to be moved.
    to_move: usize,
    /// Everything is in place; with the next sync the stage can be emptied.
    in_place: bool,
    /// Keys in the stage with a mark that they are not to be moved.
    marked: BTreeSet<Vec<u8>>,
}

impl Queue {
    pub(super) fn push(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.active.is_none() && self.waiting.is_empty()
    }

    /// Whether commits have moved the head so often that those which are not urgent wait until the events are linked.
    pub(super) fn lets_only_urgent_by(&self) -> bool {
        let tries = self.active.as_ref().map(|job| match &job.phase {
            Phase::Linking(linking) => linking.tries,
            Phase::Staging | Phase::Moving(_) => 0,
        });
        tries.is_some_and(|tries| tries > TRIES_TO_LINK)
    }

    /// Bytes that will be needed in the map.
    pub(super) fn to_move(&self) -> usize {
        self.to_move
    }

    /// Whether somebody waits for what was applied, or enough of it has gathered.
    pub(super) fn wants_sync(&self) -> bool {
        self.flipped.is_some() || self.in_place || self.moved > BYTES_PER_SYNC
    }

    /// A commit writes these keys: a change that is still being prepared upon one of them ends.
    pub(super) fn overtake(&mut self, keys: &HashMap<Vec<u8>, Key>) {
        let Some(job) = self.active.as_mut().filter(|job| !job.is_flipped()) else { return };
        let touched = keys.iter().find(|(key, _)| job.puts.contains_key(key.as_slice()));
        if let Some((_, name)) = touched {
            job.overtaken = Some(name.clone());
        }
    }

    /// A commit overwrites a staged put that is true and not in place. Says whether it is the first to do so.
    pub(super) fn mark_overtaken(&mut self, key: &[u8]) -> bool {
        self.marked.insert(key.to_vec())
    }

    /// What was applied is durable. Says whether the stage is to be emptied.
    pub(super) fn show(&mut self, layers: &mut Layers) -> bool {
        self.moved = 0;
        if let Some((forward, applied)) = self.flipped.take() {
            layers.forward = forward;
            applied.succeed();
        }
        std::mem::take(&mut self.in_place)
    }

    /// The engine failed. Gives the flip that was applied and not yet durable, if there was one; a change before its flip
    /// is refused, one after it is true and moved into place by the recovery.
    pub(super) fn fail(&mut self, error: &EngineError) -> Option<Applied> {
        if let Some(mut job) = self.active.take() {
            job.refuse(error.clone().refused());
        }
        (self.staged, self.moved, self.to_move, self.in_place) = (0, 0, 0, false);
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
            Ok(true) => self.large.active = Some(job),
            Ok(false) => {}
            Err(Refusal::Change(error)) => {
                job.refuse(error);
                self.large.staged = 0;
                // Of a database that does not open, what is true may still stand there.
                if !self.broken {
                    self.shared.engine.clear_stage()?;
                }
            }
            Err(Refusal::Engine(error)) => {
                self.large.active = Some(job);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Says whether there is more to do.
    fn turn(&mut self, job: &mut Job) -> Result<bool, Refusal> {
        if let Some(key) = job.overtaken.take() {
            return Err(Conflict::Overtaken { key }.into());
        }
        match std::mem::replace(&mut job.phase, Phase::Staging) {
            Phase::Staging => self.stage(job)?,
            Phase::Linking(linking) => self.link(job, linking)?,
            Phase::Moving(flipped) => match self.move_staged(flipped)? {
                Some(flipped) => job.phase = Phase::Moving(flipped),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    fn stage(&mut self, job: &mut Job) -> Result<(), Refusal> {
        if job.version == Version(0) {
            self.mend().map_err(|error| Refusal::Change(error.refused()))?;
            // The number is this change's alone: no record it writes can have the version of another write.
            self.commits += 1;
            job.version = Version(self.commits);
        }
        let latest = |key: &[u8]| self.latest(key);
        let is_taken = |key: &[u8]| Ok(latest(key).map_err(EngineError::refused)?.is_some());
        let mut added = 0;
        while added < WRITES_PER_TURN
            && let Some(write) = job.writes.next()
        {
            if job.puts.contains_key(layout::record(&write.key).as_slice()) {
                return Err(written_twice(write.key).into());
            }
            job.add(work_out(write, job.version, &latest)?, is_taken)?;
            added += 1;
        }
        self.write_stage(&mut job.tail)?;
        if added < WRITES_PER_TURN {
            job.all_added()?;
            job.phase = Phase::Linking(job.linking(&self.head, 1));
        }
        Ok(())
    }

    fn write_stage(&mut self, tail: &mut Tail) -> Result<(), Refusal> {
        self.shared.engine.room(tail.waiting(), false).map_err(|error| Refusal::Change(error.refused()))?;
        self.large.staged += tail.write(&self.shared.engine).map_err(Refusal::Engine)?;
        if self.large.staged > BYTES_PER_SYNC {
            self.large.staged = 0;
            self.shared.engine.begin_sync_stage().map_err(Refusal::Engine)?;
        }
        Ok(())
    }

    fn sync_stage(&mut self) -> Result<(), Refusal> {
        self.large.staged = 0;
        self.shared.engine.sync_stage().map_err(Refusal::Engine)
    }

    /// Links events behind the head of now. When another commit has moved it, all is linked again.
    fn link(&mut self, job: &mut Job, mut linking: Linking) -> Result<(), Refusal> {
        if linking.before != self.head {
            linking = job.linking(&self.head, linking.tries + 1);
        }
        let left = job.events.count() - linking.linked;
        let at_once = if linking.tries > TRIES_BETWEEN_URGENT { left } else { left.min(EVENTS_PER_TURN) };
        linking.link(&*job.events, at_once)?;
        self.write_stage(&mut linking.tail)?;
        if linking.linked < job.events.count() {
            job.phase = Phase::Linking(linking);
            return Ok(());
        }
        self.flip(job, linking)
    }

    fn flip(&mut self, job: &mut Job, linking: Linking) -> Result<(), Refusal> {
        let mut planner = Planner::new(Version(self.commits + 1));
        let latest = |key: &[u8]| self.latest(key);
        for write in std::mem::take(&mut job.last.writes) {
            planner.add(write, &latest)?;
        }
        planner.check_unique(&latest)?;
        let staged = |key: &[u8]| job.puts.contains_key(key);
        if let Some((_, key)) = planner.touched().iter().find(|(key, _)| staged(key.as_slice())) {
            let problem = "the staged part of the large change writes it too";
            return Err(CommitError::Malformed { key: key.clone(), problem }.into());
        }
        let Linking { after, entries, tail, .. } = linking;
        let (head, last_entries) = link(after.clone(), &job.last.events)?;
        let bytes = planner.bytes() + last_entries.iter().map(|(_, value)| value.len()).sum::<usize>();
        let count = planner.len() + last_entries.len();
        if count > MAX_PUTS || bytes > MAX_BYTES {
            return Err(CommitError::TooMany { puts: count, bytes }.into());
        }
        // All that is staged will need its room in the map.
        let room = bytes.saturating_add(usize::try_from(tail.end()).unwrap_or(usize::MAX));
        self.shared.engine.room(room, false).map_err(|error| Refusal::Change(error.refused()))?;
        self.sync_stage()?;

        let flipped =
            Flipped { batch: job.batch, after, bytes: tail.end(), check: tail.check(), moved: None };
        let mut puts = planner.into_puts();
        puts.extend(last_entries.into_iter().map(|(key, value)| (key, Some(value))));
        puts.push(flipped.marker());
        let flip = Committed { head: head.clone() };
        let reply = job.reply.take().expect("a change is answered at its flip or when it ends before");
        let flip = Applied::new(self.commits + 1, flip, reply);
        let forward = Forward { puts: std::mem::take(&mut job.puts), entries };
        let put = self.put(puts, head);
        // If that failed it may be there all the same: the answer waits for what the next open finds.
        self.large.flipped = Some((forward, flip));
        put.map_err(Refusal::Engine)?;
        self.large.to_move = usize::try_from(flipped.bytes).unwrap_or(usize::MAX);
        // Nothing of them is looked at any more.
        (job.events, job.writes) = (Box::new(Vec::new()), Box::new(std::iter::empty()));
        job.phase = Phase::Moving(flipped);
        Ok(())
    }

    /// Moves what comes next and no later commit has overwritten; at the end takes the marker away.
    fn move_staged(&mut self, mut flipped: Flipped) -> Result<Option<Flipped>, Refusal> {
        let mut puts = Puts::new();
        let mut passed = Vec::new();
        let mut bytes = 0;
        {
            let layers = layers::read(&self.shared.layers);
            let Forward { puts: records, entries } = &layers.forward;
            let records = records.iter().map(|(key, place)| (key.to_vec(), *place));
            for (key, place) in entries.iter().chain(records) {
                if passed.len() >= PUTS_PER_TURN || bytes >= BYTES_PER_TURN {
                    break;
                }
                // Of what is superseded the new value is applied already, and the old one hidden when that is durable.
                if !self.superseded.contains(&key) {
                    let value = place.load(&self.shared.engine).map_err(Refusal::Engine)?;
                    bytes += place.length();
                    puts.push((key.clone(), value));
                }
                passed.push(key);
            }
        }
        let Some(last) = passed.last() else {
            // With the marker go the marks of keys that were never passed: no other change is to find them.
            puts.push((layout::META_LARGE.to_vec(), None));
            puts.extend(
                std::mem::take(&mut self.large.marked).iter().map(|key| (layout::overtaken(key), None)),
            );
            self.apply_large(puts, 0)?;
            (self.large.in_place, self.large.to_move) = (true, 0);
            return Ok(None);
        };
        flipped.moved = Some(last.clone());
        puts.push(flipped.marker());
        self.take_marks(&flipped, &mut puts);
        self.apply_large(puts, bytes)?;
        // The engine has the same values now; whether they are durable makes no difference to what is true.
        let mut layers = layers::write(&self.shared.layers);
        passed
            .iter()
            .filter(|key| !self.superseded.contains(*key))
            .for_each(|key| layers.forward.remove(key));
        Ok(Some(flipped))
    }

    /// Takes away the marks of keys that were passed.
    fn take_marks(&mut self, flipped: &Flipped, puts: &mut Puts) {
        let passed: Vec<Vec<u8>> =
            self.large.marked.iter().filter(|key| flipped.has_moved(key)).cloned().collect();
        for key in passed {
            puts.push((layout::overtaken(&key), None));
            self.large.marked.remove(&key);
        }
    }

    fn apply_large(&mut self, puts: Puts, bytes: usize) -> Result<(), Refusal> {
        self.shared.engine.apply(puts).map_err(Refusal::Engine)?;
        self.large.moved += bytes;
        self.large.to_move = self.large.to_move.saturating_sub(bytes);
        Ok(())
    }
}
