//! The journal from end to end, part by part, for a file. That it was exported is noted before anything of it leaves.

use mdm_core::audit::{Actor, AuditEvent, Happening, Subject};
use mdm_core::change::Changeset;
use mdm_store::MAX_PAGE;

use super::search::{Filter, Read, range};
use super::{SignedCheckpoint, checkpoint};
use crate::service::Service;
use crate::use_cases::UseCaseError;

/// How the journal leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// On pages of the console, for an hour.
    Page,
    /// All of it as JSON Lines.
    JsonLines,
    /// What a filter takes, as a table.
    Table,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::JsonLines => "json-lines",
            Self::Table => "csv",
        }
    }
}

/// Notes that somebody looks at the journal or takes it along.
pub async fn note(service: &Service, form: Form, filtered: bool, actor: Actor) -> Result<(), UseCaseError> {
    let mut changes = Changeset::default();
    changes.note(
        AuditEvent::new(service.clock.now(), actor, Happening::JournalExported, Subject::default())
            .fact("form", form.name())
            .fact("filtered", filtered),
    );
    service.commit(changes).await?;
    Ok(())
}

/// An export under way.
#[derive(Debug, Clone)]
pub struct Export {
    /// Made when the export began: the last entry of it is the last one exported.
    pub checkpoint: SignedCheckpoint,
    filter: Filter,
    after: u64,
    end: u64,
}

impl Export {
    /// Notes the export and begins it.
    pub async fn begin(
        service: &Service,
        form: Form,
        filter: Filter,
        actor: Actor,
    ) -> Result<Self, UseCaseError> {
        note(service, form, !filter.takes_all(), actor).await?;
        let checkpoint = checkpoint(service).await?;
        let (first, end) = range(service, &filter).await?;
        let end = end.min(checkpoint.checkpoint.head.sequence + 1);
        Ok(Self { checkpoint, filter, after: first - 1, end })
    }

    /// The next entries, the oldest first; may be none though more follow. Nothing at the end.
    pub async fn next(&mut self, service: &Service) -> Result<Option<Vec<Read>>, UseCaseError> {
        if self.after + 1 >= self.end {
            return Ok(None);
        }
        let left = usize::try_from(self.end - 1 - self.after).unwrap_or(MAX_PAGE);
        let entries = service.store.journal_entries(self.after, left.min(MAX_PAGE)).await?;
        // A journal does not become shorter while somebody reads it.
        self.after = entries.last().map_or(self.end, |last| last.sequence);
        let read = entries.into_iter().map(|entry| Read { body: entry.body().ok(), entry });
        let all = self.filter.takes_all();
        let takes = |read: &Read| read.body.as_ref().map_or(all, |body| self.filter.takes(body));
        Ok(Some(read.filter(takes).collect()))
    }
}
