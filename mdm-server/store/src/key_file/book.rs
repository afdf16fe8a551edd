//! The pages and what may be done to them. Blocking; one thread owns it.
//!
//! A charge is counted in memory at once and written by [`Book::write_out`], one write a page however many charges it
//! holds: a page is never written twice between two syncs, so that a crash can tear only one of its halves. Answers go out
//! after the sync. What is torn was never answered, and still counts as an attempt.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use shared::ids::EnrolmentId;
use shared::opaque::{CredentialId, Record, record_mark};
use zeroize::Zeroizing;

use super::page::{Found, HALF_LEN, HEADER, Half, HalfBytes, PAGE_LEN, Registered};
use super::paper::Paper;
use crate::error::IoProblem;
use crate::traits::{Attempts, Charge, Charged, UnlockRecordsError};

/// Pages that are added at once when none is free.
const GROWTH: u64 = 16;

/// Why the file does not open.
#[derive(Debug)]
pub(super) enum BookError {
    Io(io::Error),
    Damaged(String),
}

impl From<io::Error> for BookError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What is kept in memory of a page: no secret.
#[derive(Debug, Clone)]
struct Entry {
    page: u64,
    /// Which half is current: 0 or 1.
    half: u64,
    sequence: u64,
    attempts: Attempts,
    signed_in: bool,
    /// Not as the current half says: to be written.
    dirty: bool,
}

/// Which record an attempt is made at.
#[derive(Clone, Copy)]
pub(super) enum Attempted {
    /// The one that opens the vault.
    Current,
    /// The one that is to replace it.
    Pending,
}

/// All pages.
pub(super) struct Book<P> {
    paper: P,
    entries: BTreeMap<EnrolmentId, Entry>,
    free: BTreeSet<u64>,
    pages: u64,
}

fn offset(page: u64, half: u64) -> u64 {
    page * PAGE_LEN as u64 + half * HALF_LEN as u64
}

fn failed(error: &io::Error) -> UnlockRecordsError {
    UnlockRecordsError::Io(IoProblem::new(error))
}

impl<P: Paper> Book<P> {
    /// Reads all pages and mends what a crash has torn.
    pub(super) fn open(paper: P) -> Result<Self, BookError> {
        let length = paper.len()?;
        let page_len = PAGE_LEN as u64;
        let mut book = Self { paper, entries: BTreeMap::new(), free: BTreeSet::new(), pages: 1 };
        if !book.read_header(length)? {
            return Ok(book);
        }
        // An end that is not a whole page is a growth that a crash cut off: zeros.
        book.pages = length.div_ceil(page_len);
        for at in length..book.pages * page_len {
            book.paper.write(at, &[0])?;
        }
        for page in 1..book.pages {
            book.read_page(page)?;
        }
        book.paper.sync()?;
        Ok(book)
    }

    /// Checks the header, or writes it into a new file. Says whether there may be pages.
    fn read_header(&mut self, length: u64) -> Result<bool, BookError> {
        let mut header = [0; PAGE_LEN];
        let there = usize::try_from(length).unwrap_or(PAGE_LEN).min(PAGE_LEN);
        self.paper.read(0, &mut header[..there])?;
        let mut expected = [0; PAGE_LEN];
        expected[..HEADER.len()].copy_from_slice(HEADER);
        if length >= PAGE_LEN as u64 && header == expected {
            return Ok(true);
        }
        // A crash while the file was made leaves some beginning of the header.
        let begun = length <= PAGE_LEN as u64
            && (0..=there).any(|n| header[..n] == expected[..n] && header[n..].iter().all(|b| *b == 0));
        if !begun {
            return Err(BookError::Damaged("it does not begin like a key file".to_owned()));
        }
        self.paper.write(0, &expected)?;
        self.paper.sync()?;
        Ok(false)
    }

    fn read_half(&self, page: u64, half: u64) -> io::Result<HalfBytes> {
        let mut bytes: HalfBytes = Zeroizing::new([0; HALF_LEN]);
        self.paper.read(offset(page, half), bytes.as_mut())?;
        Ok(bytes)
    }

