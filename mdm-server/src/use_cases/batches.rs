//! Personnel batches: a file becomes a plan, a plan takes effect.

pub mod compare;
pub mod lines;
pub mod mend;
mod outlook;
pub mod rejected;
pub mod release;
#[cfg(test)]
mod tests;
pub mod undo;

pub use lines::{Index, Line, items};
pub use outlook::{Outlook, outlook};
pub use release::apply;

use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use mdm_core::account::{Account, SourceName};
use mdm_core::apply::{self, ApplyInput};
use mdm_core::approval::{self, check_time};
use mdm_core::assignment::{self, Assignments, TooManyHeaders};
use mdm_core::audit::{Actor, PersonalValue};
use mdm_core::batch::{Batch, Mode, PlanChunk, PlanItem, PlanKind};
use mdm_core::change::{Changeset, Stored};
use mdm_core::device::BlockedBy;
use mdm_core::license::day_of;
use mdm_core::plan::{self, Plan, PlanInput};
use mdm_core::seats::Acting;
use mdm_core::sheet::{self, Assigned, Declared, MAX_ASSIGNED, Sheet, SheetError, rejected as rejected_rows};
use mdm_store::{CommitError, MAX_PAGE};
use rand::rngs::OsRng;
use shared::ids::{AccountId, BatchId};
use tokio::task::JoinError;

use super::licenses::block_all_by;
use super::load::{commit_any_size, holdings, load_accounts};
use super::{Missing, Refusal, UseCaseError, retry_on_conflict};
use crate::service::Service;

/// A staff file as it arrives.
#[derive(Debug, Clone)]
pub struct Upload {
    /// 名簿区分.
    pub source: SourceName,
    /// How it is compared.
    pub mode: Mode,
    /// Overrules what would be found. What it says of columns is remembered for the next file of the source.
    pub declared: Declared,
    /// The file's name, for the journal.
    pub file_name: Option<String>,
    /// When it is wished to take effect.
    pub effective_at: Option<Timestamp>,
    /// 応援職員: the last day of everybody on the list, if it is one of temporary accounts.
    pub temporary_until: Option<Date>,
}

/// Why a file became no plan.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The file itself: its text is for the person who made it.
    #[error(transparent)]
    Sheet(#[from] SheetError),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] UseCaseError),
}

/// The most characters of a file's name that are kept.
const FILE_NAME: usize = 200;

/// Reads a file, compares it with the accounts of its source and stores the plan. Nothing of the accounts changes.
pub async fn upload(
    service: &Service,
    bytes: impl AsRef<[u8]> + Send + Sync + 'static,
    upload: Upload,
    actor: Actor,
) -> Result<Batch, UploadError> {
    let Upload { source, mode, declared, file_name, effective_at, temporary_until } = upload;
    let said = declared.columns.clone();
    if let Some(wished) = effective_at {
        check_time(wished, service.clock.now()).map_err(UseCaseError::from)?;
    }
    if said.len() > MAX_ASSIGNED {
        return Err(UseCaseError::from(TooManyHeaders).into());
    }
    let remembered = service.store.assignments_of(&source).await.map_err(UseCaseError::from)?;
    let remembered = remembered.map(|stored| stored.value);
    // Whether it lists leavers is for the mode to say.
    let columns = Assignments::beside(remembered.as_ref(), &said);
    let declared = Declared { columns, of_leavers: mode == Mode::Remove, ..declared };
    let bytes = Arc::new(bytes);
    let (file, reading, wanted) = (bytes.clone(), declared.clone(), said.clone());
    let sheet = service
        .heavy
        .run(move || {
            let sheet = sheet::read((*file).as_ref(), &reading)?;
            sheet.fits(mode)?;
            sheet.has(&wanted).map(|()| sheet)
        })
        .await?;
    let sheet = readable(service, sheet, &source, actor).await?;
    // The version first: a batch that takes effect between the two makes this plan stale, not wrong.
    let roster = service.store.roster(&source).await.map_err(UseCaseError::from)?;
    let accounts = accounts_of(service, &source).await?;
    let pool = service.store.pool().await.map_err(UseCaseError::from)?.value;
    let now = service.clock.now();
    // Who leaves does so from either kind of list.
    let temporary_until = temporary_until.filter(|_| mode != Mode::Remove);
    if mode != Mode::Remove {
        plan::fits_list(&accounts, temporary_until, day_of(now))
            .map_err(|wrong| UseCaseError::from(Refusal::from(wrong)))?;
    }
    let dates = Arc::clone(&service.keyring.dates);
    let padded_to = declared.pad_numbers_to;
    let mut plan = service
        .heavy
        .run(move || {
            let roster_version = roster.map_or(0, |roster| roster.value.version);
            let input = PlanInput {
                source,
                mode,
                sheet: &sheet,
                accounts: &accounts,
                temporary_until,
                decided: &[],
                dates: &dates,
                roster_version,
                pool: &pool,
                actor,
                now,
            };
            let mut plan = plan::plan(&input, &mut OsRng);
            let rejected = plan.rejected_rows();
            if !rejected.is_empty() {
                let wanted = |row| rejected.contains(&row).then_some(row);
                plan.keep(rejected_rows::keep((*bytes).as_ref(), &declared, wanted)?);
            }
            Ok::<_, SheetError>(plan)
        })
        .await??;
    plan.batch.release.effective_at = effective_at;
    plan.batch.padded_to = padded_to;
    Assignments::date(remembered.as_ref(), &said, &mut plan.batch.assigned);
    Ok(store(service, plan, file_name, &said).await?)
}

