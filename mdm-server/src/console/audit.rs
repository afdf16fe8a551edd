//! The audit journal for people: looked up, read, and taken along. Each verb is a module.

pub(super) mod export;
mod row;
pub(super) mod search;
#[cfg(test)]
mod tests;
pub(super) mod words;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use shared::ids::OperatorId;

use super::Console;
use super::viewer::Viewer;
use crate::rights::Right;
use crate::use_cases::UseCaseError;
use crate::use_cases::journal::{self, Form};

/// Somebody who reads page after page is noted once in so long, or the journal would be of nothing but its readers.
const NOTED_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// Who was noted as a reader, and when. In memory: after a restart somebody is noted once more.
#[derive(Default)]
pub(super) struct Readers(Mutex<HashMap<OperatorId, Timestamp>>);

impl Readers {
    /// Whether somebody who reads now is to be noted.
    fn is_due(&self, reader: OperatorId, now: Timestamp) -> bool {
        let readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.get(&reader).is_none_or(|noted| now.duration_since(*noted) >= NOTED_AGAIN)
    }

    fn noted(&self, reader: OperatorId, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(reader, now);
    }
}

/// Notes that somebody reads pages of the journal, unless that is noted already. Before anything is shown.
pub(super) async fn note_reader<R: Right>(viewer: &Viewer<R>, console: &Console) -> Result<(), UseCaseError> {
    let now = console.service.clock.now();
    if console.readers.is_due(viewer.operator.id, now) {
        journal::note(&console.service, Form::Page, false, viewer.actor()).await?;
        console.readers.noted(viewer.operator.id, now);
    }
    Ok(())
}