    fn read_page(&mut self, page: u64) -> Result<(), BookError> {
        let damaged = |what: &str| BookError::Damaged(format!("page {page}: {what}"));
        let found = [Half::decode(&*self.read_half(page, 0)?), Half::decode(&*self.read_half(page, 1)?)];
        match found {
            [Found::Empty, Found::Empty] => {
                self.free.insert(page);
                Ok(())
            }
            // A registration or a destruction that was never answered.
            [Found::Empty, Found::Torn] | [Found::Torn, Found::Empty] => {
                self.zero_half(page, 0)?;
                self.zero_half(page, 1)?;
                self.free.insert(page);
                Ok(())
            }
            [Found::Foreign, Found::Empty | Found::Torn | Found::Foreign]
            | [Found::Empty | Found::Torn, Found::Foreign] => Err(damaged("it holds what no key file holds")),
            [Found::Torn, Found::Torn] => Err(damaged("both halves are torn")),
            [Found::Whole(first), Found::Whole(second)] => {
                if first.enrolment != second.enrolment {
                    return Err(damaged("its halves are of two enrolments"));
                }
                let (half, current, other) = match first.sequence.cmp(&second.sequence) {
                    std::cmp::Ordering::Greater => (0, first, second),
                    std::cmp::Ordering::Less => (1, second, first),
                    std::cmp::Ordering::Equal => return Err(damaged("both halves have one sequence number")),
                };
                // A registration that was cut off between its halves: the old record must not stay.
                let replaced = !current.same_record(&other);
                self.enter(page, half, &current, replaced)
            }
            [Found::Whole(mut current), _] => {
                count_torn(&mut current);
                tracing::warn!(page, "half of a page of the key file was torn; counted as an attempt");
                self.enter(page, 0, &current, true)
            }
            [_, Found::Whole(mut current)] => {
                count_torn(&mut current);
                tracing::warn!(page, "half of a page of the key file was torn; counted as an attempt");
                self.enter(page, 1, &current, true)
            }
        }
    }

    fn enter(&mut self, page: u64, half: u64, current: &Half, mend: bool) -> Result<(), BookError> {
        let mut entry = Entry {
            page,
            half,
            sequence: current.sequence,
            attempts: current.attempts,
            signed_in: current.signed_in,
            dirty: false,
        };
        if mend {
            entry.sequence += 1;
            entry.half = 1 - half;
            let half = Half { sequence: entry.sequence, ..current.clone() };
            self.paper.write(offset(page, entry.half), half.encode().as_ref())?;
        }
        match self.entries.insert(current.enrolment, entry) {
            None => Ok(()),
            Some(other) => {
                let detail = format!("pages {} and {page} are of one enrolment", other.page);
                Err(BookError::Damaged(detail))
            }
        }
    }

    fn zero_half(&mut self, page: u64, half: u64) -> io::Result<()> {
        self.paper.write(offset(page, half), &[0; HALF_LEN])
    }

    /// The current half of an entry.
    fn current(&self, entry: &Entry) -> Result<Box<Half>, UnlockRecordsError> {
        let bytes = self.read_half(entry.page, entry.half).map_err(|error| failed(&error))?;
        match Half::decode(&bytes) {
            Found::Whole(half) => Ok(half),
            Found::Empty | Found::Torn | Found::Foreign => {
                Err(UnlockRecordsError::Damaged { page: entry.page })
            }
        }
    }

    fn free_page(&mut self) -> io::Result<u64> {
        if self.free.is_empty() {
            // Zeros are written, not skipped over: a full disk shows now and not at a charge.
            let zeros = vec![0; PAGE_LEN];
            for page in self.pages..self.pages + GROWTH {
                self.paper.write(offset(page, 0), &zeros)?;
            }
            self.paper.sync()?;
            self.free.extend(self.pages..self.pages + GROWTH);
            self.pages += GROWTH;
        }
        self.free.first().copied().ok_or_else(|| io::Error::other("no free page"))
    }

    /// Stores a registration, durably.
    pub(super) fn put(
        &mut self,
        enrolment: EnrolmentId,
        credential: CredentialId,
        record: Record,
        limit: u16,
    ) -> Result<(), UnlockRecordsError> {
        let before = self.entries.get(&enrolment).cloned();
        if before.as_ref().is_some_and(|entry| entry.signed_in) {
            return Err(UnlockRecordsError::AlreadySignedIn);
        }
        let (page, half, sequence) = match &before {
            Some(entry) => (entry.page, entry.half, entry.sequence),
            None => (self.free_page().map_err(|error| failed(&error))?, 1, 0),
        };
        let attempts = Attempts { used: 0, limit };
        let current = Registered { credential, record };
        let mut new = Half { sequence, enrolment, attempts, signed_in: false, current, pending: None };
        let mut entry = Entry { page, half, sequence, attempts, signed_in: false, dirty: false };
        self.free.remove(&page);
        // Both halves, one after the other: at no time is the page without a whole one, and of an older registration
        // nothing stays.
        for first in [true, false] {
            let next = 1 - entry.half;
            new.sequence += 1;
            let written = self.paper.write(offset(page, next), new.encode().as_ref());
            if let Err(error) = written.and_then(|()| self.paper.sync()) {
                let entry = match before {
                    // The older registration still stands; the next write goes to the half that failed.
                    Some(before) if first => Entry { dirty: true, ..before },
                    // Nothing stands, but bytes of it may be there: for `destroy` or a repeated registration.
                    None if first => Entry { attempts: Attempts { used: limit, limit }, ..entry },
                    // The new one stands in one half; the other is to be overwritten.
                    _ => Entry { dirty: true, ..entry },
                };
                self.entries.insert(enrolment, entry);
                return Err(failed(&error));
            }
            (entry.half, entry.sequence) = (next, new.sequence);
        }
        self.entries.insert(enrolment, entry);
        Ok(())
    }

