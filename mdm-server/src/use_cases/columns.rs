//! What columns of a source's files are said to be: what is remembered, read and changed. It is also said with a file, in
//! [`super::batches`].

use mdm_core::account::SourceName;
use mdm_core::assignment::{self, Acting, Assignments, Changes};
use mdm_core::audit::Actor;

use super::{UseCaseError, retry_on_conflict};
use crate::service::Service;

/// All that is remembered, ordered by the name of the source.
pub async fn all(service: &Service) -> Result<Vec<Assignments>, UseCaseError> {
    let stored = service.store.assignments().await?;
    Ok(stored.into_iter().map(|stored| stored.value).collect())
}

/// What is remembered for a source.
pub async fn of_source(service: &Service, source: &SourceName) -> Result<Option<Assignments>, UseCaseError> {
    Ok(service.store.assignments_of(source).await?.map(|stored| stored.value))
}

/// Changes what is remembered for a source. Plans that were made stay as they are.
pub async fn change(
    service: &Service,
    source: &SourceName,
    wanted: &Changes,
    actor: Actor,
) -> Result<(), UseCaseError> {
    retry_on_conflict(|| async {
        let stored = service.store.assignments_of(source).await?;
        let acting = Acting { actor, now: service.clock.now() };
        let changes = assignment::change(stored, source, wanted, acting)?;
        if !changes.writes.is_empty() {
            service.commit(changes).await?;
        }
        Ok(())
    })
    .await
}
