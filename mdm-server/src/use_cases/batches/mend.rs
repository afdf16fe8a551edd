//! The rejected rows of a plan come back mended: a plan of the whole takes the place of the first.

use std::sync::Arc;

use mdm_core::apply::ApplyError;
use mdm_core::audit::Actor;
use mdm_core::batch::{Batch, Mode, plan_digest_of_lines};
use mdm_core::plan::PlanInput;
use mdm_core::plan::mend::{Mending, mend as mend_plan};
use mdm_core::sheet::{self, Declared, rejected as rejected_rows};
use rand::rngs::OsRng;
use shared::ids::BatchId;

use super::{UploadError, accounts_of, blocking, chunk, readable, show, store};
use crate::service::Service;
use crate::use_cases::UseCaseError;

/// Mended rows as they arrive.
#[derive(Debug, Clone, Default)]
pub struct Mended {
    /// Overrules what would be found.
    pub declared: Declared,
    /// The file's name, for the journal.
    pub file_name: Option<String>,
}

/// Puts mended rows in the place of the rejected ones of a plan. The new plan is of the same list, and for the same time; who
/// has brought the rows has uploaded it.
pub async fn mend(
    service: &Service,
    id: BatchId,
    bytes: impl AsRef<[u8]> + Send + Sync + 'static,
    mended: Mended,
    actor: Actor,
) -> Result<Batch, UploadError> {
    let Mended { declared, file_name } = mended;
    let first = show(service, id).await?;
    // Cells come back as they were written: zeros are put back as they were then.
    let declared = Declared { pad_numbers_to: first.padded_to, ..declared };
    let bytes = Arc::new(bytes);
    let file = bytes.clone();
    let sheet = blocking(move || sheet::read((*file).as_ref(), &declared)).await?;
    let sheet = readable(service, sheet, &first.source, actor).await?;
    let mut items = Vec::new();
    for number in 0..first.chunks {
        items.extend(chunk(service, id, number).await?.items);
    }
    if plan_digest_of_lines(id, first.roster_version, &items) != first.plan_digest {
        return Err(UseCaseError::from(ApplyError::NotWhatWasApproved).into());
    }
    // The version first: a batch that takes effect between the two makes this plan stale, not wrong.
    let roster = service.store.roster(&first.source).await.map_err(UseCaseError::from)?;
    let accounts = accounts_of(service, &first.source).await?;
    let pool = service.store.pool().await.map_err(UseCaseError::from)?.value;
    let now = service.clock.now();
    let plan = blocking(move || {
        let input = PlanInput {
            source: first.source.clone(),
            mode: Mode::Upsert,
            sheet: &sheet,
            accounts: &accounts,
            temporary_until: None,
            roster_version: roster.map_or(0, |roster| roster.value.version),
            pool: &pool,
            actor,
            now,
        };
        let mending = Mending { batch: &first, items: &items };
        let (mut plan, renumbered) = mend_plan(mending, &input, &mut OsRng).map_err(UseCaseError::from)?;
        let rejected = plan.rejected_rows();
        if !rejected.is_empty() {
            let wanted = |row| renumbered.of(row).filter(|first| rejected.contains(first));
            plan.keep(rejected_rows::keep((*bytes).as_ref(), &declared, wanted)?);
        }
        Ok::<_, UploadError>(plan)
    })
    .await??;
    Ok(store(service, plan, file_name).await?)
}

#[cfg(test)]
mod tests;
