//! 外字の代替文字: the tables of what stands for private-use characters, read and changed.

use mdm_core::account::SourceName;
use mdm_core::audit::Actor;
use mdm_core::substitute::{self, Acting, Changes, Substitutes, Tables};

use super::{UseCaseError, retry_on_conflict};
use crate::service::Service;

/// All tables, to show and print by.
pub async fn tables(service: &Service) -> Result<Tables, UseCaseError> {
    Ok(all(service).await?.into_iter().collect())
}

/// All tables, ordered by the name of their source.
pub async fn all(service: &Service) -> Result<Vec<Substitutes>, UseCaseError> {
    let stored = service.store.substitutes().await?;
    Ok(stored.into_iter().map(|stored| stored.value).collect())
}

/// Changes the table of a source. The source need not be known yet: its first file may be on its way.
pub async fn change(
    service: &Service,
    source: &SourceName,
    wanted: &Changes,
    actor: Actor,
) -> Result<(), UseCaseError> {
    retry_on_conflict(|| async {
        let stored = service.store.substitutes_of(source).await?;
        let acting = Acting { actor, now: service.clock.now() };
        let changes = substitute::change(stored, source, wanted, acting)?;
        if !changes.writes.is_empty() {
            service.commit(changes).await?;
        }
        Ok(())
    })
    .await
}
