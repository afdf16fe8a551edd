//! The one writer: takes what was asked for, applies it in order, makes it durable once for all that came together,
//! then shows it to readers and answers.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use mdm_core::audit::{self, AuditEvent, Entry};
use mdm_core::change::{Changeset, Version};
use shared::signed::JournalHead;
use tokio::sync::oneshot;

use super::engine::{Engine, EngineError, Puts};
use super::large::{Job, Queue};
use super::planner::Planner;
use super::recovery::{self, Recovered};
use super::{Shared, encode, export, layers, layout};
use crate::error::CommitError;
use crate::traits::{Committed, LargeChange, Sink};
use crate::{MAX_BYTES, MAX_PUTS, MAX_VALUE};

pub(super) type Answer = Result<Committed, CommitError>;
pub(super) type Reply = oneshot::Sender<Answer>;

/// What the writer is asked for.
pub(super) enum Order {
    Commit(Changeset, Reply),
    Large(Box<LargeChange>, Reply),
    Export(Sink, export::Reply),
}

/// Applied, not yet durable.
pub(super) struct Applied {
    commit: u64,
    committed: Committed,
    reply: Reply,
}

/// The writer's own state.
pub(super) struct Writer<E> {
    pub(super) shared: Arc<Shared<E>>,
    queue: Receiver<Order>,
    /// What was taken from the queue and waits for a large change that cannot be linked otherwise.
    waiting: VecDeque<Order>,
    /// The journal's head, counting what is applied.
    pub(super) head: JournalHead,
    /// The number of the last commit applied.
    pub(super) commits: u64,
    /// Keys in forward that a commit of this round has overwritten.
    pub(super) superseded: HashSet<Vec<u8>>,
    pub(super) round: Vec<Applied>,
    pub(super) large: Queue,
    /// Wait for a moment without a large change.
    exports: Vec<(Sink, export::Reply)>,
    /// Set while the engine could not be opened again after a failure.
    pub(super) broken: bool,
}

impl<E: Engine> Writer<E> {
    pub(super) fn new(shared: Arc<Shared<E>>, recovered: Recovered, queue: Receiver<Order>) -> Self {
        Self {
            shared,
            queue,
            waiting: VecDeque::new(),
            head: recovered.head,
            commits: recovered.commits,
            superseded: HashSet::new(),
            round: Vec::new(),
            large: Queue::default(),
            exports: Vec::new(),
            broken: false,
        }
    }

    /// Works until the store is closed.
    pub(super) fn run(mut self) {
        loop {
            let closed = self.gather();
            // Who waits for a commit does not wait for a turn of a large change as well.
            let done =
                self.make_durable().and_then(|()| self.step_large()).and_then(|()| self.make_durable());
            if let Err(error) = done {
                self.fail(error);
            }
            self.export();
            if closed {
                return;
            }
        }
    }

