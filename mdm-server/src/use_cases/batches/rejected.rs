//! The rejected rows of an upload: handed back as a file that can be mended, and forgotten with the upload.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use mdm_core::batch::{Batch, PlanKind, Rejection};
use mdm_core::plan;
use mdm_core::sheet::rejected::{self, Written};
use mdm_store::{MAX_PAGE, ReadError};
use shared::ids::BatchId;

use super::{chunk, load};
use crate::service::Service;
use crate::use_cases::load::commit_any_size;
use crate::use_cases::{Missing, UseCaseError, retry_on_conflict};

/// How long an upload is kept.
pub const UPLOADS_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The rejected rows that are kept of an upload, written as it was, with a column of reasons.
pub async fn file(
    service: &Service,
    batch: &Batch,
    header: &str,
    reason: impl Fn(&[Rejection]) -> String,
) -> Result<Vec<u8>, UseCaseError> {
    let gone = || UseCaseError::from(Missing::RejectedRows(batch.id));
    // Why a row was rejected is in the lines of the plan.
    if batch.kept.rows == 0 || batch.release.lines_deleted_at.is_some() {
        return Err(gone());
    }
    let written = Written::named(&batch.encoding, &batch.delimiter).ok_or_else(gone)?;
    let mut kept = Vec::new();
    for number in 0..batch.kept.parts {
        let part = service.store.upload_part(batch.id, number).await?;
        kept.extend(part.ok_or_else(gone)?.value.bytes);
    }
    let mut reasons = BTreeMap::new();
    for number in 0..batch.chunks {
        for item in chunk(service, batch.id, number).await?.items {
            if let (Some(row), PlanKind::Rejected(rejections)) = (item.row, &item.kind) {
                reasons.insert(row, reason(rejections));
            }
        }
    }
    let header = header.to_owned();
    let file = service.heavy.run(move || rejected::write(written, &kept, &header, &reasons)).await?;
    Ok(file.map_err(|_| ReadError::Damaged { what: format!("rejected rows of batch {}", batch.id) })?)
}

/// Forgets what is kept of uploads that are old enough, the oldest first: whatever ends it in between, what is older than one
/// that is forgotten is so too.
pub async fn forget_old(service: &Service) -> Result<(), UseCaseError> {
    for id in old_uploads(service).await?.into_iter().rev() {
        forget(service, id).await?;
    }
    Ok(())
}

/// Those of which something is kept for too long, the newest first, up to one that is forgotten.
async fn old_uploads(service: &Service) -> Result<Vec<BatchId>, UseCaseError> {
    let (mut old, mut before) = (Vec::new(), None);
    let now = service.clock.now();
    loop {
        let page = service.store.batches(before, MAX_PAGE).await?;
        for batch in page.iter().map(|stored| &stored.value) {
            let is_old = batch.uploaded_at.checked_add(UPLOADS_KEPT).is_ok_and(|end| end <= now);
            if is_old && batch.kept.forgotten_at.is_some() {
                return Ok(old);
            }
            if is_old && batch.kept.parts > 0 {
                old.push(batch.id);
            }
        }
        before = page.last().map(|last| last.value.id);
        if page.len() < MAX_PAGE {
            return Ok(old);
        }
    }
}

async fn forget(service: &Service, id: BatchId) -> Result<(), UseCaseError> {
    retry_on_conflict(|| async {
        let batch = load(service, id).await?;
        let mut parts = Vec::new();
        for number in 0..batch.value.kept.parts {
            parts.extend(service.store.upload_part(id, number).await?);
        }
        let changes = plan::forget_upload(batch, parts, service.clock.now());
        Ok(commit_any_size(service, id, changes).await?)
    })
    .await
}

#[cfg(test)]
mod tests;
