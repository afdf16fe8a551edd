//! Where notes stand, for people and programs.

use std::collections::BTreeSet;

use shared::ids::NoteId;

use super::{Base, Outbox, Stuck, What};

/// Why a note does not go up, or come down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Larger than the server takes.
    TooLarge,
    /// The server has no more room for this account's notes.
    Full,
    /// The server does not take it as it is, or sent what it is not.
    Refused,
    /// Of a kind that this version does not know.
    Unknown,
    /// What is here cannot be read.
    Unreadable,
}

/// Where a note stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The server has it.
    Sent,
    /// It waits.
    Unsent,
    /// It stays as it is until it is changed, and is tried again after pauses that grow.
    Stuck(Problem),
}

/// How many notes and photos there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// In the vault.
    pub notes: usize,
    /// Edits and deletions that the server does not have.
    pub unsent: usize,
    /// Those of them that it refuses or that cannot be read.
    pub stuck: usize,
    /// Copies of conflicting edits.
    pub copies: usize,
    /// Revisions of other devices that are not here yet.
    pub coming: usize,
}

impl Outbox {
    /// Where a note in the vault stands, and what it was a conflicting edit of.
    pub fn standing(&self, id: NoteId) -> (Standing, Option<NoteId>) {
        let copy_of = self.records.get(&id).and_then(|record| record.copy_of);
        (self.where_it_stands(id), copy_of)
    }

    fn where_it_stands(&self, id: NoteId) -> Standing {
        // Offline nothing is known of the era: what was acknowledged last counts.
        let base = match self.cursor {
            Some(_) => self.base(id),
            None => self.records.get(&id).and_then(|record| record.base.as_ref()),
        };
        let hash = self.local_hash(id);
        match (base, hash) {
            (base, Ok(hash)) if base.and_then(Base::hash) == hash && !self.is_open(id) => Standing::Sent,
            (_, Ok(hash)) => match self.stuck.get(&id) {
                Some(Stuck { what, problem, .. }) if *what == What::Contents(hash) => {
                    Standing::Stuck(*problem)
                }
                _ => self.unreadable_or_unsent(id),
            },
            (_, Err(_)) => self.unreadable_or_unsent(id),
        }
    }

    fn unreadable_or_unsent(&self, id: NoteId) -> Standing {
        let file = self.locals.get(&id).map(|local| What::File(local.version));
        let stuck = self.stuck.get(&id).filter(|stuck| Some(stuck.what) == file);
        stuck.map_or(Standing::Unsent, |stuck| Standing::Stuck(stuck.problem))
    }

    /// How many there are.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { notes: self.locals.len(), coming: self.news.len(), ..Counts::default() };
        let ids: BTreeSet<NoteId> = self.locals.keys().chain(self.records.keys()).copied().collect();
        for id in ids {
            let (standing, copy_of) = self.standing(id);
            counts.unsent += usize::from(standing != Standing::Sent);
            counts.stuck += usize::from(matches!(standing, Standing::Stuck(_)));
            counts.copies += usize::from(copy_of.is_some() && self.locals.contains_key(&id));
        }
        counts
    }
}
