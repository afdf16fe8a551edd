//! What happens before the store serves: an unfinished large change is discarded or moved into place, and the journal's
//! head is compared with its last entry. Every step can be repeated: a crash in here is recovered from by the next open.

use std::ops::ControlFlow;

use mdm_core::audit::{Entry, GENESIS};
use shared::signed::JournalHead;

use super::encode::{from_cbor, to_cbor};
use super::engine::{Engine, EngineError, Puts, Range};
use super::large::{BYTES_PER_TURN, Flipped, PUTS_PER_TURN};
use super::layout;
use super::stage::{self, Places};

/// Where the writer goes on from.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) head: JournalHead,
    pub(super) commits: u64,
}

/// Brings the database into a state that can be served.
pub(super) fn recover<E: Engine>(engine: &E) -> Result<Recovered, EngineError> {
    check_format(engine)?;
    let commits = read_commits(engine)?;
    match engine.get(layout::META_LARGE)? {
        // What may be staged never became true.
        None => {}
        Some(bytes) => {
            let flipped: Flipped = from_cbor("marker of a large change", &bytes)?;
            tracing::info!(batch = %flipped.batch, "moving a large change into place");
            move_staged(engine, flipped)?;
            engine.apply(vec![(layout::META_LARGE.to_vec(), None)])?;
            engine.sync(commits)?;
        }
    }
    take_marks(engine)?;
    if !engine.staged(0, 1)?.is_empty() {
        // What was found may not be durable yet, and the marker's end among it.
        engine.sync(commits)?;
        engine.clear_stage()?;
    }
    let head = check_head(engine)?;
    Ok(Recovered { head, commits })
}

fn check_format<E: Engine>(engine: &E) -> Result<(), EngineError> {
    match engine.get(layout::META_FORMAT)? {
        Some(bytes) => match from_cbor("format number", &bytes)? {
            found if found > layout::FORMAT => Err(EngineError::Newer(found)),
            _ => Ok(()),
        },
        None => {
            let everything = Range { start: Vec::new(), end: vec![0xff], reverse: false };
            if !keys(engine, &everything, 1)?.is_empty() {
                return Err(EngineError::Damaged("the format number is missing".to_owned()));
            }
            engine.apply(vec![
                (layout::META_FORMAT.to_vec(), Some(to_cbor(&layout::FORMAT))),
                (layout::META_COMMITS.to_vec(), Some(0_u64.to_be_bytes().to_vec())),
                (layout::META_HEAD.to_vec(), Some(to_cbor(&GENESIS))),
            ])?;
            engine.sync(0)
        }
    }
}

fn read_commits<E: Engine>(engine: &E) -> Result<u64, EngineError> {
    engine
        .get(layout::META_COMMITS)?
        .and_then(|bytes| bytes.try_into().ok())
        .map(u64::from_be_bytes)
        .ok_or_else(|| EngineError::Damaged("the number of commits is missing".to_owned()))
}

fn check_head<E: Engine>(engine: &E) -> Result<JournalHead, EngineError> {
    let damaged = |what: &str| EngineError::Damaged(what.to_owned());
    let bytes =
        engine.get(layout::META_HEAD)?.ok_or_else(|| damaged("the head of the audit journal is missing"))?;
    let head: JournalHead = from_cbor("head of the audit journal", &bytes)?;
    let mut journal = layout::within(vec![layout::journal(0)[0]]);
    journal.reverse = true;
    let last = match keys(engine, &journal, 1)?.pop() {
        Some(key) => {
            let bytes = engine.get(&key)?.unwrap_or_default();
            from_cbor::<Entry>("last entry of the audit journal", &bytes)?.head()
        }
        None => GENESIS,
    };
    if last != head {
        return Err(damaged("the audit journal does not end at its head"));
    }
    Ok(head)
}

/// Up to `limit` keys of a range.
fn keys<E: Engine>(engine: &E, range: &Range, limit: usize) -> Result<Vec<Vec<u8>>, EngineError> {
    let mut found = Vec::new();
    engine.scan(range, &mut |key, _| {
        found.push(key.to_vec());
        Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(found)
}

/// Marks are of one large change, which is over.
fn take_marks<E: Engine>(engine: &E) -> Result<(), EngineError> {
    loop {
        let marks = keys(engine, &layout::within(vec![layout::OVERTAKEN]), PUTS_PER_TURN)?;
        if marks.is_empty() {
            return Ok(());
        }
        engine.apply(marks.into_iter().map(|mark| (mark, None)).collect())?;
    }
}

/// Moves what had not been moved, in the writer's order, but for what a later commit has overwritten.
fn move_staged<E: Engine>(engine: &E, mut flipped: Flipped) -> Result<(), EngineError> {
    let (mut entries, mut puts) = (Places::new(), Places::new());
    let mut last_entry = None;
    stage::each(engine, flipped.bytes, flipped.check, |key, place| {
        let is_entry = layout::is_journal(key);
        if is_entry {
            last_entry = Some(place);
        }
        if !flipped.has_moved(key) {
            if is_entry { &mut entries } else { &mut puts }.insert(key.into(), place);
        }
    })?;
    if let Some(place) = last_entry {
        let bytes = place.load(engine)?.unwrap_or_default();
        if from_cbor::<Entry>("staged entry of the audit journal", &bytes)?.head() != flipped.after {
            let what = "the staged entries of the audit journal do not lead to its head";
            return Err(EngineError::Damaged(what.to_owned()));
        }
    }
    let mut rest = entries.into_iter().chain(puts).peekable();
    while rest.peek().is_some() {
        let mut moving = Puts::new();
        let mut bytes = 0;
        while moving.len() < PUTS_PER_TURN
            && bytes < BYTES_PER_TURN
            && let Some((key, place)) = rest.next()
        {
            bytes += place.length();
            let mark = layout::overtaken(&key);
            let key = key.into_vec();
            flipped.moved = Some(key.clone());
            moving.push(match engine.get(&mark)? {
                Some(_) => (mark, None),
                None => (key, place.load(engine)?),
            });
        }
        moving.push(flipped.marker());
        engine.apply(moving)?;
    }
    Ok(())
}