    /// Stores beside the current record the one that is to replace it, durably. An older pending one is gone.
    pub(super) fn put_pending(
        &mut self,
        enrolment: EnrolmentId,
        credential: CredentialId,
        record: Record,
    ) -> Result<(), UnlockRecordsError> {
        self.rewrite(enrolment, |half| half.pending = Some(Registered { credential, record }))
    }

    /// Removes the pending record, durably. None is no error.
    pub(super) fn drop_pending(&mut self, enrolment: EnrolmentId) -> Result<(), UnlockRecordsError> {
        let entry = self.entries.get(&enrolment).ok_or(UnlockRecordsError::Missing)?;
        match self.current(entry)?.pending {
            Some(_) => self.rewrite(enrolment, |half| half.pending = None),
            None => Ok(()),
        }
    }

    /// Makes the pending record the current one, durably, if it is the one that was proved; the old one is gone.
    pub(super) fn promote(
        &mut self,
        enrolment: EnrolmentId,
        proved: &CredentialId,
    ) -> Result<(), UnlockRecordsError> {
        let entry = self.entries.get(&enrolment).ok_or(UnlockRecordsError::Missing)?;
        let pending = self.current(entry)?.pending.filter(|pending| pending.credential == *proved);
        let pending = pending.ok_or(UnlockRecordsError::NothingPending)?;
        self.rewrite(enrolment, |half| {
            half.current = pending;
            half.pending = None;
            half.attempts.used = 0;
        })
    }

    /// Gives all attempts back, durably, though nobody has proved a PIN.
    pub(super) fn reset(&mut self, enrolment: EnrolmentId) -> Result<(), UnlockRecordsError> {
        self.rewrite(enrolment, |half| half.attempts.used = 0)
    }

    /// Changes what a page says in both halves, one after the other: the first write decides, the second leaves nothing of
    /// what was. A crash between them is mended by [`Book::open`].
    fn rewrite(
        &mut self,
        enrolment: EnrolmentId,
        change: impl FnOnce(&mut Half),
    ) -> Result<(), UnlockRecordsError> {
        let entry = self.entries.get(&enrolment).ok_or(UnlockRecordsError::Missing)?;
        let mut half = *self.current(entry)?;
        let mut entry = entry.clone();
        (half.attempts, half.signed_in) = (entry.attempts, entry.signed_in);
        change(&mut half);
        for first in [true, false] {
            let next = 1 - entry.half;
            half.sequence = entry.sequence + 1;
            let written = self.paper.write(offset(entry.page, next), half.encode().as_ref());
            if let Err(error) = written.and_then(|()| self.paper.sync()) {
                // What stands is whole in the other half; the next write goes to the one that failed.
                let standing = if first { self.entries.get(&enrolment).cloned() } else { Some(entry) };
                self.entries.extend(standing.map(|entry| (enrolment, Entry { dirty: true, ..entry })));
                return Err(failed(&error));
            }
            entry = Entry {
                half: next,
                sequence: half.sequence,
                attempts: half.attempts,
                signed_in: half.signed_in,
                dirty: false,
                ..entry
            };
        }
        self.entries.insert(enrolment, entry);
        Ok(())
    }

    /// Counts an attempt at the current record, or at the pending one. What it gives may go out after [`Book::write_out`]
    /// only.
    pub(super) fn charge(
        &mut self,
        enrolment: EnrolmentId,
        at: Attempted,
    ) -> Result<Charge, UnlockRecordsError> {
        let Some(entry) = self.entries.get(&enrolment) else { return Ok(Charge::Missing) };
        if entry.attempts.left() == 0 {
            return Ok(Charge::Exhausted);
        }
        let half = self.current(entry)?;
        let registered = match at {
            Attempted::Current => half.current,
            Attempted::Pending => match half.pending {
                Some(pending) => pending,
                None => return Ok(Charge::Missing),
            },
        };
        let Some(entry) = self.entries.get_mut(&enrolment) else { return Ok(Charge::Missing) };
        entry.attempts.used += 1;
        entry.dirty = true;
        let attempts_left = entry.attempts.left();
        let Registered { record, credential } = registered;
        Ok(Charge::Charged(Box::new(Charged { record, credential, attempts_left })))
    }

