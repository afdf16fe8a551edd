//! What happens before the store serves: an unfinished large change is discarded or moved into place, and the journal's
//! head is compared with its last entry. Every step can be repeated: a crash in here is recovered from by the next open.

use std::ops::ControlFlow;

use mdm_core::audit::{self, AuditEvent, Entry, GENESIS};
use shared::signed::JournalHead;

use super::encode::{from_cbor, to_cbor};
use super::engine::{Engine, EngineError, Puts, Range};
use super::large::{Marker, decode_put, unpack};
use super::layout::{self, OVERTAKEN, STAGED_EVENT, STAGED_PUT};
use crate::MAX_PUTS;

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
        None => {}
        Some(bytes) => match from_cbor("marker of a large change", &bytes)? {
            Marker::Staging(batch) => {
                tracing::info!(%batch, "discarding a large change that was not finished");
                discard(engine)?;
                finish(engine, commits)?;
            }
            Marker::Flipped { batch, before, after } => {
                tracing::info!(%batch, "moving a large change into place");
                move_events(engine, &before, &after)?;
                move_puts(engine)?;
                finish(engine, commits)?;
            }
        },
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

fn discard<E: Engine>(engine: &E) -> Result<(), EngineError> {
    for kind in [STAGED_EVENT, STAGED_PUT, OVERTAKEN] {
        loop {
            let chunk = keys(engine, &layout::within(vec![kind]), MAX_PUTS)?;
            if chunk.is_empty() {
                break;
            }
            engine.apply(chunk.into_iter().map(|key| (key, None)).collect())?;
        }
    }
    Ok(())
}

/// Takes the marker away and makes all of the recovery durable.
fn finish<E: Engine>(engine: &E, commits: u64) -> Result<(), EngineError> {
    engine.apply(vec![(layout::META_LARGE.to_vec(), None)])?;
    engine.sync(commits)
}

/// A key and its value.
type Row = (Vec<u8>, Vec<u8>);
/// A pack as it is stored, and its items.
type Pack = (Row, Vec<Vec<u8>>);

/// The first pack of staged values of a kind, and what is in it.
fn first_pack<E: Engine>(engine: &E, kind: u8) -> Result<Option<Pack>, EngineError> {
    let mut first = None;
    engine.scan(&layout::within(vec![kind]), &mut |key, load| {
        first = Some((key.to_vec(), load()?.unwrap_or_default()));
        Ok(ControlFlow::Break(()))
    })?;
    let Some(row) = first else { return Ok(None) };
    let items = unpack(&row.1).ok_or_else(|| EngineError::Damaged("pack of a large change".to_owned()))?;
    Ok(Some((row, items)))
}

fn move_events<E: Engine>(engine: &E, before: &JournalHead, after: &JournalHead) -> Result<(), EngineError> {
    while let Some(((key, _), events)) = first_pack(engine, STAGED_EVENT)? {
        let first = layout::number(&key)
            .ok_or_else(|| EngineError::Damaged("key of a pack of a large change".to_owned()))?;
        let mut head = head_at(engine, before, before.sequence + first)?;
        let mut puts: Puts = vec![(key, None)];
        for event in events {
            let event: AuditEvent = from_cbor("staged event of the audit journal", &event)?;
            let entry = audit::link(&head, &event);
            head = entry.head();
            puts.push((layout::journal(entry.sequence), Some(to_cbor(&entry))));
        }
        engine.apply(puts)?;
    }
    if head_at(engine, before, after.sequence)? != *after {
        let what = "the staged events of the audit journal do not lead to its head";
        return Err(EngineError::Damaged(what.to_owned()));
    }
    Ok(())
}

/// The head after entry `sequence`, which is in place unless it is `before`.
fn head_at<E: Engine>(engine: &E, before: &JournalHead, sequence: u64) -> Result<JournalHead, EngineError> {
    if sequence == before.sequence {
        return Ok(before.clone());
    }
    let missing = || EngineError::Damaged(format!("entry {sequence} of the audit journal is missing"));
    let bytes = engine.get(&layout::journal(sequence))?.ok_or_else(missing)?;
    Ok(from_cbor::<Entry>("entry of the audit journal", &bytes)?.head())
}

fn move_puts<E: Engine>(engine: &E) -> Result<(), EngineError> {
    while let Some(((key, _), staged)) = first_pack(engine, STAGED_PUT)? {
        let mut puts: Puts = vec![(key, None)];
        for put in staged {
            let (key, value) = decode_put(&put)
                .ok_or_else(|| EngineError::Damaged("staged put of a large change".to_owned()))?;
            let mark = layout::overtaken(&key);
            puts.push(if engine.get(&mark)?.is_some() { (mark, None) } else { (key, value) });
        }
        engine.apply(puts)?;
    }
    Ok(())
}
