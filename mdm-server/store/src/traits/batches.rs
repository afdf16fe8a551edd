//! Reading personnel batches and their plans.

use mdm_core::batch::{Batch, PlanChunk, UploadPart};
use mdm_core::change::Stored;
use mdm_core::undo::BeforeChunk;
use shared::ids::BatchId;

use super::Read;

/// Personnel batches.
pub trait Batches: Send + Sync {
    /// The batch with this id.
    fn batch(&self, id: BatchId) -> Read<'_, Option<Stored<Batch>>>;

    /// Part `number` of a batch's plan, from 0.
    fn plan_chunk(&self, batch: BatchId, number: u32) -> Read<'_, Option<Stored<PlanChunk>>>;

    /// Part `number`, from 0, of what people were before a batch.
    fn before_chunk(&self, batch: BatchId, number: u32) -> Read<'_, Option<Stored<BeforeChunk>>>;

    /// Part `number` of what is kept of a batch's upload, from 0.
    fn upload_part(&self, batch: BatchId, number: u32) -> Read<'_, Option<Stored<UploadPart>>>;

    /// A page of batches, the newest first; `before` is the last one already seen.
    fn batches(&self, before: Option<BatchId>, limit: usize) -> Read<'_, Vec<Stored<Batch>>>;
}