    /// Gives all attempts back. Durable after [`Book::write_out`].
    pub(super) fn credit(&mut self, enrolment: EnrolmentId) -> Result<(), UnlockRecordsError> {
        let entry = self.entries.get_mut(&enrolment).ok_or(UnlockRecordsError::Missing)?;
        entry.attempts.used = 0;
        entry.signed_in = true;
        entry.dirty = true;
        Ok(())
    }

    pub(super) fn attempts(&self, enrolment: EnrolmentId) -> Option<Attempts> {
        self.entries.get(&enrolment).map(|entry| entry.attempts)
    }

    pub(super) fn exhausted(&self) -> Vec<EnrolmentId> {
        let used_up = self.entries.iter().filter(|(_, entry)| entry.attempts.left() == 0);
        used_up.map(|(enrolment, _)| *enrolment).collect()
    }

    /// Every byte of the file.
    pub(super) fn copy(&self) -> Result<Zeroizing<Vec<u8>>, UnlockRecordsError> {
        let length = self.paper.len().map_err(|error| failed(&error))?;
        let mut bytes = Zeroizing::new(vec![0; usize::try_from(length).unwrap_or(usize::MAX)]);
        self.paper.read(0, &mut bytes).map_err(|error| failed(&error))?;
        Ok(bytes)
    }

    /// Leaves every record at most one attempt. Durable after [`Book::write_out`].
    pub(super) fn leave_one_attempt(&mut self) {
        for entry in self.entries.values_mut() {
            let used = entry.attempts.used.max(entry.attempts.limit.saturating_sub(1));
            entry.dirty |= used != entry.attempts.used;
            entry.attempts.used = used;
        }
    }

    /// Which records the enrolment has, the current one first.
    pub(super) fn marks(&self, enrolment: EnrolmentId) -> Result<Vec<[u8; 32]>, UnlockRecordsError> {
        let Some(entry) = self.entries.get(&enrolment) else { return Ok(Vec::new()) };
        let half = self.current(entry)?;
        let registered = std::iter::once(&half.current).chain(&half.pending);
        Ok(registered.map(|registered| record_mark(&registered.credential)).collect())
    }

    pub(super) fn list(&self) -> Vec<EnrolmentId> {
        self.entries.keys().copied().collect()
    }

    /// Zeros a page, durably. The older half goes first: should a crash come between, the count is the newer one's.
    pub(super) fn destroy(&mut self, enrolment: EnrolmentId) -> Result<(), UnlockRecordsError> {
        let Some(Entry { page, half, .. }) = self.entries.get(&enrolment).cloned() else { return Ok(()) };
        for half in [1 - half, half] {
            if let Err(error) = self.zero_half(page, half).and_then(|()| self.paper.sync()) {
                // Never again a record from it, whatever is still there.
                if let Some(entry) = self.entries.get_mut(&enrolment) {
                    entry.attempts.used = entry.attempts.limit;
                    (entry.signed_in, entry.dirty) = (true, false);
                }
                return Err(failed(&error));
            }
        }
        self.entries.remove(&enrolment);
        self.free.insert(page);
        Ok(())
    }

    /// Writes every page whose count has changed, and makes it durable.
    pub(super) fn write_out(&mut self) -> Result<(), UnlockRecordsError> {
        let dirty: Vec<_> = self.entries.iter().filter(|(_, entry)| entry.dirty).map(|(id, _)| *id).collect();
        if dirty.is_empty() {
            return Ok(());
        }
        let mut written = Vec::with_capacity(dirty.len());
        for enrolment in dirty {
            let Some(entry) = self.entries.get(&enrolment) else { continue };
            let current = self.current(entry)?;
            let next =
                Entry { half: 1 - entry.half, sequence: entry.sequence + 1, dirty: false, ..entry.clone() };
            let half = Half {
                sequence: next.sequence,
                attempts: next.attempts,
                signed_in: next.signed_in,
                ..*current
            };
            self.paper
                .write(offset(next.page, next.half), half.encode().as_ref())
                .map_err(|error| failed(&error))?;
            written.push((enrolment, next));
        }
        // Until this succeeds the other half stays the current one, and the next write goes to the same place again.
        self.paper.sync().map_err(|error| failed(&error))?;
        self.entries.extend(written);
        Ok(())
    }
}

/// The torn half may have been an attempt.
fn count_torn(half: &mut Half) {
    half.attempts.used = half.attempts.used.saturating_add(1).min(half.attempts.limit);
}
