//! What readers see: the engine's bytes under two layers.
//!
//! *Shadow* holds the old value of everything that is applied but not durable yet. *Forward* holds what a large change
//! has made true and the writer has not moved into place yet. A reader looks into shadow, then forward, then the engine,
//! under one lock: it sees only durable states, each of them whole.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, ControlFlow};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::engine::{Engine, EngineError, Range};
use super::layout;
use super::stage::{Place, Places};
use crate::error::IoProblem;

/// Values under their keys; `None` is a delete.
type Values = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What a large change has made true and is not in place yet.
#[derive(Default)]
pub(super) struct Forward {
    /// Records and index entries.
    pub(super) puts: Places,
    pub(super) entries: Entries,
}

/// Entries of the journal, which follow one another: their keys need not be kept.
#[derive(Default)]
pub(super) struct Entries {
    /// The sequence number of the first.
    first: u64,
    places: VecDeque<Place>,
}

impl Entries {
    /// Entries from this number on.
    pub(super) fn from(first: u64) -> Self {
        Self { first, places: VecDeque::new() }
    }

    /// Adds the next one.
    pub(super) fn push(&mut self, place: Place) {
        self.places.push_back(place);
    }

    fn index(&self, key: &[u8]) -> Option<usize> {
        let index = layout::journal_sequence(key)?.checked_sub(self.first)?;
        usize::try_from(index).ok().filter(|index| *index < self.places.len())
    }

    fn get(&self, key: &[u8]) -> Option<&Place> {
        self.places.get(self.index(key)?)
    }

    /// Takes the first away, if it is that one: they are moved in their order, and never written over.
    fn remove(&mut self, key: &[u8]) {
        if self.index(key) == Some(0) {
            self.places.pop_front();
            self.first += 1;
        }
    }

    fn len(&self) -> u64 {
        self.places.len() as u64
    }

    /// Those from `start` (included) to `end` (not included).
    fn range(&self, range: &Range) -> impl DoubleEndedIterator<Item = (Vec<u8>, Place)> + '_ {
        let number = |key: &[u8]| self.first + self.below(key);
        let (start, end) = (number(&range.start), number(&range.end));
        (start..end.max(start)).map(|sequence| {
            let index = usize::try_from(sequence - self.first).expect("an index of what is in memory");
            (layout::journal(sequence), self.places[index])
        })
    }

    /// How many have keys below this one.
    fn below(&self, key: &[u8]) -> u64 {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match layout::journal(self.first + middle).as_slice() < key {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Vec<u8>, Place)> + '_ {
        (self.first..).map(layout::journal).zip(self.places.iter().copied())
    }
}

impl Forward {
    pub(super) fn get(&self, key: &[u8]) -> Option<Place> {
        self.puts.get(key).or_else(|| self.entries.get(key)).copied()
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        if self.puts.remove(key).is_none() {
            self.entries.remove(key);
        }
    }
}

/// Both layers.
#[derive(Default)]
pub(super) struct Layers {
    pub(super) shadow: Values,
    pub(super) forward: Forward,
    /// Until a recovery is through, what the engine holds is not one state, and is not shown.
    pub(super) closed: bool,
}

/// Nothing in here can be left half-done by a panic, so that a poisoned lock is as good as any.
pub(super) fn read(layers: &RwLock<Layers>) -> RwLockReadGuard<'_, Layers> {
    layers.read().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn write(layers: &RwLock<Layers>) -> RwLockWriteGuard<'_, Layers> {
    layers.write().unwrap_or_else(PoisonError::into_inner)
}

/// A value of one of the layers.
enum Layered<'a> {
    Shadow(Option<&'a Vec<u8>>),
    Forward(Place),
}

impl Layered<'_> {
    fn load<E: Engine>(&self, engine: &E) -> Result<Option<Vec<u8>>, EngineError> {
        match self {
            Self::Shadow(value) => Ok(value.cloned()),
            Self::Forward(place) => place.load(engine),
        }
    }
}

type Pair<'a> = (Cow<'a, [u8]>, Layered<'a>);