/// What was read of a file. That one could not be read is noted.
async fn readable(
    service: &Service,
    read: Result<Sheet, SheetError>,
    source: &SourceName,
    actor: Actor,
) -> Result<Sheet, UploadError> {
    match read {
        Ok(sheet) => Ok(sheet),
        Err(error) => {
            let refused = plan::refused(source, &error, actor, service.clock.now());
            service.commit(refused).await.map_err(UseCaseError::from)?;
            Err(error.into())
        }
    }
}

/// Stores a plan, and with it what was said of columns.
async fn store(
    service: &Service,
    plan: Plan,
    file_name: Option<String>,
    said: &Assigned,
) -> Result<Batch, UseCaseError> {
    let plan = Arc::new(plan);
    let batch = &plan.batch;
    let acting = approval::Acting { actor: batch.uploaded_by, now: batch.uploaded_at };
    let file_name = file_name.map(|name| {
        let name: String = name.chars().filter(|c| !c.is_control()).take(FILE_NAME).collect();
        PersonalValue::make("file-name", &name, &mut OsRng)
    });
    retry_on_conflict(|| async {
        let mut changes = Arc::clone(&plan).long_changes();
        if let Some(uploaded) = changes.head.events.first_mut() {
            uploaded.personal.extend(file_name.clone());
        }
        changes.head.extend(match batch.mends {
            // That one and no other. It may have come to another end since the rows were compared.
            Some(mended) => approval::replace(load(service, mended).await?, batch.id, acting)?,
            None => release::replaced_by(service, batch, acting).await?,
        });
        changes.head.extend(remembering(service, batch, said).await?);
        Ok(commit_any_size(service, batch.id, changes).await?)
    })
    .await?;
    Ok(plan.batch.clone())
}

async fn remembering(service: &Service, batch: &Batch, said: &Assigned) -> Result<Changeset, UseCaseError> {
    if said.is_empty() {
        return Ok(Changeset::default());
    }
    let stored = service.store.assignments_of(&batch.source).await?;
    let wanted = said.iter().map(|(header, meaning)| (header.clone(), Some(*meaning))).collect();
    let acting = assignment::Acting { actor: batch.uploaded_by, now: batch.uploaded_at };
    Ok(assignment::change(stored, &batch.source, &wanted, acting)?)
}

/// What a task has done. Its panic goes on here.
fn joined<T>(ended: Result<T, JoinError>) -> Result<T, UseCaseError> {
    match ended.map_err(JoinError::try_into_panic) {
        Ok(done) => Ok(done),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // Not begun, since the server is stopping.
        Err(Err(_)) => Err(CommitError::Closed.into()),
    }
}

async fn accounts_of(service: &Service, source: &SourceName) -> Result<Vec<Stored<Account>>, UseCaseError> {
    let mut accounts: Vec<Stored<Account>> = Vec::new();
    loop {
        let after = accounts.last().map(|last| last.value.id);
        let page = service.store.accounts_of_source(source, after, MAX_PAGE).await?;
        if page.is_empty() {
            return Ok(accounts);
        }
        accounts.extend(page);
    }
}

async fn load(service: &Service, id: BatchId) -> Result<Stored<Batch>, UseCaseError> {
    let batch = service.store.batch(id).await?;
    Ok(batch.ok_or(Missing::Batch(id))?)
}

/// A batch as it stands.
pub async fn show(service: &Service, id: BatchId) -> Result<Batch, UseCaseError> {
    Ok(load(service, id).await?.value)
}

/// Batches, the newest first.
pub async fn list(
    service: &Service,
    before: Option<BatchId>,
    limit: usize,
) -> Result<Vec<Batch>, UseCaseError> {
    let page = service.store.batches(before, limit).await?;
    Ok(page.into_iter().map(|stored| stored.value).collect())
}

async fn chunk(service: &Service, batch: BatchId, number: u32) -> Result<PlanChunk, UseCaseError> {
    match service.store.plan_chunk(batch, number).await? {
        Some(chunk) => Ok(chunk.value),
        None if show(service, batch).await?.release.lines_deleted_at.is_some() => {
            Err(Refusal::LinesDeleted.into())
        }
        None => Err(Missing::PlanPart { batch, number }.into()),
    }
}

