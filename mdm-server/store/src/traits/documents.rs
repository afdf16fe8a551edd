//! Reading documents.

use mdm_core::change::Stored;
use mdm_core::document::Document;
use shared::ids::DocumentId;

use super::Read;

/// Documents, ordered by id: by the time they were first published. Those that were unpublished stay.
pub trait Documents: Send + Sync {
    /// The document with this id.
    fn document(&self, id: DocumentId) -> Read<'_, Option<Stored<Document>>>;

    /// A page of all documents.
    fn documents(&self, after: Option<DocumentId>, limit: usize) -> Read<'_, Vec<Stored<Document>>>;
}