impl Layers {
    fn over(&self, key: &[u8]) -> Option<Layered<'_>> {
        let shadow = self.shadow.get(key).map(|value| Layered::Shadow(value.as_ref()));
        shadow.or_else(|| self.forward.get(key).map(Layered::Forward))
    }

    fn check_open(&self) -> Result<(), EngineError> {
        match self.closed {
            true => Err(EngineError::Io(IoProblem::new("the database failed and is not open again yet"))),
            false => Ok(()),
        }
    }

    pub(super) fn get<E: Engine>(&self, engine: &E, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.check_open()?;
        match self.over(key) {
            Some(value) => value.load(engine),
            None => engine.get(key),
        }
    }

    /// Shows what stands in a range, in order, until told to stop.
    pub(super) fn scan<E: Engine>(
        &self,
        engine: &E,
        range: &Range,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, EngineError>,
    ) -> Result<(), EngineError> {
        self.check_open()?;
        let mut show = |key: &[u8], value: Option<Vec<u8>>| match value {
            Some(value) => visit(key, &value),
            None => Ok(ControlFlow::Continue(())),
        };
        let mut over = self.over_range(range).peekable();
        let mut stopped = false;
        engine.scan(range, &mut |key, load| {
            let comes_before = |other: &[u8]| if range.reverse { other > key } else { other < key };
            while let Some((other, value)) = over.next_if(|(other, _)| comes_before(other)) {
                if show(&other, value.load(engine)?)?.is_break() {
                    stopped = true;
                    return Ok(ControlFlow::Break(()));
                }
            }
            let flow = match over.next_if(|(other, _)| **other == *key) {
                Some((_, value)) => show(key, value.load(engine)?)?,
                None => show(key, load()?)?,
            };
            stopped |= flow.is_break();
            Ok(flow)
        })?;
        for (other, value) in over {
            if stopped {
                break;
            }
            stopped = show(&other, value.load(engine)?)?.is_break();
        }
        Ok(())
    }

    /// Both layers within a range, shadow over forward, in the order of the range. Taken one by one: a page of a scan does not
    /// look at all that is on its way.
    fn over_range(&self, range: &Range) -> Box<dyn Iterator<Item = Pair<'_>> + '_> {
        let Forward { puts, entries } = &self.forward;
        let bounds = (Bound::Included(range.start.as_slice()), Bound::Excluded(range.end.as_slice()));
        let shadow = self.shadow.range::<[u8], _>(bounds);
        let shadow =
            shadow.map(|(key, value)| (Cow::Borrowed(key.as_slice()), Layered::Shadow(value.as_ref())));
        let entries = entries.range(range).map(|(key, place)| (Cow::Owned(key), Layered::Forward(place)));
        let forward = merge(staged(puts, range), in_order(entries, range.reverse), range.reverse);
        Box::new(merge(in_order(shadow, range.reverse), forward, range.reverse))
    }
}

fn staged<'a>(places: &'a Places, range: &Range) -> Box<dyn Iterator<Item = Pair<'a>> + 'a> {
    let bounds = (Bound::Included(range.start.as_slice()), Bound::Excluded(range.end.as_slice()));
    let pairs = places.range::<[u8], _>(bounds);
    in_order(pairs.map(|(key, place)| (Cow::Borrowed(&**key), Layered::Forward(*place))), range.reverse)
}

fn in_order<'a>(
    pairs: impl DoubleEndedIterator<Item = Pair<'a>> + 'a,
    reverse: bool,
) -> Box<dyn Iterator<Item = Pair<'a>> + 'a> {
    if reverse { Box::new(pairs.rev()) } else { Box::new(pairs) }
}

/// Two ordered sequences as one; of two with the same key that of `over`.
fn merge<'a>(
    over: impl Iterator<Item = Pair<'a>>,
    under: impl Iterator<Item = Pair<'a>>,
    reverse: bool,
) -> impl Iterator<Item = Pair<'a>> {
    let (mut over, mut under) = (over.peekable(), under.peekable());
    std::iter::from_fn(move || {
        let order = match (over.peek(), under.peek()) {
            (Some((one, _)), Some((other, _))) if reverse => other.cmp(one),
            (Some((one, _)), Some((other, _))) => one.cmp(other),
            (_, None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => over.next(),
            Ordering::Equal => under.next().and(over.next()),
            Ordering::Greater => under.next(),
        }
    })
}