/// What a batch did.
#[derive(Debug, Clone)]
pub struct InForce {
    /// The batch, applied.
    pub batch: Batch,
    /// How many got a seat and a code.
    pub seats_given: usize,
    /// How many lost a seat.
    pub seats_freed: usize,
    /// Who no longer wishes a seat but keeps it, having signed in.
    pub seats_kept: Vec<AccountId>,
    /// How many wait since now.
    pub waiting: usize,
    /// How many devices of those who lost a seat were to be blocked.
    pub devices_to_block: usize,
    /// Of an undo: how many devices were to be unblocked.
    pub devices_to_unblock: usize,
    /// Of an undo: who stays as they are, changed between plan and undo.
    pub not_undone: Vec<AccountId>,
}

/// Applies a plan that may take effect, whole or not at all; then blocks the devices of those who left. Whether it may is
/// asked by [`apply`], or was asked when it got its time.
pub(crate) async fn take_effect(
    service: &Arc<Service>,
    id: BatchId,
    actor: Actor,
) -> Result<InForce, UseCaseError> {
    service.outside_quarantine()?;
    // An undo does not overtake the blocks of the batch that it takes back.
    let _held = service.undos.lock().await;
    let applied = retry_on_conflict(|| async {
        let input = input(service, id).await?;
        let working = service.clone();
        let (changes, applied) = service
            .heavy
            .run(move || {
                let acting = Acting { actor, now: working.clock.now(), keys: &working.keyring.codes };
                apply::apply(input, acting, &mut OsRng)
            })
            .await??;
        commit_any_size(service, id, changes).await?;
        Ok(applied)
    })
    .await?;
    block_all_by(service, BlockedBy::Batch(id), &applied.block, "left by a personnel batch", actor).await;
    if let Err(error) = undo::open_again(service, id, actor).await {
        tracing::error!(batch = %id, %error, "not all devices are unblocked yet, will be tried again");
    }
    Ok(InForce {
        batch: show(service, id).await?,
        seats_given: applied.seats_given.len(),
        seats_freed: applied.seats_freed.len(),
        seats_kept: applied.seats_kept,
        waiting: applied.waiting.len(),
        devices_to_block: applied.block.len(),
        devices_to_unblock: applied.unblock.len(),
        not_undone: applied.not_undone,
    })
}

async fn input(service: &Arc<Service>, id: BatchId) -> Result<ApplyInput, UseCaseError> {
    let batch = load(service, id).await?;
    let chunks = all_chunks(service, &batch.value).await?;
    let roster = service.store.roster(&batch.value.source).await?;
    let undone = undo::undone(service, &batch.value).await?;
    if let Some((undone, everybody)) = undone {
        let accounts = load_accounts(service, everybody.iter().copied()).await?;
        let holdings = holdings(service, accounts, &everybody).await?;
        return Ok(ApplyInput { batch, chunks, roster, holdings, undone: Some(undone) });
    }
    let accounts = accounts_of(service, &batch.value.source).await?;
    let may_lose: Vec<AccountId> = chunks
        .iter()
        .flat_map(|chunk| &chunk.items)
        .filter(|item| may_lose_seat(item))
        .filter_map(|i| i.account)
        .collect();
    let holdings = holdings(service, accounts, &may_lose).await?;
    Ok(ApplyInput { batch, chunks, roster, holdings, undone: None })
}

/// The whole plan, in its order, decoded on all cores.
async fn all_chunks(service: &Arc<Service>, batch: &Batch) -> Result<Vec<PlanChunk>, UseCaseError> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let each = batch.chunks.div_ceil(u32::try_from(cores).unwrap_or(1)).max(1);
    let first = (0..batch.chunks).step_by(each as usize);
    let ranges = first.map(|first| first..(first + each).min(batch.chunks));
    let load = |range: Range<u32>| {
        let (service, id) = (Arc::clone(service), batch.id);
        tokio::spawn(async move {
            let mut chunks = Vec::with_capacity(range.len());
            for number in range {
                chunks.push(chunk(&service, id, number).await?);
                // A wipe does not wait until all is decoded.
                tokio::task::yield_now().await;
            }
            Ok::<_, UseCaseError>(chunks)
        })
    };
    let loading: Vec<_> = ranges.map(load).collect();
    let mut chunks = Vec::with_capacity(batch.chunks as usize);
    for part in loading {
        chunks.extend(joined(part.await)??);
    }
    Ok(chunks)
}

fn may_lose_seat(item: &PlanItem) -> bool {
    matches!(item.kind, PlanKind::Leave | PlanKind::Move { .. } | PlanKind::Change { .. })
}
