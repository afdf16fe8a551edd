//! The rejected rows of a plan come back mended: a plan of the whole takes the place of the first.

use std::sync::Arc;

use mdm_core::apply::ApplyError;
use mdm_core::audit::Actor;
use mdm_core::batch::{Batch, Mode, Rejection, plan_digest_of_lines};
use mdm_core::identity::Whose;
use mdm_core::plan::PlanInput;
use mdm_core::plan::mend::{Mending, decide as decided, mend as mend_plan, takes_mended_rows};
use mdm_core::sheet::rejected::{REASON_BEGINS, REASON_HEADERS};
use mdm_core::sheet::{self, Assigned, Declared, Delimiter, rejected as rejected_rows};
use rand::rngs::OsRng;
use shared::ids::BatchId;

use super::{UploadError, accounts_of, chunk, readable, rejected, show, store};
use crate::service::Service;
use crate::use_cases::UseCaseError;

/// Mended rows as they arrive.
#[derive(Debug, Clone, Default)]
pub struct Mended {
    /// Overrules what would be found.
    pub declared: Declared,
    /// The file's name, for the journal.
    pub file_name: Option<String>,
    /// What is said of rows that are possibly about another person: the row in the first file, and who it is.
    pub said: Vec<(u32, Whose)>,
}

/// Says of rows that are possibly about another person who they are. The rows themselves come back as they were written, so
/// that the new plan is made as if they had been mended.
pub async fn decide(
    service: &Service,
    id: BatchId,
    said: Vec<(u32, Whose)>,
    actor: Actor,
) -> Result<Batch, UploadError> {
    let first = show(service, id).await?;
    takes_mended_rows(&first, first.roster_version).map_err(UseCaseError::from)?;
    let reason = |rejections: &[Rejection]| {
        let first = rejections.first().map(|one| one.problem.to_string()).unwrap_or_default();
        format!("{}{first}", REASON_BEGINS[0])
    };
    let bytes = rejected::file(service, &first, REASON_HEADERS[0], reason).await?;
    let declared = Declared {
        encoding: first.encoding.parse().ok(),
        delimiter: Delimiter::of_name(&first.delimiter),
        ..Declared::default()
    };
    mend(service, id, bytes, Mended { declared, file_name: None, said }, actor).await
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
    let Mended { declared, file_name, said } = mended;
    let first = show(service, id).await?;
    // Cells come back as they were written: zeros are put back as they were then, and columns are what they were.
    let columns = first.assigned.iter().map(|column| (column.header.clone(), column.meaning)).collect();
    let of_leavers = first.mode == Mode::Remove;
    let declared = Declared { pad_numbers_to: first.padded_to, of_leavers, columns, ..declared };
    let bytes = Arc::new(bytes);
    let (file, reading) = (bytes.clone(), declared.clone());
    let sheet = service.heavy.run(move || sheet::read((*file).as_ref(), &reading)).await?;
    let sheet = readable(service, sheet, &first.source, actor).await?;
    let mut items = Vec::new();
    for number in 0..first.chunks {
        items.extend(chunk(service, id, number).await?.items);
    }
    if plan_digest_of_lines(id, first.roster_version, &items) != first.plan_digest {
        return Err(UseCaseError::from(ApplyError::NotWhatWasApproved).into());
    }
    let now = service.clock.now();
    let decided = decided(Mending { batch: &first, items: &items }, &said, actor, now);
    let decided = decided.map_err(UseCaseError::from)?;
    // The version first: a batch that takes effect between the two makes this plan stale, not wrong.
    let roster = service.store.roster(&first.source).await.map_err(UseCaseError::from)?;
    let accounts = accounts_of(service, &first.source).await?;
    let pool = service.store.pool().await.map_err(UseCaseError::from)?.value;
    let dates = Arc::clone(&service.keyring.dates);
    let plan = service
        .heavy
        .run(move || {
            let input = PlanInput {
                source: first.source.clone(),
                mode: first.mode,
                sheet: &sheet,
                accounts: &accounts,
                temporary_until: None,
                decided: &decided,
                dates: &dates,
                roster_version: roster.map_or(0, |roster| roster.value.version),
                pool: &pool,
                actor,
                now,
            };
            let mending = Mending { batch: &first, items: &items };
            let (mut plan, renumbered) =
                mend_plan(mending, &input, &mut OsRng).map_err(UseCaseError::from)?;
            let rejected = plan.rejected_rows();
            if !rejected.is_empty() {
                let wanted = |row| renumbered.of(row).filter(|first| rejected.contains(first));
                plan.keep(rejected_rows::keep((*bytes).as_ref(), &declared, wanted)?);
            }
            Ok::<_, UploadError>(plan)
        })
        .await??;
    Ok(store(service, plan, file_name, &Assigned::new()).await?)
}

#[cfg(test)]
mod tests;
