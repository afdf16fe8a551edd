//! Events of a change that may have 300,000 of them: made when they are asked for, and kept small until then.

use std::collections::HashMap;

use jiff::Timestamp;
use shared::ids::{AccountId, BatchId};

use super::{Actor, AuditEvent, Happening, Subject};

/// Events in their order. They are made anew whenever they are asked for, and are the same each time: the journal is linked
/// again when another commit was faster.
pub trait Events: Send {
    /// How many.
    fn count(&self) -> usize;

    /// One of them, counted from 0; a number beyond is nothing that is asked for.
    fn event(&self, number: usize) -> AuditEvent;

    /// All of them.
    fn all(&self) -> Vec<AuditEvent> {
        (0..self.count()).map(|number| self.event(number)).collect()
    }
}

impl Events for Vec<AuditEvent> {
    fn count(&self) -> usize {
        self.len()
    }

    fn event(&self, number: usize) -> AuditEvent {
        self[number].clone()
    }
}

/// One after the other.
impl<A: Events, B: Events + ?Sized> Events for (A, Box<B>) {
    fn count(&self) -> usize {
        self.0.count() + self.1.count()
    }

    fn event(&self, number: usize) -> AuditEvent {
        match number.checked_sub(self.0.count()) {
            None => self.0.event(number),
            Some(number) => self.1.event(number),
        }
    }
}

/// What somebody does to accounts at one time. It takes less room than its events: what they have in common is kept once.
#[derive(Debug)]
pub(crate) struct Happenings {
    at: Timestamp,
    actor: Actor,
    batch: Option<BatchId>,
    list: Vec<Noted>,
    /// Details, each different ones once.
    facts: Vec<Facts>,
    known: HashMap<Facts, u32>,
}

type Facts = Vec<(String, String)>;

#[derive(Debug)]
enum Noted {
    /// Who, when and in which batch is that of all. The number is that of its details.
    OfAccount(Happening, AccountId, u32),
    Otherwise(Box<AuditEvent>),
}

impl Happenings {
    pub(crate) fn new(at: Timestamp, actor: Actor) -> Self {
        Self { at, actor, batch: None, list: Vec::new(), facts: Vec::new(), known: HashMap::new() }
    }

    /// All of it is of this batch. Nothing is noted yet.
    pub(crate) fn set_batch(&mut self, batch: BatchId) {
        debug_assert!(self.list.is_empty(), "what was noted before would change");
        self.batch = Some(batch);
    }

    /// Notes that something happened to an account.
    pub(crate) fn of_account(&mut self, what: Happening, account: AccountId, facts: &[(&str, &str)]) {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let facts: Facts = facts.iter().map(own).collect();
        let number = match self.known.get(&facts) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.facts.len()).expect("fewer than events, which fit in memory");
                self.facts.push(facts.clone());
                self.known.insert(facts, number);
                number
            }
        };
        self.list.push(Noted::OfAccount(what, account, number));
    }

    /// Notes an event as it is.
    pub(crate) fn note(&mut self, event: AuditEvent) {
        self.list.push(Noted::Otherwise(Box::new(event)));
    }
}

impl Events for Happenings {
    fn count(&self) -> usize {
        self.list.len()
    }

    fn event(&self, number: usize) -> AuditEvent {
        match &self.list[number] {
            Noted::OfAccount(what, account, facts) => {
                let subject = Subject { batch: self.batch, ..Subject::account(*account) };
                let facts = self.facts[*facts as usize].clone();
                AuditEvent { facts, ..AuditEvent::new(self.at, self.actor, *what, subject) }
            }
            Noted::Otherwise(event) => (**event).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_small_is_the_event_that_was_noted() {
        let (at, actor) = (Timestamp::UNIX_EPOCH, Actor::Server);
        let account = |number| AccountId::from_bytes([number; 16]);
        let batch = BatchId::from_bytes([9; 16]);
        let mut kept = Happenings::new(at, actor);
        kept.set_batch(batch);
        let pool = AuditEvent::new(at, actor, Happening::PoolSet, Subject::default()).fact("size", 3);
        kept.note(pool.clone());
        let mut expected = vec![pool];
        for (number, why) in [(1, "left"), (2, "left"), (3, "wish-withdrawn")] {
            kept.of_account(Happening::AccountJoined, account(number), &[]);
            kept.of_account(Happening::SeatReclaimed, account(number), &[("why", why)]);
            let subject = Subject { batch: Some(batch), ..Subject::account(account(number)) };
            let event = |what| AuditEvent::new(at, actor, what, subject.clone());
            expected.push(event(Happening::AccountJoined));
            expected.push(event(Happening::SeatReclaimed).fact("why", why));
        }
        assert_eq!(kept.all(), expected);
        assert_eq!((expected.clone(), Box::new(kept)).all(), [expected.clone(), expected].concat());
    }
}