    /// Applies waiting commits up to the puts of one atomic write; waits for the first if there is nothing else to do.
    /// Says whether the store is closed.
    fn gather(&mut self) -> bool {
        let mut puts = 0;
        while puts < MAX_PUTS {
            match self.next() {
                Ok(Order::Commit(changes, reply)) => match self.apply(changes) {
                    Ok((committed, count)) => {
                        puts += count;
                        self.round.push(Applied { commit: self.commits, committed, reply });
                    }
                    Err(Refusal::Change(error)) => answer(reply, Err(error)),
                    Err(Refusal::Engine(error)) => {
                        let applied = Committed { head: self.head.clone() };
                        self.round.push(Applied { commit: self.commits + 1, committed: applied, reply });
                        self.fail(error);
                    }
                },
                Ok(Order::Large(change, reply)) => self.large.push(Job::new(*change, reply)),
                Ok(Order::Export(sink, reply)) => self.exports.push((sink, reply)),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
        false
    }

    /// What is to be done next; `Empty` where something else is.
    fn next(&mut self) -> Result<Order, TryRecvError> {
        let only_urgent = self.large.lets_only_urgent_by();
        if !only_urgent && let Some(order) = self.waiting.pop_front() {
            return Ok(order);
        }
        loop {
            let idle = self.round.is_empty() && self.large.is_idle() && self.exports.is_empty();
            let order = match idle {
                true => self.queue.recv().map_err(|_| TryRecvError::Disconnected)?,
                false => self.queue.try_recv()?,
            };
            match &order {
                // What withholds or destroys a key waits for nothing.
                Order::Commit(changes, _) if only_urgent && !changes.may_use_reserve() => {
                    self.waiting.push_back(order);
                }
                _ => return Ok(order),
            }
        }
    }

    /// Applies one changeset. Gives how many puts it had.
    fn apply(&mut self, changes: Changeset) -> Result<(Committed, usize), Refusal> {
        self.mend().map_err(|error| Refusal::Change(error.refused()))?;
        let reserve = changes.may_use_reserve();
        let mut planner = Planner::new(Version(self.commits + 1));
        let latest = |key: &[u8]| self.latest(key);
        for write in changes.writes {
            planner.add(write, &latest)?;
        }
        planner.check_unique(&latest)?;
        let (head, entries) = link(self.head.clone(), &changes.events)?;
        let bytes = planner.bytes() + entries.iter().map(|(_, value)| value.len()).sum::<usize>();
        let count = planner.len() + entries.len();
        if count > MAX_PUTS || bytes > MAX_BYTES {
            return Err(CommitError::TooMany { puts: count, bytes }.into());
        }
        // What is true already has its claim on the disk.
        let claimed = if reserve { 0 } else { self.large.to_move() };
        let room = bytes.saturating_add(claimed);
        self.shared.engine.room(room, reserve).map_err(|error| Refusal::Change(error.refused()))?;
        self.large.overtake(planner.touched());
        let mut puts = planner.into_puts();
        puts.extend(entries.into_iter().map(|(key, value)| (key, Some(value))));
        self.put(puts, head.clone()).map_err(Refusal::Engine)?;
        Ok((Committed { head }, count))
    }

    /// Applies puts as the next commit, with the journal's new head.
    pub(super) fn put(&mut self, mut puts: Puts, head: JournalHead) -> Result<(), EngineError> {
        let commits = self.commits + 1;
        puts.push((layout::META_COMMITS.to_vec(), Some(commits.to_be_bytes().to_vec())));
        puts.push((layout::META_HEAD.to_vec(), Some(encode::to_cbor(&head))));
        self.cast_shadow(&puts)?;
        let overlaid: Vec<_> = {
            let layers = layers::read(&self.shared.layers);
            puts.iter().map(|(key, _)| key).filter(|key| layers.forward.get(key).is_some()).cloned().collect()
        };
        for key in overlaid {
            // With this mark neither this writer nor a recovery moves the staged value over the new one.
            if self.large.mark_overtaken(&key) {
                puts.push((layout::overtaken(&key), Some(Vec::new())));
            }
            self.superseded.insert(key);
        }
        self.shared.engine.apply(puts)?;
        self.commits = commits;
        self.head = head;
        Ok(())
    }

    /// Keeps readers on the durable values of what is about to be applied.
    fn cast_shadow(&self, puts: &Puts) -> Result<(), EngineError> {
        let mut layers = layers::write(&self.shared.layers);
        for (key, _) in puts {
            if !layers.shadow.contains_key(key) {
                let value = layers.get(&self.shared.engine, key)?;
                layers.shadow.insert(key.clone(), value);
            }
        }
        Ok(())
    }

    /// What the next commit builds upon.
    pub(super) fn latest(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        if !self.superseded.contains(key)
            && let Some(place) = layers::read(&self.shared.layers).forward.get(key)
        {
            return place.load(&self.shared.engine);
        }
        self.shared.engine.get(key)
    }

    /// Syncs, shows and answers what this round applied.
    fn make_durable(&mut self) -> Result<(), EngineError> {
        if self.round.is_empty() && !self.large.wants_sync() {
            return Ok(());
        }
        self.shared.engine.sync(self.commits)?;
        let all_in_place = {
            let mut layers = layers::write(&self.shared.layers);
            layers.shadow.clear();
            for key in self.superseded.drain() {
                layers.forward.remove(&key);
            }
            self.large.show(&mut layers)
        };
        for applied in self.round.drain(..) {
            applied.succeed();
        }
        if all_in_place { self.shared.engine.clear_stage() } else { Ok(()) }
    }

    /// Gives all records to whoever asked for them: everything that was applied is durable by now.
    fn export(&mut self) {
        if self.exports.is_empty() || !self.large.is_idle() {
            return;
        }
        let ready = self.mend();
        for (mut sink, reply) in std::mem::take(&mut self.exports) {
            let exported = match &ready {
                Ok(()) => export::records(&self.shared.engine, &mut sink),
                Err(error) => Err(error.clone().into()),
            };
            drop(reply.send(exported.map(|()| (self.head.clone(), sink))));
        }
    }

    /// The engine failed: opens it anew, finds out which commits are there, and answers each truthfully.
    fn fail(&mut self, error: EngineError) {
        tracing::error!(?error, "the database failed; opening it anew");
        let found = self.open_anew();
        let round = std::mem::take(&mut self.round);
        let flip = self.large.fail(&error);
        let all = round.into_iter().chain(flip);
        for Applied { commit, committed, reply } in all {
            answer(
                reply,
                match &found {
                    Ok(commits) if commit <= *commits => Ok(committed),
                    Ok(_) => Err(error.clone().refused()),
                    Err(_) => Err(error.clone().unknown()),
                },
            );
        }
        self.broken = found.is_err();
        if let Err(error) = found {
            tracing::error!(?error, "the database does not open again; trying with each commit");
        }
    }

    /// Gives the number of the last commit that is there.
    fn open_anew(&mut self) -> Result<u64, EngineError> {
        let shared = Arc::clone(&self.shared);
        // Readers wait: until recovery is through, what the engine holds is not one state.
        let mut layers = layers::write(&shared.layers);
        layers.closed = true;
        shared.engine.reopen()?;
        let recovered = recovery::recover(&shared.engine)?;
        shared.engine.sync(recovered.commits)?;
        *layers = layers::Layers::default();
        self.superseded.clear();
        self.head = recovered.head;
        self.commits = recovered.commits;
        Ok(self.commits)
    }

    /// Tries again to open what did not open.
    pub(super) fn mend(&mut self) -> Result<(), EngineError> {
        if self.broken {
            self.open_anew()?;
            self.broken = false;
        }
        Ok(())
    }
}

impl Applied {
    pub(super) fn new(commit: u64, committed: Committed, reply: Reply) -> Self {
        Self { commit, committed, reply }
    }

    pub(super) fn succeed(self) {
        answer(self.reply, Ok(self.committed));
    }
}

/// Why a commit was not applied: it does not fit, or the engine failed at it.
pub(super) enum Refusal {
    Change(CommitError),
    Engine(EngineError),
}

impl<T: Into<CommitError>> From<T> for Refusal {
    fn from(error: T) -> Self {
        Self::Change(error.into())
    }
}

/// The caller may have gone; its change stands or falls without it.
pub(super) fn answer(reply: Reply, answer: Answer) {
    drop(reply.send(answer));
}

type Linked = (JournalHead, Vec<(Vec<u8>, Vec<u8>)>);

/// Links events behind `head`: the new head, and each entry under its key.
pub(super) fn link(mut head: JournalHead, events: &[AuditEvent]) -> Result<Linked, CommitError> {
    let mut entries = Vec::with_capacity(events.len());
    for event in events {
        let entry: Entry = audit::link(&head, event);
        head = entry.head();
        let value = encode::to_cbor(&entry);
        if value.len() > MAX_VALUE {
            let what = format!("the journal entry of {:?}", event.what);
            return Err(CommitError::TooLarge { what, bytes: value.len() });
        }
        entries.push((layout::journal(head.sequence), value));
    }
    Ok((head, entries))
}
