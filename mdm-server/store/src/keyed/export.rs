//! All rows of a store that is in use, and a new store from such rows.

use std::ops::ControlFlow;

use shared::signed::JournalHead;
use tokio::sync::oneshot;

use super::engine::{Engine, EngineError, Puts, Range};
use super::writer::Order;
use super::{KeyedStore, layout};
use crate::error::{ExportError, IoProblem};
use crate::traits::{BoxFuture, Export, Sink};
use crate::{MAX_BYTES, MAX_PUTS};

/// What the writer answers: where the journal ends, and the sink for the rest.
pub(super) type Reply = oneshot::Sender<Result<(JournalHead, Sink), ExportError>>;

/// Everything but the journal's entries. For the writer, between two commits.
pub(super) fn records<E: Engine>(engine: &E, sink: &mut Sink) -> Result<(), ExportError> {
    let journal = layout::within(vec![layout::journal(0)[0]]);
    let before = Range { start: Vec::new(), end: journal.start, reverse: false };
    let after = Range { start: journal.end, end: layout::END.to_vec(), reverse: false };
    rows(engine, &before, sink)?;
    rows(engine, &after, sink)
}

/// The journal's entries up to one. They never change, so commits may go on.
fn journal<E: Engine>(engine: &E, head: &JournalHead, sink: &mut Sink) -> Result<(), ExportError> {
    let (start, end) = (layout::journal(0), layout::journal(head.sequence.saturating_add(1)));
    rows(engine, &Range { start, end, reverse: false }, sink)
}

fn rows<E: Engine>(engine: &E, range: &Range, sink: &mut Sink) -> Result<(), ExportError> {
    let mut refused = None;
    engine.scan(range, &mut |key, load| {
        let value = load()?.ok_or_else(|| EngineError::Damaged("a row without a value".to_owned()))?;
        Ok(match sink(key, &value) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                refused = Some(error);
                ControlFlow::Break(())
            }
        })
    })?;
    refused.map_or(Ok(()), |error| Err(ExportError::Sink(error)))
}

impl<E: Engine> Export for KeyedStore<E> {
    fn export(&self, sink: Sink) -> BoxFuture<'_, Result<JournalHead, ExportError>> {
        let (reply, answer) = oneshot::channel();
        let sent = self.orders.as_ref().is_some_and(|orders| orders.send(Order::Export(sink, reply)).is_ok());
        let shared = self.shared.clone();
        Box::pin(async move {
            if !sent {
                return Err(ExportError::Closed);
            }
            let (head, mut sink) = answer.await.unwrap_or(Err(ExportError::Closed))?;
            let work = move || {
                journal(&shared.engine, &head, &mut sink)?;
                Ok(head)
            };
            let done = tokio::task::spawn_blocking(work).await;
            done.unwrap_or_else(|error| Err(ExportError::Read(crate::ReadError::Io(IoProblem::new(error)))))
        })
    }
}

/// Fills an empty engine with exported rows, durably.
pub(crate) fn import<E: Engine, R>(
    engine: &E,
    rows: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), R>>,
) -> Result<Result<(), R>, EngineError> {
    let mut puts: Puts = Vec::new();
    let mut bytes = 0;
    let mut commits = 0;
    for row in rows {
        let (key, value) = match row {
            Ok(row) => row,
            Err(error) => return Ok(Err(error)),
        };
        if key == layout::META_COMMITS {
            let number = value.as_slice().try_into().map(u64::from_be_bytes);
            commits =
                number.map_err(|_| EngineError::Damaged("the number of commits is malformed".to_owned()))?;
        }
        bytes += key.len() + value.len();
        puts.push((key, Some(value)));
        if puts.len() >= MAX_PUTS || bytes > MAX_BYTES / 2 {
            engine.apply(std::mem::take(&mut puts))?;
            bytes = 0;
        }
    }
    engine.apply(puts)?;
    engine.sync(commits)?;
    Ok(Ok(()))
}
